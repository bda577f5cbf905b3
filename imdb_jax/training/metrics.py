"""How good predictions are: exact figures over all logits of a split."""

import dataclasses
import math
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float
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
