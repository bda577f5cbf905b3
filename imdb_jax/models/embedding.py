"""Token ids -> word vectors."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from imdb_jax.models.hashing import mix
from imdb_jax.models.words import Words

PRIME = 0x9E3779B1  # spreads the ids of first words over 32 bits


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


class BigramEmbedding(nnx.Module):
    """The vector of each word plus that of the pair which it makes with the next one (Joulin et al. 2016).

    Pairs share the rows of their table by a hash. The next of the last word is padding, id 0.

    Args:
      table: initial vectors of words, float32.
      pairs: initial vectors of pairs, float32.
    """

    def __init__(self, table: Float[Array, "V D"], pairs: Float[Array, "H D"]) -> None:
        self.table = nnx.Param(table)
        self.pairs = nnx.Param(pairs)
        self.dim = table.shape[1]

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words with vectors of their own; tokens at padding must be 0."""
        following = jnp.pad(tokens[:, 1:], ((0, 0), (0, 1)))
        buckets = bigram_buckets(tokens, following, len(self.pairs))
        return Words.of(self.table[...][tokens] + self.pairs[...][buckets])


def bigram_buckets(first: Int[Array, "B T"], second: Int[Array, "B T"], size: int) -> Int[Array, "B T"]:
    """The row, below `size`, of each pair of ids."""
    pair = first.astype(jnp.uint32) * jnp.uint32(PRIME) + second.astype(jnp.uint32)
    return (mix(pair) % jnp.uint32(size)).astype(jnp.int32)


class OneHot(nnx.Module):
    """Unit vectors of the vocabulary's size, never built (see `Words`)."""

    def __init__(self, vocabulary_size: int) -> None:
        self.dim = vocabulary_size

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """One-hot words."""
        return Words(tokens, None)
