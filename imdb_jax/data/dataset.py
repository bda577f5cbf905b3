"""Reviews -> token ids: opened, split, encoded, and kept in the cache folder, where later runs map them.

The first run splits each review into words once, and keeps the ids under a key over the content of the reviews and
the text rules.
"""

import hashlib
import itertools
import json
import logging
from array import array
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from imdb_jax.config import DataConfig, TextConfig
from imdb_jax.data.aclimdb import open_aclimdb
from imdb_jax.data.audit import audit, refuse_unfit, summary, warnings
from imdb_jax.data.batches import Split
from imdb_jax.data.files import open_files
from imdb_jax.data.ngrams import Tokens
from imdb_jax.data.reviews import Corpus, Reviews, hold_out, limit_per_class
from imdb_jax.data.synthetic import write_corpus
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.storage import cache_dir, cached_folder, local_path

log = logging.getLogger(__name__)

MOSTLY = 0.5  # share of the words that a vocabulary should know
REVIEWS_AT_ONCE, THREADS = 1_000, 4  # whose n-grams are looked up together, and by how many at a time
LAYOUT = 4  # counts up when the files in the cache change their meaning


class Dataset(NamedTuple):
    """What a run trains, chooses and is tested on."""

    train: Split
    validation: Split
    test: Split
    vocabulary: Vocabulary
    audit: dict
    fingerprint: str  # of the texts, the labels, the split and the ids
    reviews: str  # a fingerprint of the texts, the labels and the split, whatever ids they have
    config: DataConfig  # that it was opened with

    @property
    def counts(self) -> Int[np.ndarray, " V"]:
        """How often each token occurs in the training reviews."""
        return np.bincount(self.train.ids, minlength=len(self.vocabulary))


class Splits(NamedTuple):
    """The reviews of a run."""

    train: Reviews
    validation: Reviews
    test: Reviews


def load_dataset(config: DataConfig, corpus: Corpus | None = None) -> Dataset:
    """Opens the token ids of a data config, making them on first use, or again where they are damaged.

    The corpus is that of the config, opened here unless given. What it is made of is told in the log each time.
    """
    if not isinstance(config, DataConfig):
        raise UserError(f"config: {type(config).__name__}; must be a DataConfig, such as the data of a config")
    corpus = corpus or open_corpus(config)
    given = None
    if config.word_index is not None:
        path = local_path(config.word_index, "data.word_index")
        given = Vocabulary.from_word_index(path, config.vocabulary_size, config.text)
    # The content of the reviews stands for where they lie and how they are read; these decide who is in which split.
    split = {"limit": config.limit, "split_seed": config.split_seed, "validation": asdict(config.validation)}
    reviews = [reviews.fingerprint for reviews in corpus if reviews is not None] + [split]
    newer = {"punctuation": "delete", "unit": "words"}.items()  # older fingerprints do not know these
    text = dict(asdict(config.text).items() - newer)
    words = [config.vocabulary_size, text, given and given.fingerprint()]
    ngrams = [[config.ngrams, config.ngram_min_count]] if config.ngrams else []
    fingerprint = _digest([reviews, words, *ngrams])
    folder = cached_folder(
        cache_dir() / "tokens" / f"{fingerprint}.{LAYOUT}",
        lambda draft: _encode(split_corpus(config, corpus), given, config, draft),
    )
    vocabulary = Vocabulary.load(folder / "vocabulary.txt", config.text, ngrams=bool(config.ngrams))
    train, validation, test = (
        Split(
            np.memmap(folder / f"{name}.ids", _ids_dtype(vocabulary), mode="r"),
            np.load(folder / f"{name}.offsets.npy"),
            np.load(folder / f"{name}.labels.npy"),
        )
        for name in Splits._fields
    )
    report = json.loads((folder / "audit.json").read_text())
    dataset = Dataset(train, validation, test, vocabulary, report, fingerprint, _digest(reviews), config)
    told, *warnings = (folder / "summary.txt").read_text("utf-8").splitlines()
    log.info(told)
    for warning in warnings:
        log.warning(warning)
    if corpus.validation is None:
        log.info(f"validation reviews: held out of the training reviews ({config.validation.method})")
    return dataset


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
    if config.path is not None:
        return open_aclimdb(local_path(config.path, "data.path"))
    from imdb_jax.data.imdb import open_imdb  # here because TFDS takes longer to import than other sources to read

    return open_imdb(config)


