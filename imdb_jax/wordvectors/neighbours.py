"""Which words are near which, by the cosine of their vectors."""

import difflib
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from imdb_jax.errors import UserError


def neighbours(
    name: str, words: Sequence[bytes], table: Float32[np.ndarray, "N D"], asked: Sequence[bytes], count: int
) -> list[list[tuple[str, float]]]:
    """The nearest words of each word that is asked about, itself left out, and their cosines, the greatest first.

    A word whose vector is zero points nowhere and is near none.

    Args:
      name: of the file or run, for error messages.
      words: of the rows of the table, each once.

    Raises:
      UserError: a word has no vector or a zero one.
    """
    rows = {word: row for row, word in enumerate(words)}
    lengths = np.linalg.norm(table.astype(np.float64), axis=1)
    for word in asked:
        if word not in rows:
            close = difflib.get_close_matches(_text(word).lower(), map(_text, words), n=3)
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise UserError(f"{name}: no word {_text(word)!r}{hint}")
        if not lengths[rows[word]]:
            raise UserError(f"{name}: the vector of {_text(word)!r} is zero; it points nowhere")
    directions = table / np.where(lengths, lengths, 1)[:, None]
    found = []
    for word, cosines in zip(asked, directions[[rows[word] for word in asked]] @ directions.T, strict=True):
        order = np.argsort(-cosines, kind="stable").tolist()
        near = ((_text(words[i]), float(cosines[i])) for i in order if words[i] != word and lengths[i])
        found.append([*itertools.islice(near, count)])
    return found


def _text(word: bytes) -> str:
    return word.decode("utf-8", "replace")
