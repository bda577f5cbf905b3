"""Token ids on disk: what they hold, and when they are made anew."""

import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imdb_jax.config import DataConfig, TextConfig, ValidationConfig
from imdb_jax.data import dataset as dataset_module
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import load_dataset, split_corpus
from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import LOCKED, UserError

SYNTHETIC = DataConfig(source="synthetic", vocabulary_size=100)


def rows(split: Split) -> list[np.ndarray]:
    return np.split(split.ids, split.offsets[1:-1])


def texts(reviews: Reviews) -> list[bytes]:
    return [*reviews.texts()]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


@pytest.fixture
def own(cache: Path, tmp_path: Path) -> DataConfig:
    """40 training and 10 test reviews, each with the word `common`, its number and nothing else."""
    for name, numbers in (("train", range(40)), ("test", range(100, 110))):
        lines = [f"common {i},{i % 2}\n" for i in numbers]
        (tmp_path / f"{name}.csv").write_text("".join(["text,label\n", *lines]))
    return DataConfig(source="files", path=str(tmp_path / "train.csv"), test_path=str(tmp_path / "test.csv"))


def forbid(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError(f"{function} was called")

    monkeypatch.setattr(dataset_module, function, fail)


def test_ids_are_the_words_of_the_reviews() -> None:
    dataset, splits = load_dataset(SYNTHETIC), split_corpus(SYNTHETIC)
    known = dataset.vocabulary.tokens
    assert len(known) == 100
    for name, count in (("train", 1_600), ("validation", 400), ("test", 1_000)):
        split, reviews = getattr(dataset, name), getattr(splits, name)
        words = [split_words(text, SYNTHETIC.text) for text in texts(reviews)]
        expected = [[word if word in known else b"[UNK]" for word in review] for review in words]
        assert [[known[i] for i in row] for row in rows(split)] == expected
        assert split.labels.tolist() == reviews.labels.tolist()
        assert len(split.labels) == count


def test_validation_reviews_are_training_reviews_held_out(own: DataConfig) -> None:
    splits = split_corpus(own)
    trained, held = set(texts(splits.train)), set(texts(splits.validation))
    assert (len(trained), len(held)) == (32, 8)
    assert trained | held == {b"common %d" % i for i in range(40)}


def test_vocabulary_and_counts_are_of_the_training_reviews_alone(own: DataConfig) -> None:
    dataset = load_dataset(own)
    trained = {word for text in texts(split_corpus(own).train) for word in text.split()}
    assert set(dataset.vocabulary.tokens[2:]) == trained
    common = dataset.vocabulary.encode(b"common")
    assert dataset.counts[common] == 32
    assert dataset.counts.sum() == 64
    for split in (dataset.validation, dataset.test):
        assert {tuple(row) for row in rows(split)} == {(*common, dataset.vocabulary.special.unknown)}


def test_start_tokens_lead_every_review(own: DataConfig) -> None:
    dataset = load_dataset(replace(own, text=TextConfig(special_tokens="keras_imdb")))
    assert {tuple(row[:2]) for row in rows(dataset.train)} == {(1, 4)}


def test_a_second_load_opens_no_review(own: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_dataset(own)
    forbid(monkeypatch, "split_corpus")
    again = load_dataset(own)
    assert again.fingerprint == first.fingerprint
    assert again.audit == first.audit
    assert again.vocabulary.fingerprint() == first.vocabulary.fingerprint()
    np.testing.assert_array_equal(again.train.ids, first.train.ids)


@pytest.mark.parametrize("fields", [{"max_length": 5}, {"keep": "tail"}, {"buckets": (4,)}, {"data_dir": "elsewhere"}])
def test_what_is_applied_later_shares_the_entry(
    own: DataConfig, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_dataset(own)
    forbid(monkeypatch, "split_corpus")
    assert load_dataset(replace(own, **fields)).fingerprint == first.fingerprint


def test_a_word_index_gives_the_vocabulary(own: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, copy = tmp_path / "word_index.json", tmp_path / "copy.json"
    index.write_text('{"7": 1, "common": 2, "absent": 3}')
    given = replace(own, word_index=str(index), vocabulary_size=5)
    dataset = load_dataset(given)
    assert dataset.vocabulary.tokens == (b"", b"[UNK]", b"7", b"common", b"absent")
    assert dataset.counts[3:].tolist() == [32, 0]
    assert len({load_dataset(config).fingerprint for config in (own, given, replace(given, vocabulary_size=6))}) == 3
    index.rename(copy)
    with monkeypatch.context() as patch:
        forbid(patch, "split_corpus")
        assert load_dataset(replace(given, word_index=str(copy))).fingerprint == dataset.fingerprint
    index.write_text('{"common": 1, "7": 2, "absent": 3}')
    assert load_dataset(given).fingerprint != dataset.fingerprint
    index.write_text('{"common": 0}')
    with pytest.raises(UserError, match=r"word_index\.json: 'common' has the rank 0"):
        load_dataset(given)


def test_a_copy_of_the_reviews_shares_the_entry(
    own: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_dataset(own)
    forbid(monkeypatch, "split_corpus")
    copy = shutil.copy(tmp_path / "train.csv", tmp_path / "copy.csv")
    assert load_dataset(replace(own, path=str(copy))).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {"text": TextConfig(keep_apostrophes=True)},
        {"text": TextConfig(special_tokens="keras_imdb")},
        {"vocabulary_size": 9},
        {"split_seed": 1},
        {"validation": ValidationConfig(size=0.5)},
        {"validation": ValidationConfig(method="last")},
        {"limit": 5},
    ],
    ids=str,
)
def test_what_changes_ids_or_splits_has_its_own_entry(own: DataConfig, fields: dict[str, Any], cache: Path) -> None:
    first, other = load_dataset(own), load_dataset(replace(own, **fields))
    assert other.fingerprint != first.fingerprint
    assert {path.stem for path in cache.iterdir()} == {first.fingerprint, other.fingerprint}


@pytest.mark.parametrize("name", ["train", "test"])
def test_reviews_that_change_get_a_new_entry(own: DataConfig, tmp_path: Path, name: str) -> None:
    first = load_dataset(own)
    file = tmp_path / f"{name}.csv"
    file.write_text(file.read_text().replace("common", "changed", 1))
    other = load_dataset(own)
    assert other.fingerprint != first.fingerprint
    assert b"changed" in b" ".join(texts(getattr(split_corpus(own), name)))


def test_an_unwritable_cache_is_one_clear_error(
    own: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"Not a directory; set IMDB_JAX_CACHE") as caught:
        load_dataset(own)
    assert caught.value.exit_code == LOCKED


def test_a_full_disk_leaves_nothing_behind(own: DataConfig, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = np.save

    def save_until_full(path: Path, array: np.ndarray) -> None:
        if path.name == "test.labels.npy":
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, array)

    monkeypatch.setattr(np, "save", save_until_full)
    with pytest.raises(UserError, match="No space left on device; set IMDB_JAX_CACHE") as caught:
        load_dataset(own)
    assert caught.value.exit_code == LOCKED
    assert not list(cache.iterdir())

    monkeypatch.setattr(np, "save", save)
    assert len(load_dataset(own).test.labels) == 10


@pytest.mark.parametrize(("size", "dtype"), [(65_536, np.uint16), (65_537, np.int32)])
def test_ids_are_as_narrow_as_the_vocabulary_allows(size: int, dtype: type) -> None:
    words = [b"%d" % i for i in range(size - 2)]
    assert dataset_module._ids_dtype(Vocabulary((b"", b"[UNK]", *words), TextConfig())) == dtype
    assert size - 1 <= np.iinfo(dtype).max


def test_a_vocabulary_of_more_than_65536_tokens_reads_back(own: DataConfig, tmp_path: Path) -> None:
    many = " ".join(f"w{i}" for i in range(66_000))
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{many} {i},{i % 2}\n" for i in range(4)))
    dataset = load_dataset(replace(own, vocabulary_size=100_000, validation=ValidationConfig(size=0.5)))
    assert dataset.train.ids.dtype == np.int32
    assert dataset.vocabulary.decode(rows(dataset.train)[0].tolist()).startswith("w0 w1 w2 ")
    assert dataset.train.ids.max() == len(dataset.vocabulary) - 1 > 65_535


FILES = ["audit.json", "checksums.json", "test.ids", "test.labels.npy", "test.offsets.npy", "vocabulary.txt"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "deleted"])
def test_a_damaged_entry_is_made_again(
    own: DataConfig, cache: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    ids = load_dataset(own).test.ids.copy()  # the file itself is damaged now
    (entry,) = cache.iterdir()
    whole = (entry / name).read_bytes()
    middle = len(whole) // 2
    if damage == "deleted":
        (entry / name).unlink()
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        (entry / name).write_bytes({"flipped": flipped, "cut": whole[:middle], "emptied": b""}[damage])
    again = load_dataset(own)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{entry}: damaged; it is made again"
    ]
    assert (entry / name).read_bytes() == whole
    assert [*cache.iterdir()] == [entry]
    np.testing.assert_array_equal(again.test.ids, ids)


def test_an_entry_with_a_file_more_is_made_again(own: DataConfig, cache: Path) -> None:
    load_dataset(own)
    (entry,) = cache.iterdir()
    (entry / "other").touch()
    load_dataset(own)
    assert not (entry / "other").exists()


def test_the_same_reviews_in_another_format_are_the_same_data(own: DataConfig, tmp_path: Path) -> None:
    first = load_dataset(own)
    for name in ("train", "test"):
        lines = [line.rpartition(",") for line in (tmp_path / f"{name}.csv").read_text().splitlines()[1:]]
        rows = [json.dumps({"review": text, "sentiment": label}) + "\n" for text, _, label in lines]
        (tmp_path / f"{name}.jsonl").write_text("".join(rows))
    paths = {"path": str(tmp_path / "train.jsonl"), "test_path": str(tmp_path / "test.jsonl")}
    again = load_dataset(replace(own, **paths, text_column="review", label_column="sentiment"))
    assert (again.fingerprint, again.reviews) == (first.fingerprint, first.reviews)


@pytest.mark.parametrize(
    ("fields", "same"),
    [({"vocabulary_size": 9}, True), ({"text": TextConfig(keep_apostrophes=True)}, True), ({"split_seed": 1}, False)],
    ids=str,
)
def test_reviews_are_the_same_whatever_ids_they_have(own: DataConfig, fields: dict[str, Any], same: bool) -> None:
    assert (load_dataset(replace(own, **fields)).reviews == load_dataset(own).reviews) == same