def split_corpus(config: DataConfig, corpus: Corpus | None = None) -> Splits:
    """Applies `data.limit` and holds out validation reviews, unless the corpus has some; it is opened unless given."""
    corpus = corpus or open_corpus(config)
    if config.limit is not None:
        limited = {
            name: reviews.where(limit_per_class(reviews.labels, config.limit))
            for name, reviews in corpus._asdict().items()
            if reviews is not None
        }
        corpus = Corpus(**limited)
    train, test, validation = corpus
    if validation is not None:
        return Splits(train, validation, test)
    held = hold_out(train.labels, config.validation.method, config.validation.size, config.split_seed)
    return Splits(train.where(~held), train.where(held), test)


def _encode(splits: Splits, vocabulary: Vocabulary | None, config: DataConfig, folder: Path) -> None:
    """Audits the reviews and writes their ids; without a vocabulary the training reviews give one."""
    words, found = number_words(splits, config.text)
    report = audit(splits._asdict(), {name: lengths for name, (_, lengths) in found.items()})
    refuse_unfit(report)
    told = [summary(report), *warnings(report, config.text)]
    if vocabulary is None:
        counts = np.bincount(found["train"].numbers, minlength=len(words)).tolist()
        counted = {word: count for word, count in zip(words, counts, strict=True) if count}
        vocabulary = Vocabulary.build(counted, config.vocabulary_size, config.text)
    tokens, ids_of = vocabulary, vocabulary.ids(words)
    (folder / "audit.json").write_text(json.dumps(asdict(report), indent=2))
    for name, (numbers, lengths) in found.items():
        ids, offsets = vocabulary.ragged(ids_of[numbers], lengths)
        known = 1 - (ids == vocabulary.special.unknown).sum() / np.maximum(lengths, 1).sum()
        told += [f"{known:.1%} of the {name} words are in the vocabulary"] if known < MOSTLY else []
        if name == "train" and known == 0:
            message = "none of the training words is in it; words are lower case, without punctuation"
            what = f"{config.word_index}: {message}" if config.word_index else "data: no training review has a word"
            raise UserError(what, BAD_DATA)
        if name == "train" and config.ngrams:
            tokens = vocabulary.with_ngrams(ids, offsets, config.ngrams, config.ngram_min_count)
        offsets = _write_ids(folder / f"{name}.ids", ids, offsets, tokens)
        np.save(folder / f"{name}.offsets.npy", offsets)
        np.save(folder / f"{name}.labels.npy", splits._asdict()[name].labels)
    tokens.save(folder / "vocabulary.txt")
    (folder / "summary.txt").write_text("\n".join(told), encoding="utf-8")


def _write_ids(
    path: Path, words: Int32[np.ndarray, " words"], offsets: Int[np.ndarray, " bounds"], vocabulary: Vocabulary
) -> Int[np.ndarray, " bounds"]:
    """Writes the tokens of reviews and returns their bounds; some reviews at a time, which takes less memory."""

    def tokens_of(start: int) -> Tokens:
        some = offsets[start : start + REVIEWS_AT_ONCE + 1]
        return vocabulary.tokens_of(words[some[0] : some[-1]], some - some[0])

    ends = [0]
    with path.open("wb") as file, ThreadPoolExecutor(THREADS) as threads:  # NumPy lets several compute at once
        for tokens in threads.map(tokens_of, range(0, len(offsets) - 1, REVIEWS_AT_ONCE)):
            file.write(tokens.ids.astype(_ids_dtype(vocabulary)).tobytes())
            ends += (ends[-1] + tokens.offsets[1:]).tolist()
    return np.array(ends)


class Numbered(NamedTuple):
    """The words of some reviews."""

    numbers: Int32[np.ndarray, " words"]  # of each, among all different words
    lengths: Int[np.ndarray, " N"]  # words of each review


def number_words(splits: Splits, text: TextConfig) -> tuple[list[bytes], dict[str, Numbered]]:
    """Splits each review once. The different words come in the order of their first places."""
    number_of: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)
    found = {}
    for name, reviews in splits._asdict().items():
        numbers, lengths = array("i"), []
        for review in reviews.texts():
            words = split_words(review, text)
            numbers.extend(map(number_of.__getitem__, words))
            lengths.append(len(words))
        found[name] = Numbered(np.asarray(numbers), np.array(lengths))
    return [*number_of], found


def _ids_dtype(vocabulary: Vocabulary) -> np.dtype:
    return np.dtype(np.uint16 if len(vocabulary) <= 1 << 16 else np.int32)
