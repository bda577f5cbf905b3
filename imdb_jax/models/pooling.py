"""Vectors of all steps -> features of a review, over valid steps only."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from imdb_jax.models.embedding import Words


class Pool(nnx.Module):
    """Encodes a review by the mean or the maximum of its word vectors; it draws no weights."""

    def __init__(self, input_dim: int, pooling: Literal["mean", "max"], *, rngs: nnx.Rngs) -> None:
        self.features = input_dim
        self.pooling: Literal["mean", "max"] = pooling

    def __call__(self, words: Words | Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B D"]:
        """Features [B, D] of words; padded steps take no part."""
        return pool(Words.of(words).vectors(), mask, self.pooling)


def pool(states: Float[Array, "B T F"], mask: Bool[Array, "B T"], kind: Literal["mean", "max"]) -> Float[Array, "B F"]:
    """The mean or the maximum of each feature over the words, of which each row has one at least."""
    valid = mask[:, :, None]
    if kind == "max":
        return jnp.where(valid, states, -jnp.inf).max(axis=1)
    return jnp.where(valid, states, 0).sum(axis=1) / valid.sum(axis=1).astype(states.dtype)


def attend(states: Float[Array, "B T F"], mask: Bool[Array, "B T"], query: Float[Array, "F 1"]) -> Float[Array, "B F"]:
    """The mean of states weighted by softmax(tanh(states) @ query) (word attention of Zhou et al. 2016)."""
    scores = jnp.where(mask[:, :, None], jnp.tanh(states) @ query, -jnp.inf)
    return (jax.nn.softmax(scores, axis=1) * states).sum(axis=1)
