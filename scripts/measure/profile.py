"""Traces training steps and sums up the trace."""

import argparse
import itertools
import sys
import tempfile
from collections import Counter
from pathlib import Path

import jax
import tyro

from imdb_jax import cli
from imdb_jax.config import Config
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runtime import set_up_process
from scripts.measure.trainer import Trainer

SHOWN = 15  # operations of each thread
IDLE = 0.01  # threads that work for less than this share of the time are not shown


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/profile", allow_abbrev=False)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--trace", type=Path)
    own, rest = parser.parse_known_args(arguments)
    config, rest = cli.start_config(rest)
    fields = [argument.replace("--config.", "--", 1) for argument in rest]
    config = cli.parse(tyro.conf.FlagConversionOff[Config], fields, "train", config)
    set_up_process()
    dataset = load_dataset(config.data)
    trainer = Trainer(config, dataset, dataset.train)
    epochs = map(trainer.epoch, itertools.count())
    steps = itertools.chain.from_iterable(epochs)
    trainer.train(itertools.islice(steps, 10))  # compiles
    seconds = trainer.train(itertools.islice(steps, own.steps))
    with tempfile.TemporaryDirectory() as temporary:
        folder = own.trace or Path(temporary)
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with jax.profiler.trace(str(folder), profiler_options=options):
            traced = trainer.train(itertools.islice(steps, own.steps))
        newest = max(folder.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
        print(f"{1e3 * seconds / own.steps:.2f} ms a step, {1e3 * traced / own.steps:.2f} while tracing")
        summarize(jax.profiler.ProfileData.from_file(str(newest)), own.steps, traced)


def summarize(trace: jax.profiler.ProfileData, steps: int, seconds: float) -> None:
    """Prints the operations of each thread by the time they take; an operation includes those it calls."""
    for plane in trace.planes:
        for line in plane.lines:
            total, count = Counter(), Counter()
            for event in line.events:
                if not event.name.startswith("end: "):
                    total[event.name] += event.duration_ns
                    count[event.name] += 1
            if sum(total.values()) < IDLE * seconds * 1e9:
                continue
            print(f"\n{plane.name} {line.name}\n   ms/step   times/step     us each")
            for name, nanoseconds in total.most_common(SHOWN):
                each = nanoseconds / count[name] / 1e3
                print(f"{nanoseconds / steps / 1e6:10.3f} {count[name] / steps:12.1f} {each:11.2f}   {name[:80]}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
