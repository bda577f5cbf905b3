"""Means and standard deviations of finished runs."""

import json
import sys
from pathlib import Path

from imdb_jax.runs.statistics import without_seed
from scripts.measure.runs import accuracy, groups, seconds


def main(folders: list[str]) -> None:
    machines: set[str] = set()
    print("| runs | seeds | test accuracy, % | validation accuracy, % | best epoch | training, s | in all, s |")
    print("|---|---|---|---|---|---|---|")
    for runs in groups(map(Path, folders)):
        results = [result for _, result in runs]
        cells = [
            without_seed(runs[0][0].name) or runs[0][0].parents[1].name,
            ", ".join(str(seed) for seed in sorted(result["seed"] for result in results)),
            accuracy(results, "test"),
            accuracy(results, "validation"),
            ", ".join(str(result["best_epoch"]) for result in results),
            seconds(results, "train"),
            seconds(results, "total"),
        ]
        print(f"| {' | '.join(cells)} |")
        machines |= {json.dumps(result[key]) for result in results for key in ("device", "versions")}
    for line in sorted(machines):
        print("\n" + ", ".join(f"{name} {value}" for name, value in json.loads(line).items()))


if __name__ == "__main__":
    main(sys.argv[1:])
