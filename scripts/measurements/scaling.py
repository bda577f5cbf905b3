"""Times epochs while one size grows: length, batch, model or data; but for the model a word should cost the same.

Ten minutes on two cores.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence

from imdb_jax.config import Config, load_file
from imdb_jax.errors import run_command
from scripts.commands import epochs, head, row, run


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure scaling", description=__doc__)
    parser.add_argument(
        "--config", nargs="+", default=["configs/glove_bilstm.py", "configs/conv1d.py", "configs/ngrams.py"]
    )
    parser.add_argument("--reviews", type=int, default=2_000, help="a fifth of them validate")
    parser.add_argument("--rounds", type=int, default=3, help="epochs whose median counts")
    args = parser.parse_args(arguments)
    for file in args.config:
        print(f"\n{file}, {args.reviews:,} reviews, median of {args.rounds} epochs\n")
        head("", "s/epoch", "reviews/s", "words/s", "time of a word, first row = 1")
        for name, (field, values) in sizes(load_file(file), args.reviews).items():
            first = 0.0
            for value in values:
                seconds, reviews, words = epoch(file, args.rounds, args.reviews, f"--config.{field}={value}")
                first = first or words
                row(f"{name} {value:,}", f"{seconds:.2f}", f"{reviews:,.0f}", f"{words:,.0f}", f"{first / words:.2f}")


def sizes(config: Config, reviews: int) -> dict[str, tuple[str, Sequence[int]]]:
    """What grows: the field of the config that says so, and its values."""
    widths = [name for name in ("features", "hidden_dim") if hasattr(config.model.encoder, name)]  # a pool has none
    return {
        "max_length": ("data.max_length", (100, 200, 400, 800, 1_600, 2_400)),
        "batch_size": ("training.batch_size", (16, 32, 64, 128, 256, 512, 1_024)),
        **{width: (f"model.encoder.{width}", (8, 16, 32, 64, 128, 256, 512)) for width in widths},
        "reviews of a class": ("data.limit", tuple(times * reviews // 2 for times in (1, 2, 4, 8))),
    }


def epoch(file: str, rounds: int, reviews: int, *options: str) -> tuple[float, float, float]:
    """Seconds of an epoch, reviews/s and words/s: medians over the epochs after the first, which compiles."""
    fixed = [f"--config.data.limit={reviews // 2}", f"--config.training.epochs={1 + rounds}"]
    with tempfile.TemporaryDirectory() as folder:
        fixed += ["--config", file, "--workdir", folder, "--config.training.patience=None"]
        run("imdb_jax.train", *fixed, *options)
        _, *timed = epochs(folder)
    names = ("seconds", "reviews_per_second", "tokens_per_second")
    seconds, of_reviews, of_words = (statistics.median(each[name] for each in timed) for name in names)
    return seconds, of_reviews, of_words


if __name__ == "__main__":
    run_command(main)
