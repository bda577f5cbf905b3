"""Reads reviews with a trained run: `python -m imdb_jax.predict --workdir runs/quickstart "What a film!"`."""

import dataclasses
import io
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, cast

import tyro

from imdb_jax import cli
from imdb_jax.data.rows import csv_rows, jsonl_rows, text_of

if TYPE_CHECKING:  # JAX takes a second to import: not before the arguments are known to be right
    from imdb_jax.inference.predictor import Prediction


@dataclasses.dataclass(frozen=True)
class Args:
    """Labels reviews with the best checkpoint of a run, or a population's ensemble, a line for each in their order.

    Reviews are the arguments, or come from standard input, however many there are.
    """

    workdir: str
    """The directory of a training run, or of a population."""
    texts: tyro.conf.Positional[tuple[str, ...]] = ()
    """Reviews; without any, standard input is read."""
    input: Literal["lines", "csv", "jsonl"] = "lines"
    """What standard input holds: a review per line, a CSV file with a header, or a JSON object per line."""
    text_column: str = "text"
    """The CSV column or JSON key of the review."""
    output: Literal["jsonl", "table"] | None = None
    """jsonl: JSON objects with label, probability (of positive) and flags; table: lines to read, with label and the
    probability of that label. None: table for reviews that are arguments, jsonl for standard input."""


def main(arguments: Sequence[str]) -> None:
    """Predicts; see `Args`."""
    args = cli.parse(Args, arguments, "predict")
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runtime import set_up_process

    set_up_process()
    classifier = open_classifier(args.workdir)
    reviews = (
        iter([os.fsencode(text) for text in args.texts])
        if args.texts
        else read_reviews(args, cast(io.BufferedIOBase, sys.stdin.buffer))
    )
    output = args.output or ("table" if args.texts else "jsonl")
    batch_size = len(args.texts) or classifier.config.training.eval_batch_size
    while chunk := list(itertools.islice(reviews, batch_size)):
        for review, prediction in zip(chunk, classifier.predict(chunk, batch_size), strict=True):
            sys.stdout.write(_line(review, prediction, output) + "\n")
        sys.stdout.flush()


def _line(review: bytes, prediction: "Prediction", output: str) -> str:
    if output == "jsonl":
        return json.dumps(prediction._asdict())
    start = " ".join(review[:400].decode("utf-8", "replace").split())[:60]
    of_label = max(prediction.probability, 1 - prediction.probability)
    return f"{prediction.label}  {100 * of_label:5.1f} %  {start}" + "".join(f"  [{f}]" for f in prediction.flags)


def read_reviews(args: Args, stdin: io.BufferedIOBase) -> Iterator[bytes]:
    """The reviews of standard input, one at a time."""
    if args.input == "lines":
        return (line.rstrip(b"\r\n") for line in stdin)
    rows = jsonl_rows if args.input == "jsonl" else csv_rows
    return (text_of(row, args.text_column, where) for where, row in rows(stdin, "stdin", (args.text_column,)))


if __name__ == "__main__":
    cli.run(main)
