"""Word vectors: read for a vocabulary, how much of it they cover, written for other programs, and near each other."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.storage import output_file
from imdb_jax.wordvectors.formats import read_word_vectors


class Vectors(NamedTuple):
    """Word vectors by token id."""

    table: Float32[np.ndarray, "V D"]  # zeros where no vector was found
    found: Bool[np.ndarray, " V"]


class Coverage(NamedTuple):
    """How much of a vocabulary a vector file knows, special tokens left out."""

    found: int
    missing: int
    running: float  # share of the training text's known words that have a vector

    def __str__(self) -> str:
        share = self.found / max(self.found + self.missing, 1)
        return (
            f"Converted {self.found:,} words ({self.missing:,} misses): "
            f"{100 * share:.1f} % of the vocabulary, {100 * self.running:.1f} % of the training text"
        )


def read_vectors(path: Path, tokens: Sequence[bytes]) -> Vectors:
    """Reads the vectors of a vocabulary's tokens.

    Args:
      path: GloVe text, word2vec or fastText text (a first line `V D`) or word2vec binary; plain, gzipped, or in a zip
        archive. One of several members is named as a path inside the archive: `glove.6B.zip/glove.6B.100d.txt`.
      tokens: by id. Token 0 is padding: it is not looked up and its row stays zero.
    """
    rows = {token: row for row, token in enumerate(tokens) if row}
    vectors = read_word_vectors(path, rows.keys())
    if not vectors:
        raise UserError(f"{path}: holds none of the {len(rows):,} words of the vocabulary", BAD_DATA)
    numbers = np.array([*vectors.values()])
    wanted = [rows[word] for word in vectors]
    table = np.zeros((len(tokens), numbers.shape[1]), np.float32)
    found = np.zeros(len(tokens), bool)
    table[wanted] = numbers
    found[wanted] = True
    return Vectors(table, found)


def write_vectors(path: Path, words: Sequence[bytes], table: Float32[np.ndarray, "N D"]) -> None:
    """Writes a word2vec file, binary where its name ends in .bin and text otherwise.

    gensim and `read_vectors` read the same bits back; text has the nine digits that this takes. Words that are no UTF-8
    are written as they are, and gensim reads those with `unicode_errors="replace"`.
    """
    if odd := [word for word in words if word.split() != [word]]:
        message = f"can't hold the word {odd[0]!r}; words are not empty and hold no white space"
        raise UserError(f"{path}: {message}", BAD_DATA)
    with output_file(path) as file:
        file.write(b"%d %d\n" % table.shape)
        for word, row in zip(words, table.astype("<f4"), strict=True):
            if path.suffix == ".bin":
                file.write(word + b" " + row.tobytes())
            else:
                file.write(b" ".join([word, *(b"%.9g" % number for number in row.tolist())]) + b"\n")


def fill_missing(vectors: Vectors, method: Literal["zeros", "normal"], seed: int) -> Float32[np.ndarray, "V D"]:
    """Gives words without a vector one: zeros, or normal draws with the standard deviation of the vectors found.

    Row 0, padding, stays zero.
    """
    table = vectors.table.copy()
    if method == "normal":
        missing = ~vectors.found
        missing[0] = False
        draws = np.random.default_rng(seed).standard_normal((missing.sum(), table.shape[1]), np.float32)
        table[missing] = draws * table[vectors.found].std()
    return table


def coverage(found: Bool[np.ndarray, " V"], counts: Int[np.ndarray, " V"], special: int) -> Coverage:
    """Compares the tokens found with the `counts` of all in the training reviews; the first `special` are left out."""
    found, counts = found[special:], counts[special:]
    hits = int(found.sum())
    return Coverage(hits, len(found) - hits, float(counts[found].sum() / max(counts.sum(), 1)))


def neighbours(
    name: str, words: Sequence[bytes], table: Float32[np.ndarray, "N D"], word: bytes, count: int
) -> list[tuple[str, float]]:
    """The words nearest to one of them, itself left out, and their cosines, the greatest first.

    A word whose vector is zero points nowhere and is near none. Errors name the file or run that the words, each once,
    and the rows of the table come from.
    """
    if word not in words:
        close = difflib.get_close_matches(_text(word).lower(), map(_text, words), n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise UserError(f"{name}: no word {_text(word)!r}{hint}")
    row, lengths = words.index(word), np.linalg.norm(table, axis=1)
    if not lengths[row]:
        raise UserError(f"{name}: the vector of {_text(word)!r} is zero; it points nowhere")
    cosines = table @ table[row] / np.where(lengths, lengths * lengths[row], 1)
    order = np.argsort(np.where(lengths, -cosines, np.inf), kind="stable")[: count + 1].tolist()
    return [(_text(words[i]), float(cosines[i])) for i in order if i != row and lengths[i]][:count]


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
