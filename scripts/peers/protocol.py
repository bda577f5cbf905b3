"""What a competitor is given, and its end of the pipe to the benchmark; see `turns.Child` for the other one.

All have the same reviews, as the same ids, and the same weights. A competitor has a process to itself. It writes one
line of JSON when its imports are done, and one for each line that it reads, the name of a method. Those of a trainer
are step (trains on one batch), reset (sets the weights to the task's), train (on each review once) and infer (logits of
the test reviews); those of a server many and single: raw text in, the probability of "positive" out. A method returns
when its work is done, not when it is queued.
"""

import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from imdb_jax.data.batches import Split
from imdb_jax.data.vocabulary import Vocabulary

BATCH = 256  # of servers
WORDS, NGRAMS = (100, 150, 200, 300, 400), (256, 512, 1024, 2048, 4096)
BUCKETS = {"W1": WORDS, "W2": WORDS, "W3": NGRAMS}  # padded lengths below the longest that tuned peers use


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
    vocabulary: Vocabulary
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


def serve(start: Callable[[Task, str], Any]) -> None:
    """Works off commands until the pipe is closed; answers tell seconds, peak memory, and the values of the method.

    Args:
      start: builds the competitor from a task, whose folder is the first argument of this process, and a variant, which
        is the second.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    sys.stdout.reconfigure(line_buffering=True)  # and comes before what ends this process
    print("{}", file=answers)
    competitor = start(Task.load(Path(sys.argv[1])), sys.argv[2])
    for line in sys.stdin:
        started = time.perf_counter()
        values = getattr(competitor, line.strip())()
        answer = {"seconds": time.perf_counter() - started, "memory_mb": peak_memory_mb()}
        print(json.dumps(answer if values is None else {**answer, "values": values.tolist()}), file=answers)


def peak_memory_mb() -> float:
    """The most memory that this process held at once.

    The kernel's mark in /proc starts anew with each program; that of getrusage counts the parent before it, too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


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
