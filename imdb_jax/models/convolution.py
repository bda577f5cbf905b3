"""Convolutional encoders."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from imdb_jax.models.pooling import pool
from imdb_jax.models.words import Words


class Conv1D(nnx.Module):
    """ReLU filters over windows of words, then each filter's maximum over the review (Kim 2014).

    Only windows that lie within a review count. A review shorter than the window is filled up with zero vectors.

    Args:
      input_dim: D; numbers per word.
      features: F; filters.
      kernel_size: words in a window.
      rngs: draws the weights.
    """

    def __init__(self, input_dim: int, features: int, kernel_size: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(
            nnx.initializers.glorot_uniform()(rngs.params(), (kernel_size, input_dim, features)),
        )
        self.bias = nnx.Param(jnp.zeros(features))
        self.features = features

    def __call__(self, words: Words | Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Features [B, F] of words; padded steps take no part."""
        words, kernel = Words.of(words), self.kernel[...]
        size = kernel.shape[0]
        missing = (0, 0), (0, max(0, size - mask.shape[1]))
        words, mask = words._replace(ids=jnp.pad(words.ids, missing)), jnp.pad(mask, missing)
        windows = jnp.maximum(mask.sum(axis=1) - size + 1, 1)
        inside = jnp.arange(mask.shape[1] - size + 1) < windows[:, None]
        # The bias and ReLU are monotone, so they may follow the maximum, where there is T times less to compute.
        return jax.nn.relu(pool(_convolve(words, kernel, mask), inside, "max") + self.bias[...])


def _convolve(words: Words, kernel: Float[Array, "K D F"], mask: Bool[Array, "B T"]) -> Float[Array, "B W F"]:
    """The valid convolution of words, zero vectors where the mask is false; W = T - K + 1."""
    if words.table is not None:
        x = jnp.where(mask[:, :, None], words.vectors(), 0)
        return jax.lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    size, time = kernel.shape[0], mask.shape[1]
    rows = jnp.where(mask, words.ids, kernel.shape[1])  # out of range: the row of padding is zero
    outputs = jnp.zeros((len(rows), time - size + 1, kernel.shape[2]), kernel.dtype)
    for k in range(size):
        outputs += kernel[k].at[rows[:, k : time - size + 1 + k]].get(mode="fill", fill_value=0)
    return outputs
