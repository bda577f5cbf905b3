"""Ids of words -> ids of n-grams, each once in a review. NumPy alone: readers of exported models use it too.

A token is a word, or an n-gram of several: a shorter one, its prefix, and the word that follows. The key of a token is
`prefix * vocabulary_size + word`. `keys` holds those of all tokens in ascending order, and the id of a token is its
place there. Words have the empty prefix, 0, so a word's key and id are its id in the vocabulary.

Example: with 5 words, `keys` [0, 1, 2, 3, 4, 19, 27] has two n-grams: 5 is the word 3 and then 4 (19 = 3 * 5 + 4), 6 is
the n-gram 5 and then the word 2 (27 = 5 * 5 + 2).
"""

from typing import Any, NamedTuple

import numpy as np

ABSENT = -1  # id of an n-gram that is no token


class Tokens(NamedTuple):
    """What reviews are to a model: review i has `ids[offsets[i] : offsets[i + 1]]`, in the order of their places."""

    ids: Any
    offsets: Any
    places: Any  # of their first words, among the words of all these reviews


class Occurrences(NamedTuple):
    """The n-grams of one length in some reviews, from the lowest key to the highest, each where it stands."""

    places: Any  # of their first words, [n] int; ascending among equal n-grams
    keys: Any  # of the different ones, ascending
    which: Any  # of them, at each place
    first: Any  # whether it is the first in its review, at each place


def count_ngrams(ids: Any, offsets: Any, vocabulary_size: int, orders: int, min_count: int) -> Any:
    """The keys, int64, of all words, and of n-grams of 2 to `orders` words that `min_count` reviews have at least.

    Args:
      ids: of words, below `vocabulary_size`; review i has `ids[offsets[i] : offsets[i + 1]]`.
    """
    keys = np.arange(vocabulary_size)
    prefixes = ids
    for order in range(2, orders + 1):
        found = _occurrences(prefixes, ids, offsets, vocabulary_size, order)
        kept = np.bincount(found.which, found.first, len(found.keys)) >= min_count
        prefixes = _at_places(found, np.where(kept, len(keys) + np.cumsum(kept) - 1, ABSENT), len(ids))
        keys = np.concatenate([keys, found.keys[kept]])
    return keys


def ngram_tokens(ids: Any, offsets: Any, vocabulary_size: int, keys: Any) -> Tokens:
    """The tokens of reviews, from the ids of their words.

    Example: with the keys above, the words [3, 4, 2, 3] are the tokens [3, 5, 6, 4, 2].
    """
    orders = len(ngram_words(len(keys) - 1, vocabulary_size, keys))
    once = np.full((len(ids), orders), ABSENT, np.int32)
    prefixes = np.zeros(len(ids), np.int32)
    for order in range(1, orders + 1):
        found = _occurrences(prefixes, ids, offsets, vocabulary_size, order)
        at = np.minimum(np.searchsorted(keys, found.keys), len(keys) - 1)
        prefixes = _at_places(found, np.where(keys[at] == found.keys, at, ABSENT), len(ids))
        places = found.places[found.first]
        once[places, order - 1] = prefixes[places]
    kept = once != ABSENT
    ends = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return Tokens(once[kept], ends[offsets], np.nonzero(kept)[0])


def ngram_words(token: int, vocabulary_size: int, keys: Any) -> list[int]:
    """The ids of the words of a token.

    Raises:
      ValueError: the keys are not those of `count_ngrams`, where a prefix always comes before its token.
    """
    words = []
    while token:
        prefix, word = divmod(int(keys[token]), vocabulary_size)
        if prefix >= token:
            raise ValueError(f"the token {token} has the prefix {prefix}; keys of n-grams are damaged")
        words.append(word)
        token = prefix
    return words[::-1]


def _occurrences(prefixes: Any, ids: Any, offsets: Any, vocabulary_size: int, order: int) -> Occurrences:
    """All n-grams of `order` words whose prefix is a token; `prefixes` are those that begin at each place."""
    review = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
    last = order - 1  # word of the n-gram, from its first
    begins = max(0, len(ids) - last)
    places = np.flatnonzero((prefixes[:begins] != ABSENT) & (review[:begins] == review[last:]))
    keys = prefixes[places].astype(np.int64)  # in place from now on: new memory costs more than the sums
    keys *= vocabulary_size
    keys += ids[last:][places]
    bits = len(ids).bit_length()
    if len(keys) and int(keys.max()) >> (63 - bits) == 0:  # sorting both in one number is five times as fast
        keys <<= bits
        keys |= places
        keys.sort()
        places = (keys & ((1 << bits) - 1)).astype(np.int32)
        keys >>= bits
    else:
        by_key = np.argsort(keys, kind="stable")
        keys, places = keys[by_key], places[by_key]
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    review = review[places]
    first = new.copy()
    first[1:] |= review[1:] != review[:-1]
    return Occurrences(places, keys[new], np.cumsum(new, dtype=np.int32) - 1, first)


def _at_places(found: Occurrences, ids: Any, size: int) -> Any:
    """Ids of the different n-grams, each at all its places."""
    tokens = np.full(size, ABSENT, np.int32)
    tokens[found.places] = ids[found.which]
    return tokens
