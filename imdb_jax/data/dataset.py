"""Reviews -> token ids on disk, made once per corpus and text rules, then memory-mapped.

The first run reads the reviews three times (audit, count, encode) and keeps the ids in the cache folder under a key
over the corpus' content and the text rules; later runs map them in milliseconds. Only one chunk of reviews is in
memory at a time, of IMDB all 67 MB.
"""

import hashlib
import json
import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from imdb_jax.config import DataConfig
from imdb_jax.data.audit import audit, check, summary
from imdb_jax.data.batches import Split
from imdb_jax.data.reviews import Corpus, Reviews, Selection, hold_out, limit_per_class
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import IO_FAILED, LOCKED, UserError
from imdb_jax.storage import atomic_folder, cache_dir

log = logging.getLogger(__name__)

LAYOUT = 1  # counts up when the files in a cache entry change their meaning
# fields that change no cached id; of files and folders the content does
READ_LATER = {"data_dir", "path", "test_path", "word_index", "max_length", "keep", "buckets"}
ENCODING = {"vocabulary_size", "text"}  # fields that change the ids of a review, but not the split it is in
SPLITS = ("train", "validation", "test")


class Dataset(NamedTuple):
    """What a run trains, chooses and is tested on."""

    train: Split
    validation: Split
    test: Split
    vocabulary: Vocabulary
    counts: Int[np.ndarray, " V"]  # how often each token occurs in the training reviews
    audit: dict
    fingerprint: str
    reviews: str  # a fingerprint of the texts and labels of each split, whatever ids they have


def load_dataset(config: DataConfig) -> Dataset:
    """Opens the token ids of a data config, making them on first use.

    Raises:
      UserError: the reviews or data.word_index can't be had, or are unfit for training (see `audit.check`).
    """
    corpus = open_corpus(config)
    given = None
    if config.word_index is not None:
        path = Path(config.word_index).expanduser()
        given = Vocabulary.from_word_index(path, config.vocabulary_size, config.text)
    entry = cache_dir() / "tokens" / _key(config, corpus, given)
    if not entry.is_dir():
        _write_entry(config, corpus, entry, given)
    try:
        return _read_entry(config, entry, _digest(corpus, _rules(config, READ_LATER | ENCODING)))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: gone; delete the folder it was in, it is made again", IO_FAILED) from None


def _read_entry(config: DataConfig, entry: Path, reviews: str) -> Dataset:
    report = json.loads((entry / "audit.json").read_text())
    vocabulary = Vocabulary.load(entry / "vocabulary.txt", config.text)
    dtype = _ids_dtype(vocabulary)
    train, validation, test = (
        Split(
            np.memmap(entry / f"{name}.ids", dtype, mode="r"),
            np.load(entry / f"{name}.offsets.npy"),
            np.load(entry / f"{name}.labels.npy"),
        )
        for name in SPLITS
    )
    return Dataset(train, validation, test, vocabulary, np.load(entry / "counts.npy"), report, entry.name, reviews)


def _key(config: DataConfig, corpus: Corpus, given: Vocabulary | None) -> str:
    rules = _rules(config, READ_LATER)
    if given is not None:
        rules["vocabulary"] = given.fingerprint()
    return _digest(corpus, rules)


def _rules(config: DataConfig, apart_from: set[str]) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in apart_from}


def _digest(corpus: Corpus, rules: dict[str, Any]) -> str:
    identity = [LAYOUT, corpus.train.fingerprint, corpus.test.fingerprint, rules]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _ids_dtype(vocabulary: Vocabulary) -> np.dtype:
    return np.dtype(np.uint16 if len(vocabulary) <= 1 << 16 else np.int32)


def _write_entry(config: DataConfig, corpus: Corpus, entry: Path, given: Vocabulary | None) -> None:
    """Makes a cache entry beside its place and renames it there: it is whole or not there."""
    splits = split_corpus(config, corpus)
    report = audit(splits._asdict())
    check(report)
    log.info(summary(report))
    vocabulary = given
    if vocabulary is None:
        vocabulary = Vocabulary.build(count_words(splits.train, config), config.vocabulary_size, config.text)
    try:
        with atomic_folder(entry) as draft:
            vocabulary.save(draft / "vocabulary.txt")
            (draft / "audit.json").write_text(json.dumps(asdict(report), indent=2))
            for name, reviews in splits._asdict().items():
                _write_split(draft, name, reviews, vocabulary)
            train_ids = np.memmap(draft / "train.ids", _ids_dtype(vocabulary), mode="r")
            np.save(draft / "counts.npy", np.bincount(train_ids, minlength=len(vocabulary)))
    except OSError as error:
        message = f"{entry}: {error.strerror or error}; set IMDB_JAX_CACHE to a folder with room"
        raise UserError(message, LOCKED) from None


def count_words(reviews: Reviews, config: DataConfig) -> Counter[bytes]:
    """How often each word occurs."""
    counts: Counter[bytes] = Counter()
    for texts, _ in reviews.chunks():
        for text in texts:
            counts.update(split_words(text, config.text))
    return counts


def _write_split(folder: Path, name: str, reviews: Reviews, vocabulary: Vocabulary) -> None:
    lengths, labels = [], []
    with (folder / f"{name}.ids").open("wb") as file:
        for texts, chunk_labels in reviews.chunks():
            encoded = [vocabulary.encode(text) for text in texts]
            lengths += map(len, encoded)
            labels.append(chunk_labels)
            file.write(np.concatenate([np.array(ids, _ids_dtype(vocabulary)) for ids in encoded]).tobytes())
    np.save(folder / f"{name}.offsets.npy", np.concatenate([[0], np.cumsum(lengths)]))
    np.save(folder / f"{name}.labels.npy", np.concatenate(labels).astype(np.int8))


def open_corpus(config: DataConfig) -> Corpus:
    """Opens the reviews that a config names; downloads or prepares them on first use.

    `data.limit` and the validation split are not applied: see `splits.split_corpus`.

    Raises:
      UserError: they can't be had (66), read (65) or prepared (73, 74).
    """
    # Imported when asked for: TFDS takes longer to import than other sources take to read.
    if config.source == "imdb":
        from imdb_jax.data.imdb import open_imdb

        return open_imdb(config)
    if config.source == "synthetic":
        from imdb_jax.data.synthetic import open_synthetic

        return open_synthetic()
    from imdb_jax.data.files import open_files

    return open_files(config)


class Splits(NamedTuple):
    """The reviews of a run."""

    train: Reviews
    validation: Reviews
    test: Reviews


def split_corpus(config: DataConfig, corpus: Corpus | None = None) -> Splits:
    """Opens a corpus, applies `data.limit` and then splits validation reviews off the training reviews.

    Args:
      config: of the run.
      corpus: of the config, where it is open already.

    Raises:
      UserError: see `open_corpus` and `hold_out`.
    """
    train, test = corpus or open_corpus(config)
    if config.limit is not None:
        part = f"first {config.limit} of each class"
        train, test = (Selection(r, limit_per_class(r.labels, config.limit), part) for r in (train, test))
    held = hold_out(train.labels, config.validation.method, config.validation.size, config.split_seed)
    return Splits(Selection(train, ~held, "training"), Selection(train, held, "validation"), test)
