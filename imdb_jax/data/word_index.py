"""Word indices: JSON files that map each word to its rank, as `imdb_word_index.json` of Keras' `imdb` data set does."""

import json
from collections.abc import Sequence
from pathlib import Path

from imdb_jax.data.drafts import draft_of
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError


def read_word_index(path: Path) -> list[bytes]:
    """Reads words in the order of their ranks.

    Args:
      path: one JSON object that gives N words the ranks 1 to N, each rank once, in any order. Ranks are no ids: special
        tokens don't stand there (see `Vocabulary.from_word_index`).

    Raises:
      UserError: no such file; no JSON object; a rank is no number from 1 to N, or stands there twice; a key is no word
        that a review could hold.

    Example: `{"film": 2, "the": 1}` gives `[b"the", b"film"]`.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file", MISSING_INPUT)
    try:
        entries = json.loads(path.read_bytes(), object_pairs_hook=tuple)  # a dict would hide words that repeat
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error}; must be a JSON object of words and their ranks", BAD_DATA) from None
    if not isinstance(entries, tuple) or not entries:
        raise UserError(f"{path}: must be a JSON object of words and their ranks", BAD_DATA)
    words: dict[int, bytes] = {}
    for key, rank in entries:
        if type(rank) is not int or not 1 <= rank <= len(entries):  # True is an int too
            allowed = f"must be 1 to {len(entries)}, a rank for each word"
            raise UserError(f"{path}: {key!r} has the rank {rank!r}; {allowed}", BAD_DATA)
        if rank in words:
            raise UserError(f"{path}: {key!r} has the rank {rank} of another word; each has its own", BAD_DATA)
        words[rank] = _word(path, key)
    if len(set(words.values())) < len(words):
        raise UserError(f"{path}: a word stands there twice; each has one rank", BAD_DATA)
    return [words[rank] for rank in range(1, len(words) + 1)]


def write_word_index(path: Path, words: Sequence[bytes]) -> None:
    """Writes words with the ranks 1, 2, ..., one to a line; `read_word_index` reads them back.

    JSON is Unicode: a byte that is no UTF-8 is written as a lone surrogate (PEP 383).

    Raises:
      UserError: the file can't be written.
    """
    index = {word.decode("utf-8", "surrogateescape"): rank for rank, word in enumerate(words, 1)}
    with draft_of(path) as file:
        file.write(json.dumps(index, indent=0).encode() + b"\n")


def _word(path: Path, key: str) -> bytes:
    try:
        word = key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UserError(f"{path}: {key!r} is not Unicode", BAD_DATA) from None
    if word.split() != [word]:
        raise UserError(f"{path}: {key!r} is no word; words are not empty and hold no white space", BAD_DATA)
    return word
