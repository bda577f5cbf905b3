"""Token ids -> words, as an encoder gets them: ids and the table that holds their vectors.

Looking vectors up late lets an encoder do it where it is cheapest: a recurrence a few steps at a time, while they fit
the cache; a one-hot word never, for its product with a kernel is a row of the kernel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from imdb_jax.models.hashing import mix


class Words(NamedTuple):
    """Word vectors `table[ids]`.

    Attributes:
      ids: rows of the table.
      table: vectors; None stands for the identity, so that words are one-hot vectors.
      known: the vectors, where they have been looked up already.
    """

    ids: Int[Array, "B T"]
    table: Float[Array, "N D"] | None
    known: Float[Array, "B T D"] | None = None

    @classmethod
    def of(cls, x: "Words | Float[Array, 'B T D']") -> "Words":
        """Takes words as they are, and vectors as a table of their own."""
        if isinstance(x, Words):
            return x
        batch, time, dim = x.shape
        return cls(jnp.arange(batch * time).reshape(batch, time), x.reshape(batch * time, dim), x)

    def vectors(self) -> Float[Array, "B T D"]:
        """The vector of each word; a one-hot word has none."""
        if self.known is not None:
            return self.known
        if self.table is None:
            raise TypeError("one-hot words have no vectors: their product with a kernel is `kernel[ids]`")
        return self.table[self.ids]


class Embedding(nnx.Module):
    """A table of word vectors; unless it is trainable it has no gradient and is none of the trained parameters."""

    def __init__(self, table: Float[Array, "V D"], *, trainable: bool = True) -> None:
        self.table = (nnx.Param if trainable else nnx.Variable)(jnp.asarray(table))
        self.dim = table.shape[1]

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words whose vectors are rows of the table."""
        table = self.table[...]
        return Words(tokens, table if isinstance(self.table, nnx.Param) else jax.lax.stop_gradient(table))


class BigramEmbedding(nnx.Module):
    """The vector of each word plus that of the pair which it makes with the next one (Joulin et al. 2016).

    Pairs share the rows of their table by a hash. The next of the last word is padding, id 0.
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
    spread = first.astype(jnp.uint32) * jnp.uint32(0x9E3779B1)  # over all 32 bits
    pair = spread + second.astype(jnp.uint32)
    return (mix(pair) % jnp.uint32(size)).astype(jnp.int32)


class OneHot(nnx.Module):
    """Unit vectors of the vocabulary's size, never built (see `Words`)."""

    def __init__(self, vocabulary_size: int) -> None:
        self.dim = vocabulary_size

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words without a table."""
        return Words(tokens, None)
