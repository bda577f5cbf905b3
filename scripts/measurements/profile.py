"""Shows where the time of a training step goes: the costliest operations of each thread, in ms a step.

Trains for an epoch as `python -m imdb_jax.train --profile` does and sums up the trace of ten steps. Other options go to
that command. Tracing slows small operations down: compare shares.
"""

import argparse
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jax
from imdb_jax.training.profile import TRACED

from imdb_jax import cli
from scripts.commands import run

SHOWN = 15  # operations of each thread
IDLE = 0.01  # threads that work for less than this share of the time are not shown


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure profile", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--trace", type=Path, help="keeps the trace here, for TensorBoard and ui.perfetto.dev")
    args, options = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        fixed = ["--config", args.config, "--workdir", folder, "--config.training.epochs=1", "--profile"]
        run("imdb_jax.train", *fixed, *options)
        trace = Path(folder, "profile")
        if args.trace:
            trace = shutil.copytree(trace, args.trace, dirs_exist_ok=True)
        (newest,) = sorted(trace.rglob("*.xplane.pb"))[-1:]
        summarize(jax.profiler.ProfileData.from_file(str(newest)), TRACED)


def summarize(trace: jax.profiler.ProfileData, steps: int) -> None:
    """Prints the operations of each thread by the time they take; an operation includes those it calls."""
    threads = [
        (f"{plane.name} {line.name}", [event for event in line.events if not event.name.startswith("end: ")])
        for plane in trace.planes
        for line in plane.lines
    ]
    events = [event for _, of_thread in threads for event in of_thread]
    elapsed = max(event.end_ns for event in events) - min(event.start_ns for event in events)
    print(f"{elapsed / steps / 1e6:.2f} ms a step while tracing")
    for thread, of_thread in threads:
        total, count = Counter(), Counter(event.name for event in of_thread)
        for event in of_thread:
            total[event.name] += event.duration_ns
        if sum(total.values()) < IDLE * elapsed:
            continue
        print(f"\n{thread}\n   ms/step   times/step     us each")
        for name, nanoseconds in total.most_common(SHOWN):
            each = nanoseconds / count[name] / 1e3
            print(f"{nanoseconds / steps / 1e6:10.3f} {count[name] / steps:12.1f} {each:11.2f}   {name[:80]}")


if __name__ == "__main__":
    cli.run(main)
