"""Token <-> id: the most frequent training words, kept as a text file with one token per line, and n-grams of them.

A word index is the JSON file that maps each word to its rank, as `imdb_word_index.json` of Keras' `imdb` data set.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32, Integer

from imdb_jax.config import TextConfig
from imdb_jax.data.ngrams import Tokens, count_ngrams, ngram_tokens, ngram_words
from imdb_jax.data.text import SPACE, split_words
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, USAGE, UserError
from imdb_jax.storage import output_file

NGRAMS = "ngrams.npy"  # beside the words


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
      ngrams: the keys of words and n-grams, where those are what a review becomes (see `imdb_jax.data.ngrams`).
    """

    def __init__(self, tokens: Sequence[bytes], text: TextConfig, ngrams: Int[np.ndarray, " V"] | None = None) -> None:
        self.tokens = tuple(tokens)
        self.text = text
        self.ngrams = ngrams
        self.special = SPECIAL_TOKENS[text.special_tokens]
        # Special tokens are no words: words hold no punctuation or no capitals, so none can be spelt like one of them.
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(self.special.tokens)}

    def __len__(self) -> int:
        """V: how many ids there are."""
        return len(self.tokens if self.ngrams is None else self.ngrams)

    @classmethod
    def build(cls, counts: Mapping[bytes, int], size: int, text: TextConfig) -> "Vocabulary":
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
          size: V; ids are below it and less frequent words become unknown, as with Keras' `num_words`.
          text: `keep_apostrophes` finds Keras' words like "don't". Inside words other punctuation is deleted, and so
            "well-made" is one word.

        Example: of `{"the": 1, "and": 2, "a": 3}`, size 6 under `keras_imdb` keeps `the` and `and`, with ids 4 and 5.
        Then `encode(b"The and a")` is `[1, 4, 5, 2]`: start, the, and, unknown.
        """
        special = SPECIAL_TOKENS[text.special_tokens].tokens
        words = read_word_index(path)
        if clash := {*special} & {*words}:
            word = min(clash).decode()
            raise UserError(f"{path}: {word!r} is a special token; word indices hold words alone", BAD_DATA)
        return cls((*special, *words[: size - len(special)]), text)

    @property
    def words(self) -> tuple[bytes, ...]:
        """The tokens without the special ones, in order of id: rank 1 first."""
        return self.tokens[len(self.special.tokens) :]

    def encode(self, review: bytes) -> list[int]:
        """Ids of a whole review."""
        return self.encode_words([split_words(review, self.text)]).ids.tolist()

    def encode_words(self, reviews: Sequence[Sequence[bytes]]) -> Tokens:
        """Ids of reviews that have been split into words, ragged."""
        ids, lengths = self.ids(itertools.chain.from_iterable(reviews)), np.array([*map(len, reviews)], int)
        return self.tokens_of(*self.ragged(ids, lengths))

    def tokens_of(self, ids: Integer[np.ndarray, " words"], offsets: Int[np.ndarray, " bounds"]) -> Tokens:
        """What reviews are to a model, from the ids of their words: the same, or n-grams."""
        if self.ngrams is None:
            return Tokens(ids, offsets, np.arange(len(ids)))
        return ngram_tokens(ids, offsets, len(self.tokens), self.ngrams)

    def with_ngrams(
        self, ids: Integer[np.ndarray, " words"], offsets: Int[np.ndarray, " bounds"], orders: int, min_count: int
    ) -> "Vocabulary":
        """The same words and the n-grams of 2 to `orders` of them that `min_count` of some reviews have at least."""
        return Vocabulary(self.tokens, self.text, count_ngrams(ids, offsets, len(self.tokens), orders, min_count))

    def ids(self, words: Iterable[bytes]) -> Int32[np.ndarray, " words"]:
        """The id of each word."""
        return np.fromiter(map(self._ids.get, words, itertools.repeat(self.special.unknown)), np.int32)

    def ragged(
        self, ids: Int32[np.ndarray, " words"], lengths: Int[np.ndarray, " N"]
    ) -> tuple[Int32[np.ndarray, " ids"], Int[np.ndarray, " bounds"]]:
        """The ids of reviews that have so many words each, in one array, and where each review begins and ends.

        The ids that lead every review come before those of its words. No word at all reads as one unknown word, so that
        no model sees nothing.
        """
        start = self.special.start
        offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 1) + len(start))])
        found, is_word = np.full(offsets[-1], self.special.unknown, np.int32), np.ones(offsets[-1], bool)
        for place, token in enumerate(start):
            found[offsets[:-1] + place], is_word[offsets[:-1] + place] = token, False
        is_word[offsets[:-1][lengths == 0] + len(start)] = False
        found[is_word] = ids
        return found, offsets

    def decode(self, ids: Iterable[int]) -> str:
        """Words of ids, joined by spaces, or characters; padding and the start of a review are left out."""
        ids = list(ids)
        if wrong := [i for i in ids if not 0 <= i < len(self)]:
            raise UserError(f"id {wrong[0]}; must be 0 to {len(self) - 1}", USAGE)
        silent = {0, *self.special.start}
        words = [self.spelt(i) for i in ids if i not in silent]
        if self.text.unit == "characters" and self.ngrams is None:
            return "".join(words).replace(SPACE.decode(), " ").removeprefix(" ")
        return " ".join(words)

    def spelt(self, token: int) -> str:
        """A token as text; the words of an n-gram are joined by underscores, characters by nothing."""
        between = b"" if self.text.unit == "characters" else b"_"
        return between.join(self.tokens[word] for word in self.words_of(token)).decode("utf-8", "replace")

    def words_of(self, token: int) -> list[int]:
        """The ids of a token's words: of an n-gram several."""
        return [token] if self.ngrams is None else ngram_words(token, len(self.tokens), self.ngrams)

    def fingerprint(self) -> str:
        """SHA-256 of the tokens and rules, in hexadecimal digits."""
        return hashlib.sha256(b"\n".join(self.tokens) + repr(self.text).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Writes one word per line, in order of id; the keys of n-grams go to ngrams.npy beside."""
        path.write_bytes(b"".join(token + b"\n" for token in self.tokens))
        if self.ngrams is not None:
            np.save(path.with_name(NGRAMS), self.ngrams)

    @classmethod
    def load(cls, path: Path, text: TextConfig, *, ngrams: bool = False) -> "Vocabulary":
        """Reads what `save` wrote; whether it still is that is for checksums to tell."""
        tokens = path.read_bytes().split(b"\n")[:-1]
        return cls(tokens, text, np.load(path.with_name(NGRAMS)) if ngrams else None)


def read_word_index(path: Path) -> list[bytes]:
    """Reads words in the order of their ranks from a JSON object that gives N words the ranks 1 to N, in any order.

    Ranks are no ids: special tokens don't stand there (see `Vocabulary.from_word_index`). Anything else is refused.

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
        if type(rank) is not int or not 1 <= rank <= len(entries) or rank in words:  # True is an int too
            allowed = f"must be 1 to {len(entries)}, a rank for each word"
            raise UserError(f"{path}: {key!r} has the rank {rank!r}; {allowed}", BAD_DATA)
        try:
            words[rank] = key.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise UserError(f"{path}: {key!r} is not Unicode", BAD_DATA) from None
        if words[rank].split() != [words[rank]]:
            raise UserError(f"{path}: {key!r} is no word; words are not empty and hold no white space", BAD_DATA)
    if len(set(words.values())) < len(words):
        raise UserError(f"{path}: a word stands there twice; each has one rank", BAD_DATA)
    return [words[rank] for rank in range(1, len(words) + 1)]


def write_word_index(path: Path, words: Sequence[bytes]) -> None:
    """Writes words with the ranks 1, 2, ..., one to a line; `read_word_index` reads them back.

    JSON is Unicode: a byte that is no UTF-8 is written as a lone surrogate (PEP 383).
    """
    index = {word.decode("utf-8", "surrogateescape"): rank for rank, word in enumerate(words, 1)}
    with output_file(path) as file:
        file.write(json.dumps(index, indent=0).encode() + b"\n")
