"""How good predictions are: running sums while training, exact figures over all logits in evaluation."""

from typing import NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int


class Metrics(NamedTuple):
    """Weighted sums over reviews; sums of parts add up to those of the whole."""

    loss: Float[Array, ""]
    correct: Float[Array, ""]
    weight: Float[Array, ""]

    @classmethod
    def zero(cls) -> "Metrics":
        """Sums over nothing."""
        return cls(*jnp.zeros((3,)))

    @classmethod
    def of(cls, logits: Float[Array, " B"], labels: Float[Array, " B"], weights: Float[Array, " B"]) -> "Metrics":
        """Sums over a batch."""
        losses = optax.sigmoid_binary_cross_entropy(logits, labels)
        correct = ((logits > 0) == (labels > 0.5)).astype(weights.dtype)
        return cls(losses @ weights, correct @ weights, weights.sum())

    def merge(self, other: "Metrics") -> "Metrics":
        """Sums over both."""
        return jax.tree.map(jnp.add, self, other)

    def compute(self) -> dict[str, float]:
        """Mean loss and accuracy; reads the sums back from the device."""
        loss, correct, weight = (float(total) for total in jax.device_get((self.loss, self.correct, self.weight)))
        return {"loss": loss / weight, "accuracy": correct / weight}


class Scores(TypedDict):
    """Figures of an evaluation over a whole split."""

    accuracy: float
    loss: float
    auc: float
    f1: float
    examples: int


def score(logits: Float[np.ndarray, " N"], labels: np.ndarray) -> Scores:
    """Scores a split exactly, in float64.

    Args:
      logits: a review is called positive above 0.
      labels: 0 or 1.

    Returns:
      accuracy; loss (mean binary cross-entropy); auc (area under the ROC curve by the rank statistic of Mann and
      Whitney, ties counted half; NaN when one class is absent); f1 of the positive class; examples.
    """
    logits, positive = np.asarray(logits, np.float64), np.asarray(labels) == 1
    called = logits > 0
    losses = np.logaddexp(0, logits) - logits * positive
    hits = int((called & positive).sum())
    mistakes = int((called != positive).sum())
    return {
        "accuracy": float((called == positive).mean()),
        "loss": float(losses.mean()),
        "auc": _auc(logits, positive),
        "f1": 2 * hits / max(2 * hits + mistakes, 1),
        "examples": len(logits),
    }


def _auc(logits: np.ndarray, positive: Bool[np.ndarray, " N"]) -> float:
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, ties = np.unique(logits, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2  # equal logits share the mean of their ranks
    wins = ranks[place][positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def confusion(logits: Float[np.ndarray, " N"], labels: np.ndarray) -> Int[np.ndarray, "2 2"]:
    """Counts reviews by label (row) and by what they were called (column), negative first.

    Example: logits [3, 1, -2] with labels [1, 0, 0] give [[1, 1], [0, 1]].
    """
    cells = 2 * (np.asarray(labels) == 1) + (np.asarray(logits) > 0)
    return np.bincount(cells, minlength=4).reshape(2, 2)


class Calibration(NamedTuple):
    """How often predictions of a probability come true, by bins of equal width from 0 to 1.

    Attributes:
      counts: reviews in each bin.
      predicted: mean probability of "positive" in each bin, NaN where it is empty.
      observed: share of positive reviews in each bin, NaN where it is empty.
      error: expected calibration error, the mean over reviews of their bin's |observed - predicted|. Guo et al. (2017)
        take it of the called class; here, with two classes, it is that of "positive", so that both ends are seen.
    """

    counts: Int[np.ndarray, " M"]
    predicted: Float[np.ndarray, " M"]
    observed: Float[np.ndarray, " M"]
    error: float


def calibration(logits: Float[np.ndarray, " N"], labels: np.ndarray, bins: int = 10) -> Calibration:
    """Compares predicted probabilities with labels.

    Args:
      logits: of a whole split.
      labels: 0 or 1.
      bins: M; bin m holds the probabilities from m / M up to but not including (m + 1) / M, the last one also 1.
    """
    probabilities = np.exp(-np.logaddexp(0, -np.asarray(logits, np.float64)))
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums = (np.bincount(index, values, bins) for values in (probabilities, np.asarray(labels) == 1))
    occupied = np.where(counts, counts, np.nan)
    predicted, observed = (total / occupied for total in sums)
    error = float(np.nansum(np.abs(observed - predicted) * counts) / counts.sum())
    return Calibration(counts, predicted, observed, error)
