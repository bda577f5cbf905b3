"""The members of a population: every combination of seeds and of values of fields."""

import itertools
import math
import re
from collections.abc import Mapping

from imdb_jax.config import Config, fields, with_fields
from imdb_jax.errors import UserError

MOST = 1_000  # members

Values = dict[str, int | float]  # of the fields in which the members of a population differ, by name


def members(config: Config, seeds: str | None, grid: Mapping[str, str]) -> dict[str, Values]:
    """Every combination of seeds and of values of a grid's fields, by a name that says them.

    Seeds are such as `0..7` (both ends included) or `0,3,5`; None for that of the config.

    Example: seeds "0,1" and {"model.dropout": "0.5"} give the members "seed=0,model.dropout=0.5" and
    "seed=1,model.dropout=0.5".

    Raises:
      UserError: an unknown field, one that is no number, a value that does not fit, or too many members.
    """
    if "seed" in grid:
        raise UserError("--grid.seed: seeds are given by --config.seeds, such as --config.seeds=0..7")
    axes = {
        field: [_number(f"--grid.{field}", part) for part in text.split(",")] for field, text in sorted(grid.items())
    }
    for field in axes.keys() & fields(config).keys():
        if isinstance(fields(config)[field], str | bool | list):
            raise UserError(f"--grid.{field}: {fields(config)[field]!r}; only fields that are numbers make a grid")
    ranges = [range(config.seed, config.seed + 1)] if seeds is None else [_range(part) for part in seeds.split(",")]
    count = sum(map(len, ranges)) * math.prod(map(len, axes.values()))
    if count > MOST:
        raise UserError(f"--config.seeds, --grid: {count:,} members; at most {MOST:,}")
    found = {}
    for *point, seed in itertools.product(*axes.values(), itertools.chain(*ranges)):
        values = {"seed": seed, **dict(zip(axes, point, strict=True))}
        checked = fields(with_fields(config, values))
        values = {field: checked[field] for field in values}
        found[name_of(values)] = values
    return found


def name_of(values: Values) -> str:
    """The name of a member, or of a point of the grid: `seed=0,optimizer.learning_rate=0.001`."""
    return ",".join(f"{field}={value}" for field, value in values.items())


def _range(text: str) -> range:
    """Reads `0..7`, or `3` alone."""
    ends = re.fullmatch(r"(\d{1,10})(?:\.\.(\d{1,10}))?", text.strip())
    if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
        raise UserError(f"--config.seeds: {text!r}; a seed, or a range such as 0..7, the smaller one first")
    return range(int(ends[1]), int(ends[2] or ends[1]) + 1)


def _number(option: str, text: str) -> int | float:
    try:
        value = int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{option}: {text!r}; needs numbers such as 0.1,0.3")
    return value
