"""Recurrent encoders."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from imdb_jax.models.embedding import OrderedEncoder, Words
from imdb_jax.models.pooling import attend, pool
from imdb_jax.models.recurrence import ACCELERATOR_LOOP, CPU_LOOP, LSTM_CELL, SIMPLE_RNN_CELL, Cell, recur

Pooling = Literal["last", "mean", "max", "attention"]


class Direction(nnx.Module):
    """The weights of one direction: kernel W [D, G], recurrent_kernel U [H, G], bias b [G].

    Initial values are those of Keras: glorot-uniform, orthogonal, and zero but for an LSTM's forget gate, where b is 1.
    """

    def __init__(self, cell: Cell, input_dim: int, hidden_dim: int, *, rngs: nnx.Rngs) -> None:
        width = len(cell.bias) * hidden_dim
        draw, draw_recurrent = nnx.initializers.glorot_uniform(), nnx.initializers.orthogonal()
        self.kernel = nnx.Param(draw(rngs.params(), (input_dim, width), jnp.float32))
        self.recurrent_kernel = nnx.Param(draw_recurrent(rngs.params(), (hidden_dim, width), jnp.float32))
        self.bias = nnx.Param(jnp.repeat(jnp.array(cell.bias, jnp.float32), hidden_dim))


class Recurrent(OrderedEncoder):
    """Encodes a review by the states of a recurrence in one or two directions.

    A subclass says by its `cell` what one step does. The features of both directions stand side by side.

    Args:
      hidden_dim: units of each direction.
      bidirectional: also read from the end.
      pooling: the last state of each direction, or the mean, maximum or attention over the states of all words.
    """

    cell: Cell

    def __init__(
        self, input_dim: int, hidden_dim: int, *, bidirectional: bool, pooling: Pooling = "last", rngs: nnx.Rngs
    ) -> None:
        self.forward = Direction(self.cell, input_dim, hidden_dim, rngs=rngs)
        self.backward = Direction(self.cell, input_dim, hidden_dim, rngs=rngs) if bidirectional else None
        self.features = hidden_dim * (1 + bidirectional)
        self.pooling: Pooling = pooling
        if pooling == "attention":
            self.query = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (self.features, 1), jnp.float32))

    def fold(self, table: Float[Array, "V D"]) -> None:
        """Multiplies an embedding's table into the kernels: from now on words are one-hot."""
        for direction in self._directions():
            direction.kernel = nnx.Param(table @ direction.kernel[...])

    def _directions(self) -> list[Direction]:
        return [self.forward] if self.backward is None else [self.forward, self.backward]

    @override
    def of_padded(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        # The last word of a review is the last step forward, its first word the last step backward: padding comes first
        # in both directions, so that one loop can step through both.
        position = jnp.arange(mask.shape[1])[None] - (~mask).sum(axis=1, keepdims=True)
        orders = [words.ids[:, ::-1]] if self.backward is not None else []
        ids = jnp.stack([jnp.take_along_axis(words.ids, jnp.maximum(position, 0), axis=1), *orders])
        states = self._states(ids.swapaxes(1, 2), words.table, mask[:, ::-1].T)
        if self.pooling == "last":
            return jnp.concatenate(list(states), axis=-1)
        forward, *backward = states.swapaxes(1, 2)
        step = jnp.minimum(jnp.arange(mask.shape[1])[None] + (~mask).sum(axis=1, keepdims=True), mask.shape[1] - 1)
        forward = jnp.take_along_axis(forward, step[:, :, None], axis=1)
        both = jnp.concatenate([forward, *(states[:, ::-1] for states in backward)], axis=-1)
        return attend(both, mask, self.query[...]) if self.pooling == "attention" else pool(both, mask, self.pooling)

    def _states(self, ids: Int[Array, "N T B"], table: Array | None, valid: Bool[Array, "T B"]) -> Array:
        """States [N, T, B, H] of N directions, or [N, B, H] where the last alone are wanted."""
        weights = [(each.kernel[...], each.recurrent_kernel[...], each.bias[...]) for each in self._directions()]
        run = partial(recur, self.cell, all_states=self.pooling != "last")

        def apart(*weights: tuple[Array, ...]) -> Array:
            each = partial(run, loop=CPU_LOOP)
            return jnp.stack([each(words, table, valid, *own) for words, own in zip(ids, weights, strict=True)])

        def together(*weights: tuple[Array, ...]) -> Array:
            stacked = jax.tree.map(lambda *w: jnp.stack(w), *weights)
            both = jax.vmap(partial(run, loop=ACCELERATOR_LOOP), in_axes=(0, None, None, 0, 0, 0))
            return both(ids, table, valid, *stacked)

        # An accelerator waits for one step after the other; a CPU has two small products sooner than both at once.
        return lax.platform_dependent(*weights, cpu=apart, default=together)


class LSTM(Recurrent):
    """Long short-term memory (see `Recurrent`)."""

    cell = LSTM_CELL


class SimpleRNN(Recurrent):
    """A recurrence of one tanh layer (see `Recurrent`).

    Args:
      recurrent_init: first value of U: an orthogonal draw, or the identity of Le, Jaitly & Hinton (2015), by which a
        state is the sum of the words so far, as long as tanh is nearly linear.
    """

    cell = SIMPLE_RNN_CELL

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        bidirectional: bool,
        pooling: Pooling = "last",
        recurrent_init: Literal["orthogonal", "identity"] = "orthogonal",
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(input_dim, hidden_dim, bidirectional=bidirectional, pooling=pooling, rngs=rngs)
        if recurrent_init == "identity":
            for direction in self._directions():
                direction.recurrent_kernel = nnx.Param(jnp.eye(hidden_dim))
