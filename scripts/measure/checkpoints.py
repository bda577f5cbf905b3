"""What checkpoints cost: the time for which training waits for them."""

import argparse
import dataclasses
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imdb_jax.config import load_file
from imdb_jax.runs import experiment
from imdb_jax.runs.run import Run
from imdb_jax.runtime import set_up_process
from imdb_jax.training.checkpoint import Checkpoints


class TimedCheckpoints(Checkpoints):
    """Checkpoints that know for how long training has waited for them."""

    seconds = 0.0
    _clocked = False

    def save(self, *arguments: Any) -> None:
        with self._clock():
            super().save(*arguments)

    def wait(self) -> None:
        with self._clock():
            super().wait()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        if self._clocked:  # a save first waits for the one before
            yield
            return
        self._clocked, started = True, time.perf_counter()
        yield
        TimedCheckpoints.seconds += time.perf_counter() - started
        self._clocked = False


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/checkpoints")
    default = [Path("configs/glove_bilstm.py"), Path("configs/conv1d.py")]
    parser.add_argument("--config", nargs="+", type=Path, default=default)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args(arguments)
    logging.getLogger("imdb_jax").propagate = False
    set_up_process()
    experiment.Checkpoints = TimedCheckpoints
    print("| config | epochs | run, s | waiting for checkpoints, s | share, % | a checkpoint, MB |")
    print("|---|---|---|---|---|---|")
    for path in args.config:
        config = load_file(path)
        config = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=args.epochs))
        with tempfile.TemporaryDirectory() as folder:
            started, before = time.perf_counter(), TimedCheckpoints.seconds
            experiment.run_experiment(config, folder, started)
            total, waited = time.perf_counter() - started, TimedCheckpoints.seconds - before
            newest = max(Run(folder).checkpoints.glob("[0-9]*"), key=lambda step: int(step.name))
            size = sum(file.stat().st_size for file in newest.rglob("*")) / 1e6
        share = 100 * waited / total
        print(f"| {path.stem} | {args.epochs} | {total:.1f} | {waited:.2f} | {share:.2f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
