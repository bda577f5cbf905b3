"""Measures what checkpoints cost a run: for how long training waits for them; less than 1 % is the goal.

Other options go to `python -m imdb_jax.train`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from imdb_jax import cli, train
from imdb_jax.training.checkpoint import Checkpoints
from scripts.commands import head, results, row


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure checkpoints", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", nargs="+", default=["configs/glove_bilstm.py", "configs/conv1d.py"])
    parser.add_argument("--epochs", type=int, default=3)
    args, options = parser.parse_known_args(arguments)
    head("config", "epochs", "run, s", "waiting for checkpoints, s", "share, %", "a checkpoint, MB")
    for file in args.config:
        waited: list[float] = []
        with (
            tempfile.TemporaryDirectory() as folder,
            patch.object(Checkpoints, "save", clocked(Checkpoints.save, waited)),
            patch.object(Checkpoints, "wait", clocked(Checkpoints.wait, waited)),
        ):
            train.main(["--config", file, "--workdir", folder, f"--config.training.epochs={args.epochs}", *options])
            total = results(folder)["seconds"]["total"]
            newest = max(Path(folder, "checkpoints").glob("[0-9]*"), key=lambda step: int(step.name))
            size = sum(part.stat().st_size for part in newest.rglob("*")) / 1e6
        share = 100 * sum(waited) / total
        row(Path(file).stem, args.epochs, f"{total:.1f}", f"{sum(waited):.2f}", f"{share:.2f}", f"{size:.1f}")


def clocked(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """A method that adds its seconds to a list; a call within it, such as of `wait` by `save`, counts once."""

    def timed(*arguments: Any, **options: Any) -> Any:
        started, before = time.perf_counter(), len(seconds)
        try:
            return method(*arguments, **options)
        finally:
            seconds[before:] = [time.perf_counter() - started]

    return timed


if __name__ == "__main__":
    cli.run(main)
