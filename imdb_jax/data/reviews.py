"""Labelled reviews that are read again and again in one fixed order, and where they come from."""

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from imdb_jax.config import DataConfig

MAX_BYTES = 1_000_000  # of one review; files.py cuts longer ones here and the audit counts them


class Reviews(ABC):
    """Labelled reviews in a fixed order, streamed: only one chunk need be in memory.

    Texts are raw bytes, UTF-8 by intent: what isn't valid passes through untouched.

    Attributes:
      name: says where the reviews are from, such as "imdb_reviews/plain_text/1.0.0 train".
      fingerprint: hex sha256 that identifies texts, labels and order, on every machine and in every file format.
    """

    name: str
    fingerprint: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def chunks(self, size: int = 1024) -> Iterator[tuple[list[bytes], Int8[np.ndarray, " n"]]]:
        """Reads all reviews from the first on.

        Args:
          size: most reviews in a chunk.

        Yields:
          Texts and their labels: 0 negative, 1 positive.
        """

    @functools.cached_property
    def labels(self) -> Int8[np.ndarray, " N"]:
        """All labels, in order."""
        return np.concatenate([labels for _, labels in self.chunks()])


class Selection(Reviews):
    """Some of another object's reviews, in the same order.

    Args:
      parent: the reviews to choose from.
      mask: True for each review of `parent` that is kept.
      part: what the kept reviews are, such as "validation"; it is appended to the name.
    """

    def __init__(self, parent: Reviews, mask: Bool[np.ndarray, " N"], part: str) -> None:
        if len(mask) != len(parent):
            raise ValueError(f"mask: {len(mask)} values; {parent.name} has {len(parent)} reviews")
        self.name = f"{parent.name} ({part})"
        self.fingerprint = hashlib.sha256(parent.fingerprint.encode() + np.packbits(mask).tobytes()).hexdigest()
        self._parent = parent
        self._mask = mask

    def __len__(self) -> int:
        return int(self._mask.sum())

    def chunks(self, size: int = 1024) -> Iterator[tuple[list[bytes], Int8[np.ndarray, " n"]]]:
        """As in `Reviews`; a chunk holds what is kept of one chunk of the parent."""
        end = int(np.flatnonzero(self._mask)[-1]) + 1 if len(self) else 0
        start = 0
        for texts, labels in self._parent.chunks(size):
            if start >= end:
                return
            kept = np.flatnonzero(self._mask[start : start + len(texts)])
            if kept.size:
                yield [texts[i] for i in kept], labels[kept]
            start += len(texts)

    @functools.cached_property
    def labels(self) -> Int8[np.ndarray, " N"]:
        """All labels, in order."""
        return self._parent.labels[self._mask]


class Corpus(NamedTuple):
    """Training and test reviews as their source has them."""

    train: Reviews
    test: Reviews


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
