"""Reviews of your own, read alike by all commands: folders of text files, and tables (see `places`).

A file of a folder is a review if its name ends in .txt and it lies, at any depth, in a folder that is named as a label
is. Whatever else is found there is counted and named in the log.
"""

import contextlib
import io
import logging
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from imdb_jax.config import DataConfig
from imdb_jax.data.encoded import bare, file_errors, is_hidden
from imdb_jax.data.places import FEW, Entry, Format, Place, enter, few, is_text, table, text_files, told, walk
from imdb_jax.data.reviews import Corpus, Reviews, hold_out
from imdb_jax.data.rows import is_table
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.storage import local_path

log = logging.getLogger(__name__)

NEGATIVE = ("0", "neg", "negative", "false")  # what people write for 0, unless a config names its own labels
POSITIVE = ("1", "pos", "positive", "true")
UNLABELLED = "unsup"  # the folder of IMDB's reviews without a label
TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation", "dev")
OPTION = "--config.data."  # what the options for files begin with
NAME_THEM = f"name classes with {OPTION}negative_labels and positive_labels"


class LabelRule(NamedTuple):
    """Which labels are negative, which positive, and which reviews are left out; each as `canonical` spells it."""

    negative: tuple[str, ...]
    positive: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, config: DataConfig) -> "LabelRule":
        """The rule of a config: its own labels, or the common ones unless it names any."""
        negative, positive, left_out = (
            tuple(map(canonical, labels))
            for labels in (config.negative_labels, config.positive_labels, config.left_out_labels)
        )
        rule = cls(negative or NEGATIVE, positive or POSITIVE, left_out)
        named = [label for labels in rule for label in labels]
        if twice := [label for label in named if named.count(label) > 1]:
            advice = "name each in one of data.negative_labels, data.positive_labels, data.left_out_labels"
            raise UserError(f"data: the label {twice[0]!r} has two meanings; {advice}")
        return rule

    def label(self, value: str) -> int | None:
        """0, 1, or None for what is neither."""
        return 0 if value in self.negative else 1 if value in self.positive else None

    def __str__(self) -> str:
        sides = [f"negative is {', '.join(self.negative)}", f"positive {', '.join(self.positive)}"]
        return "; ".join([*sides, *([f"left out {', '.join(self.left_out)}"] if self.left_out else [])])


def canonical(value: Any) -> str:
    """One spelling of a label that files spell in several ways.

    Example: `1`, `1.0`, `" 1.0 "` are "1"; `True` is "true", `None` and NaN are "".
    """
    if value is None or value != value:
        return ""
    text = str(value).strip().lower()
    return re.sub(r"^(-?\d+)\.0*$", r"\1", text)


def open_files(config: DataConfig) -> Corpus:
    """Reads the reviews at `data.path`.

    Reviews for validation and testing are those at `data.validation_path` and `data.test_path`, else those beside the
    training reviews under a name such as val or test. Without any they are held out of the others.
    """
    train, test, validation = _place(cast(str, config.path), "data.path"), None, None
    if train.is_dir() and (inside := _part(train, TRAIN)):
        test, validation = _part(train, TEST), _part(train, VALIDATION)
        parts = {part.name for part in (inside, test, validation) if part}
        if others := [each.name for each in train.iterdir() if each.name not in parts]:
            log.info(f"{train}: left out {few(others)}")
        train = inside
    if config.test_path is not None:
        test = _place(config.test_path, "data.test_path")
    if config.validation_path is not None:
        validation = _place(config.validation_path, "data.validation_path")
    reviews = read_files(train, config, "training reviews")
    held_out = validation and read_files(validation, config, "validation reviews")
    if test:
        return Corpus(reviews, read_files(test, config, "test reviews"), held_out)
    held = hold_out(reviews.labels, "stratified", config.test_fraction, config.split_seed, "data.test_fraction")
    log.info(f"test reviews: {held.sum():,} of these, drawn by data.split_seed")
    return Corpus(reviews.where(~held), reviews.where(held), held_out)


