"""Says whether two runs or populations differ: `python -m imdb_jax.compare runs/lstm runs/conv1d`."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

import tyro

from imdb_jax import cli
from imdb_jax.errors import BAD_DATA, UserError


@dataclasses.dataclass(frozen=True)
class Args:
    """Compares two runs, or populations, review for review, by the logits that training kept.

    The interval of the difference in accuracy is a bootstrap over reviews, and over the members of a population;
    McNemar's exact test compares the two runs, or the two ensembles.
    """

    first: tyro.conf.Positional[str]
    """The directory of a finished training run, or of a population."""
    second: tyro.conf.Positional[str]
    """Another one, on the same reviews."""
    split: Literal["validation", "test"] = "validation"
    """Which reviews. Each look at the test split is recorded in the run directories."""
    output: Literal["table", "json"] = "table"
    """A table to read, or one JSON object."""


def main(arguments: Sequence[str]) -> None:
    """Compares; see `Args`."""
    args = cli.parse(Args, arguments, "compare")
    import numpy as np

    from imdb_jax.runs.population import runs_for
    from imdb_jax.runs.statistics import bootstrap_difference, mcnemar, mean_logits
    from imdb_jax.training.metrics import score

    sides = {name: runs_for(name) for name in dict.fromkeys((args.first, args.second))}
    if len(sides) < 2:
        raise UserError(f"{args.first}: given twice; name two runs or populations")
    predictions = {name: [run.predictions(args.split) for run in runs] for name, runs in sides.items()}
    first, *others = (run for runs in sides.values() for run in runs)
    if not all(first.has_reviews_of(other) for other in others):
        raise UserError(f"{args.first}, {args.second}: not of the same reviews; compare runs that share them", BAD_DATA)
    if args.split == "test":
        for run in (run for runs in sides.values() for run in runs):
            run.record_test_reading({"command": "compare"})

    labels = predictions[args.first][0].labels
    right = {name: np.stack([(each.logits > 0) == labels for each in kept]) for name, kept in predictions.items()}
    ensembles = {name: mean_logits([each.logits for each in kept]) for name, kept in predictions.items()}
    accuracy = {name: float(of_side.mean()) for name, of_side in right.items()}
    low, high = bootstrap_difference(right[args.first], right[args.second])
    found = {
        "split": args.split,
        "reviews": len(labels),
        "runs": [
            {
                "name": name,
                "members": len(runs),
                "accuracy": accuracy[name],
                "ensemble_accuracy": score(ensembles[name], labels).accuracy,
            }
            for name, runs in sides.items()
        ],
        "difference": {"accuracy": accuracy[args.second] - accuracy[args.first], "low": low, "high": high},
        "mcnemar": mcnemar(*((ensembles[name] > 0) == labels for name in sides))._asdict(),
    }
    sys.stdout.write((json.dumps(found) if args.output == "json" else _table(found)) + "\n")


def _table(found: dict[str, Any]) -> str:
    """The comparison as text."""
    from rich.table import Table

    from imdb_jax.training.tables import render

    table = Table(title=f"{found['reviews']:,} {found['split']} reviews")
    table.add_column("", overflow="fold")
    for column in ("members", "accuracy, %", "ensemble, %"):
        table.add_column(column, justify="right")
    for run in found["runs"]:
        cells = (100 * run["accuracy"], 100 * run["ensemble_accuracy"])
        table.add_row(run["name"], str(run["members"]), *(f"{cell:.2f}" for cell in cells))
    several = any(run["members"] > 1 for run in found["runs"])
    difference, test = found["difference"], found["mcnemar"]
    return "\n".join(
        [
            render(table),
            f"second - first: {100 * difference['accuracy']:+.2f} points, 95 % interval {100 * difference['low']:+.2f} "
            f"to {100 * difference['high']:+.2f} (bootstrap over reviews{' and members' if several else ''})",
            f"right alone, {'ensembles' if several else 'runs'}: first {test['first_alone']:,}, "
            f"second {test['second_alone']:,} reviews; p = {test['p']:.2g} (McNemar, exact)",
        ]
    )


if __name__ == "__main__":
    cli.run(main)
