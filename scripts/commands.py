"""Commands of the package, run and timed as a user runs them, and the tables of what came of them."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imdb_jax.runs.statistics import Spread
from scripts.environment import ROOT

STALLING = 3.0  # standard deviation of accuracies, in %, that comes of seeds that learn little or nothing


class Ended(NamedTuple):
    """A command that succeeded: what it printed, its seconds from start to end, and those of all its threads."""

    printed: str
    seconds: float
    cpu_seconds: float


def run(module: str, *arguments: str, **variables: str) -> Ended:
    """Runs a module in the repository's folder, with these variables too; its failure ends this one."""
    started, worked = time.perf_counter(), _cpu_seconds()
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {module} {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    ended = Ended(done.stdout, time.perf_counter() - started, _cpu_seconds() - worked)
    say(f"{module} {' '.join(arguments)}: {ended.seconds:.1f} s")
    return ended


def _cpu_seconds() -> float:
    """Of children that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def results(workdir: str | Path) -> dict[str, Any]:
    """What is in results.json of a run that has ended."""
    return json.loads(Path(workdir, "results.json").read_text())


def epochs(workdir: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in Path(workdir, "metrics.jsonl").read_text().splitlines()]


def accuracy(runs: Sequence[dict[str, Any]], split: str) -> str:
    """Of results of several seeds, in %: mean ± standard deviation, or what says more where some seeds stall."""
    values = [100 * each[split]["accuracy"] for each in runs]
    spread = Spread.of(values)
    if spread.std and spread.std > STALLING:
        return f"median {statistics.median(values):.2f}, lowest {min(values):.2f}"
    return format(spread, ".2f")


def say(text: str) -> None:
    print(f"[{Path(sys.argv[0]).stem}] {text}", file=sys.stderr, flush=True)


def row(*cells: object) -> None:
    """Prints a row of a Markdown table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def head(*names: str) -> None:
    """Prints the head of a Markdown table."""
    row(*names)
    print(f"|{'---|' * len(names)}", flush=True)
