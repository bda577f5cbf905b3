"""Tokens of n-grams equal those of a slow reference in plain Python."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.data import ngrams
from imdb_jax.data.ngrams import count_ngrams, ngram_tokens, ngram_words

WORDS = 6  # V, padding included
reviews = st.lists(st.lists(st.integers(1, WORDS - 1), min_size=1, max_size=12), min_size=1, max_size=8)
Ngram = tuple[int, ...]


def ragged(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([word for row in rows for word in row], np.uint16), np.cumsum([0, *map(len, rows)])


def all_ngrams(row: list[int], orders: int) -> list[tuple[int, Ngram]]:
    """Where each n-gram begins, in the order of places and then of lengths."""
    ends = [(at, at + size) for at in range(len(row)) for size in range(1, orders + 1) if at + size <= len(row)]
    return [(first, tuple(row[first:end])) for first, end in ends]


def known(rows: list[list[int]], orders: int, min_count: int) -> set[Ngram]:
    counts = Counter(ngram for row in rows for ngram in {ngram for _, ngram in all_ngrams(row, orders)})
    return {ngram for ngram, count in counts.items() if len(ngram) > 1 and count >= min_count}


@given(reviews, reviews, st.integers(1, 4), st.integers(1, 3))
def test_tokens_equal_those_of_a_slow_reference(
    train: list[list[int]], others: list[list[int]], orders: int, min_count: int
) -> None:
    keys = count_ngrams(*ragged(train), WORDS, orders, min_count)
    spelt = [tuple(ngram_words(token, WORDS, keys)) for token in range(len(keys))]
    assert spelt[1:WORDS] == [(word,) for word in range(1, WORDS)]
    assert set(spelt[WORDS:]) == known(train, orders, min_count)
    assert len(set(spelt)) == len(spelt)
    assert np.all(np.diff(keys) > 0)
    tokens = ngram_tokens(*ragged(others), WORDS, keys)
    starts = np.cumsum([0, *map(len, others)])
    for i, row in enumerate(others):
        mine = slice(tokens.offsets[i], tokens.offsets[i + 1])
        expected = {}
        for place, ngram in all_ngrams(row, orders):
            if ngram in spelt:
                expected.setdefault(ngram, starts[i] + place)
        found = [spelt[token] for token in tokens.ids[mine]]
        assert found == sorted(expected, key=lambda ngram: (expected[ngram], len(ngram)))
        assert tokens.places[mine].tolist() == [expected[ngram] for ngram in found]


def test_example_of_the_docstring() -> None:
    keys = np.array([0, 1, 2, 3, 4, 19, 27])
    assert ngram_tokens(np.array([3, 4, 2, 3]), np.array([0, 4]), 5, keys).ids.tolist() == [3, 5, 6, 4, 2]
    assert ngram_words(6, 5, keys) == [3, 4, 2]


def test_keys_too_large_to_sort_with_their_places_are_sorted_alone() -> None:
    """Words of 40 bits leave no room for places in 63; none of them is a word below V, so all are unknown."""
    big = 1 << 40
    prefixes = np.array([big, 5, big, 5], np.int64)
    found = ngrams._occurrences(prefixes, np.array([1, 2, 1, 2]), np.array([0, 2, 4]), 1 << 22, 1)
    assert found.places.tolist() == [1, 3, 0, 2]
    assert found.which.tolist() == [0, 0, 1, 1]
    assert found.first.tolist() == [True] * 4


@pytest.mark.parametrize("rows", [[[1]], [[2, 2, 2]], [[1, 2], [1, 2]]])
def test_no_review_is_left_without_a_token(rows: list[list[int]]) -> None:
    keys = count_ngrams(*ragged(rows), WORDS, 3, 5)
    assert len(keys) == WORDS
    tokens = ngram_tokens(*ragged(rows), WORDS, keys)
    assert np.all(np.diff(tokens.offsets) >= 1)
    assert tokens.ids.tolist() == [word for row in rows for word in dict.fromkeys(row)]


def test_keys_that_go_round_in_circles_are_refused() -> None:
    with pytest.raises(ValueError, match="the token 5 has the prefix 5; keys of n-grams are damaged"):
        ngram_words(5, 5, np.array([0, 1, 2, 3, 4, 5 * 5 + 3]))
