"""A run directory: all that a trained model needs to be evaluated, used and compared.

config.json, vocabulary.txt, ngrams.npy (where tokens are n-grams), vectors.npy and coverage.json (where the embedding
starts from vectors), audit.json, and
manifest.json with the checksums of these; metrics.jsonl, checkpoints/, tensorboard/, train.log; predictions.npz and
results.json at the end; report.html with the figures of report/; test_readings.jsonl: a line for each look at the test
split.
"""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int8

from imdb_jax.config import Config, dump, load
from imdb_jax.data.dataset import Dataset
from imdb_jax.data.rows import json_lines
from imdb_jax.data.vocabulary import NGRAMS, Vocabulary
from imdb_jax.errors import BAD_DATA, IO_FAILED, MISSING_INPUT, UserError
from imdb_jax.runs.folder import KINDS, LOG, MANIFEST, POPULATION, Folder
from imdb_jax.storage import atomic_file, local_path, os_errors_told, sha256
from imdb_jax.training.history import Epoch, History, Seconds
from imdb_jax.training.metrics import Scores
from imdb_jax.wordvectors.table import Coverage

MANIFEST_FORMAT = 2  # of the manifest
RESULTS, METRICS, PREDICTIONS, READINGS = "results.json", "metrics.jsonl", "predictions.npz", "test_readings.jsonl"
BEGINNING = ("config.json", "audit.json", "vocabulary.txt", NGRAMS, "coverage.json", "vectors.npy")
ORIGIN = ("config.json", "vocabulary.txt", NGRAMS, "vectors.npy")  # files that the weights of a run belong to


@dataclasses.dataclass(frozen=True)
class Manifest:
    """manifest.json: what the run was begun with."""

    data: str  # fingerprint of the reviews, and of how they were encoded
    sha256: dict[str, str]  # checksums of the files that never change, by name
    format: int = 1  # 2 since fingerprints are of all reviews; before they looked at some of them only


@dataclasses.dataclass(frozen=True)
class Results:
    """results.json: what a run reached."""

    validation: Scores
    test: Scores
    seed: int
    best_epoch: int  # from 1 on; chosen on validation
    epochs: int
    seconds: Seconds
    versions: dict[str, str]
    device: dict[str, Any]
    data: str  # fingerprint of the reviews, and of how they were encoded
    reviews: str  # fingerprint of the texts and labels of each split, whatever ids they have
    config: dict[str, Any]
    first_weights: str | None = None
    """Fingerprint of the weights before the first step; the same for all runs of a seed, unless it was given others."""
    metrics: str | None = None  # checksum of metrics.jsonl
    predictions: str | None = None  # checksum of predictions.npz


class Predictions(NamedTuple):
    """What the chosen checkpoint of a run predicted for a split, review for review; positive above a logit of 0."""

    logits: Float32[np.ndarray, " N"]
    labels: Int8[np.ndarray, " N"]


