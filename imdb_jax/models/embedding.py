"""Token ids -> words, as an encoder gets them: ids and the table that holds their vectors.

Looking vectors up late lets an encoder do it where it is cheapest: a recurrence a few steps at a time, while they fit
the cache; a one-hot word never, for its product with a kernel is a row of the kernel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Shaped

from imdb_jax.models.hashing import mix

Mask = Shaped[Array | np.ndarray, "B T"]  # booleans or whole numbers, true at words
Vectors = Float[Array | np.ndarray, "B T D"]


class Words(NamedTuple):
    """Word vectors `table[ids]`.

    Attributes:
      ids: rows of the table.
      table: vectors; None stands for the identity, so that words are one-hot vectors.
      known: the vectors, where they have been looked up already; perhaps in another dtype than the table's.
    """

    ids: Int[Array, "B T"]
    table: Float[Array, "N D"] | None
    known: Float[Array, "B T D"] | None = None

    @classmethod
    def of(cls, x: "Words | Vectors") -> "Words":
        """Takes words as they are, and vectors as a table of their own."""
        if isinstance(x, Words):
            return x
        x = jnp.asarray(x)
        batch, time, dim = x.shape
        return cls(jnp.arange(batch * time).reshape(batch, time), x.reshape(batch * time, dim), x)

    def vectors(self) -> Float[Array, "B T D"]:
        """The vector of each word; a one-hot word has none."""
        if self.known is not None:
            return self.known
        if self.table is None:
            raise TypeError("one-hot words have no vectors: their product with a kernel is `kernel[ids]`")
        return self.table[self.ids]


def at_words(mask: Mask) -> Bool[Array, "B T"]:
    """A mask as booleans; one of fractions is refused: some libraries write 0 there at words, -inf elsewhere."""
    mask = jnp.asarray(mask)
    if jnp.issubdtype(mask.dtype, jnp.inexact):
        raise TypeError(f"mask: {mask.dtype}; must be of booleans, or of whole numbers that are 0 where no word is")
    return mask.astype(bool)


class OrderedEncoder(nnx.Module):
    """An encoder that reads words in their order, wherever in a row they stand.

    A subclass reads them by `of_padded`, where all of a row's words come first. On a mesh with explicit axes an encoder
    goes into `jax.sharding.auto_axes` (docs/in_your_code.md).
    """

    def __call__(self, words: Words | Vectors, mask: Mask) -> Float[Array, "B F"]:
        """Features [B, F] of the words where the mask is true; what stands elsewhere takes no part."""
        words, mask = Words.of(words), at_words(mask)
        order = jnp.argsort(~mask, axis=1, stable=True)
        known = None if words.known is None else jnp.take_along_axis(words.known, order[:, :, None], axis=1)
        first = Words(jnp.take_along_axis(words.ids, order, axis=1), words.table, known)
        return self.of_padded(first, jnp.take_along_axis(mask, order, axis=1))

    def of_padded(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Features [B, F] of words that stand before all padding."""
        raise NotImplementedError


class Embedding(nnx.Module):
    """A table of word vectors; unless it is trainable it has no gradient and is none of the trained parameters."""

    def __init__(self, table: Float[Array, "V D"], *, trainable: bool = True) -> None:
        self.table = (nnx.Param if trainable else nnx.Variable)(jnp.asarray(table))
        self.dim = table.shape[1]

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words whose vectors are rows of the table."""
        table = self.table[...]
        return Words(tokens, table if isinstance(self.table, nnx.Param) else jax.lax.stop_gradient(table))


class WeightedEmbedding(nnx.Module):
    """Rows of a table that stays as it is, each times a weight of its own, learned from 0 (Wang & Manning 2012)."""

    def __init__(self, table: Float[Array, "V D"]) -> None:
        self.table = nnx.Variable(jnp.asarray(table))
        self.weights = nnx.Param(jnp.zeros((len(table), 1)))
        self.dim = table.shape[1]

    def __call__(self, tokens: Int[Array, "B T"]) -> Words:
        """Words whose vectors are weighted rows."""
        return Words(tokens, self.weights[...] * jax.lax.stop_gradient(self.table[...]))


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
