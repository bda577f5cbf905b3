"""Reviews of your own, read alike by all commands: folders of text files, and tables (see `rows`).

A file of a folder is a review if its name ends in .txt and it lies, at any depth, in a folder that is named as a label
is. Whatever else is found there is counted and named in the log.
"""

import contextlib
import io
import logging
import statistics
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from imdb_jax.config import DataConfig
from imdb_jax.data import rows
from imdb_jax.data.labels import UNLABELLED, LabelRule, canonical
from imdb_jax.data.reviews import Corpus, Reviews, hold_out
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.storage import local_path

log = logging.getLogger(__name__)

TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation", "dev")
FEW = 10  # names of many in a message
NAME_THEM = "name classes with --config.data.negative_labels and positive_labels"
Place = Path | zipfile.Path
Entry = tuple[str, bytes, Any]  # where a review stands, its text, and its label as it is written


class Found(NamedTuple):
    """What a path holds, before it is read: in words, the reviews, and names of what is none."""

    kind: str
    entries: Iterator[Entry]
    left_out: Sequence[str] = ()


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
            log.info(f"{train}: left out {_few(others)}")
        train = inside
    if config.test_path is not None:
        test = _place(config.test_path, "data.test_path")
    if config.validation_path is not None:
        validation = _place(config.validation_path, "data.validation_path")
    rule = LabelRule.of(config)
    reviews = read_files(train, config, rule, "training reviews")[0]
    held_out = validation and read_files(validation, config, rule, "validation reviews")[0]
    if test:
        return Corpus(reviews, read_files(test, config, rule, "test reviews")[0], held_out)
    held = hold_out(reviews.labels, "stratified", config.test_fraction, config.split_seed, "data.test_fraction")
    log.info(f"test reviews: {held.sum():,} of these, drawn by data.split_seed")
    return Corpus(reviews.where(~held), reviews.where(held), held_out)


def read_files(
    path: Place, config: DataConfig, rule: LabelRule | None, purpose: str, option: str = "--config.data."
) -> tuple[Reviews, list[str]]:
    """Reads the reviews of a folder or a table and tells in the log what they are.

    Args:
      path: of the folder or the file.
      config: says which columns and which encoding.
      rule: of the labels; where it is None there need be none, and every .txt file of a folder is a review.
      purpose: of the reviews, for the log.
      option: what the options of the command begin with, for advice.

    Returns:
      The reviews, and where each stands.
    """
    if rule is not None and config.lines_are_reviews and not path.is_dir():
        raise UserError(f"data.lines_are_reviews: True; only for folders, {path} is none")
    with file_errors_told(config, option), contextlib.ExitStack() as opened:
        if path.is_dir() or (rule is None and config.lines_are_reviews):
            found = _text_files(path, config, rule)
        else:
            found = _table(opened.enter_context(path.open("rb")), str(path), config, rule)
        entries, values = _labelled(found.entries, rule, option)
        if not entries:
            others = f"; left out {_few(found.left_out)}" if found.left_out else ""
            raise UserError(f"{path}: holds no review{others}", BAD_DATA)
        invalid = [(where, text) for where, text, _ in entries if not rows.is_utf8(text)]
        if config.encoding is None:
            rows.refuse_undecoded(invalid, len(entries), option)
    wheres, texts, labels = map(list, zip(*entries, strict=True))
    told = [f"{path} ({purpose}): {len(texts):,} reviews; {found.kind}"]
    if rule is not None:
        told += [f"label {value!r} {count:,} {rule.meaning(value)}" for value, count in values.items()]
    if found.left_out:
        told.append(f"left out {_few(found.left_out)}")
    if invalid:
        told.append(f"{len(invalid):,} not {(config.encoding or 'UTF-8').upper()}, the first {invalid[0][0]}")
    if lines := [where for where, text, _ in entries if b"\n" in text.strip()]:
        told.append(f"{len(lines):,} of several lines, the first {lines[0]}")
    log.info("; ".join(told))
    if path.is_dir() and rule is not None and len(lines) == len(texts):
        usual = statistics.median_high(sum(map(bool, map(bytes.strip, text.split(b"\n")))) for text in texts)
        advice = f"if each line is a review, set {option}lines_are_reviews=True"
        log.warning(f"{path}: every file has lines, {usual} in the median; {advice}")
    content = texts, np.array(labels, np.int8)
    return Reviews(lambda: content), wheres


def _labelled(
    entries: Iterable[Entry], rule: LabelRule | None, option: str
) -> tuple[list[tuple[str, bytes, int]], Counter[str]]:
    """Entries with 0 or 1 as label, but for those that the rule leaves out, and how often each label stands there.

    Refuses labels that would have to be guessed.
    """
    found, values, strange = [], Counter(), None
    for where, text, value in entries:
        spelt = canonical(value)
        values[spelt] += 1
        label = 0 if rule is None else rule.label(spelt)
        if label is not None:
            found.append((where, text, label))
        elif rule is not None and spelt not in rule.left_out:
            strange = strange or (where, value)
    if strange:
        counts = ", ".join(f"{value!r} {count:,} times" for value, count in values.most_common(FEW))
        advice = f"say which are which with {option}negative_labels, positive_labels, left_out_labels, spaces between"
        advice += "; '' is what has no label" if "" in values else ""
        raise UserError(f"{strange[0]}: label {strange[1]!r}; allowed: {rule}; found {counts}; {advice}", BAD_DATA)
    return found, values


