"""The directory of a population: runs that differ in seeds, or in values of a grid.

population.json (the config that they share and their names), members/ with the directory of each run, and results.json
with their spread.
"""

import contextlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from imdb_jax.config import Config, fields, from_json, to_json, with_fields
from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.runs.folder import Folder
from imdb_jax.runs.records import Members, PopulationResults, Values
from imdb_jax.runs.run import POPULATION, RESULTS, Run

MOST = 1_000  # members


def members(config: Config, seeds: str | None, grid: Mapping[str, str]) -> dict[str, Values]:
    """Every combination of seeds and of values of a grid's fields, by a name that says them.

    Seeds are such as `0..7` (both ends included) or `0,3,5`; None for that of the config.

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


class Population(Folder):
    """The files of a population; see `Folder`."""

    mark = POPULATION

    @contextlib.contextmanager
    def taken(self, config: Config, members: dict[str, Values]) -> Iterator[dict[str, Values]]:
        """Makes the directory and takes it for this process.

        Yields:
          All members there are to be: these may join those of an earlier start.

        Raises:
          UserError: not writable, in use, a single run, or a population of another config or of other fields.
        """
        if Run(self.folder).begun:
            raise UserError(f"{self.folder}: a single run; choose another --workdir for a population")
        with self.locked():
            if self.begun:
                old = self.members()
                varied, wanted = ([*next(iter(each.values()))] for each in (old, members or old))
                if varied != wanted:
                    message = f"its members differ in {', '.join(varied)}, not in {', '.join(wanted)}"
                    raise UserError(f"{self.folder}: {message}; choose another --workdir")
                same = next(iter(old.values()))  # what the grid sets is not of the shared config
                self.check_config(with_fields(self.config(), same), with_fields(config, same))
                members = {**old, **members}
            if len(members) > MOST:
                raise UserError(f"{self.folder}: {len(members):,} members; at most {MOST:,}")
            yield members

    def begin(self, config: Config, members: dict[str, Values]) -> None:
        """Writes who belongs to it."""
        self.write_record(POPULATION, Members(json.loads(to_json(config)), members))

    def config(self) -> Config:
        """What all members share."""
        config = self.read_record(POPULATION, Members).config
        return from_json(json.dumps(config), str(self.folder / POPULATION))

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
        if not (self.folder / RESULTS).exists():
            return None
        results = self.read_record(RESULTS, PopulationResults)
        known = {*results.failed, *(member.name for member in results.members)}
        return results if known == self.members().keys() else None

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
