"""The directory of a population: runs that differ in seeds, or in values of a grid.

population.json (the config that they share and their names), members/ with the directory of each run, and results.json
with their spread.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imdb_jax.config import Config, differences, from_json, to_json, with_fields
from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.folder import Folder
from imdb_jax.grid import MOST, Values
from imdb_jax.records import Members, PopulationResults
from imdb_jax.run import POPULATION, Run


class Population(Folder):
    """The files of a population; see `Folder`."""

    mark = POPULATION

    @contextlib.contextmanager
    def taken(self, config: Config, members: dict[str, Values]) -> Iterator[dict[str, Values]]:
        """Makes the directory and takes it for this process.

        Args:
          config: what all members share.
          members: those to train, as `grid.members` names them; more may join a population later.

        Yields:
          All members there are to be.

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
                if changes := differences(with_fields(self.config(), same), with_fields(config, same)):
                    raise UserError(
                        f"{self.folder}: begun with another config ({'; '.join(changes)}); "
                        "go on with the old one or choose another --workdir"
                    )
                members = {**old, **members}
            if len(members) > MOST:
                raise UserError(f"{self.folder}: {len(members):,} members; at most {MOST:,}")
            yield members

    def begin(self, config: Config, members: dict[str, Values]) -> None:
        """Writes who belongs to it."""
        self.write_sealed(POPULATION, {"config": json.loads(to_json(config)), "members": members})

    def config(self) -> Config:
        """What all members share."""
        return from_json(json.dumps(self.read_sealed(POPULATION, Members)["config"]), str(self.folder / POPULATION))

    def members(self) -> dict[str, Values]:
        """The fields in which members differ, by their names."""
        return self.read_sealed(POPULATION, Members)["members"]

    def run(self, name: str) -> Run:
        """A member."""
        return Run(self.folder / "members" / name)

    def runs(self) -> list[Run]:
        """All members, as they were named."""
        return [self.run(name) for name in self.members()]

    def results(self) -> dict[str, Any] | None:
        """What training wrote at its end, or None while members are still to be trained."""
        if not (self.folder / "results.json").exists():
            return None
        results = self.read_sealed("results.json", PopulationResults)
        known = {*results["failed"], *(member["name"] for member in results["members"])}
        return results if known == self.members().keys() else None

    def write_results(self, results: dict[str, Any]) -> None:
        """Ends the population, until more members join it."""
        self.write_sealed("results.json", results)

    def chosen(self) -> list[Run]:
        """The members of the point that validation chose: all of them where only seeds differ.

        Raises:
          UserError: not all members have ended, or no point is whole.
        """
        results = self.results()
        if results is None:
            raise UserError(f"{self.folder}: not all members have ended; train --workdir goes on", MISSING_INPUT)
        if results["ensemble"] is None:
            raise UserError(f"{self.folder}: each point of its grid has a member that failed", MISSING_INPUT)
        return [self.run(name) for name in results["ensemble"]["members"]]


def runs_in(folder: Path | str) -> list[Run]:
    """The members of a population, or the run that a folder is."""
    population = Population(folder)
    return population.runs() if population.begun else [Run(folder)]


def runs_for(folder: Path | str) -> list[Run]:
    """The runs that answer for a folder: those whose mean logit is the ensemble's, or the run itself.

    Raises:
      UserError: a population of which not all members have ended.
    """
    population = Population(folder)
    return population.chosen() if population.begun else [Run(folder)]
