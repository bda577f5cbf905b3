"""Counts the processor time of training steps while devices and rows grow together: what sharing out a batch costs.

Simulated devices share the cores of this machine, so that wall time would grow with them whatever the program does.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

COUNTS = (1, 2, 4, 8)
# Simulated devices wait for each other in threads that a busy machine may not give them for long.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_collective_call_terminate_timeout_seconds=600"

import jax  # noqa: E402 - after what it reads from the environment

from imdb_jax.config import load_file  # noqa: E402
from imdb_jax.data.dataset import load_dataset  # noqa: E402
from imdb_jax.errors import UserError  # noqa: E402
from imdb_jax.runtime import set_up_process  # noqa: E402
from scripts.measure.scaling import with_  # noqa: E402
from scripts.measure.trainer import Trainer, repeated  # noqa: E402


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/scaling --devices")
    parser.add_argument("--config", nargs="+", default=["configs/glove_bilstm.py", "configs/conv1d.py"])
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(arguments)
    set_up_process()
    jax.config.update("jax_num_cpu_devices", max(COUNTS))
    for file in args.config:
        print(f"\n{file}, {args.rows} rows a device, {args.steps} steps, median of {args.rounds} rounds\n")
        print("| devices | rows | CPU ms a step | on one device | times |\n|---|---|---|---|---|", flush=True)
        for count in COUNTS:
            shared, alone = milliseconds(file, count, args.rows, args.steps, args.rounds)
            rows = count * args.rows
            print(f"| {count} | {rows} | {shared:.1f} | {alone:.1f} | {shared / alone:.2f} |", flush=True)


def milliseconds(file: str, count: int, rows: int, steps: int, rounds: int) -> tuple[float, float]:
    """Processor time of a step over `count` devices, and of the same step on one of them, taking turns."""
    config = with_(load_file(file), "training", batch_size=count * rows)
    dataset = load_dataset(config.data)
    split = repeated(dataset.train, steps * count * rows)

    def trainer(devices: Sequence[Any]) -> Trainer:
        made = Trainer(config, dataset, split, devices)
        made.train(made.epoch(0))  # compiles
        return made

    both = [trainer(jax.devices()[:count]), trainer(jax.devices()[:1])]
    seconds = [[worked(each, 1 + number) for each in both] for number in range(rounds)]
    shared, alone = (1e3 * statistics.median(taken) / steps for taken in zip(*seconds, strict=True))
    return shared, alone


def worked(trainer: Trainer, epoch: int) -> float:
    """Seconds of all threads."""
    before = time.process_time()
    trainer.train(trainer.epoch(epoch))
    return time.process_time() - before


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
