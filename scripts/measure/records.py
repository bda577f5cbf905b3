"""Times to accuracy: seconds from the command to its end, and how many reviews it then labels rightly."""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from imdb_jax.runs.statistics import mean_and_std
from imdb_jax.runtime import device, versions
from imdb_jax.storage import cache_dir
from scripts.environment import ROOT, say
from scripts.measure.runs import accuracy
from scripts.peers.bags import NAMES

CONFIGS = [f"configs/{name}.py" for name in ("mean_pool", "bigrams", "conv1d")]
PEERS = ("scikit-learn", "fasttext-numpy2-wheel")

Timed = tuple[dict[str, Any], float]  # results and seconds


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/records")
    parser.add_argument("--config", nargs="*", default=CONFIGS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=[[], *NAMES], default=[*NAMES], metavar="NAME")
    args = parser.parse_args(arguments)
    if args.seeds < 1:
        parser.error(f"--seeds: {args.seeds}; must be at least 1")
    print("| | seeds | validation, % | test, % | nothing cached, s | again, s |\n|---|---|---|---|---|---|", flush=True)
    for file in args.config:
        row(file, *zip(*(ours(file, seed) for seed in range(args.seeds)), strict=True))
    for name in args.peers:
        row(name, [peer(name) for _ in range(args.seeds)])
    facts = device() | versions() | ({name: importlib.metadata.version(name) for name in PEERS} if args.peers else {})
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))


def row(name: str, *runs: list[Timed]) -> None:
    """Prints what the first runs reached, and the seconds of all."""
    results = [result for result, _ in runs[0]]
    spent = [mean_and_std([seconds for _, seconds in of_runs], "{:.1f}") for of_runs in runs]
    cells = [name, str(len(results)), accuracy(results, "validation"), accuracy(results, "test"), *spent, ""][:6]
    print(f"| {' | '.join(cells)} |", flush=True)


def ours(file: str, seed: int) -> tuple[Timed, Timed]:
    """A run that finds neither token ids nor compiled programs, only vectors, and the same once more."""
    with tempfile.TemporaryDirectory() as folder:
        (cache := Path(folder, "cache")).mkdir()
        cache_dir().joinpath("vectors").mkdir(parents=True, exist_ok=True)
        cache.joinpath("vectors").symlink_to(cache_dir().resolve() / "vectors")

        def run(name: str) -> Timed:
            options = ["--config", file, "--workdir", f"{folder}/{name}", f"--config.seed={seed}"]
            _, seconds = timed("imdb_jax.train", *options, IMDB_JAX_CACHE=str(cache))
            return json.loads(Path(folder, name, "results.json").read_text()), seconds

        first, again = run("first"), run("again")
    if first[0]["test"] != again[0]["test"]:
        raise RuntimeError(f"{file}: seed {seed} reached two results")
    return first, again


def peer(name: str) -> Timed:
    """A peer from its start to its accuracies; it caches nothing."""
    printed, seconds = timed("scripts.peers.bags", name)
    return json.loads(printed), seconds


def timed(module: str, *arguments: str, **environment: str) -> tuple[str, float]:
    """What a command printed, and the seconds from its start to its end."""
    started = time.perf_counter()
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {module} {' '.join(arguments)}: {done.stderr.strip()}")
    seconds = time.perf_counter() - started
    say(f"{module} {' '.join(arguments)}: {seconds:.1f} s")
    return done.stdout, seconds


if __name__ == "__main__":
    main(sys.argv[1:])
