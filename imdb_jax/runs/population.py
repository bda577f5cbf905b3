"""The directory of a population: runs that differ in seeds, or in values of a grid.

population.json (the config that they share and their names), members/ with the directory of each run, and results.json
with their spread.
"""

import dataclasses
import itertools
import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path

from imdb_jax.config import Config, fields, with_fields
from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.runs.folder import POPULATION, Folder
from imdb_jax.runs.run import RESULTS, Run
from imdb_jax.runs.statistics import Spreads
from imdb_jax.training.metrics import Scores

log = logging.getLogger(__name__)

MOST = 1_000  # members

Values = dict[str, int | float]  # of the fields in which the members of a population differ, by name


@dataclasses.dataclass(frozen=True)
class Members:
    """population.json: the config that the members share, and the fields in which each differs, by its name."""

    config: Config
    members: dict[str, Values]


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
    """results.json of a population; that of each member is in its own directory."""

    points: list[Point]
    ensemble: EnsembleResults | None
    """Of the point that validation chose; None where each point has a member that failed."""
    failed: dict[str, str]  # why, by the name of the member
    seconds: float


class Population(Folder):
    """The files of a population; see `Folder`."""

    mark = POPULATION
    written = (RESULTS, "members")

    def joined(self, config: Config, members: dict[str, Values]) -> dict[str, Values]:
        """All members there are to be: these may join those of an earlier start.

        Raises:
          UserError: the population is of another config, or its members differ in other fields.
        """
        if not self.begun:
            return members
        old = self.members()
        varied, wanted = ([*next(iter(each.values()))] for each in (old, members or old))
        if varied != wanted:
            message = f"its members differ in {', '.join(varied)}, not in {', '.join(wanted)}"
            raise UserError(f"{self.folder}: {message}; give --grid options for these, or choose another --workdir")
        same = next(iter(old.values()))  # what the grid sets is not of the shared config
        self.check_config(with_fields(self.config(), same), with_fields(config, same))
        return {**old, **members}

    def begin(self, config: Config, members: dict[str, Values]) -> None:
        """Writes who belongs to it; results of fewer members are none of it."""
        (self.folder / RESULTS).unlink(missing_ok=True)
        self.write_record(POPULATION, Members(config, members))

    def config(self) -> Config:
        """What all members share."""
        return self.read_record(POPULATION, Members).config

    def members(self) -> dict[str, Values]:
        """The fields in which members differ, by their names."""
        return self.read_record(POPULATION, Members).members

    def run(self, name: str) -> Run:
        """A member."""
        return Run(self.folder / "members" / name)

    def runs(self) -> list[Run]:
        """All members, as they were named."""
        return [self.run(name) for name in self.members()]

    def results(self) -> PopulationResults | None:
        """What training wrote at its end, or None while members are still to be trained."""
        return self.read_record(RESULTS, PopulationResults) if (self.folder / RESULTS).exists() else None

    def chosen(self) -> list[Run]:
        """The members of the point that validation chose, once all have ended: all of them where only seeds differ."""
        results = self.results()
        if results is None:
            raise UserError(f"{self.folder}: not all members have ended; train --workdir goes on", MISSING_INPUT)
        if results.ensemble is None:
            raise UserError(f"{self.folder}: each point of its grid has a member that failed", MISSING_INPUT)
        return [self.run(name) for name in results.ensemble.members]


def runs_in(folder: Path | str) -> list[Run]:
    """The members of a population, or the run that a folder is."""
    population = Population(folder)
    return population.runs() if population.begun else [Run(folder)]


def runs_for(folder: Path | str) -> list[Run]:
    """The runs that answer for a folder: those whose mean logit is the ensemble's, or the run itself."""
    population = Population(folder)
    return population.chosen() if population.begun else [Run(folder)]


def config_in(folder: Path | str) -> Config | None:
    """The config of the run or population that a folder holds, or None where it holds neither."""
    found: Run | Population = Population(folder) if Population(folder).begun else Run(folder)
    return found.config() if found.begun else None


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
    if len(found) < count:
        log.info(f"--config.seeds, --grid: {count:,} members named, {len(found):,} different; each is trained once")
    return found


def name_of(values: Values) -> str:
    """The name of a member, or of a point of the grid: `seed=0,optimizer.learning_rate=0.001`."""
    return ",".join(f"{field}={value}" for field, value in values.items())


def _range(text: str) -> range:
    """Reads `0..7`, or `3` alone."""
    ends = re.fullmatch(r"(\d{1,10})(?:\.\.(\d{1,10}))?", text.strip())
    if ends is None or int(ends[2] or ends[1]) < int(ends[1]):
        allowed = "a seed, or a range such as 0..7, the smaller one first; none above 2,147,483,647"
        raise UserError(f"--config.seeds: {text!r}; {allowed}")
    return range(int(ends[1]), int(ends[2] or ends[1]) + 1)


def _number(option: str, text: str) -> int | float:
    try:
        value = int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{option}: {text!r}; needs numbers such as 0.1,0.3")
    return value
