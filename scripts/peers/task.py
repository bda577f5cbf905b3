"""What every competitor is given: the same reviews, as the same ids, and the same weights."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imdb_jax.data.batches import Split

BUCKETS = (100, 150, 200, 300, 400)  # padded lengths below the longest that tuned peers use


class Task(NamedTuple):
    """A workload with its data; reviews are cut to max_length already."""

    folder: Path  # holds this task, and for servers the run directory `run` and the exported `model.zip`
    workload: str
    config: str  # file that imdb_jax trains from; peers write the same model in their own words
    batch_size: int
    eval_batch_size: int
    max_length: int
    train: Split
    test: Split
    tokens: tuple[bytes, ...]
    weights: dict[str, np.ndarray]  # by their names in imdb_jax's model, frozen ones included
    texts: tuple[bytes, ...] = ()  # raw reviews for servers
    single: int = 0  # how many of them are read one at a time

    def save(self) -> None:
        """Writes a file for `load`."""
        (self.folder / "task").write_bytes(pickle.dumps(self))

    @classmethod
    def load(cls, folder: Path) -> "Task":
        """Reads what `save` wrote."""
        return pickle.loads((folder / "task").read_bytes())


def lengths(split: Split) -> np.ndarray:
    """Tokens per review."""
    return np.diff(split.offsets).astype(np.int32)


def padded(split: Split, width: int) -> np.ndarray:
    """All reviews as int32 [N, width], padded at their end with 0."""
    tokens = np.zeros((len(split.labels), width), np.int32)
    tokens[np.arange(width) < lengths(split)[:, None]] = split.ids
    return tokens
