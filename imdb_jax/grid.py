"""A grid of configs: seeds, and values of numeric fields; each combination is a member of a population."""

import itertools
import math
import re
from collections.abc import Mapping

from imdb_jax.config import Config, fields, with_fields
from imdb_jax.errors import UserError

MOST = 1_000  # members

Values = dict[str, int | float]  # of the fields in which the members of a population differ, by name


def members(config: Config, seeds: str | None, grid: Mapping[str, str]) -> dict[str, Values]:
    """Every combination of seeds and values, by a name that says them.

    Args:
      config: what all members share.
      seeds: such as `0..7` (both ends included) or `0,3,5`; None for that of the config.
      grid: values of fields, such as {"model.dropout": "0.3,0.5"}.

    Example: seeds "0,1" and {"model.dropout": "0.5"} give the members "seed=0,model.dropout=0.5" and
    "seed=1,model.dropout=0.5".

    Raises:
      UserError: an unknown field, one that is no number, a value that does not fit, or too many members.
    """
    axes: dict[str, list[int | float]] = {
        field: [_number(f"--grid.{field}", part) for part in text.split(",")] for field, text in sorted(grid.items())
    }
    if "seed" in axes:
        raise UserError("--grid.seed: seeds are given by --config.seeds, such as --config.seeds=0..7")
    for field in axes.keys() & fields(config).keys():
        if isinstance(fields(config)[field], str | bool | list):
            raise UserError(f"--grid.{field}: {fields(config)[field]!r}; only fields that are numbers make a grid")
    points = math.prod(map(len, axes.values()))
    if points > MOST:
        raise UserError(f"--grid: {points:,} points; at most {MOST:,} members in all")
    drawn = [config.seed] if seeds is None else _seeds(seeds, MOST // points)
    found = {}
    for point in itertools.product(*axes.values()):
        for seed in drawn:
            values = {"seed": seed, **dict(zip(axes, point, strict=True))}
            checked = fields(with_fields(config, values))
            values = {field: checked[field] for field in values}
            found[name_of(values)] = values
    return found


def name_of(values: Values) -> str:
    """The name of a member, or of a point of the grid: `seed=0,optimizer.learning_rate=0.001`."""
    return ",".join(f"{field}={value}" for field, value in values.items())


def _seeds(text: str, most: int) -> list[int]:
    """Reads `0..7`, `0,3,5` and mixtures of both."""
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"(\d{1,10})(?:\.\.(\d{1,10}))?", part.strip())
        if ends is None:
            raise UserError(f"--config.seeds: {text!r}; a range such as 0..7, or a list such as 0,3,5")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if last < first:
            raise UserError(f"--config.seeds: {text!r}; {part.strip()} is empty, the smaller seed comes first")
        if len(found) + last - first >= most:
            raise UserError(f"--config.seeds: {text!r}; at most {MOST:,} members in all")
        found += range(first, last + 1)
    return found


def _number(option: str, text: str) -> int | float:
    try:
        value = int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{option}: {text!r}; needs numbers such as 0.1,0.3")
    return value
