"""Trains the systems of configs/ with several seeds; writes what they reached into README*.md, docs and the configs.

A run is `python -m imdb_jax.train --config configs/NAME.py --workdir runs/NAME-SEED --config.seed=SEED`; those that are
finished are not trained again. Systems with a SimpleRNN, of which some seeds stall, get 24 seeds, the others 3.
--mistakes trains systems with five classic mistakes instead and writes what each costs into docs/mistakes.md. An hour
on two cores, the mistakes another quarter; leave the machine alone meanwhile.
"""

import argparse
import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imdb_jax.config import SimpleRNNConfig, load_file
from imdb_jax.errors import run_command
from imdb_jax.runs.statistics import Spread
from scripts.commands import accuracy, results, run
from scripts.environment import ROOT

CONFIGS = {path.stem: path for path in sorted((ROOT / "configs").glob("*.py")) if path.stem != "quickstart"}
PAGES = [page for page in (*ROOT.glob("README*.md"), ROOT / "docs" / "configs.md") if page.exists()]
FEW, MANY = 3, 24  # seeds
FIGURES = re.compile(r"^Test accuracy .*?(?=\n\n|\n\"\"\")", re.DOTALL | re.MULTILINE)  # of a config's docstring


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("scripts/reproduce", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *CONFIGS], metavar="NAME", help="such as lstm; all unless named"
    )
    parser.add_argument("--seeds", type=int, nargs="+", help="0 to 23 for a SimpleRNN, 0 to 2 for others, unless given")
    parser.add_argument("--mistakes", action="store_true")
    args = parser.parse_args(arguments)
    if args.mistakes:
        from scripts.figures import mistakes  # which imports this file

        mistakes.main(args.seeds or range(FEW))
        return
    for name in args.names or CONFIGS:
        stalls = isinstance(load_file(CONFIGS[name]).model.encoder, SimpleRNNConfig)
        runs = train(name, args.seeds or range(MANY if stalls else FEW))
        CONFIGS[name].write_text(with_docstring_figures(CONFIGS[name].read_text(), runs))
        test, validation, total = f"**{accuracy(runs, 'test')}**", accuracy(runs, "validation"), seconds(runs, "total")
        cells = {6: {2: test, 3: validation, 5: total}, 5: {2: test, 4: total}}
        for page in PAGES:
            page.write_text(with_cells(page.read_text(), link(name, page), cells))


def train(name: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Results of a config for each seed, trained where they are not there yet."""
    folders = {seed: ROOT / "runs" / f"{name}-{seed}" for seed in seeds}
    for seed, folder in folders.items():
        if not (folder / "results.json").exists():
            place = ["--workdir", str(folder)]
            run("imdb_jax.train", "--config", str(CONFIGS[name]), *place, f"--config.seed={seed}")
    return [results(folder) for folder in folders.values()]


def seconds(runs: Sequence[dict[str, Any]], phase: str) -> str:
    """Of a phase, over runs."""
    return format(Spread.of([each["seconds"][phase] for each in runs]), ".0f")


def with_docstring_figures(source: str, runs: Sequence[dict[str, Any]]) -> str:
    """A config file with its paragraph "Test accuracy ..." written anew."""
    device, versions = runs[0]["device"], runs[0]["versions"]
    seeds, epochs = (listed([each[name] for each in runs]) for name in ("seed", "best_epoch"))
    text = (
        f"Test accuracy {accuracy(runs, 'test')} %, validation {accuracy(runs, 'validation')} % (seeds {seeds}, best "
        f"in epochs {epochs} of up to {runs[0]['config']['training']['epochs']}); {seconds(runs, 'total')} s a run, "
        f"{seconds(runs, 'train')} of them training, on "
        + (f"{device['cores']} CPU cores" if device["platform"] == "cpu" else f"{device['count']} x {device['kind']}")
        + f" with jax {versions['jax']} and flax {versions['flax']}."
    )
    written, count = FIGURES.subn(textwrap.fill(text, 120), source, count=1)
    assert count, 'a config says its "Test accuracy ..." in a paragraph of its docstring'
    return written


def listed(numbers: Sequence[int]) -> str:
    """All of a few, the ends of many."""
    return ", ".join(map(str, numbers)) if len(numbers) <= FEW else f"{min(numbers)} to {max(numbers)}"


def link(name: str, page: Path) -> str:
    """The first cell of a config's row."""
    return f"[{name}]({os.path.relpath(CONFIGS[name], page.parent)})"


def with_cells(text: str, first: str, cells: dict[int, dict[int, str]]) -> str:
    """Markdown with cells written anew in table rows whose first cell is `first`.

    Args:
      text: of the page.
      first: a cell.
      cells: by the number of columns, and then by the number of the column from 0 on.
    """

    def row(line: str) -> str:
        old = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith(f"| {first} |") or len(old) not in cells:
            return line
        return f"| {' | '.join(cells[len(old)].get(number, cell) for number, cell in enumerate(old))} |"

    return "\n".join(map(row, text.split("\n")))


if __name__ == "__main__":
    run_command(main)
