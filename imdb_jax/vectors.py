"""Word vectors of a run or a file: `python -m imdb_jax.vectors neighbours --workdir runs/quickstart good bad`."""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Ge

from imdb_jax import cli
from imdb_jax.data.neighbours import Neighbour, WordVectors
from imdb_jax.data.pretrained import find_vectors
from imdb_jax.data.vectors import write_vectors
from imdb_jax.errors import UserError
from imdb_jax.run import Run


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
class Question:
    """What is asked of which vectors."""

    workdir: str | None = None
    """The directory of a training run: the vectors of its best checkpoint."""
    vectors: str | None = None
    """Instead of a run, a GloVe or word2vec file or the name of a published set, such as glove.6B.100d."""
    count: int = 10
    """How many words to answer."""
    output: Literal["table", "jsonl"] = "table"
    """Columns to read, or a JSON object for each answer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbours(Question):
    """Lists the words whose vectors have the greatest cosine with that of each word."""

    words: tyro.conf.Positional[tuple[str, ...]]
    """Words as they are spelt there; most vectors are of lower-case words."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analogy(Question):
    """Lists the words nearest to A - B + C: `king man woman` asks for king - man + woman.

    The sum is of unit vectors and the three words are left out, as in gensim's most_similar.
    """

    words: tyro.conf.Positional[tuple[str, str, str]]
    """A, B and C."""


@dataclasses.dataclass(frozen=True)
class Args:
    """Exports word vectors, or tells which words are near which."""

    command: tyro.conf.OmitSubcommandPrefixes[tyro.conf.OmitArgPrefixes[Export | Neighbours | Analogy]]