@contextlib.contextmanager
def file_errors_told(config: DataConfig, option: str) -> Iterator[None]:
    """Makes the errors of reading a file those of a user, with advice about options that begin with `option`."""
    try:
        yield
    except rows.ColumnError as error:
        of_text = error.column == config.text_column
        which, more = ("text", "") if of_text else ("label", "; reviews without labels are for predict alone")
        raise UserError(f"{error}; name it with {option}{which}_column={more}", BAD_DATA) from None
    except rows.FileError as error:
        raise UserError(str(error), BAD_DATA) from None
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror or error})", BAD_DATA) from None


def _place(name: str, field: str) -> Place:
    """The place that a field names."""
    path = local_path(name, field)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give another --config.{field}=", MISSING_INPUT)
    return enter(path)


def enter(path: Path) -> Place:
    """Where the reviews are: below folders that hold nothing but one other, and inside of a zip file of folders."""
    root: Place = path
    if not path.is_dir():
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError):
            return path
        names = archive.namelist()
        if len(names) > 1 and (odd := next((name for name in names if "\\" in name), None)):
            raise UserError(f"{path}: names a file {odd!r}, with a backslash; unpack it, or pack it anew", BAD_DATA)
        root = zipfile.Path(archive)
        if rows.is_workbook(root.root):
            return path
    inside = _shown(root)
    while len(inside) == 1 and any(each.is_dir() or rows.is_table(each.name) for each in _shown(inside[0])):
        root, inside = inside[0], _shown(inside[0])
    return root if path.is_dir() or len(inside) > 1 else path


def _shown(folder: Place) -> list[Any]:
    return [each for each in folder.iterdir() if not rows.is_hidden(each.name)] if folder.is_dir() else []


def _part(folder: Place, names: Sequence[str]) -> Place | None:
    """The folder or the table inside whose name, or the beginning of it, is one of these."""
    found = [
        each
        for each in folder.iterdir()
        if (each.is_dir() or rows.is_table(each.name)) and rows.bare(each.name).partition(".")[0] in names
    ]
    if len(found) > 1:
        raise UserError(f"{folder}: holds {' and '.join(each.name for each in found)}; keep one of them", BAD_DATA)
    return found[0] if found else None


def _text_files(root: Place, config: DataConfig, rule: LabelRule | None) -> Found:
    """The .txt files of class folders, those of negative reviews first, each class by name; or a file by itself."""
    classes, left_out = [("", root)], []
    if rule is not None:
        classes, left_out = _classes(root, config, rule)
    files: list[tuple[str, Place]] = []
    for label, folder in classes:
        for file in _walk(folder):
            if file is root or _is_text(file):
                files.append((label, file))
            else:
                left_out.append(file.name)

    def entries() -> Iterator[Entry]:
        for label, file in files:
            with rows.file_errors(str(file)), cast(io.BufferedIOBase, file.open("rb")) as opened:
                if config.lines_are_reviews:
                    for number, line in enumerate(rows.text_lines(opened, str(file), config.encoding), start=1):
                        if rule is None or line.strip():
                            yield f"{file}:{number}", line, label
                else:
                    text = opened.read(4 * rows.LONGEST_REVIEW)
                    yield str(file), rows.decoded(text, str(file), config.encoding), label

    return Found(f"{'lines of ' if config.lines_are_reviews else ''}{len(files):,} text files", entries(), left_out)


def _classes(root: Place, config: DataConfig, rule: LabelRule) -> tuple[list[tuple[str, Place]], list[str]]:
    """The label and place of each class, and the names of what is none; of folders with how many reviews they hold."""
    classes, left_out = [], []
    for each in sorted(root.iterdir(), key=lambda each: each.name):
        is_class = each.is_dir() or (config.lines_are_reviews and each.name.endswith(".txt"))
        label = canonical(each.name if each.is_dir() else each.name.removesuffix(".txt"))
        if not is_class or rows.is_hidden(each.name):
            left_out.append(each.name)
        elif label in (UNLABELLED, *rule.left_out):
            holds = f" with {sum(map(_is_text, _walk(each))):,} .txt files" if each.is_dir() else ""
            left_out.append(f"{each.name}{holds}")
        elif rule.label(label) is None:
            raise UserError(f"{each}: a third class; allowed: {rule}; {NAME_THEM}", BAD_DATA)
        else:
            classes.append((label, each))
    for names in (rule.negative, rule.positive):
        if not any(label in names for label, _ in classes):
            found = _few([label for label, _ in classes] + left_out) or "nothing"
            message = f"no folder {' or '.join(names)}; found {found}; {NAME_THEM}"
            raise UserError(f"{root}: {message}, or give the path of one file", MISSING_INPUT)
    return sorted(classes, key=lambda each: cast(int, rule.label(each[0]))), left_out


def _is_text(file: Place) -> bool:
    return file.name.lower().endswith(".txt") and not rows.is_hidden(file.name) and file.is_file()


def _walk(place: Place) -> Iterator[Place]:
    """A file itself, or those in a folder at any depth; hidden folders and links to folders are not entered."""
    if not place.is_dir():
        yield place
        return
    for each in sorted(place.iterdir(), key=lambda each: each.name):
        if rows.is_hidden(each.name) or (isinstance(each, Path) and each.is_symlink() and each.is_dir()):
            yield each
        else:
            yield from _walk(each)


def _table(file: Any, name: str, config: DataConfig, rule: LabelRule | None) -> Found:
    text, label = config.text_column, config.label_column
    table = rows.Table(file, name, (text,) if rule is None else (text, label), config.encoding, config.quotes)
    entries = ((where, rows.text_of(row, text, where), row.get(label)) for where, row in table)
    return Found(f"{table.kind}, texts in {text!r}" + ("" if rule is None else f", labels in {label!r}"), entries)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return f"{len(names):,} ({', '.join(names[:FEW])}{more})" if names else ""
