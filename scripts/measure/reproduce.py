"""Runs of the configs and where their figures go."""

import argparse
import re
import subprocess
import sys
import textwrap
from typing import Any

from scripts.environment import ROOT
from scripts.measure.runs import accuracy, groups, seconds

CONFIGS = {path.stem: path for path in sorted((ROOT / "configs").glob("*.py")) if path.stem != "quickstart"}
FIGURES = re.compile(r"^Test accuracy .*?(?=\n\n|\n\"\"\")", re.DOTALL | re.MULTILINE)  # of a config's docstring


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("scripts/reproduce")
    parser.add_argument("names", nargs="*", choices=[[], *CONFIGS], metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--mistakes", action="store_true")
    args = parser.parse_args(arguments)
    if args.mistakes:
        from scripts.measure import mistakes

        mistakes.main(args.seeds)
        return
    for name in args.names or CONFIGS:
        results = train(name, args.seeds)
        document = CONFIGS[name]
        document.write_text(with_docstring_figures(document.read_text(), results))
        cells = {
            2: f"**{accuracy(results, 'test')}**",
            3: accuracy(results, "validation"),
            5: seconds(results, "total"),
        }
        for readme in ROOT.glob("README*.md"):
            readme.write_text(with_cells(readme.read_text(), f"[{name}](configs/{name}.py)", cells))


def train(name: str, seeds: list[int]) -> list[dict[str, Any]]:
    """Results of a config for each seed, trained where they are not there yet."""
    folders = [ROOT / "runs" / f"{name}-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        if not (folder / "results.json").exists():
            options = ["--config", str(CONFIGS[name]), "--workdir", str(folder), f"--config.seed={seed}"]
            subprocess.run([sys.executable, "-m", "imdb_jax.train", *options], check=True)
    (runs,) = groups(folders)
    return [results for _, results in runs]


def with_docstring_figures(source: str, results: list[dict[str, Any]]) -> str:
    """A config file with its paragraph "Test accuracy ..." written anew."""
    device, versions = results[0]["device"], results[0]["versions"]
    epochs = ", ".join(str(result["best_epoch"]) for result in results)
    text = (
        f"Test accuracy {accuracy(results, 'test')} %, validation {accuracy(results, 'validation')} % (seeds "
        f"{', '.join(str(result['seed']) for result in results)}, best in epochs {epochs} of up to "
        f"{results[0]['config']['training']['epochs']}); {seconds(results, 'total')} s a run, "
        f"{seconds(results, 'train')} of them training, on "
        + (f"{device['cores']} CPU cores" if device["platform"] == "cpu" else f"{device['count']} x {device['kind']}")
        + f" with jax {versions['jax']} and flax {versions['flax']}."
    )
    written, count = FIGURES.subn(textwrap.fill(text, 120), source, count=1)
    assert count, 'a config says its "Test accuracy ..." in a paragraph of its docstring'
    return written


def with_cells(text: str, first: str, cells: dict[int, str]) -> str:
    """Markdown with some cells written anew in table rows whose first cell is `first`, by number from 0 on."""

    def row(line: str) -> str:
        if not line.startswith(f"| {first} |"):
            return line
        old = [cell.strip() for cell in line.strip("|").split("|")]
        return f"| {' | '.join(cells.get(number, cell) for number, cell in enumerate(old))} |"

    return "\n".join(map(row, text.split("\n")))


if __name__ == "__main__":
    main(sys.argv[1:])
