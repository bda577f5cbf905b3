"""Shows where the time of a training step goes: the costliest operations of each thread, in ms a step.

Trains as `python -m imdb_jax.train` does, on the data of the config, but keeps nothing; --config.FIELD=VALUE changes
it. Tracing slows small operations down: compare shares.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jax

from imdb_jax import audit, cli
from imdb_jax.config import load_file
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import run_command
from imdb_jax.runtime import set_up_process
from scripts.peers.ours import Trainer

SHOWN = 15  # operations of each thread
IDLE = 0.01  # threads that work for less than this share of the time are not shown


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure profile", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--trace", help="keeps the trace here, for TensorBoard's profile page and ui.perfetto.dev")
    args, rest = parser.parse_known_args(arguments)
    config = cli.parse(audit.Args, rest, "train", audit.Args(load_file(args.config))).config
    set_up_process()
    dataset = load_dataset(config.data)
    trainer = Trainer(config, dataset.vocabulary, dataset.train, config.training.batch_size)
    trainer.train(10)  # compiles
    started = time.perf_counter()
    trainer.train(args.steps)
    print(f"{1e3 * (time.perf_counter() - started) / args.steps:.2f} ms a step without tracing")
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.trace or temporary
        with jax.profiler.trace(folder, create_perfetto_trace=args.trace is not None, profiler_options=options):
            trainer.train(args.steps)
        newest = max(Path(folder).rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
        summarize(jax.profiler.ProfileData.from_file(str(newest)), args.steps)


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
    run_command(main)
