"""Times a population of seeds, which train several at once, beside the same seeds one after the other on all cores."""

import argparse
import statistics
import tempfile
from collections.abc import Sequence

from imdb_jax.errors import run_command
from scripts.commands import head, row, run

CONFIGS = [f"configs/{name}.py" for name in ("embedding_rnn_tuned", "lstm", "glove_bilstm", "max_pool")]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure population", description=__doc__)
    parser.add_argument("--config", nargs="+", default=CONFIGS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(arguments)
    print(f"{args.seeds} seeds, {args.epochs} epochs, median of {args.rounds} rounds\n")
    head("config", "in turn, s", "at once, s", "times", "in turn, CPU s", "at once, CPU s")
    for file in args.config:
        ways = [[f"--config.seed={seed}" for seed in range(args.seeds)], [f"--config.seeds=0..{args.seeds - 1}"]]
        rounds = [[train(file, args.epochs, way) for way in ways] for _ in range(1 + args.rounds)]
        (turn, turn_cpu), (once, once_cpu) = (
            [statistics.median(figures) for figures in zip(*way, strict=True)]
            for way in zip(*rounds[1:], strict=True)  # the first round compiles
        )
        row(file, f"{turn:.1f}", f"{once:.1f}", f"{once / turn:.2f}", f"{turn_cpu:.1f}", f"{once_cpu:.1f}")


def train(file: str, epochs: int, commands: Sequence[str]) -> tuple[float, float]:
    """Seconds, and seconds of all cores, of one command after the other, given what tells them apart."""
    fixed = ["imdb_jax.train", "--config", file, f"--config.training.epochs={epochs}"]
    with tempfile.TemporaryDirectory() as folder:
        ended = [run(*fixed, "--workdir", f"{folder}/{name}", name) for name in commands]
    return sum(each.seconds for each in ended), sum(each.cpu_seconds for each in ended)


if __name__ == "__main__":
    run_command(main)