def read_files(path: Place, config: DataConfig, purpose: str) -> Reviews:
    """Reads the labelled reviews of a folder or a table, as the config says, and tells in the log what they are."""
    if config.lines_are_reviews and not path.is_dir():
        raise UserError(f"data.lines_are_reviews: True; only for folders, {path} is none")
    rule, form = LabelRule.of(config), Format.of(config)
    with file_errors(str(path)), contextlib.ExitStack() as opened:
        if path.is_dir():
            found = text_files(*_classes(path, config, rule), form.encoding, config.lines_are_reviews)
            if config.lines_are_reviews:
                found = found._replace(entries=(entry for entry in found.entries if entry[1].strip()))
        else:
            file = opened.enter_context(cast(io.BufferedIOBase, path.open("rb")))
            found = table(file, str(path), form, config.label_column, OPTION)
        entries, values = _labelled(found.entries, rule)
    meaning = {0: "negative", 1: "positive", None: "left out"}
    labels = [f"label {value!r} {count:,} {meaning[rule.label(value)]}" for value, count in values.items()]
    found = found._replace(kind="; ".join([found.kind, *labels]), entries=entries)
    log.info(told(path, purpose, found, form.encoding, OPTION))
    _, texts, labels = map(list, zip(*entries, strict=True))
    if path.is_dir() and all(b"\n" in text.strip() for text in texts):
        usual = statistics.median_high(sum(map(bool, map(bytes.strip, text.split(b"\n")))) for text in texts)
        advice = f"if each line is a review, set {OPTION}lines_are_reviews=True"
        log.warning(f"{path}: every file has lines, {usual} in the median; {advice}")
    content = texts, np.array(labels, np.int8)
    return Reviews(lambda: content)


def _labelled(entries: Iterable[Entry], rule: LabelRule) -> tuple[list[Entry], Counter[str]]:
    """Entries with 0 or 1 as label, but for those that the rule leaves out, and how often each label stands there.

    Refuses labels that would have to be guessed.
    """
    found, values, strange = [], Counter(), None
    for where, text, value in entries:
        spelt = canonical(value)
        values[spelt] += 1
        label = rule.label(spelt)
        if label is not None:
            found.append((where, text, label))
        elif spelt not in rule.left_out:
            strange = strange or (where, value)
    if strange:
        counts = ", ".join(f"{value!r} {count:,} times" for value, count in values.most_common(FEW))
        advice = f"say which are which with {OPTION}negative_labels, positive_labels, left_out_labels, spaces between"
        advice += "; '' is what has no label" if "" in values else ""
        raise UserError(f"{strange[0]}: label {strange[1]!r}; allowed: {rule}; found {counts}; {advice}", BAD_DATA)
    return found, values


def _place(name: str, field: str) -> Place:
    """The place that a field names."""
    path = local_path(name, field)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give another --config.{field}=", MISSING_INPUT)
    if not (path.is_file() or path.is_dir()):
        message = f"a pipe or a device, which can be read only once; save it as a file for --config.{field}="
        raise UserError(f"{path}: {message}", BAD_DATA)
    return enter(path)


def _part(folder: Place, names: Sequence[str]) -> Place | None:
    """The folder or the table inside whose name, or the beginning of it, is one of these."""
    found = [
        each
        for each in folder.iterdir()
        if (each.is_dir() or is_table(each.name)) and bare(each.name).partition(".")[0] in names
    ]
    if len(found) > 1:
        raise UserError(f"{folder}: holds {' and '.join(each.name for each in found)}; keep one of them", BAD_DATA)
    return found[0] if found else None


def _classes(root: Place, config: DataConfig, rule: LabelRule) -> tuple[list[tuple[str, Place]], list[str]]:
    """The label and place of each class, and the names of what is none; of folders with how many reviews they hold."""
    classes, left_out, others = [], [], []
    for each in sorted(root.iterdir(), key=lambda each: each.name):
        is_class = each.is_dir() or (config.lines_are_reviews and each.name.endswith(".txt"))
        label = canonical(each.name if each.is_dir() else each.name.removesuffix(".txt"))
        if not is_class or is_hidden(each.name):
            left_out.append(each.name)
        elif label in (UNLABELLED, *rule.left_out):
            holds = f" with {sum(map(is_text, walk(each))):,} .txt files" if each.is_dir() else ""
            left_out.append(f"{each.name}{holds}")
        elif rule.label(label) is None:
            others.append(each)
        else:
            classes.append((label, each))
    for names in (rule.negative, rule.positive):
        if not any(label in names for label, _ in classes):
            found = few([label for label, _ in classes] + [each.name for each in others] + left_out) or "nothing"
            if any(rule.label(canonical(name.removesuffix(".txt"))) is not None for name in left_out):
                advice = f"if each line of these files is a review, set {OPTION}lines_are_reviews=True"
            else:
                advice = f"{NAME_THEM}, or give the path of the folder that holds them, or of one file"
            message = f"no folder {' or '.join(names)}; found {found}; {advice}"
            raise UserError(f"{root}: {message}", MISSING_INPUT)
    if others:
        raise UserError(f"{others[0]}: a third class; allowed: {rule}; {NAME_THEM}", BAD_DATA)
    return sorted(classes, key=lambda each: cast(int, rule.label(each[0]))), left_out
