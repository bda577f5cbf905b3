"""What every competitor is given: the same reviews, as the same ids, and the same initial weights."""

import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imdb_jax.data.batches import Split

BUCKETS = (100, 150, 200, 300, 400)  # padded lengths below the longest that tuned peers use


class Task(NamedTuple):
    """A workload with its data; reviews are cut to max_length already."""

    workload: str
    config: str  # file that imdb_jax trains from; peers write the same model in their own words
    batch_size: int
    eval_batch_size: int
    max_length: int
    train: Split
    test: Split
    tokens: tuple[bytes, ...]
    weights: dict[str, np.ndarray]  # by their names in imdb_jax's model, frozen ones included

    def save(self, path: Path) -> None:
        """Writes a file for `load`."""
        path.write_bytes(pickle.dumps(self))

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Reads what `save` wrote."""
        return pickle.loads(path.read_bytes())


def lengths(split: Split) -> np.ndarray:
    """Tokens per review."""
    return np.diff(split.offsets).astype(np.int32)


def padded(split: Split, width: int) -> np.ndarray:
    """All reviews as int32 [N, width], padded at their end with 0."""
    tokens = np.zeros((len(split.labels), width), np.int32)
    tokens[np.arange(width) < lengths(split)[:, None]] = split.ids
    return tokens
