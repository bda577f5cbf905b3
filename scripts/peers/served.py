"""Servers: raw text in, the probability of "positive" out, each with the weights of imdb_jax's model.

A server reads many reviews at once, in batches, or a single one as soon as it comes.
"""

import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from scripts.peers.protocol import Commands, work_off
from scripts.peers.task import Task

BATCH = 256


class Folder(NamedTuple):
    """What a server is given: the same model in each one's own form, and reviews."""

    path: Path

    @property
    def task(self) -> Task:
        """Tokens and weights."""
        return Task.load(self.path / "task")

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.path / "run"

    @property
    def model(self) -> Path:
        """The exported model."""
        return self.path / "model.zip"

    def write_reviews(self, reviews: list[bytes]) -> None:
        """Writes what there is to read."""
        (self.path / "reviews").write_bytes(pickle.dumps(reviews))

    def reviews(self) -> list[bytes]:
        """What there is to read."""
        return pickle.loads((self.path / "reviews").read_bytes())


class Server(Protocol):
    """What a peer's file implements."""

    def many(self, reviews: list[bytes]) -> np.ndarray:
        """Probabilities of any number of reviews."""
        ...

    def single(self, review: bytes) -> float:
        """The probability of one review."""
        ...


def serve(start: Callable[[Folder, str], Server]) -> None:
    """Works off the commands `many` and `single`; see `protocol.work_off`.

    Args:
      start: builds the server from a folder and a variant, which are the arguments of this process; the third one says
        how many reviews are read one at a time.
    """

    def commands() -> Commands:
        folder = Folder(Path(sys.argv[1]))
        reviews, count = folder.reviews(), int(sys.argv[3])
        server: Server = start(folder, sys.argv[2])
        return {"many": lambda: server.many(reviews), "single": lambda: latencies(server, reviews[:count])}

    work_off(commands)


def latencies(server: Server, reviews: list[bytes]) -> np.ndarray:
    """Seconds that each review takes when it comes alone."""
    seconds = np.empty(len(reviews))
    for i, review in enumerate(reviews):
        started = time.perf_counter()
        server.single(review)
        seconds[i] = time.perf_counter() - started
    return seconds


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * logits.astype(np.float64))
