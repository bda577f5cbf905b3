"""Which words are near which, by the cosine of their vectors.

Vectors are read anew for each question, a block at a time, so a file may be larger than memory.
"""

import difflib
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.wordvectors.formats import Record, read_records

BLOCK = 4_096  # words compared at a time


class Neighbour(NamedTuple):
    """A word and the cosine of the angle between its vector and the one asked for, from -1 to 1."""

    word: bytes
    cosine: float


class WordVectors:
    """Vectors to ask for neighbours. A word whose vector is zero points nowhere and is near none.

    Args:
      name: of the file or run, for error messages.
      read: gives the records of some words, or of all for None; of records of one word the first counts.
    """

    def __init__(self, name: str, read: Callable[[Set[bytes] | None], Iterable[Record]]) -> None:
        self.name = name
        self._read = read

    @classmethod
    def of_file(cls, path: Path) -> "WordVectors":
        """Vectors in any format that `read_records` reads."""
        return cls(str(path), lambda words: read_records(path, words))

    @classmethod
    def of_table(cls, name: str, words: Sequence[bytes], table: Float32[np.ndarray, "N D"]) -> "WordVectors":
        """Vectors in memory, one row for each word."""
        return cls(
            name,
            lambda wanted: (
                Record(f"{name}: {word!r}", word, row)
                for word, row in zip(words, table, strict=True)
                if wanted is None or word in wanted
            ),
        )

    def neighbours(self, words: Sequence[bytes], count: int) -> list[list[Neighbour]]:
        """The nearest words of each word, itself left out, nearest first.

        Raises:
          UserError: a word has no vector or a zero one, or what `read` raises.
        """
        return self._nearest(self._directions(words), count, [{word} for word in words])

    def analogy(self, a: bytes, b: bytes, c: bytes, count: int) -> list[Neighbour]:
        """The words nearest to a - b + c, these three left out: a is to b as the answer is to c.

        The sum is of unit vectors, as in gensim's `most_similar(positive=[a, c], negative=[b])`
        (Mikolov et al. 2013).

        Raises:
          UserError: as in `neighbours`.

        Example: king, man, woman asks for king - man + woman; in glove.6B.100d the answer is queen.
        """
        of_a, of_b, of_c = self._directions([a, b, c])
        direction = of_a - of_b + of_c
        return self._nearest(direction[None] / np.linalg.norm(direction), count, [{a, b, c}])[0]

    def _directions(self, words: Sequence[bytes]) -> Float64[np.ndarray, "Q D"]:
        """Unit vectors of words."""
        first: dict[bytes, Record] = {}
        for record in self._read({*words}):
            first.setdefault(record.word, record)
        for word in words:
            if word not in first:
                raise self._unknown(word)
        records, directions = _unit_vectors([first[word] for word in words])
        if zero := {*words} - {record.word for record in records}:
            raise UserError(f"{self.name}: the vector of {_text(min(zero))!r} is zero; it points nowhere")
        return directions

    def _unknown(self, word: bytes) -> UserError:
        known = [_text(record.word) for record in self._read(None)]
        close = difflib.get_close_matches(_text(word).lower(), known, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        return UserError(f"{self.name}: no word {_text(word)!r}{hint}")

    def _nearest(
        self, directions: Float64[np.ndarray, "Q D"], count: int, left_out: Sequence[Set[bytes]]
    ) -> list[list[Neighbour]]:
        best: list[list[Neighbour]] = [[] for _ in directions]
        records = iter(self._read(None))
        while block := list(itertools.islice(records, BLOCK)):
            block, vectors = _unit_vectors(block)
            for i, cosines in enumerate(directions @ vectors.T):
                new = (
                    Neighbour(r.word, float(c))
                    for r, c in zip(block, cosines, strict=True)
                    if r.word not in left_out[i]
                )
                best[i] = heapq.nlargest(count, itertools.chain(best[i], new), key=lambda neighbour: neighbour.cosine)
        return best


def _unit_vectors(records: list[Record]) -> tuple[list[Record], Float64[np.ndarray, "N D"]]:
    """Records whose vector isn't zero, and their vectors at length one."""
    with np.errstate(invalid="ignore"):  # a NaN, which is refused below
        vectors = np.array([record.vector for record in records], np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(lengths).all():
        where = records[int(np.argmin(np.isfinite(lengths)))].where
        raise UserError(f"{where}: nan or infinity, expected finite numbers", BAD_DATA)
    kept = lengths > 0
    return list(itertools.compress(records, kept)), vectors[kept] / lengths[kept, None]


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
