"""Writes a trained run as one file: `python -m imdb_jax.export --workdir runs/quickstart --out model.zip`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from imdb_jax import cli
from imdb_jax.errors import run_command
from imdb_jax.runs.mixture import Mix
from imdb_jax.runs.run import output_place


@dataclasses.dataclass(frozen=True)
class Args:
    """Writes the best checkpoint of a run, its vocabulary and its text rules as one file.

    The reader reads it with JAX, or with NumPy alone, and needs nothing else of this package.
    """

    workdir: str
    """The directory of a training run, or of a population, whose mean logit the file then answers with."""
    out: str
    """The .zip file to write; one that is there is replaced."""
    reader: str | None = None
    """The .pyz file to write with the program that reads such files elsewhere: `python reader.pyz model.zip`."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    table: Literal["float32", "float16"] = "float32"
    """How word vectors are stored; float16 halves them and moves the fourth digit of probabilities."""


def main(arguments: Sequence[str]) -> None:
    """Exports; see `Args`."""
    args = cli.parse(Args, arguments, "export")
    from imdb_jax.inference.artefact import write_artefact, write_reader
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runtime import set_up_process

    out = output_place(args.out, "--out", ".zip")
    reader = None if args.reader is None else output_place(args.reader, "--reader", ".pyz")
    set_up_process()
    classifier = open_classifier(args.mixed.with_first(args.workdir))
    write_artefact(out, classifier.members, args.table, classifier.weights)
    sys.stdout.write(f"{out}\n")
    if reader is not None:
        write_reader(reader)
        sys.stdout.write(f"{reader}\n")


if __name__ == "__main__":
    run_command(main)
