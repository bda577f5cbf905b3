"""Says whether two runs or populations differ: `python -m imdb_jax.compare runs/lstm runs/conv1d`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from imdb_jax import cli
from imdb_jax.errors import BAD_DATA, UserError


@dataclasses.dataclass(frozen=True)
class Args:
    """Compares two runs, or populations, review for review, by the logits that training kept.

    The interval of the difference in accuracy is for other reviews, and for other members of a population; McNemar's
    exact test compares the two runs, or the two ensembles.
    """

    first: tyro.conf.Positional[str]
    """The directory of a finished training run, or of a population."""
    second: tyro.conf.Positional[str]
    """Another one, on the same reviews."""
    split: Literal["validation", "test"] = "validation"
    """Which reviews. Each look at the test split is recorded in the run directories."""


def main(arguments: Sequence[str]) -> None:
    """Compares; see `Args`."""
    args = cli.parse(Args, arguments, "compare")
    import numpy as np

    from imdb_jax.runs.population import runs_for
    from imdb_jax.runs.statistics import difference_interval, mcnemar, mean_logits
    from imdb_jax.training.tables import text_table

    names = args.first, args.second
    if args.first == args.second:
        raise UserError(f"{args.first}: given twice; name two runs or populations")
    sides = [runs_for(name) for name in names]
    predictions = [[run.predictions(args.split) for run in runs] for runs in sides]
    first, *others = [*sides[0], *sides[1]]
    if not all(first.has_reviews_of(other, args.split) for other in others):
        raise UserError(f"{args.first}, {args.second}: not of the same reviews; compare runs that share them", BAD_DATA)
    if args.split == "test":
        for run in (first, *others):
            run.record_test_reading({"command": "compare"})

    labels = predictions[0][0].labels
    right = [np.stack([(each.logits > 0) == labels for each in kept]) for kept in predictions]
    together = [(mean_logits([each.logits for each in kept]) > 0) == labels for kept in predictions]
    low, high = difference_interval(*right)
    first_alone, second_alone, p = mcnemar(*together)
    table = text_table(
        f"{len(labels):,} {args.split} reviews",
        ("", "members", "accuracy, %", "ensemble, %"),
        [
            (name, str(len(members)), f"{100 * members.mean():.2f}", f"{100 * ensemble.mean():.2f}")
            for name, members, ensemble in zip(names, right, together, strict=True)
        ],
    )
    several = len(others) > 1
    sys.stdout.write(
        f"{table}\n"
        f"second - first: {100 * (right[1].mean() - right[0].mean()):+.2f} points, 95 % interval "
        f"{100 * low:+.2f} to {100 * high:+.2f} (Student's t over reviews{' and members' if several else ''})\n"
        f"right alone, {'ensembles' if several else 'runs'}: first {first_alone:,}, "
        f"second {second_alone:,} reviews; p = {p:.2g} (McNemar, exact)\n"
    )


if __name__ == "__main__":
    cli.run(main)
