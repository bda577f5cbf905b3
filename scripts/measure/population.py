"""Times a population of seeds that train one after the other on all cores, and at the same time on a core each."""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import jax

from imdb_jax.config import Config, load_file
from imdb_jax.errors import UserError
from imdb_jax.runs.population import members
from imdb_jax.runs.sweep import run_sweep
from imdb_jax.runtime import set_up_process
from scripts.measure.scaling import with_

CONFIGS = ["configs/embedding_rnn_tuned.py", "configs/lstm.py", "configs/glove_bilstm.py", "configs/max_pool.py"]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/scaling --population")
    parser.add_argument("--config", nargs="+", default=CONFIGS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(arguments)
    logging.getLogger("imdb_jax").propagate = False  # no lines of each member on the screen
    set_up_process()
    cores = jax.devices()
    print(f"{args.seeds} seeds, {args.epochs} epochs, {len(cores)} cores, median of {args.rounds} rounds\n")
    print("| config | in turn, s | a core each, s | times | in turn, CPU s | a core each, CPU s |")
    print("|---|---|---|---|---|---|", flush=True)
    for file in args.config:
        config = with_(load_file(file), "training", epochs=args.epochs)
        ways = [cores], [[core] for core in cores]
        rounds = [[seconds(config, args.seeds, places) for places in ways] for _ in range(1 + args.rounds)]
        (turn, turn_cpu), (each, each_cpu) = (
            [statistics.median(figures) for figures in zip(*way, strict=True)]
            for way in zip(*rounds[1:], strict=True)  # the first round compiles
        )
        print(f"| {file} | {turn:.1f} | {each:.1f} | {each / turn:.2f} | {turn_cpu:.1f} | {each_cpu:.1f} |", flush=True)


def seconds(config: Config, seeds: int, places: Sequence[Sequence[Any]]) -> tuple[float, float]:
    """Wall time of a population, and the time of all cores."""
    named = members(config, f"0..{seeds - 1}", {})
    with tempfile.TemporaryDirectory() as folder:
        started, worked = time.perf_counter(), time.process_time()
        run_sweep(config, named, folder, started, places)
        return time.perf_counter() - started, time.process_time() - worked


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
