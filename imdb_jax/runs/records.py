"""What the files of a run, or of a population, must hold.

A seal tells who wrote them no more than that nothing has changed since.
"""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from imdb_jax.config import describe
from imdb_jax.errors import BAD_DATA, UserError


class Manifest(TypedDict):
    """manifest.json: what the run was begun with."""

    format: NotRequired[int]
    data: str
    sha256: dict[str, str]


class Figures(TypedDict):
    """Of an epoch, by the reviews trained on."""

    loss: float
    accuracy: float


class Scores(Figures):
    """Of a whole split."""

    auc: float
    f1: float
    examples: int


class Epoch(TypedDict):
    """A line of metrics.jsonl."""

    epoch: int
    step: int
    train: Figures
    validation: Scores
    seconds: float


class Seconds(TypedDict):
    """Of a whole run, by phase; more phases may stand there."""

    compile: float
    train: float
    total: float


class Results(TypedDict):
    """results.json."""

    validation: Scores
    test: Scores
    seed: int
    best_epoch: int
    epochs: int
    seconds: Seconds
    versions: dict[str, str]
    device: dict[str, Any]
    metrics: str | None
    predictions: str | None


class Members(TypedDict):
    """population.json."""

    config: dict[str, Any]
    members: dict[str, dict[str, int | float]]


class Member(TypedDict):
    """A member that has ended."""

    name: str
    fields: dict[str, int | float]
    best_epoch: int
    epochs: int
    validation: Scores
    test: Scores
    seconds: float


class Point(TypedDict):
    """Members that differ in their seeds alone, and the spread of each figure."""

    name: str
    members: list[str]
    validation: dict[str, dict[str, float]]
    test: dict[str, dict[str, float]]


class Ensemble(TypedDict):
    """What the mean logit of a point's members reaches."""

    name: str
    members: list[str]
    validation: Scores
    test: Scores


class PopulationResults(TypedDict):
    """results.json of a population."""

    members: list[Member]
    points: list[Point]
    ensemble: Ensemble | None
    failed: dict[str, str]
    seconds: float
    versions: dict[str, str]
    device: dict[str, Any]


_ADAPTERS: dict[type, TypeAdapter] = {
    kind: TypeAdapter(kind) for kind in (Manifest, Epoch, Results, Members, PopulationResults)
}


def check(kind: type, content: dict[str, Any], where: str) -> None:
    """Makes sure that a file of a run holds what later commands read.

    Args:
      kind: `Manifest`, `Epoch`, `Results`, `Members` or `PopulationResults`.
      content: what was read; keys beyond those of the record are left alone.
      where: file, or file and line.

    Raises:
      UserError: a key is missing or holds something else (65).
    """
    try:
        _ADAPTERS[kind].validate_python(content, strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}", BAD_DATA) from None
