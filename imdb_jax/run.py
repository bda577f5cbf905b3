"""A run directory: all that a trained model needs to be evaluated, used and compared.

config.json, vocabulary.txt, vectors.npy and coverage.json (where the embedding is pretrained), audit.json,
metrics.jsonl, checkpoints/, tensorboard/, train.log, results.json, report.html with the figures of report/, and
test_readings.jsonl: one line for each time that somebody looked at the test split.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imdb_jax.config import Config, differences, from_json, to_json
from imdb_jax.data.vectors import Coverage
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import BAD_DATA, LOCKED, MISSING_INPUT, UserError


class Run:
    """The files of one run.

    Args:
      folder: the run directory (`--workdir`).
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.checkpoints = self.folder / "checkpoints"

    @contextlib.contextmanager
    def taken(self, config: Config) -> Iterator[None]:
        """Makes the directory and takes it for this process.

        Raises:
          UserError: not writable, in use by another process, or begun with another config.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise UserError(f"{self.folder}: {error.strerror}; choose another --workdir", LOCKED) from None
        with lock:  # the kernel lets go of it however the process ends
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"{self.folder}: another process is training there; choose another --workdir"
                raise UserError(message, LOCKED) from None
            if (self.folder / "config.json").exists() and (changes := differences(self.config(), config)):
                raise UserError(
                    f"{self.folder}: begun with another config ({'; '.join(changes)}); "
                    "go on with the old one or choose another --workdir"
                )
            yield

    def begin(self, config: Config, vocabulary: Vocabulary, audit: dict[str, Any]) -> None:
        """Writes what later commands need; until then the directory can still become another run.

        Raises:
          UserError: the run was begun with another vocabulary, so the reviews have changed since.
        """
        if (self.folder / "vocabulary.txt").exists():
            self.check_vocabulary(vocabulary)
            return
        self.write_text("config.json", to_json(config))
        self.write_text("audit.json", json.dumps(audit, indent=2) + "\n")
        vocabulary.save(self.folder / "vocabulary.txt")

    def config(self) -> Config:
        """The config that the run was begun with."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise UserError(f"{path}: no such file; --workdir must be the directory of a training run", MISSING_INPUT)
        return from_json(path.read_bytes(), str(path))

    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the run was trained with."""
        return Vocabulary.load(self.folder / "vocabulary.txt", self.config().data.text)

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Makes sure that the data are those the run was trained on.

        Raises:
          UserError: their vocabulary is another one.
        """
        if self.vocabulary().tokens != vocabulary.tokens:
            raise UserError(
                f"{self.folder}: training reviews or data.word_index have changed since it was begun", BAD_DATA
            )

    def load_vectors(self) -> np.ndarray | None:
        """The vectors [V, D], float32, that the run's embedding starts from, or None."""
        path = self.folder / "vectors.npy"
        return np.load(path, allow_pickle=False) if path.exists() else None

    def save_vectors(self, vectors: np.ndarray) -> None:
        """Keeps the vectors, so that every later command needs the run directory alone."""
        draft = self.folder / ".vectors.npy"
        np.save(draft, vectors)
        draft.replace(self.folder / "vectors.npy")

    def results(self) -> dict[str, Any] | None:
        """What training wrote at its end, or None while there is none."""
        path = self.folder / "results.json"
        return json.loads(path.read_text()) if path.exists() else None

    def coverage(self) -> Coverage | None:
        """How much of the vocabulary the pretrained vectors knew, or None where there are none."""
        path = self.folder / "coverage.json"
        return Coverage(**json.loads(path.read_text())) if path.exists() else None

    def history(self) -> list[dict[str, Any]]:
        """The figures of each epoch so far."""
        return self._lines("metrics.jsonl")

    def test_readings(self) -> list[dict[str, Any]]:
        """Each look at the test split so far."""
        return self._lines("test_readings.jsonl")

    def record_test_reading(self, reading: dict[str, Any]) -> None:
        """Notes that the test split was looked at: each look is a chance to choose by it."""
        with (self.folder / "test_readings.jsonl").open("a") as file:
            file.write(json.dumps(reading) + "\n")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def write_text(self, name: str, text: str) -> None:
        """Writes a file that is whole or not there."""
        draft = self.folder / f".{name}.{os.getpid()}"
        draft.write_text(text)
        draft.replace(self.folder / name)
