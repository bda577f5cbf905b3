"""Runs that are begun without a review: their vocabulary is given."""

from typing import Any

import numpy as np

from imdb_jax.config import Config
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import Dataset
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.runs.run import Run


def begin(run: Run, config: Config, vocabulary: Vocabulary, vectors: Any = None) -> None:
    """Writes what `Run.begin` writes."""
    none = Split(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int8))
    run.begin(config, Dataset(none, none, none, vocabulary, {}, "reviews", "reviews", config.data), vectors)
