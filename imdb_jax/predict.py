"""Reads reviews with a trained run: `python -m imdb_jax.predict --workdir runs/quickstart "What a film!"`."""

import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import tyro

from imdb_jax import cli
from imdb_jax.config import DataConfig
from imdb_jax.data.files import enter, file_errors_told, read_files
from imdb_jax.data.rows import MOST_INVALID, Table, holds_table, is_utf8, text_lines, text_of
from imdb_jax.errors import MISSING_INPUT, UserError
from imdb_jax.inference import reader
from imdb_jax.runs.mixture import Mix

if TYPE_CHECKING:  # JAX takes a second to import: not before the arguments are known to be right
    from imdb_jax.inference.predictor import Prediction


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
    """Reviews, files and folders; without any, standard input is read."""
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
    files = [review for review in args.reviews if names_file(review)]
    if args.reviews and not files:
        for option in ("input", "text_column", "encoding"):
            if (value := getattr(args, option)) is not None:
                raise UserError(f"--{option}: {value!r}; only for files and standard input, not for typed reviews")
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runtime import set_up_process

    set_up_process()
    classifier = open_classifier(args.mixed.with_first(args.workdir))
    given = {name: value for name in ("text_column", "encoding") if (value := getattr(args, name)) is not None}
    data = dataclasses.replace(classifier.config.data, source="files", path="", **given)
    kind = args.input or ("csv" if args.text_column is not None else None)
    reviews = itertools.chain.from_iterable(_reviews(review, kind, data) for review in args.reviews or (None,))
    output = args.output or ("jsonl" if files or not args.reviews else "table")
    batch_size = len(args.reviews) if args.reviews and not files else classifier.config.training.eval_batch_size
    while chunk := list(itertools.islice(reviews, batch_size)):
        predictions = classifier.predict([text for _, text in chunk], batch_size)
        for (where, text), prediction in zip(chunk, predictions, strict=True):
            sys.stdout.write(_line(where, text, prediction, output) + "\n")
        sys.stdout.flush()


def _line(where: str, text: bytes, prediction: "Prediction", output: str) -> str:
    if output == "jsonl":
        return json.dumps(({"where": where} if where else {}) | prediction._asdict())
    start = " ".join(text[:400].decode("utf-8", "replace").split())[:60]
    of_label = max(prediction.probability, 1 - prediction.probability)
    return f"{prediction.label}  {100 * of_label:5.1f} %  {start}" + "".join(f"  [{f}]" for f in prediction.flags)


def _reviews(argument: str | None, kind: str | None, data: DataConfig) -> Iterator[tuple[str, bytes]]:
    """The reviews of an argument, or of standard input where it is None; with the place of those in a file."""
    if argument is None:
        stdin = cast(io.BufferedReader, sys.stdin.buffer)
        with file_errors_told(data, "--"):
            if kind in (None, "lines"):
                texts = text_lines(stdin, "stdin", data.encoding)
            else:
                table = Table(stdin, "stdin", (data.text_column,), data.encoding, data.quotes)
                texts = (text_of(row, data.text_column, where) for where, row in table)
            count = invalid = 0
            for text in texts:
                count, invalid = count + 1, invalid + (not is_utf8(text))
                yield "", text
        if invalid > MOST_INVALID * count:  # of a file it would be refused; these are read by now
            encoding = (data.encoding or "UTF-8").upper()
            cli.log.warning(f"stdin: {invalid:,} of {count:,} reviews are not {encoding}; name their --encoding")
    elif names_file(argument):
        place = enter(Path(argument))
        if place.is_dir():
            if kind is not None:
                raise UserError(f"--input and --text_column: only for files, {argument} is a folder")
        else:
            is_table = kind not in (None, "lines") or holds_table(argument, data.text_column, data.encoding)
            data = dataclasses.replace(data, lines_are_reviews=kind == "lines" or not is_table)
        reviews, wheres = read_files(place, data, None, "to predict", "--")
        yield from zip(wheres, reviews.texts(), strict=True)
    else:
        yield "", cli.utf8(argument)


def names_file(argument: str) -> bool:
    """As `reader.names_file`; that a file is not there is a `UserError` (66)."""
    try:
        return reader.names_file(argument)
    except reader.ModelError as error:
        raise UserError(str(error), MISSING_INPUT) from None


if __name__ == "__main__":
    cli.run(main)
