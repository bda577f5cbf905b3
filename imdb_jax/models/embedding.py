"""Token ids -> word vectors."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from imdb_jax.models.words import Words


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

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words whose vectors are rows of the table."""
        table = self.table[...]
        return Words(tokens, jax.lax.stop_gradient(table) if isinstance(self.table, Frozen) else table)


class OneHot(nnx.Module):
    """Unit vectors of the vocabulary's size, never built (see `Words`)."""

    def __init__(self, vocabulary_size: int) -> None:
        self.dim = vocabulary_size

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """One-hot words."""
        return Words(tokens, None)
