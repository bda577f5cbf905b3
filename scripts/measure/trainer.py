"""Training without a run directory, for measurements."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from imdb_jax.config import Config
from imdb_jax.data.batches import Batch, Split
from imdb_jax.data.dataset import Dataset
from imdb_jax.training.build import batches, build_learner, build_model
from imdb_jax.training.parallel import MeshReplicas, replicate


class Trainer:
    """The model of a config, with the pieces and defaults of `python -m imdb_jax.train`.

    Args:
      config: its model, optimizer and batches.
      dataset: its vocabulary.
      train: reviews to learn from.
      devices: a mesh of these, not the devices that the command would take.
    """

    def __init__(self, config: Config, dataset: Dataset, train: Split, devices: Sequence[Any] | None = None) -> None:
        self.batches = batches(train, config, config.training.batch_size)
        steps = len(self.batches) * config.training.epochs
        learner, state = build_learner(build_model(config, dataset.vocabulary), config, steps)
        if devices is None:
            self.replicas = replicate(learner, state.params, config.training.batch_size)
        else:
            self.replicas = MeshReplicas(learner, devices)
        self.states = self.replicas.place(state)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        return self.batches.shuffled(0, number, share=self.replicas.share(self.batches.batch_size))

    def train(self, some: Iterable[Batch]) -> float:
        """Trains on batches; returns the seconds that took."""
        started = time.perf_counter()
        for shards in self.replicas.send(some):
            self.states = self.replicas.step(self.states, shards)
        jax.block_until_ready(self.states)
        return time.perf_counter() - started


def repeated(split: Split, reviews: int) -> Split:
    """The first reviews of a split, over and over, until there are as many as wanted."""
    rows = np.resize(np.arange(len(split.labels)), reviews)
    lengths = np.diff(split.offsets)[rows]
    ids = np.concatenate([split.ids[split.offsets[row] : split.offsets[row + 1]] for row in rows])
    return Split(ids, np.concatenate([[0], np.cumsum(lengths)]), np.asarray(split.labels)[rows])
