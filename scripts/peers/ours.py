"""imdb_jax, with the pieces and defaults that `python -m imdb_jax.train` puts together."""

import itertools
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from imdb_jax.config import load_file
from imdb_jax.data.batches import Batch
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.runtime import set_up_process
from imdb_jax.training.build import batches, build_learner, build_model
from imdb_jax.training.parallel import replicate
from scripts.peers.protocol import serve
from scripts.peers.task import Task


class Ours:
    """The model of the task's config."""

    def __init__(self, task: Task, _: str) -> None:
        set_up_process()
        config = load_file(task.config)
        vocabulary = Vocabulary(task.tokens, config.data.text)
        table = task.weights["embedding.table"]  # a learned embedding takes no notice and draws the same again
        self.seed, self.epochs = config.seed, itertools.count()
        self.batches = batches(task.train, config, task.batch_size)
        self.test_batches = batches(task.test, config, task.eval_batch_size)
        steps = len(self.batches) * config.training.epochs
        self.build = partial(build_learner, build_model(config, vocabulary, table), config, steps)
        learner, state = self.build()
        self.replicas = replicate(learner, state.params, task.batch_size)
        self.states = self.replicas.place(state)

    def reset(self) -> None:
        self.states = self.replicas.place(self.build()[1])

    def step(self) -> None:
        self._train(itertools.islice(self._epoch(0), 1))

    def train(self) -> None:
        self._train(self._epoch(next(self.epochs)))

    def _epoch(self, number: int) -> Iterator[Batch]:
        return self.batches.shuffled(self.seed, number, share=self.replicas.share(self.batches.batch_size))

    def _train(self, epoch: Iterable[Batch]) -> None:
        for shards in self.replicas.send(epoch):
            self.states = self.replicas.step(self.states, shards)
        self.states[0].metrics.compute()

    def infer(self) -> np.ndarray:
        return self.replicas.logits(self.replicas.eval_models(self.states), self.test_batches)


if __name__ == "__main__":
    serve(Ours)
