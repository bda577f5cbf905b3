"""Batches hold each review once, whatever the lengths, buckets, seeds and processes."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.data.batches import Batch, Batches, Split

Row = tuple[tuple[int, ...], int]  # tokens before padding, label


def split_of(lengths: list[int]) -> Split:
    """No two tokens of it have the same id, so a row tells which review it is and which part of it."""
    offsets = np.cumsum([0, *lengths])
    labels = np.arange(len(lengths)) * 7 % 5 % 2
    return Split(np.arange(1, offsets[-1] + 1, dtype=np.uint16), offsets, labels.astype(np.int8))


class Case(NamedTuple):
    """Arguments of Batches."""

    lengths: list[int]
    batch_size: int
    max_length: int
    keep: str
    buckets: tuple[int, ...]

    def batches(self) -> Batches:
        return Batches(split_of(self.lengths), *self[1:])

    def rows(self) -> list[Row]:
        """Each review as its row must read, cut by a plain slice."""
        split = split_of(self.lengths)
        reviews = np.split(split.ids, split.offsets[1:-1])
        part = slice(-self.max_length, None) if self.keep == "tail" else slice(self.max_length)
        return [(tuple(ids[part].tolist()), label) for ids, label in zip(reviews, split.labels.tolist(), strict=True)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    *buckets, max_length = sorted(draw(st.sets(st.integers(1, 20), min_size=1, max_size=4)))
    lengths = draw(st.lists(st.integers(1, 30), min_size=1, max_size=40))
    return Case(lengths, draw(st.integers(1, 9)), max_length, draw(st.sampled_from(["head", "tail"])), tuple(buckets))


seeds = st.integers(0, 2**31 - 1)
epochs = st.integers(0, 1_000)


def rows_of(batch: Batch) -> list[Row]:
    """Rows that count, as tokens before padding and label."""
    real = np.flatnonzero(batch.weights)
    return [(tuple(batch.tokens[i, : batch.lengths[i]].tolist()), int(batch.labels[i])) for i in real]


def assert_equal(batches: list[Batch], others: list[Batch]) -> None:
    for batch, other in zip(batches, others, strict=True):
        for array, same in zip(batch, other, strict=True):
            np.testing.assert_array_equal(array, same)


@given(cases(), seeds, epochs)
def test_an_epoch_has_each_review_once(case: Case, seed: int, epoch: int) -> None:
    batches = list(case.batches().shuffled(seed, epoch))
    assert len(batches) == len(case.batches())
    assert Counter(row for batch in batches for row in rows_of(batch)) == Counter(case.rows())
    assert all(len(batch.tokens) == case.batch_size for batch in batches)


@given(cases(), seeds)
def test_rows_are_padded_with_zeros_to_the_smallest_bucket_that_fits(case: Case, seed: int) -> None:
    for batch in case.batches().shuffled(seed, 0):
        width = min(bucket for bucket in (*case.buckets, case.max_length) if bucket >= batch.lengths.max())
        assert batch.tokens.shape == (case.batch_size, width)
        filling = batch.weights == 0
        np.testing.assert_array_equal(batch.weights, np.where(filling, 0, 1))
        np.testing.assert_array_equal(batch.lengths[filling], 1)
        np.testing.assert_array_equal(batch.labels[filling], 0)
        np.testing.assert_array_equal((batch.tokens > 0).sum(axis=1), np.where(filling, 0, batch.lengths))


def test_dtypes_do_not_depend_on_those_of_the_split() -> None:
    batch = next(Case([3, 1], 2, 4, "head", ()).batches().shuffled(0, 0))
    assert [array.dtype for array in batch] == [np.int32, np.int32, np.float32, np.float32, np.float32]


def test_the_total_is_of_the_whole_batch_in_each_share() -> None:
    batches = Case([3, 1, 2], 2, 4, "head", ()).batches()
    totals = [[float(batch.total) for batch in batches.shuffled(0, 0, share=(first, 1))] for first in (0, 1)]
    assert totals[0] == totals[1]
    assert sorted(totals[0]) == [1.0, 2.0]


@given(cases(), seeds, epochs, st.data())
def test_starting_at_any_step_gives_the_same_rest(case: Case, seed: int, epoch: int, data: st.DataObject) -> None:
    first_step = data.draw(st.integers(0, len(case.batches())))
    batches = case.batches()
    whole = list(batches.shuffled(seed, epoch))
    list(batches.shuffled(seed + 1, epoch))  # what was asked for before leaves no trace
    assert_equal(list(batches.shuffled(seed, epoch, first_step)), whole[first_step:])
    assert_equal(list(case.batches().shuffled(seed, epoch, first_step)), whole[first_step:])


def test_seeds_and_epochs_have_orders_of_their_own() -> None:
    batches = Case([5] * 100, 10, 8, "head", ()).batches()
    orders = {
        tuple(row for batch in batches.shuffled(seed, epoch) for row in rows_of(batch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@given(case=cases(), seed=seeds)
def test_rows_of_all_processes_are_those_of_one(count: int, case: Case, seed: int) -> None:
    size = -(-case.batch_size // count)
    whole = list(case.batches().shuffled(seed, 1))
    shares = [(index * size, size) for index in range(count)]
    parts = zip(*(case.batches().shuffled(seed, 1, share=share) for share in shares), strict=True)
    for batch, local in zip(whole, parts, strict=True):
        assert [row for part in local for row in rows_of(part)] == rows_of(batch)
        assert {part.tokens.shape for part in local} == {(size, batch.tokens.shape[1])}


@given(cases())
def test_sorted_reads_every_review_once_from_short_to_long(case: Case) -> None:
    seen = []
    for indices, batch in case.batches().sorted():
        assert rows_of(batch) == [case.rows()[i] for i in indices]
        np.testing.assert_array_equal(np.flatnonzero(batch.weights), np.arange(len(indices)))
        seen += indices.tolist()
    assert sorted(seen) == list(range(len(case.lengths)))
    kept = [min(case.lengths[i], case.max_length) for i in seen]
    assert kept == sorted(kept)


def reviews_like_imdb() -> list[int]:
    return np.random.default_rng(0).lognormal(5.2, 0.7, 6_400).astype(int).clip(1, 600).tolist()


def test_batches_gather_reviews_of_like_length() -> None:
    lengths = np.array(reviews_like_imdb())
    batches = Batches(split_of([1] * len(lengths))._replace(offsets=np.cumsum([0, *lengths])), 32, 600)
    spreads = [np.ptp(batches.lengths[rows]) for rows in batches._shuffled_rows(0, 0)]
    random = np.random.default_rng(1).permutation(lengths).reshape(-1, 32)
    assert np.mean(spreads) < 0.1 * np.ptp(random, axis=1).mean()


def test_buckets_then_save_padding() -> None:
    lengths = reviews_like_imdb()
    split = Split(np.zeros(sum(lengths), np.uint16), np.cumsum([0, *lengths]), np.zeros(len(lengths), np.int8))
    buckets = tuple(range(40, 600, 40))
    random = np.random.default_rng(1).permutation(lengths).reshape(-1, 32).max(axis=1)
    in_random_batches = 1 - sum(lengths) / (32 * 40 * np.ceil(random / 40).sum())
    slots = sum(batch.tokens.size for batch in Batches(split, 32, 600, buckets=buckets).shuffled(0, 0))
    assert 1 - sum(lengths) / slots < 0.3 * in_random_batches


def test_neighbouring_batches_are_not_of_like_length() -> None:
    """Sorting is within a batch: a run of short reviews would bias the updates of that stretch."""
    lengths = reviews_like_imdb()
    batches = Batches(split_of([1] * len(lengths))._replace(offsets=np.cumsum([0, *lengths])), 32, 600)
    means = [batches.lengths[rows].mean() for rows in batches._shuffled_rows(0, 0)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.2


@given(cases(), seeds, epochs)
def test_padding_is_what_batches_hold_beside_reviews(case: Case, seed: int, epoch: int) -> None:
    batches = case.batches()
    sent = [*batches.shuffled(seed, epoch)]
    words = sum(int(batch.lengths[batch.weights > 0].sum()) for batch in sent)
    assert batches.padding(seed, epoch) == pytest.approx(1 - words / sum(batch.tokens.size for batch in sent))


def test_padding_that_is_skipped_in_chunks() -> None:
    batches = Batches(split_of([3, 5]), batch_size=2, max_length=12)
    assert batches.padding(0, 0) == pytest.approx(16 / 24)
    assert batches.padding(0, 0, chunk=6) == pytest.approx(4 / 12)
