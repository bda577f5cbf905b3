"""Trains a model, or many: `python -m imdb_jax.train --config configs/quickstart.py --workdir runs/quickstart`."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Annotated

import tyro

from imdb_jax import cli
from imdb_jax.config import Config
from imdb_jax.errors import UserError, run_command
from imdb_jax.runs.population import Population, config_in, members
from imdb_jax.storage import local_path


@dataclasses.dataclass(frozen=True)
class Args:
    """Trains one model from `--config FILE`; the options below change single fields of that file.

    Typed again for the same --workdir, the command goes on where the run stopped. The test split is read once, at
    the end, with the checkpoint that was best on validation.

    With --config.seeds or --grid it trains a population: many runs, each in a process of its own.
    """

    workdir: str
    """The run directory, made if need be; a population has that of each run in its members/."""
    config: tyro.conf.FlagConversionOff[Config]
    config_file: Annotated[str | None, tyro.conf.arg(name="config", metavar="FILE")] = None
    """The name of a config, such as conv1d, or a Python file with one, such as configs/conv1d.py. Not needed where
    --workdir holds a run."""
    seeds: Annotated[str | None, tyro.conf.arg(name="config.seeds", metavar="FIRST..LAST")] = None
    """0..7 or 0,3,5: a run for each seed. More may join later."""
    grid: Annotated[str | None, tyro.conf.arg(name="grid.FIELD", metavar="VALUE,VALUE")] = None
    """A run for each combination of values too, such as --grid.model.dropout=0.3,0.5."""
    distributed: bool = False
    """Train as one of several processes, each started by this command. On TPU pods and under SLURM they find each
    other; elsewhere give the three options below. Process 0 alone writes to the run directory."""
    coordinator: str | None = None
    """HOST:PORT where process 0 listens."""
    processes: int | None = None
    """How many processes there are."""
    process_id: int | None = None
    """Which of them this is, from 0."""


def main(arguments: Sequence[str]) -> None:
    """Trains; see `Args`."""
    started = time.perf_counter()
    config, rest = cli.start_config(arguments, config_in)
    grid: dict[str, str] = {}
    while option := next((each.partition("=")[0] for each in rest if each.startswith("--grid.")), None):
        values, rest = cli.take(option, rest)
        grid[option.removeprefix("--grid.")] = values or ""
    args = cli.parse(Args, rest, "train", Args(tyro.MISSING, config))
    many = args.seeds is not None or bool(grid)
    found = members(args.config, args.seeds, grid) if many else {}
    goes_on = Population(args.workdir).begun and cli.take("--config", arguments)[0] is None
    for option in ("coordinator", "processes", "process_id"):
        if getattr(args, option) is not None and not args.distributed:
            raise UserError(f"--{option}: {getattr(args, option)!r}; goes with --distributed alone")
    if args.distributed and (many or goes_on):
        raise UserError("--distributed: a population trains in one process; start one on each host, with other seeds")
    from imdb_jax.runtime import set_up_process  # after the arguments: JAX takes a second to import

    set_up_process(cpu_devices=1 if args.distributed else None)
    if args.distributed:
        from imdb_jax.training.processes import join

        join(args.coordinator, args.processes, args.process_id)
    if many or goes_on:
        from imdb_jax.runs.sweep import run_sweep

        files = [file for option in ("--code", "--config") if (file := cli.take(option, arguments)[0])]
        code = [file for file in files if local_path(file, "--config").is_file()]  # the package's own do nothing beside
        run_sweep(args.config, found, args.workdir, code=code, started=started)
    else:
        from imdb_jax.runs.experiment import run_experiment

        run_experiment(args.config, args.workdir, started=started)


if __name__ == "__main__":
    run_command(main)
