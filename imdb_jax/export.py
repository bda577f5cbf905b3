"""Writes a trained run as one file: `python -m imdb_jax.export --workdir runs/quickstart --out model.zip`."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from imdb_jax import cli
from imdb_jax.runs.mixture import Mix
from imdb_jax.storage import local_path


@dataclasses.dataclass(frozen=True)
class Args:
    """Writes the best checkpoint of a run, its vocabulary and its text rules as one file.

    `imdb_jax/inference/reader.py` reads it with JAX, or with NumPy alone where `numpy_model.py` lies beside it. Neither
    needs anything else of this package: copy them.
    """

    workdir: str
    """The directory of a training run, or of a population, whose mean logit the file then answers with."""
    out: str
    """The file to write, such as model.zip; one that is there is replaced."""
    mixed: tyro.conf.OmitArgPrefixes[Mix] = dataclasses.field(default_factory=Mix)
    table: Literal["float32", "float16"] = "float32"
    """How word vectors are stored; float16 halves them and moves the fourth digit of probabilities."""


def main(arguments: Sequence[str]) -> None:
    """Exports; see `Args`."""
    args = cli.parse(Args, arguments, "export")
    from imdb_jax.inference.artefact import write_artefact
    from imdb_jax.inference.predictor import open_classifier
    from imdb_jax.runtime import set_up_process

    out = local_path(args.out, "--out")
    set_up_process()
    classifier = open_classifier(args.mixed.with_first(args.workdir))
    write_artefact(out, classifier.members, args.table, classifier.weights)
    sys.stdout.write(f"{out}\n")


if __name__ == "__main__":
    cli.run(main)
