"""How far predicted probabilities can be believed: confusion and calibration."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


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
