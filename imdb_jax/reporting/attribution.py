"""Which words decided a logit: integrated gradients (Sundararajan, Taly & Yan 2017).

The path leads from zero vectors, as many as the review has words, straight to the review: at s, between 0 and 1, each
word's vector is s times itself. The attribution of word t is

    a_t = integral over s from 0 to 1 of  x_t . dlogit/dx_t  at s x

and x_t . dlogit/dx_t is the derivative of the logit by a factor of that word alone, so that no gradient of the size of
the vectors is kept. The attributions of a review add up to logit(x) - logit(0) (completeness).

A trained recurrence may hold its opinion over most of the path and change it within a thousandth, which steps of one
width miss. Steps therefore follow the logit: a first walk measures it, the second takes short steps where it moved.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from imdb_jax.models.classifier import TextClassifier
from imdb_jax.models.embedding import Words

STEPS = 64
Logits = Callable[[Array], Array]  # factors of the words [B, T] -> [B]


class Attributions(NamedTuple):
    """What each word adds to the logits of some reviews.

    Attributes:
      words: towards positive above 0, towards negative below; 0 at padding.
      logits: of the reviews.
      baselines: logits of as many zero vectors.
    """

    words: Float[Array, "B T"]
    logits: Float[Array, " B"]
    baselines: Float[Array, " B"]


def integrated_gradients(model: TextClassifier, tokens: Int[Array, "B T"], lengths: Int[Array, " B"]) -> Attributions:
    """Attributes the logits of reviews to their words, without dropout.

    Args:
      model: with weights in float32; in a shorter format the sums would drift from the logits.
      tokens: ids, padded at the end with anything.
      lengths: tokens per review, 1 <= length <= T.
    """
    mask = jnp.arange(tokens.shape[1]) < lengths[:, None]
    logits = _logits_by_factors(model, tokens, mask)
    slope = jax.grad(lambda factors: logits(factors).sum())

    def step(total: Array, ends: tuple[Array, Array]) -> tuple[Array, None]:
        low, high = ends
        middle = jnp.broadcast_to((low + high)[:, None] / 2, tokens.shape)
        return total + (high - low)[:, None] * slope(middle), None

    even = jnp.linspace(0.0, 1.0, STEPS + 1)
    seen = jax.lax.map(lambda s: logits(jnp.full(tokens.shape, s)), even)
    edges = _edges(even, seen)
    words, _ = jax.lax.scan(step, jnp.zeros(tokens.shape), (edges[:-1], edges[1:]))
    return Attributions(jnp.where(mask, words, 0), seen[-1], seen[0])


def _edges(even: Float[Array, " E"], seen: Float[Array, "E B"]) -> Float[Array, "E B"]:
    """Ends of the steps along each path: half of the steps evenly spread, half where the logit was seen to move."""
    rise = jnp.abs(jnp.diff(seen, axis=0))
    share = rise / jnp.maximum(rise.sum(axis=0), 1e-9) + 1 / STEPS
    way = jnp.pad(jnp.cumsum(share, axis=0), ((1, 0), (0, 0)))
    return jax.vmap(lambda way: jnp.interp(even, way / way[-1], even), 1, 1)(way)


def _logits_by_factors(model: TextClassifier, tokens: Int[Array, "B T"], mask: Bool[Array, "B T"]) -> Logits:
    words = model.words(tokens, mask)
    if words.table is None and hasattr(model.encoder, "fold"):
        return _one_hot_logits(model, tokens, mask)
    vectors = jax.nn.one_hot(tokens, model.embedding.dim) if words.table is None else words.vectors()
    vectors = vectors.astype(jnp.float32)
    return lambda factors: model.of_words(Words.of(vectors * factors[:, :, None]), mask)


def _one_hot_logits(model: TextClassifier, tokens: Int[Array, "B T"], mask: Bool[Array, "B T"]) -> Logits:
    """Unit vectors of the vocabulary's size would fill the memory; those of a review's length do not.

    Each review gets an encoder of its own, with the rows of its words folded into the kernel.
    """
    graph, _ = nnx.split(model)

    def folded(row: Array) -> Any:
        own = nnx.clone(model)
        encoder: Any = own.encoder
        encoder.fold(jax.nn.one_hot(row, model.embedding.dim))
        return nnx.split(own)[1]

    def logit(weights: Any, factors: Array, mask: Array) -> Array:
        return nnx.merge(graph, weights).of_words(Words.of(jnp.diag(factors)[None]), mask[None])[0]

    weights = jax.lax.map(folded, tokens)
    return lambda factors: jax.vmap(logit)(weights, factors, mask)
