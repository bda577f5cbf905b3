"""Vectors of all steps -> features of a review, over valid steps only."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from imdb_jax.models.embedding import Mask, Vectors, Words, at_words


class Pool(nnx.Module):
    """Encodes a review by the mean or the maximum of its word vectors; it draws no weights."""

    def __init__(self, input_dim: int, pooling: Literal["mean", "max"], *, rngs: nnx.Rngs) -> None:
        self.features = input_dim
        self.pooling: Literal["mean", "max"] = pooling

    def __call__(self, words: Words | Vectors, mask: Mask) -> Float[Array, "B D"]:
        """Features [B, D] of words; padded steps take no part."""
        return pool(Words.of(words).vectors(), mask, self.pooling)


def pool(states: Float[Array, "B T F"], mask: Mask, kind: Literal["mean", "max"]) -> Float[Array, "B F"]:
    """The mean or the maximum of each feature over the words, of which each row has one at least."""
    valid = at_words(mask)[:, :, None]
    if kind == "max":
        return jnp.where(valid, states, -jnp.inf).max(axis=1)
    return jnp.where(valid, states, 0).sum(axis=1) / valid.sum(axis=1).astype(states.dtype)


def attend(states: Float[Array, "B T F"], mask: Mask, query: Float[Array, "F 1"]) -> Float[Array, "B F"]:
    """The mean of states weighted by softmax(tanh(states) @ query) (word attention of Zhou et al. 2016)."""
    scores = jnp.where(at_words(mask)[:, :, None], jnp.tanh(states) @ query, -jnp.inf)
    return (jax.nn.softmax(scores, axis=1) * states).sum(axis=1)
