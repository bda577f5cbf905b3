"""Reads reviews with a trained run: `python -m imdb_jax.predict --workdir runs/quickstart "What a film!"`."""

import csv
import dataclasses
import io
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Literal

import tyro

from imdb_jax import cli
from imdb_jax.errors import BAD_DATA, UserError

if TYPE_CHECKING:  # JAX takes a second to import: not before the arguments are known to be right
    from imdb_jax.predictor import Prediction


@dataclasses.dataclass(frozen=True)
class Args:
    """Labels reviews with the best checkpoint of a run, one line of output for each, in their order.

    Reviews are the arguments, or come from standard input, however many there are.
    """

    workdir: str
    """The directory of a training run."""
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
    from imdb_jax.predictor import Predictor
    from imdb_jax.run import Run
    from imdb_jax.training.devices import set_up_process

    set_up_process()
    predictor = Predictor(Run(args.workdir))
    reviews = iter([os.fsencode(text) for text in args.texts]) if args.texts else _read(args, sys.stdin.buffer)
    output = args.output or ("table" if args.texts else "jsonl")
    batch_size = len(args.texts) or predictor.config.training.eval_batch_size
    while chunk := list(itertools.islice(reviews, batch_size)):
        for review, prediction in zip(chunk, predictor.predict(chunk, batch_size), strict=True):
            sys.stdout.write(_line(review, prediction, output) + "\n")
        sys.stdout.flush()


def _line(review: bytes, prediction: "Prediction", output: str) -> str:
    if output == "jsonl":
        return json.dumps(prediction._asdict())
    start = " ".join(review[:400].decode("utf-8", "replace").split())[:60]
    of_label = max(prediction.probability, 1 - prediction.probability)
    return f"{prediction.label}  {100 * of_label:5.1f} %  {start}" + "".join(f"  [{f}]" for f in prediction.flags)


def _read(args: Args, stdin: BinaryIO) -> Iterator[bytes]:
    """The reviews of standard input, one at a time."""
    if args.input == "lines":
        return (line.rstrip(b"\r\n") for line in stdin)
    if args.input == "jsonl":
        return _jsonl(stdin, args.text_column)
    return _csv(io.TextIOWrapper(stdin, "utf-8", "surrogateescape", newline=""), args.text_column)


def _jsonl(lines: Iterable[bytes], column: str) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        try:
            text = json.loads(line)[column]
        except (ValueError, KeyError, TypeError):
            raise UserError(f"stdin:{number}: not a JSON object with the key {column!r}", BAD_DATA) from None
        if not isinstance(text, str):
            raise UserError(f"stdin:{number}: {column!r} is {text!r}; must be a string", BAD_DATA)
        yield text.encode("utf-8", "surrogatepass")


def _csv(lines: Iterable[str], column: str) -> Iterator[bytes]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.DictReader(lines)
    if column not in (reader.fieldnames or ()):
        raise UserError(f"stdin:1: no column {column!r}; columns are {', '.join(reader.fieldnames or ())}", BAD_DATA)
    for row in reader:
        yield (row[column] or "").encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    cli.run(main)
