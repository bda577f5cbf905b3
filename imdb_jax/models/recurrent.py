"""Recurrent encoders."""

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from imdb_jax.models.cells import LSTM_CELL, SIMPLE_RNN_CELL
from imdb_jax.models.pooling import attend, pool
from imdb_jax.models.recurrence import Cell, recur
from imdb_jax.models.words import Words

Pooling = Literal["last", "mean", "max", "attention"]


class Direction(nnx.Module):
    """The weights of one direction: kernel W [D, G], recurrent_kernel U [H, G], bias b [G].

    Initial values are those of Keras: glorot-uniform, orthogonal, and zero but for an LSTM's forget gate, where b is 1.
    """

    def __init__(self, cell: Cell, input_dim: int, hidden_dim: int, *, rngs: nnx.Rngs) -> None:
        self.cell = cell
        width = cell.gates * hidden_dim
        self.kernel = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (input_dim, width)))
        self.recurrent_kernel = nnx.Param(nnx.initializers.orthogonal()(rngs.params(), (hidden_dim, width)))
        self.bias = nnx.Param(cell.bias(hidden_dim))

    def __call__(self, words: Words, valid: Bool[Array, "B T"], *, reverse: bool, all_states: bool) -> Array:
        """Runs over words; see `recur`."""
        steps = slice(None, None, -1 if reverse else 1)
        ids, valid = words.ids.T[steps], valid.T[steps]
        weights = self.kernel[...], self.recurrent_kernel[...], self.bias[...]
        out = recur(self.cell, ids, words.table, valid, *weights, all_states=all_states)
        return jnp.swapaxes(out[steps], 0, 1) if all_states else out

    def fold(self, table: Float[Array, "V D"]) -> None:
        """Multiplies an embedding's table into the kernel: from now on words are one-hot."""
        self.kernel = nnx.Param(table @ self.kernel[...])


class Recurrent(nnx.Module):
    """Encodes a review by the states of a recurrence in one or two directions.

    Args:
      cell: what one step does.
      input_dim: D; numbers per word.
      hidden_dim: H; units of each direction.
      bidirectional: also read from the end; features of both directions stand side by side.
      pooling: the last state of each direction, or the mean, maximum or attention over the states of all words.
      rngs: draws the weights.
    """

    def __init__(
        self,
        cell: Cell,
        input_dim: int,
        hidden_dim: int,
        *,
        bidirectional: bool,
        pooling: Pooling = "last",
        rngs: nnx.Rngs,
    ) -> None:
        self.forward = Direction(cell, input_dim, hidden_dim, rngs=rngs)
        self.backward = Direction(cell, input_dim, hidden_dim, rngs=rngs) if bidirectional else None
        self.features = hidden_dim * (1 + bidirectional)
        self.pooling: Pooling = pooling
        if pooling == "attention":
            self.query = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (self.features, 1)))

    def fold(self, table: Float[Array, "V D"]) -> None:
        """Multiplies an embedding's table into the kernels: from now on words are one-hot."""
        self.forward.fold(table)
        if self.backward is not None:
            self.backward.fold(table)

    def __call__(self, words: Words | Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Features [B, F] of words; the mask is true from a review's first word to its last."""
        words = Words.of(words)
        if self.pooling == "last":
            last = [self.forward(*_padding_first(words, mask), reverse=False, all_states=False)]
            if self.backward is not None:
                last.append(self.backward(words, mask, reverse=True, all_states=False))
            return jnp.concatenate(last, axis=-1)
        states = [self.forward(words, mask, reverse=False, all_states=True)]
        if self.backward is not None:
            states.append(self.backward(words, mask, reverse=True, all_states=True))
        both = jnp.concatenate(states, axis=-1)
        return attend(both, mask, self.query[...]) if self.pooling == "attention" else pool(both, mask, self.pooling)


class LSTM(Recurrent):
    """Long short-term memory; by default in both directions (see `Recurrent`)."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        bidirectional: bool = True,
        pooling: Pooling = "last",
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(LSTM_CELL, input_dim, hidden_dim, bidirectional=bidirectional, pooling=pooling, rngs=rngs)


class SimpleRNN(Recurrent):
    """A recurrence of one tanh layer; by default from the first word to the last (see `Recurrent`)."""

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        bidirectional: bool = False,
        pooling: Pooling = "last",
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(
            SIMPLE_RNN_CELL, input_dim, hidden_dim, bidirectional=bidirectional, pooling=pooling, rngs=rngs
        )


def _padding_first(words: Words, mask: Bool[Array, "B T"]) -> tuple[Words, Bool[Array, "B T"]]:
    """Moves each row's padding from its end to its start, so that the last word is the last step."""
    time = mask.shape[1]
    source = jnp.arange(time) - (time - mask.sum(axis=1, keepdims=True))
    ids = jnp.take_along_axis(words.ids, jnp.maximum(source, 0), axis=1)
    return Words(ids, words.table), source >= 0
