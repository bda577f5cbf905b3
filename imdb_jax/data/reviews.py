"""Labelled reviews that are read again and again in one fixed order, and which of them are held out."""

import functools
import hashlib
import itertools
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from imdb_jax.errors import BAD_DATA, USAGE, UserError
from imdb_jax.storage import cache_dir, cached_folder


class Reviews(ABC):
    """Labelled reviews in a fixed order, streamed: only one text need be in memory."""

    @functools.cached_property
    @abstractmethod
    def labels(self) -> Int8[np.ndarray, " N"]:
        """0 negative, 1 positive."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def texts(self) -> Iterator[bytes]:
        """Reads all reviews, from the first on. They are UTF-8 by intent: what isn't valid passes through untouched."""

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of all texts and labels in their order: the same on every machine and in every file format."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts(), self.labels.tolist(), strict=True):
            digest.update(hashed(text, label))
        return digest.hexdigest()


def hashed(text: bytes, label: int) -> bytes:
    """What a fingerprint hashes of a review; with the lengths no two lists of reviews give the same bytes."""
    return struct.pack("<bQ", label, len(text)) + text


class ReviewList(Reviews):
    """Reviews in memory."""

    def __init__(self, texts: list[bytes], labels: Int8[np.ndarray, " N"]) -> None:
        self._texts = texts
        self.labels = labels

    def texts(self) -> Iterator[bytes]:
        """As in `Reviews`."""
        return iter(self._texts)


class StoredReviews(Reviews):
    """Reviews on disk, read when they are first needed and kept from then on: 33 MB of a split of IMDB.

    Their fingerprint is kept in the cache folder by a checksum of the files, which takes less time than the reviews.

    Args:
      read: gives all of them.
      checksum: changes when a file does.
    """

    def __init__(self, read: Callable[[], ReviewList], checksum: Callable[[], str]) -> None:
        self._read, self._checksum = functools.cache(read), checksum

    @functools.cached_property
    def labels(self) -> Int8[np.ndarray, " N"]:
        """As in `Reviews`."""
        return self._read().labels

    def texts(self) -> Iterator[bytes]:
        """As in `Reviews`."""
        return self._read().texts()

    @functools.cached_property
    def fingerprint(self) -> str:
        """As in `Reviews`: of the texts, since one corpus has different files in different formats."""
        folder = cached_folder(
            cache_dir() / "fingerprints" / self._checksum(),
            lambda draft: (draft / "fingerprint.txt").write_text(self._read().fingerprint),
        )
        return (folder / "fingerprint.txt").read_text()


class Selection(Reviews):
    """Those of another object's reviews whose `mask` is True, in the same order."""

    def __init__(self, parent: Reviews, mask: Bool[np.ndarray, " N"]) -> None:
        self._parent = parent
        self._mask = mask
        self.labels = parent.labels[mask]

    def texts(self) -> Iterator[bytes]:
        """As in `Reviews`."""
        return itertools.compress(self._parent.texts(), self._mask)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of the parent's fingerprint and the mask, so that no text is read again."""
        return hashlib.sha256(self._parent.fingerprint.encode() + np.packbits(self._mask).tobytes()).hexdigest()


class Corpus(NamedTuple):
    """Reviews as their source has them. Where it has none for validation, training reviews are held out."""

    train: Reviews
    test: Reviews
    validation: Reviews | None = None


def hold_out(
    labels: Int8[np.ndarray, " N"], method: str, size: float, seed: int, field: str = "data.validation.size"
) -> Bool[np.ndarray, " N"]:
    """Chooses reviews to hold out: True for each. Both sides must have both classes.

    Args:
      method: "stratified" draws from each class its share and "random" from all; "first" and "last" go by order.
      size: a fraction of the reviews when below 1, a number of reviews otherwise.
      seed: of the draw; the same reviews on every platform and NumPy version.
      field: the config field to name in an error.
    """
    count = len(labels)
    for label, name in ((0, "negative"), (1, "positive")):
        if not (labels == label).any():
            raise UserError(f"data: no {name} review among {count:,}; both classes are needed", BAD_DATA)
    held_count = min(count, round(size * count) if size < 1 else int(size))
    # The raw stream of a bit generator never changes; NumPy may change what its shuffles make of it.
    draw = np.random.PCG64(seed).random_raw(count)
    held = np.zeros(count, bool)
    if method == "stratified":
        share = round(held_count * int((labels == 0).sum()) / count)
        for label, quota in ((0, share), (1, held_count - share)):
            members = np.flatnonzero(labels == label)
            held[members[np.argsort(draw[members])[:quota]]] = True
    elif method == "random":
        held[np.argsort(draw)[:held_count]] = True
    elif method == "first":
        held[:held_count] = True
    else:
        held[count - held_count :] = True
    for label, name in ((0, "negative"), (1, "positive")):
        for side, chosen in (("held out", held), ("left to train on", ~held)):
            if not (labels[chosen] == label).any():
                message = f"no {name} review of {count:,} in all would be {side}"
                raise UserError(f"{field}: {size:g} ({method}); {message}", USAGE)
    return held


def limit_per_class(labels: Int8[np.ndarray, " N"], limit: int) -> Bool[np.ndarray, " N"]:
    """Marks the first `limit` reviews of each class.

    Example: labels [0, 0, 1, 0, 1] with limit 1 gives [True, False, True, False, False].
    """
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        mask[np.flatnonzero(labels == label)[:limit]] = True
    return mask
