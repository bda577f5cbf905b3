"""Token <-> id: the most frequent training words, kept as a text file with one token per line."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from imdb_jax.config import TextConfig
from imdb_jax.data.text import split_words
from imdb_jax.data.word_index import read_word_index
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, USAGE, UserError


class SpecialTokens(NamedTuple):
    """The first ids of a vocabulary. Padding is 0 in every scheme."""

    tokens: tuple[bytes, ...]
    unknown: int
    start: tuple[int, ...]  # ids that lead every review


SPECIAL_TOKENS = {
    "text_vectorization": SpecialTokens((b"", b"[UNK]"), unknown=1, start=()),
    # Keras' `imdb` data set: word ranks are shifted by 3, so that the most frequent word has id 4.
    "keras_imdb": SpecialTokens((b"<PAD>", b"<BOS>", b"<UNK>", b"<UNUSED>"), unknown=2, start=(1,)),
}


class Vocabulary:
    """The words a model knows, and how a review becomes their ids.

    Args:
      tokens: by id, special tokens included.
      text: the rules that split reviews into words; they also name the special tokens.
    """

    def __init__(self, tokens: Sequence[bytes], text: TextConfig) -> None:
        self.tokens = tuple(tokens)
        self.text = text
        self.special = SPECIAL_TOKENS[text.special_tokens]
        # Special tokens are no words: punctuation is gone from words, so none can be spelt like one of them.
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(self.special.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(cls, counts: Counter[bytes], size: int, text: TextConfig) -> "Vocabulary":
        """Keeps the most frequent words; of equally frequent ones the one with the greater bytes, as Keras does."""
        special = SPECIAL_TOKENS[text.special_tokens].tokens
        ranked = sorted(counts, key=lambda word: (counts[word], word), reverse=True)
        return cls((*special, *ranked[: size - len(special)]), text)

    @classmethod
    def from_word_index(cls, path: Path, size: int, text: TextConfig) -> "Vocabulary":
        """Takes the words of a JSON file `{word: rank}`, such as Keras' `imdb_word_index.json`.

        Ranks count from 1, ids from the special tokens on: id = rank + 3 under `keras_imdb`, as in Keras' `imdb` data
        set, and rank + 1 under `text_vectorization`. Forgetting the shift turns a review into other words.

        Args:
          path: the file; `read_word_index` says what it must hold.
          size: V; ids are below it and less frequent words become unknown, as with Keras' `num_words`.
          text: the rules that split reviews into words. `keep_apostrophes` finds Keras' words like "don't". Inside
            words other punctuation is deleted, and so "well-made" is one word.

        Raises:
          UserError: no such file, or it is no word index.

        Example: of `{"the": 1, "and": 2, "a": 3}`, size 6 under `keras_imdb` keeps `the` and `and`, with ids 4 and 5.
        Then `encode(b"The and a")` is `[1, 4, 5, 2]`: start, the, and, unknown.
        """
        special = SPECIAL_TOKENS[text.special_tokens].tokens
        words = read_word_index(path)
        if clash := {*special} & {*words}:
            message = f"{min(clash).decode()!r} is a special token; word indices hold words alone"
            raise UserError(f"{path}: {message}", BAD_DATA)
        return cls((*special, *words[: size - len(special)]), text)

    @property
    def words(self) -> tuple[bytes, ...]:
        """The tokens without the special ones, in order of id: rank 1 first."""
        return self.tokens[len(self.special.tokens) :]

    def encode(self, review: bytes) -> list[int]:
        """Ids of a whole review."""
        return self.ids(split_words(review, self.text))

    def ids(self, words: Sequence[bytes]) -> list[int]:
        """Ids of the words of a review. No word at all reads as one unknown word, so that no model sees nothing."""
        unknown = self.special.unknown
        found = [*map(self._ids.get, words, itertools.repeat(unknown))]
        return [*self.special.start, *(found or [unknown])]

    def decode(self, ids: Iterable[int]) -> str:
        """Words of ids, joined by spaces; padding and the start of a review are left out.

        Raises:
          UserError: an id is not one of this vocabulary.
        """
        ids = list(ids)
        if wrong := [i for i in ids if not 0 <= i < len(self)]:
            raise UserError(f"id {wrong[0]}; must be 0 to {len(self) - 1}", USAGE)
        silent = {0, *self.special.start}
        return b" ".join(self.tokens[i] for i in ids if i not in silent).decode("utf-8", "replace")

    def fingerprint(self) -> str:
        """SHA-256 of the tokens and rules, in hexadecimal digits."""
        return hashlib.sha256(b"\n".join(self.tokens) + repr(self.text).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes one token per line, in order of id."""
        path.write_bytes(b"".join(token + b"\n" for token in self.tokens))

    @classmethod
    def load(cls, path: Path, text: TextConfig) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises:
          UserError: no such file, or its first lines are not the special tokens of `text`.
        """
        if not path.is_file():
            raise UserError(f"{path}: no vocabulary there; it is written when training starts", MISSING_INPUT)
        *tokens, rest = path.read_bytes().split(b"\n")
        if rest:
            raise UserError(f"{path}:{len(tokens) + 1}: the last line is cut off", BAD_DATA)
        special = SPECIAL_TOKENS[text.special_tokens].tokens
        if tuple(tokens[: len(special)]) != special:
            expected = b", ".join(special).decode()
            raise UserError(f"{path}:1: not a vocabulary whose special tokens are {expected!r}", BAD_DATA)
        if len(set(tokens)) != len(tokens):
            raise UserError(f"{path}: a token stands there twice; each has one id", BAD_DATA)
        return cls(tokens, text)
