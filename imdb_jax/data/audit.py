"""What a corpus is made of, counted before anything is trained on it."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt64
from rich.table import Table

from imdb_jax.config import TextConfig
from imdb_jax.data.encoded import LONGEST_REVIEW
from imdb_jax.data.reviews import Reviews
from imdb_jax.errors import BAD_DATA, UserError

CLASS_NAMES = {0: "neg", 1: "pos"}
QUANTILES = {"min": 0.0, "5 %": 0.05, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95, "max": 1.0}
ODD = ("duplicates", "conflicting", "empty", "invalid_utf8", "nul", "truncated")  # fields of `SplitAudit`
LONG_WORDS = 15  # characters; means of languages that put spaces between words are half as long


@dataclass(frozen=True)
class SplitAudit:
    """Counts over the reviews of one split."""

    reviews: int
    bytes: int
    classes: dict[str, int]
    """Reviews by label, neg and pos, where there are any."""
    longest_run: int
    """Most reviews in a row with one label: half of all or more where the data is sorted by label."""
    words: dict[str, float]
    """Quantiles, mean and standard deviation of the lengths, in words by the rules of the config."""
    duplicates: int
    """Reviews whose text stood before in the split."""
    conflicting: int
    """Reviews whose text has the other label as well."""
    characters: float
    """Mean length of a word."""
    empty: int
    """Reviews without a word."""
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


def audit(splits: Mapping[str, Reviews], lengths: Mapping[str, Int[np.ndarray, " N"]]) -> Audit:
    """Reads each split once and counts; how many words each review has is known already."""
    counts: dict[str, SplitAudit] = {}
    hashes: dict[str, UInt64[np.ndarray, " N"]] = {}
    for name, reviews in splits.items():
        counts[name], hashes[name] = _audit_split(reviews, lengths[name])
    overlaps = []
    for first, second in itertools.combinations(splits, 2):
        known, new = splits[first].labels, splits[second].labels
        shared = np.isin(hashes[second], hashes[first]).sum()
        conflicting = sum(
            np.isin(hashes[second][new == label], hashes[first][known != label]).sum() for label in CLASS_NAMES
        )
        overlaps.append(Overlap(first, second, int(shared), int(conflicting)))
    return Audit(counts, tuple(overlaps))


def _audit_split(reviews: Reviews, words: Int[np.ndarray, " N"]) -> tuple[SplitAudit, UInt64[np.ndarray, " N"]]:
    """The counts, and of each text the first 8 bytes of a hash, which tell whether two are the same."""
    digests = bytearray()
    size = characters = invalid = nul = truncated = 0
    for text in reviews.texts():
        digests += hashlib.blake2b(text, digest_size=8).digest()
        size += len(text)
        decoded = text.decode("utf-8", "ignore")
        characters += len(decoded)
        invalid += decoded.encode() != text
        nul += b"\0" in text
        truncated += len(text) == LONGEST_REVIEW
    hashes = np.frombuffer(bytes(digests), np.uint64)
    labels = reviews.labels.tolist()
    of_label = [hashes[reviews.labels == label] for label in CLASS_NAMES]
    lengths = dict(zip(QUANTILES, np.quantile(words, list(QUANTILES.values())).tolist(), strict=True))
    split = SplitAudit(
        reviews=len(labels),
        bytes=size,
        classes={CLASS_NAMES[label]: n for label, n in sorted(Counter(labels).items())},
        longest_run=max(len(list(run)) for _, run in itertools.groupby(labels)),
        words={**lengths, "mean": float(np.mean(words)), "std": float(np.std(words))},
        duplicates=len(labels) - len(np.unique(hashes)),
        conflicting=int(np.isin(of_label[0], of_label[1]).sum() + np.isin(of_label[1], of_label[0]).sum()),
        characters=round(characters / max(1, int(words.sum())), 1),
        empty=int((words == 0).sum()),
        invalid_utf8=invalid,
        nul=nul,
        truncated=truncated,
    )
    return split, hashes


def refuse_unfit(report: Audit) -> None:
    """Refuses what must not be trained on: training reviews of one class (65)."""
    train = report.splits["train"]
    if len(train.classes) < len(CLASS_NAMES):
        (only,) = train.classes
        raise UserError(f"data: all {train.reviews:,} train reviews are {only}; both classes are needed", BAD_DATA)


def summary(report: Audit) -> str:
    """One line for the log, which mentions what is odd only where there is some."""
    parts = []
    for name, split in report.splits.items():
        share = 100 * split.classes.get("pos", 0) / split.reviews
        parts.append(f"{name} {split.reviews:,} ({share:.1f} % pos, median {split.words['50 %']:.0f} words)")
        parts += [f"{name} {odd} {getattr(split, odd):,}" for odd in ODD if getattr(split, odd)]
    for one in report.overlaps:
        if one.reviews:
            parts.append(f"{one.second} texts also in {one.first} {one.reviews:,} ({one.conflicting:,} conflicting)")
    return "; ".join(parts)


def warnings(report: Audit, text: TextConfig) -> list[str]:
    """What a reader may have overlooked, a line for each."""
    one_class = [
        f"all {split.reviews:,} {name} reviews are {next(iter(split.classes))}: accuracy says little, AUC nothing"
        for name, split in report.splits.items()
        if len(split.classes) == 1
    ]
    long = [
        f"{name} reviews have {split.words['50 %']:g} words in the median, {split.characters:g} characters long"
        for name, split in report.splits.items()
        if text.unit == "words" and (split.characters > LONG_WORDS or split.words["50 %"] <= 1)
    ]
    advice = ["where no spaces stand between words, as in Chinese or Japanese, set data.text.unit=characters"]
    if not text.break_tags_as_spaces:
        advice.append("where only tags stand there, data.text.break_tags_as_spaces=True")
    return [*one_class, *(["; ".join([", ".join(long), *advice])] if long else [])]


def table(report: Audit) -> Table:
    """All counts, one column per split."""
    grid = Table("", *report.splits)
    columns = [
        {"reviews": split.reviews}
        | {f"label {label}": split.classes.get(label, 0) for label in CLASS_NAMES.values()}
        | {name.replace("_", " "): getattr(split, name) for name in ("bytes", "longest_run", *ODD)}
        | {"characters a word": split.characters}
        | {f"words, {name}": value for name, value in split.words.items()}
        for split in report.splits.values()
    ]
    for name in columns[0]:
        grid.add_row(name, *(f"{column[name]:,.0f}" for column in columns))
    for one in report.overlaps:
        shared = f"{one.reviews:,} ({one.conflicting:,} conflicting)"
        grid.add_row(f"also in {one.first}", *(shared if name == one.second else "" for name in report.splits))
    return grid
