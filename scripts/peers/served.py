"""What servers share: raw text in, the probability of "positive" out."""

import time
from collections.abc import Callable

import numpy as np

from scripts.peers.task import Task

BATCH = 256


class Server:
    """Reads the texts of a task, many at once in batches or a single one as soon as it comes.

    Args:
      task: with texts.
      probabilities: of any number of reviews.
      probability: of one review, where that is done in another way.
    """

    def __init__(
        self,
        task: Task,
        probabilities: Callable[[list[bytes]], np.ndarray],
        probability: Callable[[bytes], float] | None = None,
    ) -> None:
        self.texts, self.probabilities = list(task.texts), probabilities
        self.one_at_a_time = self.texts[: task.single]
        self.probability = probability or (lambda review: float(probabilities([review])[0]))

    def many(self) -> np.ndarray:
        return self.probabilities(self.texts)

    def single(self) -> np.ndarray:
        """Seconds that each review takes when it comes alone."""
        seconds = []
        for review in self.one_at_a_time:
            started = time.perf_counter()
            self.probability(review)
            seconds.append(time.perf_counter() - started)
        return np.array(seconds)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * logits.astype(np.float64))
