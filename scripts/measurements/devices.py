"""Counts the processor time of training steps while devices and rows grow together: what sharing out a batch costs.

Simulated devices share the cores of this machine, so that wall time would grow with them whatever the program does.
It says nothing about the speed of real devices.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from functools import partial

import jax

from imdb_jax.config import load_file
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import run_command
from imdb_jax.runtime import set_up_process
from scripts.commands import head, row
from scripts.peers.ours import Trainer

COUNTS = (1, 2, 4, 8)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure devices", description=__doc__)
    parser.add_argument("--config", nargs="+", default=["configs/glove_bilstm.py", "configs/conv1d.py"])
    parser.add_argument("--rows", type=int, default=32, help="on each device")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(arguments)
    # Simulated devices wait for each other in threads that a busy machine may not give them for long.
    patience = "--xla_cpu_collective_call_terminate_timeout_seconds=600"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {patience}"
    set_up_process()
    jax.config.update("jax_num_cpu_devices", max(COUNTS))
    for file in args.config:
        print(f"\n{file}, {args.rows} rows a device, {args.steps} steps, median of {args.rounds} rounds\n")
        head("devices", "rows", "CPU ms a step", "on one device", "times")
        for count in COUNTS:
            shared, alone = milliseconds(file, count, args.rows, args.steps, args.rounds)
            row(count, count * args.rows, f"{shared:.1f}", f"{alone:.1f}", f"{shared / alone:.2f}")


def milliseconds(file: str, count: int, rows: int, steps: int, rounds: int) -> list[float]:
    """Processor time of a step over `count` devices, and of the same step on one of them, taking turns."""
    config = load_file(file)
    dataset = load_dataset(config.data)
    made = partial(Trainer, config, dataset.vocabulary, dataset.train, count * rows)
    both = [made(devices=jax.devices()[:some]) for some in (count, 1)]
    seconds = [[worked(trainer, steps) for trainer in both] for _ in range(1 + rounds)][1:]  # the first compiles
    return [1e3 * statistics.median(taken) / steps for taken in zip(*seconds, strict=True)]


def worked(trainer: Trainer, steps: int) -> float:
    """Seconds of all threads."""
    before = time.process_time()
    trainer.train(steps)
    return time.process_time() - before


if __name__ == "__main__":
    run_command(main)
