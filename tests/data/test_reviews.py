"""Reviews and selections of them."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from imdb_jax.data.reviews import Reviews, Selection


class Numbers(Reviews):
    """Reviews "0", "1", ... labelled by a list; counts the chunks that are read."""

    def __init__(self, labels: list[int]) -> None:
        self.name, self.fingerprint = "numbers", str(labels)
        self._labels = np.array(labels, np.int8)
        self.chunks_read = 0

    def __len__(self) -> int:
        return len(self._labels)

    def chunks(self, size: int = 1024) -> Iterator[tuple[list[bytes], np.ndarray]]:
        for start in range(0, len(self), size):
            self.chunks_read += 1
            labels = self._labels[start : start + size]
            yield [b"%d" % (start + i) for i in range(len(labels))], labels


def read(reviews: Reviews, size: int = 3) -> list[tuple[bytes, int]]:
    return [pair for texts, labels in reviews.chunks(size) for pair in zip(texts, labels.tolist(), strict=True)]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_selection_keeps_order_texts_and_labels(size: int) -> None:
    numbers = Numbers([0, 1, 1, 0, 1, 0, 0])
    mask = np.array([False, True, False, True, True, False, False])
    selection = Selection(numbers, mask, "some")
    assert len(selection) == 3
    assert read(selection, size) == [(b"1", 1), (b"3", 0), (b"4", 1)]
    assert selection.labels.tolist() == [1, 0, 1]
    assert selection.labels.dtype == np.int8
    assert selection.name == "numbers (some)"


def test_selections_nest_and_partition() -> None:
    numbers = Numbers([0, 1] * 10)
    outer = Selection(numbers, np.arange(20) % 3 > 0, "outer")
    mask = np.arange(len(outer)) % 2 == 0
    parts = read(Selection(outer, mask, "a")) + read(Selection(outer, ~mask, "b"))
    assert sorted(parts) == sorted(read(outer))


def test_selection_stops_reading_after_its_last_review() -> None:
    numbers = Numbers([0, 1] * 50)
    read(Selection(numbers, np.arange(100) < 4, "head"), size=10)
    assert numbers.chunks_read <= 2


def test_empty_selection_reads_nothing() -> None:
    numbers = Numbers([0, 1])
    assert read(Selection(numbers, np.zeros(2, bool), "none")) == []


def test_fingerprint_depends_on_parent_and_mask_only() -> None:
    mask = np.array([True, False, True])
    same = [Selection(Numbers([0, 1, 1]), mask, part).fingerprint for part in ("a", "b")]
    others = [
        Selection(Numbers([0, 1, 1]), ~mask, "a").fingerprint,
        Selection(Numbers([0, 0, 1]), mask, "a").fingerprint,
    ]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 3


def test_selection_refuses_a_mask_of_another_length() -> None:
    with pytest.raises(ValueError, match="mask: 2 values; numbers has 3 reviews"):
        Selection(Numbers([0, 1, 1]), np.ones(2, bool), "bad")


def test_opening_reviews_imports_neither_tfds_nor_jax_before_it_must() -> None:
    code = "import sys, imdb_jax.data.reviews; print({'tensorflow_datasets', 'tensorflow', 'jax'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
