"""How good predictions are: running sums while training, exact figures over all logits in evaluation."""

from typing import NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float


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
