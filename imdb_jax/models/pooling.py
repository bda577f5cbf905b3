"""Features of all steps -> features of a review, over valid steps only."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Pooling = Literal["last", "mean", "max", "attention"]


def pool(
    states: Float[Array, "B T F"],
    mask: Bool[Array, "B T"],
    kind: Literal["mean", "max", "attention"],
    query: Float[Array, "F 1"] | None = None,
) -> Float[Array, "B F"]:
    """Reduces over time.

    Args:
      states: one vector per step; those at padding are ignored.
      mask: true at words; at least one per row.
      kind: the mean, the maximum of each feature, or the mean weighted by softmax(tanh(states) @ query)
        (word attention of Zhou et al. 2016).
      query: what attention looks for; needed for "attention" alone.
    """
    valid = mask[:, :, None]
    if kind == "max":
        return jnp.where(valid, states, -jnp.inf).max(axis=1)
    if kind == "mean":
        return jnp.where(valid, states, 0).sum(axis=1) / valid.sum(axis=1)
    scores = jnp.where(valid, jnp.tanh(states) @ query, -jnp.inf)
    return (jax.nn.softmax(scores, axis=1) * states).sum(axis=1)
