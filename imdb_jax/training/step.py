"""The state of a training run and the pure functions that move it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key, PyTree, UInt32

from imdb_jax.data.batches import Batch
from imdb_jax.training.metrics import TrainScores

Params = PyTree[Array]

PRNG = "threefry2x32"  # JAX's default, by name: a seed draws the same, whatever the default of a program is


class Metrics(NamedTuple):
    """Weighted sums over reviews; sums of parts add up to those of the whole."""

    loss: Float[Array, ""]
    correct: Float[Array, ""]
    weight: Float[Array, ""]

    @classmethod
    def of(cls, logits: Float[Array, " B"], labels: Float[Array, " B"], weights: Float[Array, " B"]) -> "Metrics":
        """Sums over a batch."""
        losses = optax.sigmoid_binary_cross_entropy(logits, labels)
        correct = ((logits > 0) == (labels > 0.5)).astype(weights.dtype)
        return cls(losses @ weights, correct @ weights, weights.sum())

    def compute(self) -> "TrainScores":
        """Mean loss and accuracy; reads the sums back from the device."""
        loss, correct, weight = (float(total) for total in jax.device_get((self.loss, self.correct, self.weight)))
        return TrainScores(loss / weight, correct / weight)


class TrainState(NamedTuple):
    """All arrays of a run that change: with these a run goes on exactly where it stopped.

    What reads a run takes some of them, and has None in the place of the others (`evaluated`).
    """

    step: Int[Array, ""]
    """Updates so far."""
    params: Params
    """Trained weights, float32."""
    opt_state: Any
    key: UInt32[Array, "2"]
    """The numbers of a JAX key. Fixed; each step folds its number in."""
    metrics: Metrics
    """Sums over the current epoch."""
    ema: Params | None
    """Exponential moving average of params."""

    @property
    def eval_params(self) -> Params:
        """The weights that are evaluated: the average where one is kept."""
        return self.params if self.ema is None else self.ema

    def evaluated(self) -> "TrainState":
        """The step and the weights that are evaluated, without what only training needs."""
        rest = dict.fromkeys(("opt_state", "key", "metrics", "params" if self.ema is not None else "ema"))
        return self._replace(**rest)


EvalModel = tuple[nnx.GraphDef, Any]  # a model for prediction alone, and its weights


def evaluate(eval_model: EvalModel, tokens: Array, lengths: Array) -> Float[Array, " B"]:
    """Logits of a batch."""
    model: Any = nnx.merge(*eval_model)
    return model(tokens, lengths)


@dataclasses.dataclass(frozen=True)
class Learner:
    """A model and how it learns, as pure functions of a `TrainState`."""

    graph: nnx.GraphDef
    """The model without its weights."""
    frozen: PyTree[Array]
    """The weights that training leaves as they are, as the model has them."""
    optimizer: optax.GradientTransformation
    dtype: str
    """Precision of activations; parameters are cast on their way into the model."""
    ema_decay: float | None
    """Of a moving average of the parameters, per step; None keeps none."""
    sparse: bool
    """Whether a step on one device takes the few numbers of a large kernel that its batch reads, and no others."""

    @classmethod
    def create(
        cls,
        model: nnx.Module,
        optimizer: optax.GradientTransformation,
        seed: int,
        *,
        dtype: str = "float32",
        ema_decay: float | None = None,
        sparse: bool = False,
    ) -> tuple["Learner", TrainState]:
        """Splits a model into what is trained and what is not, and starts its state.

        The model may be any module called as `model(tokens, lengths, keys)` that returns logits [B]; the seed is that
        of dropout. A sparse one has `winners`, and an optimizer that treats each weight by itself and leaves those
        without a gradient.
        """
        graph, trained, frozen = nnx.split(model, nnx.Param, ...)
        params = nnx.to_pure_dict(trained)
        state = TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            opt_state=optimizer.init(params),
            key=jax.random.key_data(jax.random.key(seed, impl=PRNG)),
            metrics=Metrics(*jnp.zeros(3, jnp.float32)),
            ema=None if ema_decay is None else jax.tree.map(jnp.copy, params),
        )
        return cls(graph, nnx.to_pure_dict(frozen), optimizer, dtype, ema_decay, sparse), state

    def cast_frozen(self) -> PyTree[Array]:
        """The frozen weights in the dtype of activations: cast once, for on a TPU each step would do it again."""
        return _cast(self.frozen, self.dtype)

    def logits(
        self, params: Params, frozen: PyTree[Array], tokens: Array, lengths: Array, keys: Array | None = None
    ) -> Float[Array, " B"]:
        """The model as a pure function."""
        return self._model(params, frozen)(tokens, lengths, keys)

    def eval_model(self, params: Params, frozen: PyTree[Array], *, folded: bool) -> EvalModel:
        """The model for prediction alone, its embedding folded into the encoder if asked for."""
        model = self._model(params, frozen)
        return nnx.split(model.folded() if folded else model)

    def _model(self, params: Params, frozen: PyTree[Array]) -> Any:
        # A learned table stays float32: what a frequent word learns is a sum of thousands of gradients, which bfloat16
        # cuts off at some hundreds. Its vectors are cast when they have been looked up.
        cast = {name: each if name == "embedding" else _cast(each, self.dtype) for name, each in params.items()}
        return nnx.merge(self.graph, cast, _cast(frozen, self.dtype))

    def gradients(
        self, state: TrainState, frozen: PyTree[Array], batch: Batch, first_row: int | Int[Array, ""] = 0
    ) -> tuple[Params, Metrics]:
        """What these rows, from `first_row` of the whole batch on, add to the gradient of its mean loss and to metrics.

        Dropout is drawn for each row by its number in the batch, so it does not depend on how rows are shared out.
        """
        tokens, lengths = map(jnp.asarray, (batch.tokens, batch.lengths))
        keys = _keys(state, batch, first_row)
        return _gradients(state, batch, lambda params: self.logits(params, frozen, tokens, lengths, keys))

    def update(self, state: TrainState, parts: Sequence[tuple[Params, Metrics]]) -> TrainState:
        """The state after a step, from the gradients and metrics of all shards, added in their order."""
        gradients, metrics = jax.tree.map(lambda *shards: sum(shards[1:], shards[0]), *parts)
        updates, opt_state = self.optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None and self.ema_decay is not None:
            # follows params closely at first, so that it soon forgets the initial weights
            step = state.step.astype(jnp.float32)
            decay = jnp.minimum(self.ema_decay, (1.0 + step) / (10.0 + step))
            ema = optax.incremental_update(params, ema, 1 - decay)
        return TrainState(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            key=state.key,
            metrics=jax.tree.map(jnp.add, state.metrics, metrics),
            ema=ema,
        )

    def train_step(self, state: TrainState, frozen: PyTree[Array], batch: Batch) -> TrainState:
        """The state after a step on a whole batch."""
        if self.sparse:
            return self._sparse_step(state, frozen, batch)
        return self.update(state, [self.gradients(state, frozen, batch)])

    def _sparse_step(self, state: TrainState, frozen: PyTree[Array], batch: Batch) -> TrainState:
        """The same by the numbers that the batch reads, of the encoder's kernel and of what the optimizer keeps of it.

        These are gathered, updated as if there were no others, and put back in their places.
        """
        tokens, lengths = map(jnp.asarray, (batch.tokens, batch.lengths))
        words, logits = self._model(state.params, frozen).winners(tokens, lengths, _keys(state, batch))
        size, _, features = words.shape
        places = jnp.arange(size)[:, None, None], words, jnp.arange(features)[None, None]
        read = _at_kernel(lambda kernel: kernel.at[places].get(mode="fill", fill_value=0), state)
        parts = _gradients(read, batch, lambda params: logits(self._model(params, frozen)))
        # a number that several reviews read gets the sum of their gradients in each of its places
        same = words[:, :, None] == words[:, None]
        parts = _at_kernel(lambda gradient: jnp.where(same, gradient[:, None], 0).sum(axis=2), parts)
        after = self.update(read, [parts])
        return _at_kernel(lambda kernel, read: kernel.at[places].set(read, mode="drop"), state, after)


def _keys(state: TrainState, batch: Batch, first_row: int | Int[Array, ""] = 0) -> Key[Array, " B"]:
    rows = first_row + jnp.arange(len(batch.tokens), dtype=jnp.int32)
    of_step = jax.random.fold_in(jax.random.wrap_key_data(state.key, impl=PRNG), state.step)
    return jax.vmap(jax.random.fold_in, (None, 0))(of_step, rows)


def _gradients(
    state: TrainState, batch: Batch, logits: Callable[[Params], Float[Array, " B"]]
) -> tuple[Params, Metrics]:
    labels, weights = map(jnp.asarray, (batch.labels, batch.weights))

    def loss(params: Params) -> tuple[Array, Metrics]:
        metrics = Metrics.of(logits(params), labels, weights)
        return metrics.loss / batch.total, metrics

    return jax.grad(loss, has_aux=True)(state.params)


def _at_kernel(change: Callable[..., Array], tree: Any, *others: Any) -> Any:
    """The last of some trees, but for the encoder's kernel and all of its kind: those are made from all trees'."""

    def at(path: Any, *leaves: Array) -> Array:
        return change(*leaves) if jax.tree_util.keystr(path).endswith("['encoder']['kernel']") else leaves[-1]

    return jax.tree_util.tree_map_with_path(at, tree, *others)


def _cast(tree: PyTree[Array], dtype: str) -> PyTree[Array]:
    """Floating-point leaves in a dtype; whole numbers and keys of an encoder's own stay as they are."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)
