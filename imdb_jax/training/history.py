"""The epochs of a run so far, and which is best."""

import math
from typing import Any

from imdb_jax.config import TrainingConfig

History = list[dict[str, Any]]


def best_epoch(history: History, monitor: str) -> int:
    """Index of the first of the best epochs by a validation metric; NaN is never best."""
    return max(range(len(history)), key=lambda epoch: (score_of(history[epoch], monitor), -epoch))


def is_finished(history: History, config: TrainingConfig) -> bool:
    """Whether all epochs are done or patience is at its end; depends on the history alone, so resuming is exact."""
    if not history:
        return False
    stale = len(history) - 1 - best_epoch(history, config.monitor)
    return len(history) >= config.epochs or (config.patience is not None and stale >= config.patience)


def score_of(record: dict, monitor: str) -> float:
    """What the best epoch has most of; NaN is never best."""
    value = record["validation"][monitor]
    value = -value if monitor == "loss" else value
    return value if math.isfinite(value) else -math.inf
