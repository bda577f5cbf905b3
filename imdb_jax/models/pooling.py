"""Vectors of all steps -> features of a review, over valid steps only."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from imdb_jax.models.embedding import Mask, Vectors, Words, at_words

Pooling = Literal["mean", "max", "sqrt"]


class Pool(nnx.Module):
    """Encodes a review by a pool of its word vectors; it draws no weights."""

    def __init__(self, input_dim: int, pooling: Pooling, *, rngs: nnx.Rngs) -> None:
        self.features = input_dim
        self.pooling: Pooling = pooling

    def __call__(self, words: Words | Vectors, mask: Mask) -> Float[Array, "B D"]:
        """Features [B, D] of words; padded steps take no part."""
        return pool(Words.of(words).vectors(), mask, self.pooling)


def pool(states: Float[Array, "B T F"], mask: Mask, kind: Pooling) -> Float[Array, "B F"]:
    """The mean, the maximum, or the sum over the square root of the number of words; each row has one word at least."""
    valid = at_words(mask)[:, :, None]
    if kind == "max":
        return jnp.where(valid, states, -jnp.inf).max(axis=1)
    sums, count = jnp.where(valid, states, 0).sum(axis=1), valid.sum(axis=1).astype(states.dtype)
    return sums / (jnp.sqrt(count) if kind == "sqrt" else count)


def attend(states: Float[Array, "B T F"], mask: Mask, query: Float[Array, "F 1"]) -> Float[Array, "B F"]:
    """The mean of states weighted by softmax(tanh(states) @ query) (word attention of Zhou et al. 2016)."""
    scores = jnp.where(at_words(mask)[:, :, None], jnp.tanh(states) @ query, -jnp.inf)
    return (jax.nn.softmax(scores, axis=1) * states).sum(axis=1)
