"""What a corpus is made of, counted before anything is trained on it."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int8, UInt64
from rich.table import Table

from imdb_jax.data.reviews import LONGEST_REVIEW, Reviews
from imdb_jax.errors import BAD_DATA, UserError

CLASS_NAMES = {0: "neg", 1: "pos"}
QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}


@dataclass(frozen=True)
class SplitAudit:
    """Counts over the reviews of one split."""

    reviews: int
    bytes: int
    classes: dict[str, int]
    """Reviews by label: neg, pos, and any other label as it is."""
    longest_run: int
    """Most reviews in a row with one label: half of all or more where the data is sorted by label."""
    words: dict[str, float]
    """Quantiles and mean of the lengths, in words between white space."""
    duplicates: int
    """Reviews whose text stood before in the split."""
    empty: int
    """Reviews of white space only."""
    invalid_utf8: int
    nul: int
    truncated: int
    """Reviews cut to one megabyte."""


@dataclass(frozen=True)
class Overlap:
    """Texts that two splits share."""

    first: str
    second: str
    reviews: int
    """Reviews of the second split whose text is in the first too."""
    conflicting: int
    """Those among them that the first split has with the other label."""


@dataclass(frozen=True)
class Audit:
    """Counts over all splits of a corpus; plain numbers and strings, fit for JSON."""

    splits: dict[str, SplitAudit]
    overlaps: tuple[Overlap, ...]


class _Keys(NamedTuple):
    """What tells whether two reviews are the same."""

    hashes: UInt64[np.ndarray, " N"]  # the first 8 bytes of a hash of the text
    labels: Int8[np.ndarray, " N"]


def audit(splits: Mapping[str, Reviews]) -> Audit:
    """Reads each split once and counts."""
    found = {name: _audit_split(reviews) for name, reviews in splits.items()}
    pairs = itertools.combinations(splits, 2)
    overlaps = tuple(_overlap(first, second, found[first][1], found[second][1]) for first, second in pairs)
    return Audit({name: split for name, (split, _) in found.items()}, overlaps)


def _audit_split(reviews: Reviews) -> tuple[SplitAudit, _Keys]:
    digests = bytearray()
    words: list[int] = []
    size = invalid = nul = truncated = 0
    for texts, _ in reviews.chunks():
        for text in texts:
            digests += hashlib.blake2b(text, digest_size=8).digest()
            words.append(len(text.split()))
            size += len(text)
            invalid += not (text.isascii() or _is_utf8(text))
            nul += b"\0" in text
            truncated += len(text) == LONGEST_REVIEW
    keys = _Keys(np.frombuffer(bytes(digests), np.uint64), reviews.labels)
    labels = reviews.labels.tolist()
    lengths = dict(zip(QUANTILES, np.quantile(words, list(QUANTILES.values())).tolist(), strict=True))
    split = SplitAudit(
        reviews=len(labels),
        bytes=size,
        classes={CLASS_NAMES.get(label, str(label)): n for label, n in sorted(Counter(labels).items())},
        longest_run=max(len(list(run)) for _, run in itertools.groupby(labels)),
        words={**lengths, "mean": float(np.mean(words))},
        duplicates=len(labels) - len(np.unique(keys.hashes)),
        empty=words.count(0),
        invalid_utf8=invalid,
        nul=nul,
        truncated=truncated,
    )
    return split, keys


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _overlap(first: str, second: str, known: _Keys, new: _Keys) -> Overlap:
    conflicting = sum(
        int(np.isin(new.hashes[new.labels == label], known.hashes[known.labels != label]).sum())
        for label in CLASS_NAMES
    )
    return Overlap(first, second, int(np.isin(new.hashes, known.hashes).sum()), conflicting)


def refuse_unfit(report: Audit) -> None:
    """Refuses what must not be trained on.

    Raises:
      UserError: a label is neither 0 nor 1, or the training reviews are of one class (65).
    """
    for name, split in report.splits.items():
        others = split.classes.keys() - set(CLASS_NAMES.values())
        if others:
            raise UserError(f"data: label {min(others)} among the {name} reviews; allowed: 0 and 1", BAD_DATA)
        if name == "train" and len(split.classes) < len(CLASS_NAMES):
            (only,) = split.classes
            raise UserError(f"data: all {split.reviews:,} {name} reviews are {only}; both classes are needed", BAD_DATA)


def summary(report: Audit) -> str:
    """One line for the log, which mentions what is odd only where there is some."""
    parts = []
    for name, split in report.splits.items():
        share = 100 * split.classes.get("pos", 0) / split.reviews
        parts.append(f"{name} {split.reviews:,} ({share:.1f} % pos, median {split.words['50 %']:.0f} words)")
        odd = {key: getattr(split, key) for key in ("duplicates", "empty", "invalid_utf8", "nul", "truncated")}
        parts += [f"{name} {key} {count:,}" for key, count in odd.items() if count]
    for one in report.overlaps:
        if one.reviews:
            parts.append(f"{one.second} texts also in {one.first} {one.reviews:,} ({one.conflicting:,} conflicting)")
    return "; ".join(parts)


def table(report: Audit) -> Table:
    """All counts, one column per split."""
    grid = Table("", *report.splits)
    columns = report.splits.values()

    def row(name: str, values: Sequence[float | int]) -> None:
        grid.add_row(name, *(f"{value:,.0f}" for value in values))

    row("reviews", [split.reviews for split in columns])
    for label in sorted({label for split in columns for label in split.classes}):
        row(f"label {label}", [split.classes.get(label, 0) for split in columns])
    for name in ("bytes", "longest_run", "duplicates", "empty", "invalid_utf8", "nul", "truncated"):
        row(name.replace("_", " "), [getattr(split, name) for split in columns])
    for name in (*QUANTILES, "mean"):
        row(f"words, {name}", [split.words[name] for split in columns])
    for one in report.overlaps:
        shared = f"{one.reviews:,} ({one.conflicting:,} conflicting)"
        grid.add_row(f"also in {one.first}", *(shared if name == one.second else "" for name in report.splits))
    return grid
