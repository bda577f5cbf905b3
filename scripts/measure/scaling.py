"""Times epochs while one size of a config grows."""

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from imdb_jax.config import Config, Conv1DConfig, load_file
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runtime import set_up_process
from scripts.measure.trainer import Trainer, repeated
from scripts.peers.workloads import bilstm_flops, conv1d_flops

LENGTHS = (100, 200, 400, 800, 1_600, 2_400)
BATCHES = (16, 32, 64, 128, 256, 512, 1_024)
WIDTHS = (8, 16, 32, 64, 128, 256, 512)
TIMES = (1, 2, 4, 8)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/scaling")
    parser.add_argument("--config", nargs="+", default=["configs/glove_bilstm.py", "configs/conv1d.py"])
    parser.add_argument("--reviews", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(arguments)
    set_up_process()
    for file in args.config:
        table(file, args.reviews, args.rounds)


def table(file: str, reviews: int, rounds: int) -> None:
    """Prints the table of a config."""
    print(f"\n{file}, {reviews:,} reviews, median of {rounds} epochs\n")
    print("| | s/epoch | reviews/s | words/s | time per work, first row = 1 |\n|---|---|---|---|---|", flush=True)
    base, dataset, unit = load_file(file), None, 0.0
    for config, times, name, first in points(base):
        dataset = dataset or load_dataset(config.data)
        train = repeated(dataset.train, times * reviews)
        trainer = Trainer(config, dataset, train)
        lengths = np.minimum(np.diff(train.offsets), config.data.max_length)
        trainer.train(trainer.epoch(0))  # compiles
        seconds = statistics.median(trainer.train(trainer.epoch(1 + epoch)) for epoch in range(rounds))
        cost = seconds / work(config, lengths)
        unit = cost if first else unit
        print(
            f"| {name} | {seconds:.2f} | {len(lengths) / seconds:,.0f} | {lengths.sum() / seconds:,.0f} "
            f"| {cost / unit:.2f} |",
            flush=True,
        )
        jax.clear_caches()


def points(config: Config) -> Iterator[tuple[Config, int, str, bool]]:
    """Configs in which one size grows: (config, times the data, name, whether it is the first of its kind)."""
    width = "features" if isinstance(config.model.encoder, Conv1DConfig) else "hidden_dim"
    for length in LENGTHS:
        yield with_(config, "data", max_length=length), 1, f"max_length {length:,}", length == LENGTHS[0]
    for size in BATCHES:
        yield with_(config, "training", batch_size=size), 1, f"batch_size {size:,}", size == BATCHES[0]
    for size in WIDTHS:
        encoder = dataclasses.replace(config.model.encoder, **{width: size})
        yield with_(config, "model", encoder=encoder), 1, f"{width} {size:,}", size == WIDTHS[0]
    for times in TIMES:
        yield config, times, f"{times} x the reviews", times == TIMES[0]


def with_(config: Config, section: str, **fields: Any) -> Config:
    return dataclasses.replace(config, **{section: dataclasses.replace(getattr(config, section), **fields)})


def work(config: Config, lengths: np.ndarray) -> float:
    """Floating-point operations of an epoch."""
    encoder = config.model.encoder
    if isinstance(encoder, Conv1DConfig):
        return conv1d_flops(lengths, F=encoder.features)
    return bilstm_flops(lengths, H=encoder.hidden_dim)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
