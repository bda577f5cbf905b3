"""Reviews, selections of them, and which are held out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import DataConfig, ValidationConfig
from imdb_jax.data.dataset import split_corpus
from imdb_jax.data.reviews import Reviews, hold_out, limit_per_class
from imdb_jax.errors import UserError

LABELS = np.array([0, 1, 1, 1, 0, 1, 1, 1, 0, 1] * 10, np.int8)  # 30 negative, 70 positive
GOLDEN = {"stratified": [1, 2, 3, 6, 8, 11], "random": [3, 4, 6, 11]}  # of this code with NumPy 2, written once


def numbers(*labels: int) -> Reviews:
    """Reviews "0", "1", ... of these labels."""
    return Reviews(lambda: ([b"%d" % i for i in range(len(labels))], np.array(labels, np.int8)))


def read(reviews: Reviews) -> list[tuple[bytes, int]]:
    return [*zip(reviews.texts(), reviews.labels.tolist(), strict=True)]


def test_selection_keeps_order_texts_and_labels() -> None:
    mask = np.array([False, True, False, True, True, False, False])
    selection = numbers(0, 1, 1, 0, 1, 0, 0).where(mask)
    assert len(selection) == 3
    assert read(selection) == [(b"1", 1), (b"3", 0), (b"4", 1)]
    assert selection.labels.tolist() == [1, 0, 1]
    assert selection.labels.dtype == np.int8


def test_selections_nest_and_partition() -> None:
    outer = numbers(*[0, 1] * 10).where(np.arange(20) % 3 > 0)
    mask = np.arange(len(outer)) % 2 == 0
    parts = read(outer.where(mask)) + read(outer.where(~mask))
    assert sorted(parts) == sorted(read(outer))


def test_empty_selection_reads_nothing() -> None:
    assert read(numbers(0, 1).where(np.zeros(2, bool))) == []


def test_a_fingerprint_tells_texts_labels_and_order() -> None:
    def of(*reviews: tuple[bytes, int]) -> str:
        texts, labels = zip(*reviews, strict=True)
        return Reviews(lambda: ([*texts], np.array(labels, np.int8))).fingerprint

    others = [of((b"a", 0), (b"b", 1)), of((b"b", 1), (b"a", 0)), of((b"a", 1), (b"b", 1)), of((b"ab", 0), (b"", 1))]
    assert of((b"a", 0), (b"b", 1)) == others[0]
    assert len({*others}) == len(others)


def test_fingerprint_of_a_selection_depends_on_parent_and_mask() -> None:
    mask = np.array([True, False, True])
    chosen = [(numbers(0, 1, 1), mask), (numbers(0, 1, 1), ~mask), (numbers(0, 0, 1), mask)]
    assert len({reviews.where(mask).fingerprint for reviews, mask in chosen}) == 3
    assert numbers(0, 1, 1).where(mask).fingerprint == numbers(0, 1, 1).where(mask).fingerprint


def test_opening_reviews_imports_neither_tfds_nor_jax_before_it_must() -> None:
    code = "import sys, imdb_jax.data.reviews; print({'tensorflow_datasets', 'tensorflow', 'jax'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(("size", "negative", "positive"), [(0.2, 6, 14), (10.0, 3, 7), (0.5, 15, 35)])
def test_stratified_keeps_the_shares_of_the_classes(size: float, negative: int, positive: int) -> None:
    held = hold_out(LABELS, "stratified", size, seed=0)
    assert np.bincount(LABELS[held]).tolist() == [negative, positive]


@pytest.mark.parametrize("method", ["stratified", "random"])
def test_draws_depend_on_the_seed_alone(method: str) -> None:
    first, again, other = (hold_out(LABELS, method, 0.2, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert first.sum() == other.sum() == 20


def test_draw_is_the_same_on_every_platform_and_version() -> None:
    labels = np.array([0, 1] * 6, np.int8)
    assert np.flatnonzero(hold_out(labels, "stratified", 0.5, seed=0)).tolist() == GOLDEN["stratified"]
    assert np.flatnonzero(hold_out(labels, "random", 4.0, seed=7)).tolist() == GOLDEN["random"]


def test_first_and_last_go_by_order() -> None:
    assert np.flatnonzero(hold_out(LABELS, "first", 5.0, seed=0)).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(hold_out(LABELS, "last", 0.05, seed=0)).tolist() == [95, 96, 97, 98, 99]


@given(
    st.lists(st.sampled_from([0, 1]), min_size=1, max_size=40),
    st.sampled_from(["stratified", "random", "first", "last"]),
    st.one_of(st.floats(0.01, 0.99), st.integers(1, 50).map(float)),
    st.integers(0, 2**31),
)
def test_both_sides_have_both_classes_or_it_is_an_error(labels: list[int], method: str, size: float, seed: int) -> None:
    array, held, exit_code = np.array(labels, np.int8), None, None
    try:
        held = hold_out(array, method, size, seed)
    except UserError as error:
        exit_code = error.exit_code
    if held is None:
        assert exit_code == (2 if len(set(labels)) == 2 else 65)
        return
    assert held.sum() == (round(size * len(labels)) if size < 1 else size)
    assert set(array[held].tolist()) == set(array[~held].tolist()) == {0, 1}


def test_error_names_field_value_and_class() -> None:
    labels = np.array([0] * 50 + [1] * 50, np.int8)
    with pytest.raises(UserError, match=r"data\.validation\.size: 0\.2 \(last\); no negative review of 100 "):
        hold_out(labels, "last", 0.2, seed=0)
    with pytest.raises(UserError, match=r"data\.test_fraction: 100 .*left to train on"):
        hold_out(labels, "random", 100.0, seed=0, field="data.test_fraction")


def test_limit_keeps_the_first_of_each_class() -> None:
    labels = np.array([0, 0, 1, 0, 1, 1], np.int8)
    assert limit_per_class(labels, 2).tolist() == [True, True, True, False, True, False]
    assert limit_per_class(labels, 9).all()


def write_csv(path: Path, count: int) -> str:
    path.write_text("text,label\n" + "".join(f"{path.stem} {i},{i % 2}\n" for i in range(count)))
    return str(path)


def test_split_corpus_limits_before_it_holds_out(tmp_path: Path) -> None:
    config = DataConfig(
        source="files",
        path=write_csv(tmp_path / "train.csv", 40),
        test_path=write_csv(tmp_path / "test.csv", 30),
        limit=5,
        validation=ValidationConfig(size=0.2),
    )
    train, validation, test = split_corpus(config)
    assert sorted(text for text, _ in read(train) + read(validation)) == sorted(b"train %d" % i for i in range(10))
    assert len(validation) == 2
    assert [text for text, _ in read(test)] == [b"test %d" % i for i in range(10)]
    assert len({train.fingerprint, validation.fingerprint, test.fingerprint}) == 3


@pytest.mark.parametrize("field", [{"text_column": "review"}, {"negative_labels": ("1", "2")}, {"quotes": False}])
def test_fields_of_files_are_refused_where_no_file_is_read(field: dict) -> None:
    (name,) = field
    with pytest.raises(UserError, match=rf"data\.{name}: .*; only data\.source 'files' reads it"):
        DataConfig(source="synthetic", **field)
