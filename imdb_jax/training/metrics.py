"""How good predictions are: exact figures over all logits of a split, and how far probabilities can be believed."""

import dataclasses
import math
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BeforeValidator

Figure = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]  # JSON has null for NaN


@dataclasses.dataclass(frozen=True)
class TrainScores:
    """Of an epoch, over the reviews it trained on, each scored just before it was learned from."""

    loss: Figure
    accuracy: Figure


@dataclasses.dataclass(frozen=True)
class Scores:
    """Of an evaluation over a whole split."""

    accuracy: Figure
    loss: Figure  # mean binary cross-entropy
    auc: Figure
    """Area under the ROC curve by the rank statistic of Mann and Whitney, ties counted half; NaN of a single class."""
    f1: Figure  # of the positive class
    examples: int


def score(logits: Float[np.ndarray, " N"], labels: np.ndarray) -> Scores:
    """Scores a split exactly, in float64: positive, label 1, is predicted above a logit of 0.

    A single logit that is no number makes every figure none: the model is lost, and no figure may tell otherwise.
    """
    logits, positive = np.asarray(logits, np.float64), np.asarray(labels) == 1
    if np.isnan(logits).any():
        return Scores(math.nan, math.nan, math.nan, math.nan, len(logits))
    predicted = logits > 0
    losses = np.logaddexp(0, logits) - logits * positive
    hits = int((predicted & positive).sum())
    mistakes = int((predicted != positive).sum())
    return Scores(
        accuracy=float((predicted == positive).mean()),
        loss=float(losses.mean()),
        auc=_auc(logits, positive),
        f1=2 * hits / max(2 * hits + mistakes, 1),
        examples=len(logits),
    )


def _auc(logits: np.ndarray, positive: Bool[np.ndarray, " N"]) -> float:
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, ties = np.unique(logits, return_inverse=True, return_counts=True)
    ranks = np.cumsum(ties) - (ties - 1) / 2  # equal logits share the mean of their ranks
    wins = ranks[place][positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def confusion(logits: Float[np.ndarray, " N"], labels: np.ndarray) -> Int[np.ndarray, "2 2"]:
    """Counts reviews by true label (row) and by predicted label (column), negative first.

    Example: logits [3, 1, -2] with labels [1, 0, 0] give [[1, 1], [0, 1]].
    """
    cells = 2 * (np.asarray(labels) == 1) + (np.asarray(logits) > 0)
    return np.bincount(cells, minlength=4).reshape(2, 2)


class Calibration(NamedTuple):
    """How often predictions of a probability come true, by bins of equal width from 0 to 1.

    The expected calibration error is the mean over reviews of their bin's |observed - predicted|. Guo et al. (2017)
    take it of the predicted class; here, with two classes, it is that of "positive", so that both ends are seen.
    """

    counts: Int[np.ndarray, " M"]  # reviews in each bin
    predicted: Float[np.ndarray, " M"]  # mean probability of "positive", NaN where a bin is empty
    observed: Float[np.ndarray, " M"]  # share of positive reviews, NaN where a bin is empty
    error: float


def calibration(logits: Float[np.ndarray, " N"], labels: np.ndarray, bins: int = 10) -> Calibration:
    """Compares predicted probabilities with labels, 0 or 1.

    Bin m of M holds the probabilities from m / M up to but not including (m + 1) / M, the last one also 1.
    """
    probabilities = np.exp(-np.logaddexp(0, -np.asarray(logits, np.float64)))
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums = (np.bincount(index, values, bins) for values in (probabilities, np.asarray(labels) == 1))
    occupied = np.where(counts, counts, np.nan)
    predicted, observed = (total / occupied for total in sums)
    error = float(np.nansum(np.abs(observed - predicted) * counts) / counts.sum())
    return Calibration(counts, predicted, observed, error)
