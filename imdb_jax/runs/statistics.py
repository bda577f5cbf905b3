"""Figures over several runs: their spread, and whether two differ."""

import dataclasses
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8

from imdb_jax.training.metrics import Figure, Scores

Name = TypeVar("Name", bound=Hashable)


def seeds_together(configs: Mapping[Name, Mapping[str, Any]]) -> list[list[Name]]:
    """Names of configs that differ in their seed alone, in the order they are given in.

    Example: {"a": {"seed": 0, "dim": 8}, "b": {"seed": 0, "dim": 4}, "c": {"seed": 1, "dim": 8}} gives
    [["a", "c"], ["b"]].
    """
    groups: dict[str, list[Name]] = defaultdict(list)
    for name, config in configs.items():
        groups[json.dumps({**config, "seed": None}, sort_keys=True)].append(name)
    return list(groups.values())


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of a figure over runs that differ in their seed."""

    mean: Figure
    std: float | None  # sample standard deviation; None of a single run
    low: float | None  # lower end of the 95 % interval of the mean, by Student's t distribution; None of a single run
    high: float | None

    @classmethod
    def of(cls, values: Sequence[int | float]) -> "Spread":
        """Of one value for each run; NaN, as the AUC of reviews of one class is, has no spread."""
        mean = statistics.fmean(values)
        if len(values) == 1 or math.isnan(mean):
            return cls(mean, None, None, None)
        from scipy import stats  # half a second that only those who ask for an interval wait

        std = statistics.stdev(values)
        reach = float(stats.t.ppf(0.975, len(values) - 1)) * std / len(values) ** 0.5
        return cls(mean, std, mean - reach, mean + reach)

    def __format__(self, form: str) -> str:
        """Mean ± standard deviation by a format such as `.2f`; the mean alone where there is nothing to spread."""
        if math.isnan(self.mean):
            return "-"
        mean = format(self.mean, form)
        return f"{mean} ± {format(self.std, form)}" if self.std else mean

    def interval(self, form: str) -> str:
        """The ends of the interval by such a format; nothing of a single run."""
        return "" if self.low is None or self.high is None else f"{self.low:{form}} – {self.high:{form}}"


@dataclasses.dataclass(frozen=True)
class Spreads:
    """Of each figure over the scores of several runs."""

    accuracy: Spread
    loss: Spread
    auc: Spread
    f1: Spread

    @classmethod
    def of(cls, scores: Sequence[Scores]) -> "Spreads":
        """Of one score for each run."""
        fields = dataclasses.fields(cls)
        return cls(**{field.name: Spread.of([getattr(each, field.name) for each in scores]) for field in fields})


def mean_logits(
    logits: Sequence[Float[np.ndarray, " N"]], weights: Sequence[float] | None = None
) -> Float64[np.ndarray, " N"]:
    """What an ensemble says: for each review the mean of its members' logits, or their sum with weights."""
    if weights is None:
        return np.stack(logits).mean(axis=0, dtype=np.float64)
    return np.array(weights, np.float64) @ np.stack(logits)


def log_odds_weights(logits: Sequence[Float[np.ndarray, " N"]], labels: Int8[np.ndarray, " N"]) -> list[float]:
    """Weights, none below 0, whose sum of several members' logits comes nearest to the log-odds of the labels.

    A logistic regression without a constant (Wolpert 1992, stacking); of a single member its weight is the inverse of
    a temperature (Guo et al. 2017). Labels are softened as by Platt (1999): what is always right gets a finite weight.

    Example: one member with logits [1, 1, 1, 1, -1, -1, -1, -1] for labels [1, 1, 1, 0, 0, 0, 0, 1] gives [log 2].
    """
    from scipy import optimize, special

    stacked, positive = np.stack(logits).astype(np.float64), labels > 0
    targets = np.where(positive, (positive.sum() + 1) / (positive.sum() + 2), 1 / ((~positive).sum() + 2))

    def loss(weights: Float64[np.ndarray, " M"]) -> tuple[float, Float64[np.ndarray, " M"]]:
        logit = weights @ stacked
        slope = stacked @ (special.expit(logit) - targets) / len(targets)
        return float((np.logaddexp(0, logit) - targets * logit).mean()), slope

    start, bounds = np.full(len(stacked), 1 / len(stacked)), [(0, None)] * len(stacked)
    return optimize.minimize(loss, start, jac=True, bounds=bounds, tol=1e-12).x.tolist()


def mcnemar(first: Bool[np.ndarray, " N"], second: Bool[np.ndarray, " N"]) -> tuple[int, int, float]:
    """McNemar's exact test (1947, with the binomial distribution): whether one is right more often on the same reviews.

    Returns:
      The reviews that only the first calls right, those that only the second does, and the probability of a split as
      uneven or more, were both equally good.
    """
    from scipy import stats

    alone = int((first & ~second).sum()), int((second & ~first).sum())
    return *alone, float(stats.binomtest(alone[0], sum(alone)).pvalue) if any(alone) else 1.0


def difference_interval(first: Bool[np.ndarray, "M N"], second: Bool[np.ndarray, "K N"]) -> tuple[float, float]:
    """95 % interval of how much more accurate the second is; `first` and `second` say what each member calls right.

    The variances over the N reviews, which both share, and over the members of each side add up; Student's t has the
    degrees of freedom of Satterthwaite (1946). A single member tells nothing of other seeds: they are not in it then.
    """
    from scipy import stats

    alone = second.mean(axis=0) - first.mean(axis=0)  # of each review
    samples = [alone, *(side.mean(axis=1) for side in (first, second) if len(side) > 1)]
    variances = [float(sample.var(ddof=1)) / len(sample) for sample in samples]
    if not any(variances):
        return float(alone.mean()), float(alone.mean())
    freedom = sum(variances) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, samples, strict=True))
    reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(variances))
    return float(alone.mean()) - reach, float(alone.mean()) + reach
