"""Scores a trained run: `python -m imdb_jax.evaluate --workdir runs/quickstart --split validation`."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Literal

from imdb_jax import cli


@dataclasses.dataclass(frozen=True)
class Args:
    """Scores the best checkpoint of a run and writes one JSON object to standard output.

    Each reading of the test split is recorded in the run directory: who chooses by it has no test left.
    """

    workdir: str
    """The directory of a training run."""
    split: Literal["validation", "test"] = "validation"
    """Which reviews to score."""


def main(arguments: Sequence[str]) -> None:
    """Evaluates; see `Args`."""
    args = cli.parse(Args, arguments, "evaluate")
    from imdb_jax.data.tokens import load_dataset
    from imdb_jax.predictor import Predictor
    from imdb_jax.run import Run
    from imdb_jax.training.devices import set_up_process
    from imdb_jax.training.metrics import score

    set_up_process()
    run = Run(args.workdir)
    predictor = Predictor(run)
    dataset = load_dataset(predictor.config.data)
    run.check_data(dataset.fingerprint)
    split = dataset.test if args.split == "test" else dataset.validation
    if args.split == "test":
        run.record_test_reading({"command": "evaluate", "step": predictor.step})
    scores = score(predictor.logits(split), split.labels)
    sys.stdout.write(json.dumps({"split": args.split, "step": predictor.step, **scores}) + "\n")


if __name__ == "__main__":
    cli.run(main)
