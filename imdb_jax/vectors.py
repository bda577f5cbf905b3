"""Word vectors of a run or a file: `python -m imdb_jax.vectors neighbours --workdir runs/quickstart good bad`."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float32

from imdb_jax import cli
from imdb_jax.errors import UserError, run_command
from imdb_jax.runs.run import Run, output_place
from imdb_jax.wordvectors.formats import read_word_vectors
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.wordvectors.table import neighbours, write_vectors


@dataclasses.dataclass(frozen=True)
class Export:
    """Writes the vectors of a run as a word2vec file, which gensim reads bit for bit.

    Words stand in order of id; special tokens such as padding and the unknown word are left out.
    """

    workdir: str
    """The directory of a training run."""
    out: str
    """The file to write: .txt for text, .bin for binary."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Lists the words whose vectors have the greatest cosine with that of each word."""

    words: tyro.conf.Positional[tuple[str, ...]]
    """Words as they are spelt there; most vectors are of lower-case words."""
    workdir: str | None = None
    """The directory of a training run: the vectors of its best checkpoint."""
    vectors: str | None = None
    """Instead of a run, a GloVe or word2vec file or the name of a published set, such as glove.6B.100d."""
    count: int = 10
    """How many words to answer."""


@dataclasses.dataclass(frozen=True)
class Args:
    """Exports word vectors, or tells which words are near which."""

    command: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[Export | Neighbours]]


def main(arguments: Sequence[str]) -> None:
    """Exports or answers; see `Args`."""
    args = cli.parse(Args, arguments, "vectors").command
    if isinstance(args, Export):
        write_vectors(output_place(args.out, "--out", ".txt", ".bin"), *_of_run(args.workdir))
        return
    if not args.words:
        raise UserError("words: give at least one")
    if args.count < 1:
        raise UserError(f"--count: {args.count}; must be at least 1")
    if (args.workdir is None) == (args.vectors is None):
        raise UserError("--workdir, --vectors: give one of them")
    name = args.workdir or str(find_vectors(args.vectors or ""))
    if args.workdir:
        words, table = _of_run(name)
    else:
        vectors = read_word_vectors(Path(name), None)
        words, table = [*vectors], np.array([*vectors.values()])
    asked = [cli.utf8(word) for word in args.words]
    answers = [neighbours(name, words, table, word, args.count) for word in asked]
    for word, found in zip(asked, answers, strict=True):
        lines = [word.decode("utf-8", "replace"), *(f"  {cosine:6.3f}  {near}" for near, cosine in found)]
        sys.stdout.writelines(line + "\n" for line in lines)


def _of_run(workdir: str) -> tuple[Sequence[bytes], Float32[np.ndarray, "N D"]]:
    """The words of a run, without special tokens, and their vectors."""
    from imdb_jax.inference.predictor import word_vectors
    from imdb_jax.runtime import set_up_process

    set_up_process()
    run = Run(workdir)
    vocabulary = run.vocabulary()
    return vocabulary.words, word_vectors(run)[len(vocabulary.special.tokens) : len(vocabulary.tokens)]


if __name__ == "__main__":
    run_command(main)
