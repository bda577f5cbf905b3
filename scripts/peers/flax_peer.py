"""Flax NNX.

documented: nnx.RNN and nnx.Bidirectional with `seq_lengths` on batches of one length. bucketed: the same model on
batches of reviews of like length, padded to one of six lengths. In both the cell is the optimized one, and steps are
plain jax.jit over `nnx.split`, which Flax's guide to performance recommends over nnx.jit.
"""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from imdb_jax.data.batches import Batch, Batches
from scripts.peers.protocol import serve
from scripts.peers.task import BUCKETS, Task


class BiLSTM(nnx.Module):
    """The model of W1."""

    def __init__(self, weights: dict[str, np.ndarray], rngs: nnx.Rngs) -> None:
        self.table = nnx.Variable(jnp.asarray(weights["embedding.table"]))  # no nnx.Param: it is frozen
        directions = [nnx.RNN(nnx.OptimizedLSTMCell(100, 32, rngs=rngs)) for _ in range(2)]
        self.lstm = nnx.Bidirectional(*directions, return_carry=True)
        self.dropout = nnx.Dropout(0.5)
        self.output = nnx.Linear(64, 1, rngs=rngs)
        for name, direction in zip(("forward", "backward"), directions, strict=True):
            direction.cell.dense_i.kernel.set_value(jnp.asarray(weights[f"encoder.{name}.kernel"]))
            direction.cell.dense_h.kernel.set_value(jnp.asarray(weights[f"encoder.{name}.recurrent_kernel"]))
            direction.cell.dense_h.bias.set_value(jnp.asarray(weights[f"encoder.{name}.bias"]))
        set_linear(self.output, weights, "output")

    def __call__(self, tokens, lengths, rngs: nnx.Rngs | None = None):
        ((_, forward), (_, backward)), _ = self.lstm(self.table[...][tokens], seq_lengths=lengths)
        x = jnp.concatenate([forward, backward], axis=-1)
        return self.output(self.dropout(x, rngs=rngs, deterministic=rngs is None))[:, 0]


class Conv1D(nnx.Module):
    """The model of W2."""

    def __init__(self, weights: dict[str, np.ndarray], rngs: nnx.Rngs) -> None:
        table = weights["embedding.table"]
        self.embedding = nnx.Embed(*table.shape, rngs=rngs)
        self.conv = nnx.Conv(256, 256, kernel_size=3, padding="VALID", rngs=rngs)
        self.hidden = nnx.Linear(256, 128, rngs=rngs)
        self.output = nnx.Linear(128, 1, rngs=rngs)
        self.dropout = nnx.Dropout(0.3)
        self.embedding.embedding.set_value(jnp.asarray(table))
        set_linear(self.conv, weights, "encoder")
        set_linear(self.hidden, weights, "hidden.0")
        set_linear(self.output, weights, "output")

    def __call__(self, tokens, _, rngs: nnx.Rngs | None = None):
        x = self.dropout(self.embedding(tokens), rngs=rngs, deterministic=rngs is None)
        x = nnx.relu(self.conv(x)).max(axis=1)
        x = nnx.relu(self.hidden(x))
        return self.output(self.dropout(x, rngs=rngs, deterministic=rngs is None))[:, 0]


def set_linear(layer: nnx.Linear | nnx.Conv, weights: dict[str, np.ndarray], name: str) -> None:
    layer.kernel.set_value(jnp.asarray(weights[f"{name}.kernel"]))
    layer.bias.set_value(jnp.asarray(weights[f"{name}.bias"]))


MODELS = {"W1": (BiLSTM, optax.rmsprop(1e-3, decay=0.9, eps=1e-7)), "W2": (Conv1D, optax.adam(1e-3, eps=1e-7))}


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def train_step(optimizer, graph, params, opt_state, rest, key, batch: Batch):
    def loss(params):
        logits = nnx.merge(graph, params, rest)(batch.tokens, batch.lengths, nnx.Rngs(key))
        losses = optax.sigmoid_binary_cross_entropy(logits, batch.labels)
        return (losses * batch.weights).sum() / batch.weights.sum()

    updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
    return optax.apply_updates(params, updates), opt_state


@partial(jax.jit, static_argnums=0)
def predict_step(graph, params, rest, tokens, lengths):
    return nnx.merge(graph, params, rest)(tokens, lengths)


class Flax:
    """Trains one of the models on batches of a variant."""

    def __init__(self, task: Task, variant: str) -> None:
        self.task = task
        buckets = BUCKETS if variant == "bucketed" else ()
        self.batches = Batches(task.train, task.batch_size, task.max_length, buckets=buckets)
        self.test_batches = Batches(task.test, task.eval_batch_size, task.max_length, buckets=buckets)
        self.epochs = itertools.count()
        self.keys = map(partial(jax.random.fold_in, jax.random.key(0)), itertools.count())
        self.reset()

    def reset(self) -> None:
        build, self.optimizer = MODELS[self.task.workload]
        model = build(self.task.weights, nnx.Rngs(0))
        self.graph, self.params, self.rest = nnx.split(model, nnx.Param, ...)
        self.opt_state = self.optimizer.init(self.params)

    def step(self) -> None:
        self._train(itertools.islice(self.batches.shuffled(0, 0), 1))

    def train(self) -> None:
        self._train(self.batches.shuffled(0, next(self.epochs)))

    def _train(self, batches) -> None:
        for batch, key in zip(batches, self.keys, strict=False):
            self.params, self.opt_state = train_step(
                self.optimizer, self.graph, self.params, self.opt_state, self.rest, key, batch
            )
        jax.block_until_ready(self.params)

    def infer(self) -> np.ndarray:
        logits = np.empty(len(self.task.test.labels), np.float32)
        outputs = [
            (rows, predict_step(self.graph, self.params, self.rest, batch.tokens, batch.lengths))
            for rows, batch in self.test_batches.sorted()
        ]
        for rows, output in outputs:
            logits[rows] = output[: len(rows)]
        return logits


if __name__ == "__main__":
    serve(Flax)
