"""Reads reviews with a trained run: `python -m imdb_jax.predict --workdir runs/quickstart "What a film!"`."""

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from imdb_jax import cli
from imdb_jax.data.inputs import as_asked, name_files, read_inputs
from imdb_jax.data.places import Format
from imdb_jax.errors import run_command
from imdb_jax.runs.mixture import Mix


@dataclasses.dataclass(frozen=True)
class Args:
    """Labels reviews with the best checkpoint of a run, or a population's ensemble, a line for each in their order.

    Reviews are the arguments, or come from standard input, however many there are. An argument that is the path of a
    file or a folder stands for the reviews in it.
    """

    workdir: str
    """The directory of a training run, or of a population."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    reviews: tyro.conf.Positional[tuple[str, ...]] = ()
    """Reviews, files and folders; without any, and for -, standard input is read."""
    input: Literal["lines", "csv", "jsonl"] | None = None
    """What standard input or a file holds: a review a line, or a table (csv and jsonl are told apart by themselves).
    None: a table if --text_column is given or a file is one, otherwise lines."""
    text_column: str | None = None
    """The column or JSON key of the review; None: the one that the run was trained with."""
    encoding: str | None = None
    """Of a text that no byte-order mark begins; None: the one that the run was trained with."""
    output: Literal["jsonl", "table"] | None = None
    """jsonl: JSON objects with label, probability (of positive), flags and, of a file, where the review stands; table:
    lines to read, with label and its probability. None: table for reviews that are arguments, jsonl for others."""


def main(arguments: Sequence[str]) -> None:
    """Predicts; see `Args`."""
    args = cli.parse(Args, arguments, "predict")
    options = {"input": args.input, "text_column": args.text_column, "encoding": args.encoding}
    from_files = name_files(args.reviews, options)
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runtime import set_up_process

    set_up_process()
    classifier = open_classifier(args.mixed.with_first(args.workdir))
    reviews = read_inputs(args.reviews, *as_asked(Format.of(classifier.config.data), options))
    output = args.output or ("jsonl" if from_files else "table")
    batch_size = classifier.config.training.eval_batch_size if from_files else len(args.reviews)
    while chunk := list(itertools.islice(reviews, batch_size)):
        predictions = classifier.predict([text for _, text in chunk], batch_size)
        for (where, text), prediction in zip(chunk, predictions, strict=True):
            if output == "jsonl":
                line = json.dumps(({"where": where} if where else {}) | prediction._asdict())
            else:
                start = " ".join(text[:400].decode("utf-8", "replace").split())[:60]
                of_label = max(prediction.probability, 1 - prediction.probability)
                flags = "".join(f"  [{flag}]" for flag in prediction.flags)
                line = f"{prediction.label}  {100 * of_label:5.1f} %  {start}{flags}"
            sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run_command(main)
