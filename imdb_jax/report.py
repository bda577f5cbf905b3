"""Shows what runs learned on a page: `python -m imdb_jax.report --workdir runs/quickstart`."""

import dataclasses
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from imdb_jax import cli
from imdb_jax.config import MovedData
from imdb_jax.errors import UserError, log, run_command
from imdb_jax.runs.mixture import Mix
from imdb_jax.runs.population import Population
from imdb_jax.runs.run import Run, output_place
from imdb_jax.storage import local_path


@dataclasses.dataclass(frozen=True)
class Args:
    """Writes a page about one run, or one that compares several or a population, and its figures as PNG files.

    The page is one HTML file that needs no network. Comparing reads nothing but what the runs recorded, their scores on
    test among it: that look is recorded in each.
    """

    runs: tyro.conf.Positional[tuple[str, ...]] = ()
    """Directories of training runs and populations; several are compared, and the first is what --mix mixes with."""
    workdir: str | None = None
    """The directory of a training run, or of a population."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    split: Literal["validation", "test"] = "validation"
    """Of one run: which reviews to read. Each reading of the test split is recorded in the run directory."""
    out: str | None = None
    """The .html file, whose figures go into a folder of its name; default report.html in the run, or comparison.html
    here."""
    moved: Annotated[MovedData, tyro.conf.arg(name="config.data")] = dataclasses.field(default_factory=MovedData)


def main(arguments: Sequence[str]) -> None:
    """Reports; see `Args`."""
    started = time.perf_counter()
    args = cli.parse(Args, arguments, "report")
    log.setLevel(logging.WARNING)  # how the reviews are read has been told by training
    given = [folder for folder in (args.workdir, *args.runs) if folder is not None]
    folders = [local_path(folder, "--workdir") for folder in (*given, *args.mixed.mix)]
    if not given:
        raise UserError("--workdir: needs the directory of a training run")
    several = len(folders) > 1 or Population(folders[0]).begun
    if several and args.split == "test":
        raise UserError("--split: 'test'; only the page of one run reads reviews, a comparison reads none")
    if len(folders) > len({folder.resolve() for folder in folders}):
        raise UserError("runs: one is given twice; name each once")
    place = Path("comparison.html") if len(folders) > 1 else folders[0] / "report.html"
    path = place if args.out is None else output_place(args.out, "--out", ".html")
    from imdb_jax.runtime import set_up_process

    set_up_process()
    if several:
        from imdb_jax.reporting.comparison import write_comparison

        mixture = None if args.mixed == Mix() else args.mixed.with_first(given[0])
        write_comparison(path, folders, mixture)
    else:
        from imdb_jax.reporting.run_page import write_run_page

        write_run_page(path, Run(folders[0]), args.split, args.moved)
    sys.stdout.write(f"{path}  ({time.perf_counter() - started:.1f} s)\n")


if __name__ == "__main__":
    run_command(main)
