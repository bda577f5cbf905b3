"""Trains and evaluates for many epochs while other processes keep every core busy: nothing may hang or die."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from imdb_jax import cli
from scripts.commands import epochs
from scripts.environment import ROOT

PATIENCE = 3_600  # seconds after which a run is taken for hung


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/measure soak", description=__doc__)
    parser.add_argument("--config", default="configs/quickstart.py")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="processes that compute all the time")
    args = parser.parse_args(arguments)
    options = ["--config", args.config, f"--config.training.epochs={args.epochs}", "--config.training.patience=None"]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "imdb_jax.train", *options, "--workdir", folder]
            subprocess.run(command, cwd=ROOT, timeout=PATIENCE, check=True)
            done = len(epochs(folder))
    except subprocess.SubprocessError as error:
        sys.exit(f"error: {error}")  # its code, or that it timed out
    finally:
        for process in busy:
            process.kill()
    print(f"{done} epochs beside {args.busy} busy processes in {time.monotonic() - started:.0f} s: no hang, no abort")


if __name__ == "__main__":
    cli.run(main)
