"""What the files of a run, or of a population, hold."""

import dataclasses
from typing import Any

from imdb_jax.runs.statistics import Spreads
from imdb_jax.training.history import Seconds
from imdb_jax.training.metrics import Scores


@dataclasses.dataclass(frozen=True)
class Manifest:
    """manifest.json: what the run was begun with."""

    data: str
    """Fingerprint of the reviews, and of how they were encoded."""
    sha256: dict[str, str]
    """Checksums of the files that never change, by name."""
    format: int = 1
    """2 since fingerprints are of all reviews; before they looked at some of them only."""


@dataclasses.dataclass(frozen=True)
class Results:
    """results.json: what a run reached."""

    validation: Scores
    test: Scores
    seed: int
    best_epoch: int
    """From 1 on; chosen on validation."""
    epochs: int
    seconds: Seconds
    versions: dict[str, str]
    device: dict[str, Any]
    data: str
    """Fingerprint of the reviews, and of how they were encoded."""
    reviews: str
    """Fingerprint of the texts and labels of each split, whatever ids they have."""
    config: dict[str, Any]
    metrics: str | None = None
    """Checksum of metrics.jsonl."""
    predictions: str | None = None
    """Checksum of predictions.npz."""


Values = dict[str, int | float]  # of the fields in which the members of a population differ, by name


@dataclasses.dataclass(frozen=True)
class Members:
    """population.json: the config that the members share, and the fields in which each differs, by its name."""

    config: dict[str, Any]
    members: dict[str, Values]


@dataclasses.dataclass(frozen=True)
class MemberResults:
    """A member that has ended."""

    name: str
    fields: Values
    best_epoch: int
    epochs: int
    validation: Scores
    test: Scores
    seconds: float


@dataclasses.dataclass(frozen=True)
class Point:
    """Members that differ in their seeds alone, and the spread of each figure."""

    name: str
    members: list[str]
    validation: Spreads
    test: Spreads


@dataclasses.dataclass(frozen=True)
class EnsembleResults:
    """What the mean logit of a point's members reaches."""

    name: str
    members: list[str]
    validation: Scores
    test: Scores


@dataclasses.dataclass(frozen=True)
class PopulationResults:
    """results.json of a population."""

    members: list[MemberResults]
    points: list[Point]
    ensemble: EnsembleResults | None
    """Of the point that validation chose; None where each point has a member that failed."""
    failed: dict[str, str]
    """Why, by the name of the member."""
    seconds: float
    versions: dict[str, str]
    device: dict[str, Any]
