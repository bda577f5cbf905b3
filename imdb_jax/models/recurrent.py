"""Recurrent encoders: one masked scan per direction.

Equations, gate order (input, forget, cell, output) and initialisers are those of Keras' LSTM: glorot-uniform input
kernel, orthogonal recurrent kernel, zero bias with 1 for the forget gate.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from imdb_jax.models.embedding import Words, project
from imdb_jax.models.pooling import attend, pool


def lstm(
    inputs: Float[Array, "B T G"],
    recurrent_kernel: Float[Array, "H G"],
    mask: Bool[Array, "B T"],
    reverse: bool = False,
) -> tuple[Float[Array, "B T H"], Float[Array, "B H"]]:
    """Runs an LSTM over projected inputs (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    Args:
      inputs: `x @ kernel + bias` of every step, G = 4H, so that the scan holds only what depends on its last step.
      recurrent_kernel: maps a state to the four gates.
      mask: false at padding, which may stand anywhere and leaves the state as it is.
      reverse: read from the last step to the first.

    Returns:
      The state after each step, at the step's own place, and the last state, in the inputs' dtype. Between steps
      state and cell are float32, for a long sum in bfloat16 would lose its small terms.
    """
    batch, hidden_dim = inputs.shape[0], recurrent_kernel.shape[0]

    def step(carry, at_step):
        state, cell = carry
        gates, valid = at_step
        gates = gates + (state.astype(gates.dtype) @ recurrent_kernel)
        i, f, g, o = jnp.split(gates.astype(jnp.float32), 4, axis=-1)
        new_cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        new_state = jax.nn.sigmoid(o) * jnp.tanh(new_cell)
        carry = jnp.where(valid, new_state, state), jnp.where(valid, new_cell, cell)
        return carry, carry[0]

    zeros = jnp.zeros((batch, hidden_dim), jnp.float32)
    over_time = jnp.swapaxes(inputs, 0, 1), mask.T[:, :, None]
    (last, _), states = jax.lax.scan(step, (zeros, zeros), over_time, reverse=reverse)
    return jnp.swapaxes(states, 0, 1).astype(inputs.dtype), last.astype(inputs.dtype)


class Direction(nnx.Module):
    """The weights of one direction: kernel [D, 4H], recurrent_kernel [H, 4H], bias [4H]."""

    def __init__(self, input_dim: int, hidden_dim: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (input_dim, 4 * hidden_dim)))
        self.recurrent_kernel = nnx.Param(nnx.initializers.orthogonal()(rngs.params(), (hidden_dim, 4 * hidden_dim)))
        self.bias = nnx.Param(jnp.zeros(4 * hidden_dim).at[hidden_dim : 2 * hidden_dim].set(1.0))


class LSTM(nnx.Module):
    """Encodes a review by the states of an LSTM in one or two directions.

    Args:
      input_dim: D; numbers per word.
      hidden_dim: H; units of each direction.
      bidirectional: also read from the end; features of both directions stand side by side.
      pooling: "last" state of each direction, or the "mean", "max" or "attention" over the states of all words.
      rngs: draws the weights.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        bidirectional: bool = True,
        pooling: Literal["last", "mean", "max", "attention"] = "last",
        rngs: nnx.Rngs,
    ) -> None:
        self.forward = Direction(input_dim, hidden_dim, rngs=rngs)
        self.backward = Direction(input_dim, hidden_dim, rngs=rngs) if bidirectional else None
        self.features = hidden_dim * (1 + bidirectional)
        self.pooling: Literal["last", "mean", "max", "attention"] = pooling
        if pooling == "attention":
            self.query = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), (self.features, 1)))

    def __call__(self, x: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Features [B, F] of embedded words; padded steps take no part."""
        runs = [self._run(self.forward, x, mask, reverse=False)]
        if self.backward is not None:
            runs.append(self._run(self.backward, x, mask, reverse=True))
        states, last = (jnp.concatenate(parts, axis=-1) for parts in zip(*runs, strict=True))
        if self.pooling == "last":
            return last
        if self.pooling == "attention":
            return attend(states, mask, self.query[...])
        return pool(states, mask, self.pooling)

    def _run(self, weights: Direction, x: Words, mask: Array, *, reverse: bool) -> tuple[Array, Array]:
        projected = project(x, weights.kernel[...]) + weights.bias[...]
        return lstm(projected, weights.recurrent_kernel[...], mask, reverse)
