"""Figures of finished runs, over those that differ in their seed alone."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from imdb_jax.runs.population import runs_in
from imdb_jax.runs.statistics import mean_and_std, seeds_together


def groups(folders: Iterable[Path]) -> list[list[tuple[Path, dict[str, Any]]]]:
    """Folders and results of runs, and of members of populations, those of one config together.

    Unfinished ones are left out.
    """
    found = {}
    for folder in (run.folder for place in folders for run in runs_in(place)):
        if (folder / "results.json").exists():
            found[folder] = json.loads((folder / "results.json").read_text())
        else:
            print(f"{folder}: not finished, left out", file=sys.stderr)
    configs = {folder: results["config"] for folder, results in found.items()}
    return [[(folder, found[folder]) for folder in group] for group in seeds_together(configs)]


def accuracy(results: list[dict[str, Any]], split: str) -> str:
    """Accuracy in %."""
    return mean_and_std([100 * result[split]["accuracy"] for result in results], "{:.2f}")


def seconds(results: list[dict[str, Any]], phase: str) -> str:
    """Seconds of a phase."""
    return mean_and_std([result["seconds"][phase] for result in results], "{:.0f}")
