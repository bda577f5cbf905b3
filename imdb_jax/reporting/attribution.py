"""Which words decided a logit: integrated gradients (Sundararajan, Taly & Yan 2017).

The path leads from zero vectors, as many as the review has words, straight to the review: at s, between 0 and 1, each
word's vector is s times itself. The attribution of word t is

    a_t = integral over s from 0 to 1 of  x_t . dlogit/dx_t  at s x

and x_t . dlogit/dx_t is the derivative of the logit by a factor of that word alone, so that no gradient of the size of
the vectors is kept. The attributions of a review add up to logit(x) - logit(0) (completeness).

That holds for each stretch of the path by itself, so the error of the integral over a stretch is known: Simpson's rule
halves the stretches where it is large. A trained recurrence may hold its opinion over most of the path and change it
within a billionth, which steps of one width miss and float32 can't tell from a jump: then float64 is needed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from imdb_jax.config import OwnEncoderConfig
from imdb_jax.models import TextClassifier, Words

AT_ONCE = 32  # points of a path that are computed together
MOST_POINTS = 2_000  # of a path
CONVERGED, SHARE = 0.05, 0.01  # the search ends when stretches miss so many logits in all, and this share of them
Along = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # points [S] -> logits [S], their slopes by word [S, T]


class Attribution(NamedTuple):
    """What each word adds to the logit of a review.

    Attributes:
      words: towards positive above 0, towards negative below.
      logit: of the review.
      baseline: logit of as many zero vectors.
    """

    words: Float[np.ndarray, " T"]
    logit: float
    baseline: float

    @property
    def convergence_delta(self) -> float:
        """By how much the words miss the difference of the two logits."""
        return abs(float(self.words.sum()) - (self.logit - self.baseline))


def integrated_gradients(model: TextClassifier, reviews: Sequence[Sequence[int]]) -> list[Attribution]:
    """Attributes the logits of reviews to their words, without dropout.

    Args:
      model: with weights in float32; in a shorter format the sums would drift from the logits.
      reviews: ids, at least one each.
    """
    found = _attributions(model, reviews, np.float32)
    if not isinstance(model.config.encoder, OwnEncoderConfig):  # whose code may rely on float32
        rough = [i for i, attribution in enumerate(found) if attribution.convergence_delta > CONVERGED]
        with jax.enable_x64(True):
            for i, precise in zip(rough, _attributions(model, [reviews[i] for i in rough], np.float64), strict=True):
                found[i] = precise
    return found


def _attributions(model: TextClassifier, reviews: Sequence[Sequence[int]], dtype: type) -> list[Attribution]:
    graph, weights = nnx.split(model)
    weights = jax.tree.map(lambda x: x.astype(dtype), weights)
    width = max(map(len, reviews), default=0)

    @jax.jit
    def slopes(weights: Any, tokens: Array, mask: Array, points: Array) -> tuple[Array, Array]:
        logits = _logits_by_factors(nnx.merge(graph, weights), tokens, mask)
        found, back = jax.vjp(logits, jnp.broadcast_to(points[:, None], (AT_ONCE, width)))
        return found, back(jnp.ones_like(found))[0]

    def along(review: Sequence[int], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tokens, mask = np.zeros(width, np.int32), np.arange(width) < len(review)
        tokens[mask] = review
        rows = np.pad(points, (0, -len(points) % AT_ONCE)).reshape(-1, AT_ONCE).astype(dtype)
        parts = [jax.device_get(slopes(weights, tokens, mask, row)) for row in rows]
        logits, by_word = (np.concatenate(part)[: len(points)] for part in zip(*parts, strict=True))
        return logits.astype(np.float64), by_word[:, : len(review)].astype(np.float64)

    return [_integral(partial(along, review)) for review in reviews]


def _integral(along: Along) -> Attribution:
    """Adaptive Simpson's rule: points with an even index are the ends of stretches, the others their middles."""
    points = np.linspace(0, 1, 2 * AT_ONCE - 1)
    logits, slopes = along(points)
    tolerance = min(CONVERGED, SHARE * abs(logits[-1] - logits[0]))
    while True:
        widths = points[2::2] - points[:-2:2]
        parts = (slopes[:-2:2] + 4 * slopes[1::2] + slopes[2::2]) * widths[:, None] / 6
        errors = np.abs(parts.sum(axis=1) - (logits[2::2] - logits[:-2:2]))
        if not errors.sum() > tolerance or len(points) > MOST_POINTS:  # NaN of a model that has diverged ends it too
            return Attribution(parts.sum(axis=0), float(logits[-1]), float(logits[0]))
        halves = 2 * np.argsort(errors)[-AT_ONCE // 2 :, None] + [0, 1]  # of the worst stretches
        between = ((points[halves] + points[halves + 1]) / 2).ravel()
        order = np.argsort(np.concatenate([points, between]))
        points = np.concatenate([points, between])[order]
        logits, slopes = (np.concatenate(both)[order] for both in zip((logits, slopes), along(between), strict=True))


def _logits_by_factors(
    model: TextClassifier, tokens: Int[Array, " T"], mask: Bool[Array, " T"]
) -> Callable[[Float[Array, "S T"]], Float[Array, " S"]]:
    """The logits of a review by factors of its words, a row for each point of the path."""
    words, fold = model.words(tokens[None], mask[None]), getattr(model.encoder, "fold", None)
    mask = jnp.broadcast_to(mask, (AT_ONCE, len(mask)))
    if words.table is not None or fold is None:
        vectors = jax.nn.one_hot(tokens, model.embedding.dim) if words.table is None else words.vectors()[0]
        return lambda factors: model.of_words(Words.of(vectors * factors[:, :, None]), mask)
    # Unit vectors of the vocabulary's size would fill the memory; those of the review's length do not.
    fold(jax.nn.one_hot(tokens, model.embedding.dim))
    return lambda factors: model.of_words(Words.of(jax.vmap(jnp.diag)(factors)), mask)
