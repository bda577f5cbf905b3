"""Scores a trained run: `python -m imdb_jax.evaluate --workdir runs/quickstart --split validation`."""

import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import tyro

from imdb_jax import cli
from imdb_jax.config import MovedData
from imdb_jax.errors import log, run_command
from imdb_jax.runs.mixture import Mix, check_same_reviews


@dataclasses.dataclass(frozen=True)
class Args:
    """Scores the best checkpoint of a run and writes one JSON object to standard output.

    Of several runs it scores what they say together; `members` then holds their mean, std and 95 % interval, low to
    high, or the scores of each where they are mixed, and `weights` what its logit counts. Each reading of the test
    split is recorded in the run directory: who chooses by it has no test left.
    """

    workdir: str
    """The directory of a training run, or of a population."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    split: Literal["validation", "test"] = "validation"
    """Which reviews to score."""
    moved: Annotated[MovedData, tyro.conf.arg(name="config.data")] = dataclasses.field(default_factory=MovedData)


def main(arguments: Sequence[str]) -> None:
    """Evaluates; see `Args`."""
    args = cli.parse(Args, arguments, "evaluate")
    log.setLevel(logging.WARNING)  # how the reviews are read has been told by training
    from imdb_jax.config.checked import dump
    from imdb_jax.data.dataset import load_dataset
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runs.statistics import Spreads, mean_logits
    from imdb_jax.runtime import set_up_process
    from imdb_jax.training.metrics import score

    set_up_process()
    mixture = args.mixed.with_first(args.workdir)
    if args.mixed.mix:
        check_same_reviews([args.workdir, *args.mixed.mix], mixture.runs, args.split, "mix runs that share them")
    classifier = open_classifier(mixture)
    configs = dict.fromkeys(member.config.data for member in classifier.members)
    datasets = {data: load_dataset(args.moved.applied_to(data)) for data in configs}
    for member in classifier.members:
        member.run.check_data(datasets[member.config.data])
    if args.split == "test":
        for member in classifier.members:
            member.run.record_test_reading({"command": "evaluate", "step": member.step})
    logits = [member.logits(getattr(datasets[member.config.data], args.split)) for member in classifier.members]
    labels = getattr(datasets[classifier.config.data], args.split).labels
    scores = [score(of_member, labels) for of_member in logits]
    steps = [member.step for member in classifier.members]
    found = {"split": args.split, "step": steps[0], **dump(score(mean_logits(logits, mixture.weights), labels))}
    if len(steps) > 1:
        found |= {"step": steps, "members": dump(Spreads.of(scores))}
    if mixture.weights is not None:
        names = [str(run.folder) for run in mixture.runs]
        found["members"] = dict(zip(names, map(dump, scores), strict=True))
        found["weights"] = dict(zip(names, mixture.weights, strict=True))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    run_command(main)
