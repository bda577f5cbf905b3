"""Trains one model: `python -m imdb_jax.train --config configs/quickstart.py --workdir runs/quickstart`."""

import dataclasses
import time
from collections.abc import Sequence

import tyro

from imdb_jax import cli
from imdb_jax.config import Config


@dataclasses.dataclass(frozen=True)
class Args:
    """Trains one model from `--config FILE`; the options below change single fields of that file.

    Typed again for the same --workdir, the command goes on where the run stopped. The test split is read once, at
    the end, with the checkpoint that was best on validation.
    """

    workdir: str
    """The run directory, made if need be."""
    config: tyro.conf.FlagConversionOff[Config]
    profile: bool = False
    """Trace the 11th to the 20th step into `profile/` of the run directory, for TensorBoard and ui.perfetto.dev."""


def main(arguments: Sequence[str]) -> None:
    """Trains; see `Args`."""
    started = time.perf_counter()
    config, rest = cli.start_config(arguments)
    args = cli.parse(Args, rest, "train", Args(tyro.MISSING, config))
    from imdb_jax.experiment import run_experiment  # after the arguments: JAX takes a second to import
    from imdb_jax.training.devices import set_up_process

    set_up_process()
    run_experiment(args.config, args.workdir, started, profile=args.profile)


if __name__ == "__main__":
    cli.run(main)
