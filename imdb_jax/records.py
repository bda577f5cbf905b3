"""What the files of a run must hold; a seal tells who wrote them no more than that nothing has changed since."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from imdb_jax.config import describe
from imdb_jax.errors import BAD_DATA, UserError


class Manifest(TypedDict):
    """manifest.json: what the run was begun with."""

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


_ADAPTERS: dict[type, TypeAdapter] = {kind: TypeAdapter(kind) for kind in (Manifest, Epoch, Results)}


def check(kind: type, content: dict[str, Any], where: str) -> None:
    """Makes sure that a file of a run holds what later commands read.

    Args:
      kind: `Manifest`, `Epoch` or `Results`.
      content: what was read; keys beyond those of the record are left alone.
      where: file, or file and line.

    Raises:
      UserError: a key is missing or holds something else (65).
    """
    try:
        _ADAPTERS[kind].validate_python(content, strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}", BAD_DATA) from None
