"""Token ids -> word vectors.

An encoder takes words as vectors [B, T, D] or as ids [B, T], which stand for one-hot vectors: their product with a
kernel is a row of the kernel, so nothing of the vocabulary's size is ever built.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

Words = Float[Array, "B T D"] | Int[Array, "B T"]


def project(x: Words, kernel: Float[Array, "D F"]) -> Float[Array, "B T F"]:
    """`x @ kernel`, for vectors as well as for one-hot vectors given by their ids.

    Example: ids [[2, 0]] pick the kernel's rows 2 and 0.
    """
    return kernel[x] if jnp.issubdtype(x.dtype, jnp.integer) else x @ kernel


class Frozen(nnx.Variable):
    """A weight that training leaves as it is."""


class Embedding(nnx.Module):
    """A table of word vectors.

    Args:
      table: initial vectors, float32.
      trainable: false stops the gradient and keeps the table out of the trained parameters.
    """

    def __init__(self, table: Float[Array, "V D"], *, trainable: bool = True) -> None:
        self.table = (nnx.Param if trainable else Frozen)(jnp.asarray(table))
        self.dim = table.shape[1]

    def __call__(self, tokens: Int[Array, "B T"]) -> Float[Array, "B T D"]:
        """Looks up the vector of each token."""
        table = self.table[...]
        return (jax.lax.stop_gradient(table) if isinstance(self.table, Frozen) else table)[tokens]


class OneHot(nnx.Module):
    """Leaves ids as they are: they stand for one-hot vectors (see `project`)."""

    def __init__(self, vocabulary_size: int) -> None:
        self.dim = vocabulary_size

    def __call__(self, tokens: Int[Array, "B T"]) -> Int[Array, "B T"]:
        """Returns the tokens."""
        return tokens
