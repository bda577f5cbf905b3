"""Measures time to accuracy: seconds from typing the command to its end, and the accuracy reached by then.

Each run is `python -m imdb_jax.train`, which trains as many epochs as its config says, chooses one on validation and
reads the test reviews once. The clock runs from the start of Python: importing, reading and encoding the reviews,
compiling, training, evaluating. Each seed runs twice: with nothing in the cache but pretrained vectors, and again. The
peers are classifiers of a bag of words (scripts/peers/bags.py) on the same reviews; the extra `records` installs them.
Leave the machine alone meanwhile: twelve minutes on two cores.
"""

import argparse
import importlib.metadata
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imdb_jax.errors import run_command
from imdb_jax.runs.statistics import Spread
from imdb_jax.runtime import device, versions
from imdb_jax.storage import cache_dir
from scripts.commands import accuracy, head, results, row, run
from scripts.peers.bags import NAMES

CONFIGS = [f"configs/{name}.py" for name in ("ngrams", "mean_pool", "bigrams", "conv1d")]
PEERS = ("scikit-learn", "fasttext-numpy2-wheel")

Timed = tuple[dict[str, Any], float]  # results and seconds


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/records", description=__doc__)
    parser.add_argument("--config", nargs="*", default=CONFIGS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=[[], *NAMES], default=[*NAMES], metavar="NAME")
    args = parser.parse_args(arguments)
    head("", "seeds", "validation, %", "test, %", "nothing cached, s", "again, s")
    for file in args.config:
        report(file, *zip(*(ours(file, seed) for seed in range(args.seeds)), strict=True))
    for name in args.peers:
        report(name, [peer(name) for _ in range(args.seeds)], [])
    facts = device() | versions() | {name: importlib.metadata.version(name) for name in PEERS if args.peers}
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))


def report(name: str, first: Sequence[Timed], again: Sequence[Timed]) -> None:
    """Prints what the first runs reached, and the seconds of all."""
    reached = [each for each, _ in first]
    spent = [format(Spread.of([seconds for _, seconds in runs]), ".1f") if runs else "" for runs in (first, again)]
    row(name, len(reached), accuracy(reached, "validation"), accuracy(reached, "test"), *spent)


def ours(file: str, seed: int) -> tuple[Timed, Timed]:
    """A run that finds neither token ids nor compiled programs, only vectors, and the same once more."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        cache.mkdir()
        vectors = cache_dir().resolve() / "vectors"
        vectors.mkdir(parents=True, exist_ok=True)
        (cache / "vectors").symlink_to(vectors)

        def timed(name: str) -> Timed:
            options = ["--config", file, "--workdir", f"{folder}/{name}", f"--config.seed={seed}"]
            ended = run("imdb_jax.train", *options, IMDB_JAX_CACHE=str(cache))
            return results(f"{folder}/{name}"), ended.seconds

        first, again = timed("first"), timed("again")
    if first[0]["test"] != again[0]["test"]:
        raise RuntimeError(f"{file}: seed {seed} reached two results")
    return first, again


def peer(name: str) -> Timed:
    """A peer from its start to its accuracies; it caches nothing."""
    ended = run("scripts.peers.bags", name)
    return json.loads(ended.printed), ended.seconds


if __name__ == "__main__":
    run_command(main)
