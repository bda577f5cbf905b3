"""imdb_jax: training with the pieces and defaults of `python -m imdb_jax.train`, and each way to read reviews."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Predictor
from imdb_jax.inference.reader import JaxReader, NumpyReader
from imdb_jax.runs.run import Run
from imdb_jax.runtime import set_up_process
from imdb_jax.training.build import batches, build_learner, build_model
from imdb_jax.training.parallel import Replicas, replicate
from scripts.peers.protocol import Server, Task, serve


class Trainer:
    """The model of a config, trained without a run directory.

    Args:
      config: its model, optimizer and batches.
      vocabulary: of the reviews.
      train: reviews to learn from.
      batch_size: reviews per update.
      vectors: of a pretrained embedding; found and read unless given.
      devices: a mesh of these, not the devices that the command would take.
    """

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        train: Split,
        batch_size: int,
        vectors: np.ndarray | None = None,
        devices: Sequence[Any] | None = None,
    ) -> None:
        self.seed, self.epochs = config.seed, itertools.count()
        self.batches = batches(train, config, batch_size)
        steps = len(self.batches) * config.training.epochs
        self.build = partial(build_learner, build_model(config, vocabulary, vectors), config, steps)
        learner, state = self.build()
        if devices is None:
            self.replicas = replicate(learner, state.params, batch_size)
        else:
            self.replicas = Replicas(learner, devices)
        self.state = self.replicas.place(state)

    def reset(self) -> None:
        self.state = self.replicas.place(self.build()[1])

    def step(self) -> None:
        self.train(steps=1)

    def train(self, steps: int | None = None) -> None:
        """Trains on each review once, or on that many batches."""
        share = self.replicas.share(self.batches.batch_size)
        epochs = (self.batches.shuffled(self.seed, number, share=share) for number in self.epochs)
        some = next(epochs) if steps is None else itertools.islice(itertools.chain.from_iterable(epochs), steps)
        for state in self.replicas.steps(self.state, some):
            self.state = state
        jax.block_until_ready(self.state)


class Ours(Trainer):
    """The model of the task's config."""

    def __init__(self, task: Task) -> None:
        set_up_process()
        config = load_file(task.config)
        table = task.weights["embedding.table"]  # a learned embedding takes no notice and draws the same again
        super().__init__(config, task.vocabulary, task.train, task.batch_size, table)
        self.test_batches = batches(task.test, config, task.eval_batch_size)

    def infer(self) -> np.ndarray:
        """Logits of the test reviews."""
        return self.replicas.logits(self.replicas.eval_models(self.state), self.test_batches)


def start(task: Task, variant: str) -> Ours | Server:
    """A trainer, or `Predictor` of a run directory, or the exported model read with JAX or with NumPy."""
    if variant == "train":
        return Ours(task)
    if variant == "exported":
        return Server(task, JaxReader(task.folder / "model.zip").probabilities)
    if variant == "exported-numpy":
        return Server(task, NumpyReader(task.folder / "model.zip").probabilities)
    set_up_process()
    predictor = Predictor(Run(task.folder / "run"))
    return Server(task, lambda reviews: np.array([each.probability for each in predictor.predict(reviews)]))


if __name__ == "__main__":
    serve(start)
