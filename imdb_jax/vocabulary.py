"""Words and ids of a trained run: `python -m imdb_jax.vocabulary encode --workdir runs/quickstart "What a film!"`."""

import dataclasses
import sys
from collections.abc import Sequence

import tyro

from imdb_jax import cli
from imdb_jax.data.vocabulary import write_word_index
from imdb_jax.errors import run_command
from imdb_jax.runs.run import Run, output_place


@dataclasses.dataclass(frozen=True)
class Encode:
    """Writes the ids of a review, before it is cut to data.max_length."""

    text: tyro.conf.Positional[str]
    """The review."""
    workdir: str
    """The directory of a training run."""


@dataclasses.dataclass(frozen=True)
class Decode:
    """Writes the words of ids; padding and the start of a review are left out."""

    ids: tyro.conf.Positional[tuple[int, ...]]
    """Ids of one review."""
    workdir: str
    """The directory of a training run."""


@dataclasses.dataclass(frozen=True)
class Export:
    """Writes a JSON file of words and their ranks from 1, as Keras' imdb.get_word_index() gives them.

    Special tokens are left out. --config.data.word_index trains another run with the same words.
    """

    workdir: str
    """The directory of a training run."""
    out: str
    """The .json file to write."""


@dataclasses.dataclass(frozen=True)
class Args:
    """Tells how a run reads text: its words and their ids."""

    command: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[Encode | Decode | Export]]


def main(arguments: Sequence[str]) -> None:
    """Encodes, decodes or exports; see `Args`."""
    args = cli.parse(Args, arguments, "vocabulary").command
    vocabulary = Run(args.workdir).vocabulary()
    match args:
        case Encode():
            sys.stdout.write(" ".join(map(str, vocabulary.encode(cli.utf8(args.text)))) + "\n")
        case Decode():
            sys.stdout.write(vocabulary.decode(args.ids) + "\n")
        case Export():
            write_word_index(output_place(args.out, "--out", ".json"), vocabulary.words)


if __name__ == "__main__":
    run_command(main)
