"""Says whether two runs or populations differ: `python -m imdb_jax.compare runs/lstm runs/conv1d`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from imdb_jax import cli
from imdb_jax.errors import UserError, run_command
from imdb_jax.runs.mixture import Mix, check_same_reviews


@dataclasses.dataclass(frozen=True)
class Args:
    """Compares two runs, or populations, review for review, by the logits that training kept.

    The interval of the difference in accuracy is for other reviews, and for other members of a population; McNemar's
    exact test compares the two runs, or the two ensembles. Runs that --mix names are mixed with the second one, which
    may then be the first: the mixture counts as a single member.
    """

    first: tyro.conf.Positional[str]
    """The directory of a finished training run, or of a population."""
    second: tyro.conf.Positional[str]
    """Another one, on the same reviews."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    split: Literal["validation", "test"] = "validation"
    """Which reviews. Each look at the test split is recorded in the run directories."""


def main(arguments: Sequence[str]) -> None:
    """Compares; see `Args`."""
    args = cli.parse(Args, arguments, "compare")
    import numpy as np

    from imdb_jax.runs.statistics import difference_interval, mcnemar
    from imdb_jax.training.tables import text_table

    names = args.first, " + ".join((args.second, *args.mixed.mix))
    if args.first == args.second and not args.mixed.mix:
        raise UserError(f"{args.first}: given twice; name two runs or populations")
    sides = [Mix().with_first(args.first), args.mixed.with_first(args.second)]
    predictions = [[run.predictions(args.split) for run in side.runs] for side in sides]
    runs = list({run.folder: run for side in sides for run in side.runs}.values())
    check_same_reviews(names, runs, args.split, "compare runs that share them")
    if args.split == "test":
        for run in runs:
            run.record_test_reading({"command": "compare"})

    labels = predictions[0][0].labels
    together = [(side.kept_logits(args.split) > 0) == labels for side in sides]
    right = [
        np.stack([(each.logits > 0) == labels for each in kept]) if side.weights is None else ensemble[None]
        for side, kept, ensemble in zip(sides, predictions, together, strict=True)
    ]
    low, high = difference_interval(*right)
    first_alone, second_alone, p = mcnemar(*together)
    table = text_table(
        f"{len(labels):,} {args.split} reviews",
        ("", "members", "accuracy, %", "ensemble, %"),
        [
            (name, str(len(side.runs)), f"{100 * members.mean():.2f}", f"{100 * ensemble.mean():.2f}")
            for name, side, members, ensemble in zip(names, sides, right, together, strict=True)
        ],
    )
    several, ensembles = (any(len(each) > 1 for each in of) for of in (right, [side.runs for side in sides]))
    sys.stdout.write(
        f"{table}\n"
        f"second - first: {100 * (right[1].mean() - right[0].mean()):+.2f} points, 95 % interval "
        f"{100 * low:+.2f} to {100 * high:+.2f} (Student's t over reviews{' and members' if several else ''})\n"
        f"right alone, {'ensembles' if ensembles else 'runs'}: first {first_alone:,}, "
        f"second {second_alone:,} reviews; p = {p:.2g} (McNemar, exact)\n"
    )


if __name__ == "__main__":
    run_command(main)
