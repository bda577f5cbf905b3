"""Checks the programs of configs for accelerators that are not here, and prints what they take."""

import argparse
import importlib.util
import os
import subprocess
import sys

from scripts.environment import ROOT
from scripts.measure.described import COMPILERS, ENVIRONMENT, FAULTY, TARGETS

ONE_OF_EACH = ("glove_bilstm", "embedding_rnn", "conv1d", "word2vec_conv1d", "max_pool")  # kinds of encoders
COLUMNS = ("target", "config", "seconds", "MB: train, evaluate, predict", "bytes all-reduced", "products in loops")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/check_accelerators", allow_abbrev=False)
    parser.add_argument("--config", nargs="+", default=[f"configs/{name}.py" for name in ONE_OF_EACH])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--target", nargs="+", default=TARGETS, choices=TARGETS)
    args = parser.parse_args(arguments)
    every = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("configs/*.py"))
    for platform in {target.partition(":")[0] for target in args.target}:
        if not found(COMPILERS[platform]):
            print(f"error: {COMPILERS[platform]} is needed for {platform}: pip install -e '.[aot]'", file=sys.stderr)
            return 69
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    return max(check(target, every if args.all else args.config) for target in args.target)


def found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def check(target: str, configs: list[str]) -> int:
    """Checks configs in a process of their own, since a compiler can crash; returns 1 for a fault."""
    child = subprocess.run(
        [sys.executable, "-m", "scripts.measure.programs", target, *configs],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stderr=subprocess.PIPE,  # the compilers talk
        text=True,
    )
    if child.returncode not in (0, FAULTY):
        print(f"{child.stderr}FAULT {target}: ended with {child.returncode}", flush=True)
    return int(child.returncode != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
