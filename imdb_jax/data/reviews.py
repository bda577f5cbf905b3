"""Labelled reviews that are read again and again in one fixed order, and which of them are held out."""

import functools
import hashlib
import itertools
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int8

from imdb_jax.errors import BAD_DATA, USAGE, UserError
from imdb_jax.storage import cache_dir, cached_folder

Content = tuple[list[bytes], Int8[np.ndarray, " N"]]  # texts and labels


class Reviews:
    """Labelled reviews in a fixed order, read when they are first needed and then kept: 33 MB of a split of IMDB.

    Args:
      read: gives their texts, which are UTF-8 by intent (what isn't valid passes through untouched), and their labels,
        0 negative and 1 positive.
      fingerprint: unless it is to be made of all texts.
    """

    def __init__(self, read: Callable[[], Content], fingerprint: Callable[[], str] | None = None) -> None:
        self._content = functools.cache(read)
        self._given = fingerprint

    @classmethod
    def stored(cls, read: Callable[[], Content], checksum: Callable[[], str]) -> "Reviews":
        """Those on disk, whose checksum changes when a file does.

        By that their fingerprint is kept in the cache folder. It is one of the texts, since one corpus has different
        files in different formats.
        """
        read = functools.cache(read)

        def fingerprint() -> str:
            folder = cached_folder(
                cache_dir() / "fingerprints" / checksum(),
                lambda draft: (draft / "fingerprint.txt").write_text(cls(read).fingerprint),
            )
            return (folder / "fingerprint.txt").read_text()

        return cls(read, fingerprint)

    @property
    def labels(self) -> Int8[np.ndarray, " N"]:
        """0 negative, 1 positive."""
        return self._content()[1]

    def __len__(self) -> int:
        return len(self.labels)

    def texts(self) -> Iterator[bytes]:
        """All texts, from the first on."""
        return iter(self._content()[0])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hex sha256 of all texts and labels in their order: the same on every machine and in every file format."""
        if self._given is not None:
            return self._given()
        digest = hashlib.sha256()
        for text, label in zip(self.texts(), self.labels.tolist(), strict=True):
            # with the lengths no two lists of reviews give the same bytes
            digest.update(struct.pack("<bQ", label, len(text)) + text)
        return digest.hexdigest()

    def where(self, mask: Bool[np.ndarray, " N"]) -> "Reviews":
        """Those whose `mask` is True, in the same order; their fingerprint is of that of all and the mask."""
        return Reviews(
            lambda: ([*itertools.compress(self.texts(), mask)], self.labels[mask]),
            lambda: hashlib.sha256(self.fingerprint.encode() + np.packbits(mask).tobytes()).hexdigest(),
        )


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
    draw, place = np.random.PCG64(seed).random_raw(count), np.arange(count)
    order = {"stratified": draw, "random": draw, "first": place, "last": -place}[method]
    quotas = [(place, held_count)]
    if method == "stratified":
        share = round(held_count * int((labels == 0).sum()) / count)
        quotas = [(place[labels == 0], share), (place[labels != 0], held_count - share)]
    held = np.zeros(count, bool)
    for members, quota in quotas:
        held[members[np.argsort(order[members])[:quota]]] = True
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
