"""The epochs of a run so far, the seconds they took, and which epoch is best."""

import dataclasses
import json
import math
from typing import Any

from pydantic import TypeAdapter

from imdb_jax.config import TrainingConfig
from imdb_jax.training.metrics import Figure, Scores, TrainScores


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What an epoch reached; a line of metrics.jsonl."""

    epoch: int
    """From 1 on."""
    step: int
    """Updates since the run began."""
    train: TrainScores
    validation: Scores
    seconds: float
    """Of training, over all starts."""
    reviews_per_second: Figure = math.nan
    tokens_per_second: Figure = math.nan

    def rank(self, monitor: str) -> float:
        """By a validation metric; the best epoch has the highest, and NaN is never best."""
        value = getattr(self.validation, monitor)
        value = -value if monitor == "loss" else value
        return value if math.isfinite(value) else -math.inf


@dataclasses.dataclass
class Seconds:
    """Of a run, over all its starts; what came after the last checkpoint of a start that was cut off is not in it."""

    start: float = 0.0
    """Until the command's own work begins: Python and its imports."""
    data: float = 0.0
    """Reviews, word vectors, first weights."""
    train: float = 0.0
    evaluation: float = 0.0
    """Validation after each epoch, both splits at the end, and waiting for checkpoints."""
    compile: float = 0.0
    """Part of the phases above."""
    total: float = 0.0

    def add(self, other: "Seconds") -> None:
        """Adds the seconds of an earlier start."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def rounded(self) -> "Seconds":
        """To milliseconds."""
        return Seconds(**{name: round(value, 3) for name, value in dataclasses.asdict(self).items()})


@dataclasses.dataclass
class History:
    """A run so far; a checkpoint holds that of its step."""

    epochs: list[Epoch] = dataclasses.field(default_factory=list)
    seconds: Seconds = dataclasses.field(default_factory=Seconds)

    def best(self, monitor: str) -> Epoch:
        """The first of the best epochs."""
        return max(self.epochs, key=lambda epoch: (epoch.rank(monitor), -epoch.epoch))

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether all epochs are done or patience is at its end; the epochs alone decide, so resuming is exact."""
        if not self.epochs:
            return False
        stale = len(self.epochs) - self.best(config.monitor).epoch
        return len(self.epochs) >= config.epochs or (config.patience is not None and stale >= config.patience)

    def to_json(self) -> Any:
        """As checkpoints hold it."""
        return json.loads(_ADAPTER.dump_json(self))

    @classmethod
    def from_json(cls, content: Any) -> "History":
        """What `to_json` gave, or the list of epochs alone that version 0.1 wrote."""
        return _ADAPTER.validate_python({"epochs": content} if isinstance(content, list) else content)


_ADAPTER = TypeAdapter(History)
