"""The epochs of a run so far, the seconds they took, and which epoch is best."""

import dataclasses
import math
from typing import Any

from imdb_jax.config import TrainingConfig
from imdb_jax.config.checked import load
from imdb_jax.training.metrics import Figure, Scores, TrainScores

LARGEST_GAP = 0.1  # between the accuracy on training and validation reviews


def rank(figure: float, monitor: str) -> float:
    """A metric as one to choose by: the higher the better, and NaN never best."""
    if not math.isfinite(figure):
        return -math.inf
    return -figure if monitor == "loss" else figure


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What an epoch reached; a line of metrics.jsonl."""

    epoch: int  # from 1 on
    step: int  # updates since the run began
    train: TrainScores
    validation: Scores
    seconds: float  # of training, over all starts
    reviews_per_second: Figure = math.nan
    tokens_per_second: Figure = math.nan

    def rank(self, monitor: str) -> float:
        """By a validation metric; the best epoch has the highest."""
        return rank(getattr(self.validation, monitor), monitor)


@dataclasses.dataclass
class Seconds:
    """Of a run, over all its starts; what came after the last checkpoint of a start that was cut off is not in it."""

    start: float = 0.0  # until the command's own work begins: Python and its imports
    data: float = 0.0  # reviews, word vectors, first weights
    train: float = 0.0
    evaluation: float = 0.0  # validation after each epoch, both splits at the end, and waiting for checkpoints
    compile: float = 0.0  # part of the phases above
    total: float = 0.0

    def add(self, other: "Seconds") -> None:
        """Adds the seconds of an earlier start."""
        for phase, seconds in dataclasses.asdict(other).items():
            setattr(self, phase, getattr(self, phase) + seconds)


@dataclasses.dataclass
class History:
    """A run so far; a checkpoint holds that of its step."""

    epochs: list[Epoch] = dataclasses.field(default_factory=list)
    seconds: Seconds = dataclasses.field(default_factory=Seconds)
    first_weights: str | None = None  # fingerprint of those before the first step; None where version 0.1 began

    def best(self, monitor: str) -> Epoch:
        """The first of the best epochs."""
        return max(self.epochs, key=lambda epoch: epoch.rank(monitor))

    def overfitting(self) -> str | None:
        """What shows that the run learns its reviews by heart, and what to try, in one line; None if nothing does."""
        last, lowest = self.epochs[-1], min(self.epochs, key=lambda epoch: epoch.validation.loss)
        gap, signs = last.train.accuracy - last.validation.accuracy, []
        if gap > LARGEST_GAP:
            signs.append(f"training accuracy is {100 * gap:.0f} points above validation accuracy")
        if last.epoch > lowest.epoch + 1:
            signs.append(f"validation loss rises since epoch {lowest.epoch}")
        advice = "more dropout (--config.model.dropout=, word_dropout=), --config.training.patience=2, fewer weights"
        return f"the run over-fits: {' and '.join(signs)}; try {advice} or more reviews" if signs else None

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether all epochs are done or patience is at its end; the epochs alone decide, so resuming is exact."""
        if not self.epochs:
            return False
        stale = len(self.epochs) - self.best(config.monitor).epoch
        return len(self.epochs) >= config.epochs or (config.patience is not None and stale >= config.patience)

    @classmethod
    def of(cls, content: Any) -> "History":
        """What a checkpoint holds: what `dump` gave, or the list of epochs alone that version 0.1 wrote."""
        return load(cls, {"epochs": content} if isinstance(content, list) else content, "history")
