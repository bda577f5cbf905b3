"""A run directory: all that a trained model needs to be evaluated, used and compared.

config.json, vocabulary.txt, vectors.npy and coverage.json (where the embedding is pretrained), audit.json, and
manifest.json with the checksums of these; metrics.jsonl, checkpoints/, tensorboard/, train.log; predictions.npz and
results.json at the end; report.html with the figures of report/; test_readings.jsonl: a line for each look at the test
split.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int8

from imdb_jax.config import Config, differences, from_json, to_json
from imdb_jax.data.dataset import Dataset
from imdb_jax.data.rows import jsonl_rows
from imdb_jax.wordvectors.table import Coverage
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import BAD_DATA, IO_FAILED, MISSING_INPUT, UserError
from imdb_jax.runs.folder import MAX_ARRAYS, MAX_BYTES, Folder, read_bytes
from imdb_jax.runs.records import Epoch, Manifest, Results, check
from imdb_jax.storage import atomic_file

MANIFEST = "manifest.json"
FORMAT = 2  # of the manifest; in 1, which has no such key, fingerprints of reviews looked at some of them only
ORIGIN = ("config.json", "vocabulary.txt", "vectors.npy")  # files that the weights of a run belong to
POPULATION = "population.json"  # of a folder whose members are runs; see population.py


class Predictions(NamedTuple):
    """What the chosen checkpoint of a run said of a split, review for review.

    Attributes:
      logits: a review is called positive above 0.
      labels: 0 or 1.
    """

    logits: Float32[np.ndarray, " N"]
    labels: Int8[np.ndarray, " N"]


class Run(Folder):
    """The files of one run.

    Args:
      folder: the run directory (`--workdir`).
    """

    mark = MANIFEST

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self.checkpoints = self.folder / "checkpoints"

    @contextlib.contextmanager
    def taken(self, config: Config) -> Iterator[None]:
        """Makes the directory and takes it for this process; what fails before the run has begun leaves none behind.

        Raises:
          UserError: not writable, in use by another process, begun with another config, or with what it was begun gone.
        """
        if (self.folder / POPULATION).exists():
            raise UserError(f"{self.folder}: a population of runs, not a single one; choose another --workdir")
        with self.locked():
            if not self.begun and self.checkpoints.exists():
                message = f"has checkpoints but no {MANIFEST}; put that back or choose another --workdir"
                raise UserError(f"{self.folder}: {message}", BAD_DATA)
            if self.begun and (changes := differences(self.config(), config)):
                raise UserError(
                    f"{self.folder}: begun with another config ({'; '.join(changes)}); "
                    "go on with the old one or choose another --workdir"
                )
            yield

    def begin(
        self,
        config: Config,
        vocabulary: Vocabulary,
        audit: dict[str, Any],
        data: str,
        vectors: np.ndarray | None = None,
        coverage: Coverage | None = None,
    ) -> None:
        """Writes what later commands need; until that is done the directory can still become another run.

        Args:
          config: of the run.
          vocabulary: of the run.
          audit: what the reviews looked like.
          data: fingerprint of the reviews and of how they were encoded.
          vectors: float32 [V, D] that a pretrained embedding starts from.
          coverage: how much of the vocabulary they knew.
        """
        self.write_text("config.json", to_json(config))
        self.write_text("audit.json", json.dumps(audit, indent=2) + "\n")
        vocabulary.save(self.folder / "vocabulary.txt")
        names = ["config.json", "audit.json", "vocabulary.txt"]
        if coverage is not None:
            self.write_text("coverage.json", json.dumps(coverage._asdict()) + "\n")
            names.append("coverage.json")
        if vectors is not None:
            with atomic_file(self.folder / "vectors.npy") as file:
                np.save(file, vectors)
            names.append("vectors.npy")
        sums = {name: self._sum(name) for name in names}
        self.write_sealed(MANIFEST, {"format": FORMAT, "data": data, "sha256": sums})

    def config(self) -> Config:
        """The config that the run was begun with."""
        return from_json(self._read("config.json"), str(self.folder / "config.json"))

    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the run was trained with."""
        self._read("vocabulary.txt")
        return Vocabulary.load(self.folder / "vocabulary.txt", self.config().data.text)

    def origin(self) -> dict[str, str]:
        """What its checkpoints belong to: checksums of its config, vocabulary, vectors and reviews, by name."""
        manifest = self._manifest()
        sums = {**manifest["sha256"], "reviews": manifest["data"]}
        return {name: sums[name][:16] for name in (*ORIGIN, "reviews") if name in sums}

    def check_data(self, dataset: Dataset) -> None:
        """Makes sure that the reviews are those the run was begun with.

        Raises:
          UserError: they, or what makes ids of them, have changed since.
        """
        manifest = self._manifest()
        same = manifest["data"] == dataset.fingerprint
        if "format" not in manifest:
            same = self.vocabulary().tokens == dataset.vocabulary.tokens and self._audit() == dataset.audit
        if not same:
            raise UserError(f"{self.folder}: the reviews have changed since this run was begun", BAD_DATA)

    def has_reviews_of(self, other: "Run") -> bool:
        """Whether two finished runs were trained, chosen and tested on the same reviews."""
        if ("format" in self._manifest()) == ("format" in other._manifest()):
            return self._results()["reviews"] == other._results()["reviews"]
        return self._audit() == other._audit()

    def _audit(self) -> dict[str, Any]:
        return json.loads(self._read("audit.json"))

    def load_vectors(self) -> np.ndarray | None:
        """The vectors [V, D], float32, that the run's embedding starts from, or None."""
        if not (self.folder / "vectors.npy").exists():
            return None
        return np.load(io.BytesIO(self._read("vectors.npy")), allow_pickle=False)

    def results(self) -> dict[str, Any] | None:
        """What training wrote at its end, or None while there is none."""
        if not (self.folder / "results.json").exists():
            return None
        results = self._results()
        for sealed in ("metrics", "predictions"):
            results.pop(sealed)
        return results

    def write_results(self, results: dict[str, Any]) -> None:
        """Ends the run: its metrics and predictions are sealed too."""
        sums = {"metrics": self._sum("metrics.jsonl"), "predictions": self._sum("predictions.npz")}
        self.write_sealed("results.json", {**results, **sums})

    def write_predictions(self, predictions: dict[str, Predictions]) -> None:
        """Keeps what the run says of each split, so that nobody need read it again; comes before `write_results`."""
        file = io.BytesIO()
        arrays = {f"{split}_{name}": x for split, of in predictions.items() for name, x in of._asdict().items()}
        np.savez(file, **arrays)
        self.write_bytes("predictions.npz", file.getvalue())

    def predictions(self, split: str) -> Predictions:
        """What a finished run said of a split.

        Args:
          split: validation or test.

        Raises:
          UserError: training has not ended, its predictions were not kept, or they have changed since.
        """
        path = self.folder / "predictions.npz"
        if self.results() is None:
            raise UserError(f"{self.folder}: not a finished run; let training end", MISSING_INPUT)
        if not path.exists():
            raise UserError(f"{path}: no such file; the run can't be compared without it", MISSING_INPUT)
        found = read_bytes(path, MAX_ARRAYS)
        if self._results()["predictions"] != hashlib.sha256(found).hexdigest():
            raise UserError(f"{path}: has changed since the run has ended", BAD_DATA)
        with np.load(io.BytesIO(found), allow_pickle=False) as arrays:
            return Predictions(arrays[f"{split}_logits"], arrays[f"{split}_labels"])

    def coverage(self) -> Coverage | None:
        """How much of the vocabulary the pretrained vectors knew, or None where there are none."""
        if not (self.folder / "coverage.json").exists():
            return None
        return Coverage(**json.loads(self._read("coverage.json")))

    def history(self) -> list[dict[str, Any]]:
        """The figures of each epoch so far.

        Raises:
          UserError: they have changed since the run has ended.
        """
        ended = (self.folder / "results.json").exists()
        if ended and self._results()["metrics"] != self._sum("metrics.jsonl"):
            raise UserError(f"{self.folder / 'metrics.jsonl'}: has changed since the run has ended", BAD_DATA)
        rows = self._lines("metrics.jsonl")
        for where, row in rows:
            check(Epoch, row, where)
        return [row for _, row in rows]

    def test_readings(self) -> list[dict[str, Any]]:
        """Each look at the test split so far."""
        return [row for _, row in self._lines("test_readings.jsonl")]

    def record_test_reading(self, reading: dict[str, Any]) -> None:
        """Notes that the test split was looked at: each look is a chance to choose by it.

        Raises:
          UserError: it can't be noted, such as on a disk that is full or read-only (74).
        """
        path = self.folder / "test_readings.jsonl"
        try:
            with path.open("a") as file:
                file.write(json.dumps(reading) + "\n")
        except OSError as error:
            message = f"{error.strerror}; each look at the test split must be recorded there"
            raise UserError(f"{path}: {message}", IO_FAILED) from None

    def _lines(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        path = self.folder / name
        lines = read_bytes(path).splitlines() if path.exists() else []
        return list(jsonl_rows(lines, str(path)))

    def _sum(self, name: str) -> str | None:
        path = self.folder / name
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def _read(self, name: str) -> bytes:
        """A file that `begin` wrote, as it wrote it.

        Raises:
          UserError: the run was not begun, or the file is gone or has changed.
        """
        path = self.folder / name
        sums = self._manifest()["sha256"]
        try:
            found = read_bytes(path, MAX_ARRAYS if name == "vectors.npy" else MAX_BYTES)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; the run can't be read without it", MISSING_INPUT) from None
        if hashlib.sha256(found).hexdigest() != sums.get(name):
            raise UserError(f"{path}: has changed since the run was begun; put the old file back", BAD_DATA)
        return found

    def _manifest(self) -> dict[str, Any]:
        if not self.begun:
            message = "no such file; --workdir must be the directory of a training run"
            raise UserError(f"{self.folder / MANIFEST}: {message}", MISSING_INPUT)
        return self.read_sealed(MANIFEST, Manifest)

    def _results(self) -> dict[str, Any]:
        return self.read_sealed("results.json", Results)
