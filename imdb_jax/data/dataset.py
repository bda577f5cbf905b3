"""Reviews -> token ids: opened, split, encoded, and kept in the cache folder, where later runs map them.

The first run reads the reviews three times (audit, count, encode) and keeps the ids under a key over the content of
the reviews and the text rules. Only one review is in memory at a time, of IMDB all 67 MB.
"""

import hashlib
import json
import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from imdb_jax.config import DataConfig
from imdb_jax.data.audit import audit, refuse_unfit, summary
from imdb_jax.data.batches import Split
from imdb_jax.data.files import open_files
from imdb_jax.data.reviews import Corpus, Reviews, Selection, hold_out, limit_per_class
from imdb_jax.data.synthetic import write_corpus
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.storage import cache_dir, cached_folder

log = logging.getLogger(__name__)

LAYOUT = 2  # counts up when the files in the cache change their meaning


class Dataset(NamedTuple):
    """What a run trains, chooses and is tested on."""

    train: Split
    validation: Split
    test: Split
    vocabulary: Vocabulary
    audit: dict
    fingerprint: str  # of the texts, the labels, the split and the ids
    reviews: str  # a fingerprint of the texts, the labels and the split, whatever ids they have

    @property
    def counts(self) -> Int[np.ndarray, " V"]:
        """How often each token occurs in the training reviews."""
        return np.bincount(self.train.ids, minlength=len(self.vocabulary))


class Splits(NamedTuple):
    """The reviews of a run."""

    train: Reviews
    validation: Reviews
    test: Reviews


def load_dataset(config: DataConfig) -> Dataset:
    """Opens the token ids of a data config, making them on first use, or again where they are damaged."""
    corpus = open_corpus(config)
    given = None
    if config.word_index is not None:
        path = Path(config.word_index).expanduser()
        given = Vocabulary.from_word_index(path, config.vocabulary_size, config.text)
    # The content of the reviews stands for where they lie and how they are read; these decide who is in which split.
    split = {"limit": config.limit, "split_seed": config.split_seed, "validation": asdict(config.validation)}
    reviews = [corpus.train.fingerprint, corpus.test.fingerprint, split]
    words = [config.vocabulary_size, asdict(config.text), given and given.fingerprint()]
    fingerprint = _digest([reviews, words])
    folder = cached_folder(
        cache_dir() / "tokens" / f"{fingerprint}.{LAYOUT}",
        lambda draft: _encode(split_corpus(config, corpus), given, config, draft),
    )
    vocabulary = Vocabulary.load(folder / "vocabulary.txt", config.text)
    train, validation, test = (
        Split(
            np.memmap(folder / f"{name}.ids", _ids_dtype(vocabulary), mode="r"),
            np.load(folder / f"{name}.offsets.npy"),
            np.load(folder / f"{name}.labels.npy"),
        )
        for name in Splits._fields
    )
    report = json.loads((folder / "audit.json").read_text())
    return Dataset(train, validation, test, vocabulary, report, fingerprint, _digest(reviews))


def _digest(parts: list) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def open_corpus(config: DataConfig) -> Corpus:
    """Opens the reviews that a config names; downloads or prepares them on first use.

    `data.limit` and the validation split are not applied: see `split_corpus`.
    """
    if config.source == "synthetic":
        return write_corpus()
    if config.source == "files":
        return open_files(config)
    from imdb_jax.data.imdb import open_imdb  # here because TFDS takes longer to import than other sources to read

    return open_imdb(config)


def split_corpus(config: DataConfig, corpus: Corpus | None = None) -> Splits:
    """Opens a corpus, unless it is open already, applies `data.limit`, then splits off the validation reviews."""
    train, test = corpus or open_corpus(config)
    if config.limit is not None:
        train, test = (Selection(reviews, limit_per_class(reviews.labels, config.limit)) for reviews in (train, test))
    held = hold_out(train.labels, config.validation.method, config.validation.size, config.split_seed)
    return Splits(Selection(train, ~held), Selection(train, held), test)


def _encode(splits: Splits, vocabulary: Vocabulary | None, config: DataConfig, folder: Path) -> None:
    """Audits the reviews and writes their ids; without a vocabulary the training reviews give one."""
    report = audit(splits._asdict())
    refuse_unfit(report)
    log.info(summary(report))
    if vocabulary is None:
        vocabulary = Vocabulary.build(count_words(splits.train, config), config.vocabulary_size, config.text)
    vocabulary.save(folder / "vocabulary.txt")
    (folder / "audit.json").write_text(json.dumps(asdict(report), indent=2))
    for name, reviews in splits._asdict().items():
        lengths = [0]
        with (folder / f"{name}.ids").open("wb") as file:
            for ids in map(vocabulary.encode, reviews.texts()):
                lengths.append(len(ids))
                file.write(np.array(ids, _ids_dtype(vocabulary)).tobytes())
        np.save(folder / f"{name}.offsets.npy", np.cumsum(lengths))
        np.save(folder / f"{name}.labels.npy", reviews.labels)


def count_words(reviews: Reviews, config: DataConfig) -> Counter[bytes]:
    """How often each word occurs."""
    counts: Counter[bytes] = Counter()
    for text in reviews.texts():
        counts.update(split_words(text, config.text))
    return counts


def _ids_dtype(vocabulary: Vocabulary) -> np.dtype:
    return np.dtype(np.uint16 if len(vocabulary) <= 1 << 16 else np.int32)
