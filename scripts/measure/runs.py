"""Figures of finished runs, over those that differ in their seed alone."""

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def groups(folders: Iterable[Path]) -> list[list[tuple[Path, dict[str, Any]]]]:
    """Folders and results of runs, those of one config together; unfinished ones are left out."""
    found: dict[str, list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    for folder in folders:
        if not (folder / "results.json").exists():
            print(f"{folder}: not finished, left out", file=sys.stderr)
            continue
        results = json.loads((folder / "results.json").read_text())
        found[json.dumps({**results["config"], "seed": None})].append((folder, results))
    return list(found.values())


def spread(values: list[float], digits: int) -> str:
    """Mean ± standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def accuracy(results: list[dict[str, Any]], split: str) -> str:
    """Accuracy in %."""
    return spread([100 * result[split]["accuracy"] for result in results], 2)


def seconds(results: list[dict[str, Any]], phase: str) -> str:
    """Seconds of a phase."""
    return spread([result["seconds"][phase] for result in results], 0)