class Run(Folder):
    """The files of one run; see `Folder`."""

    mark = MANIFEST
    written = (*BEGINNING, METRICS, PREDICTIONS, RESULTS, READINGS, LOG, "checkpoints", "tensorboard")

    def __init__(self, folder: Path | str) -> None:
        super().__init__(folder)
        self.checkpoints = self.folder / "checkpoints"

    def begin(
        self, config: Config, dataset: Dataset, vectors: np.ndarray | None = None, coverage: Coverage | None = None
    ) -> None:
        """Writes what later commands need; until that is done the directory can still become another run.

        A pretrained embedding starts from the vectors, float32 [V, D], which know a part of the vocabulary (coverage).
        """
        self.write_text("config.json", json.dumps(dump(config), indent=2, ensure_ascii=False) + "\n")
        self.write_text("audit.json", json.dumps(dataset.audit, indent=2) + "\n")
        dataset.vocabulary.save(self.folder / "vocabulary.txt")
        names = [*BEGINNING[:3]]
        if dataset.vocabulary.ngrams is not None:
            names.append(NGRAMS)
        if coverage is not None:
            self.write_text("coverage.json", json.dumps(coverage._asdict()) + "\n")
            names.append("coverage.json")
        if vectors is not None:
            with atomic_file(self.folder / "vectors.npy") as file:
                np.save(file, vectors)
            names.append("vectors.npy")
        sums = {name: self._checksum(name) for name in names}
        self.write_record(MANIFEST, Manifest(dataset.fingerprint, sums, MANIFEST_FORMAT))

    def config(self) -> Config:
        """The config that the run was begun with."""
        return load(Config, json.loads(self._read("config.json")), str(self.folder / "config.json"))

    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the run was trained with."""
        data = self.config().data
        for name in ("vocabulary.txt", *([NGRAMS] if data.ngrams else [])):
            self._read(name)
        return Vocabulary.load(self.folder / "vocabulary.txt", data.text, ngrams=bool(data.ngrams))

    def origin(self) -> dict[str, str]:
        """What its checkpoints belong to: checksums of its config, vocabulary, vectors and reviews, by name."""
        manifest = self._manifest()
        sums = {**manifest.sha256, "reviews": manifest.data}
        return {name: sums[name][:16] for name in (*ORIGIN, "reviews") if name in sums}

    def check_data(self, dataset: Dataset) -> None:
        """Refuses reviews that, or whose ids, are not those the run was begun with."""
        manifest = self._manifest()
        same = manifest.data == dataset.fingerprint
        if manifest.format < MANIFEST_FORMAT:
            same = self.vocabulary().tokens == dataset.vocabulary.tokens
            same = same and counts(self._audit()) == counts(dataset.audit)
        if not same:
            raise UserError(f"{self.folder}: the reviews have changed since this run was begun", BAD_DATA)

    def has_reviews_of(self, other: "Run", split: str) -> bool:
        """Whether two finished runs have the same reviews, or at least the same test reviews where those are asked for.

        A run keeps one fingerprint of all its reviews; of a split it keeps counts, and each label in its order.
        """
        mine, theirs = self.results(), other.results()
        if mine and theirs and mine.reviews == theirs.reviews:
            return True
        one, two = counts(self._audit()), counts(other._audit())
        if split == "test":
            same = np.array_equal(self.predictions(split).labels, other.predictions(split).labels)
            return same and one[split] == two[split]
        return one == two and self._manifest().format != other._manifest().format  # fingerprints of version 0.1 differ

    def _audit(self) -> dict[str, Any]:
        return json.loads(self._read("audit.json"))

    def load_vectors(self) -> np.ndarray | None:
        """The vectors [V, D], float32, that the run's embedding starts from, or None."""
        if not (self.folder / "vectors.npy").exists():
            return None
        return np.load(io.BytesIO(self._read("vectors.npy")), allow_pickle=False)

    def results(self) -> Results | None:
        """What training wrote at its end, or None while there is none."""
        return self.read_record(RESULTS, Results) if (self.folder / RESULTS).exists() else None

    def conclude(self, results: Results, predictions: dict[str, Predictions]) -> None:
        """Ends the run: checksums of its metrics, and of what it predicted for each split, join the results."""
        arrays = {f"{split}_{name}": x for split, of in predictions.items() for name, x in of._asdict().items()}
        with atomic_file(self.folder / PREDICTIONS) as file:
            np.savez(file, **arrays)
        sums = {"metrics": self._checksum(METRICS), "predictions": self._checksum(PREDICTIONS)}
        self.write_record(RESULTS, dataclasses.replace(results, **sums))

    def predictions(self, split: str) -> Predictions:
        """What a finished run predicted for a split, validation or test; refused where that has changed since."""
        results = self.results()
        if results is None:
            self.config()  # tells of a folder that holds no run
            raise UserError(f"{self.folder}: not a finished run; let training end", MISSING_INPUT)
        found = io.BytesIO(self._as_written(PREDICTIONS, results.predictions))
        with np.load(found, allow_pickle=False) as arrays:
            return Predictions(arrays[f"{split}_logits"], arrays[f"{split}_labels"])

    def coverage(self) -> Coverage | None:
        """How much of the vocabulary the pretrained vectors knew, or None where there are none."""
        if not (self.folder / "coverage.json").exists():
            return None
        return Coverage(**json.loads(self._read("coverage.json")))

    def history(self) -> History:
        """What has been reached so far; refused where it has changed since the run has ended."""
        results = self.results()
        if results is not None:
            self._as_written(METRICS, results.metrics)
        epochs = [load(Epoch, row, where) for where, row in self._lines(METRICS)]
        return History(epochs, Seconds() if results is None else results.seconds)

    def test_readings(self) -> list[dict[str, Any]]:
        """Each look at the test split so far."""
        return [row for _, row in self._lines(READINGS)]

    def record_test_reading(self, reading: dict[str, Any]) -> None:
        """Notes that the test split was looked at: each look is a chance to choose by it, so it must be noted."""
        path = self.folder / READINGS
        advice = "each look at the test split must be recorded there"
        with os_errors_told(path, advice, IO_FAILED), path.open("a") as file:
            file.write(json.dumps(reading) + "\n")

    def _lines(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        path = self.folder / name
        lines = path.read_bytes().decode("utf-8", "replace").splitlines() if path.exists() else []
        return list(json_lines(lines, str(path)))

    def _read(self, name: str) -> bytes:
        """A file that `begin` wrote, as it wrote it."""
        return self._as_written(name, self._manifest().sha256.get(name))

    def _as_written(self, name: str, checksum: str | None) -> bytes:
        """A file of the run, refused where it is gone or has changed since."""
        path = self.folder / name
        with os_errors_told(path, "the run can't be read without it", MISSING_INPUT):
            found = path.read_bytes()
        if sha256(found) != checksum:
            raise UserError(f"{path}: has changed since the run wrote it; put the old file back", BAD_DATA)
        return found

    def _manifest(self) -> Manifest:
        if not self.begun:
            if (self.folder / POPULATION).exists():
                raise UserError(f"{self.folder}: holds a population of runs; name one of those in its members/")
            if (self.folder.absolute().parents[1] / POPULATION).exists():
                message = "a member that has not begun, or is gone; train --workdir of its population goes on"
                raise UserError(f"{self.folder}: {message}", MISSING_INPUT)
            message = "no such file; --workdir must be the directory of a training run"
            raise UserError(f"{self.folder / MANIFEST}: {message}", MISSING_INPUT)
        return self.read_record(MANIFEST, Manifest)

    def _checksum(self, name: str) -> str:
        """Of a file's content; of no file that of nothing."""
        path = self.folder / name
        return sha256(path.read_bytes() if path.exists() else b"")


def output_place(path: str, option: str, *endings: str) -> Path:
    """Where a command is asked to write.

    Raises:
      UserError: it has another ending, or is a file of a run (2).
    """
    place = local_path(path, option)
    if place.suffix not in endings:
        raise UserError(f"{option}: {path!r}; must end in {' or '.join(endings)}")
    if place.name in {*KINDS, *Run.written} and any((place.parent / mark).exists() for mark in KINDS):
        raise UserError(f"{option}: {path!r}; is a file of a run, which needs it as it is")
    return place


def counts(audit: dict[str, Any]) -> dict[str, Any]:
    """What audits of all versions tell of the reviews of each split."""
    names = ("reviews", "bytes", "classes", "duplicates")
    return {name: [split[key] for key in names] for name, split in audit["splits"].items()}
