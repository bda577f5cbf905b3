"""Where reviews lie: in tables, in text files of folders, in zip files of such folders; and what was found there."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from imdb_jax.data.encoded import (
    DAMAGE,
    LONGEST_REVIEW,
    decoded,
    file_errors,
    is_hidden,
    is_utf8,
    is_workbook,
    refuse_undecoded,
    text_lines,
)
from imdb_jax.data.rows import Table, is_table, text_of
from imdb_jax.errors import BAD_DATA, UserError

FEW = 10  # names of many in a message
Place = Path | zipfile.Path
Entry = tuple[str, bytes, Any]  # where a review stands, its text, and its label as it is written


class Format(NamedTuple):
    """How files hold reviews, by fields of a config's `data`; the defaults are what older versions did."""

    text_column: str = "text"
    encoding: str | None = None
    quotes: bool = True
    lines_are_reviews: bool = False

    @classmethod
    def of(cls, data: Any) -> "Format":
        """That of a `DataConfig`."""
        return cls(data.text_column, data.encoding, data.quotes, data.lines_are_reviews)


class Found(NamedTuple):
    """What a place holds, before it is read: in words, the reviews, and names of what is none."""

    kind: str
    entries: Iterable[Entry]
    left_out: Sequence[str] = ()


def enter(path: Path) -> Place:
    """Where the reviews are: below folders that hold nothing but one other, and inside of a zip file of folders."""
    root: Place = path
    if not path.is_dir():
        try:
            archive = zipfile.ZipFile(path)
        except DAMAGE:  # of no zip file either
            return path
        names = archive.namelist()
        if len(names) < 2:  # a file, packed
            return path
        if odd := next((name for name in names if re.search(r"\\|^/|//", name)), None):  # `zipfile.Path` may never end
            raise UserError(f"{path}: names a file {odd!r}; unpack it, or pack it anew", BAD_DATA)
        root = zipfile.Path(archive)
        if is_workbook(root.root):
            return path
    inside = _shown(root)
    while len(inside) == 1 and any(each.is_dir() or is_table(each.name) for each in _shown(inside[0])):
        root, inside = inside[0], _shown(inside[0])
    return root if path.is_dir() or len(inside) > 1 else path


def _shown(folder: Place) -> list[Any]:
    return [each for each in folder.iterdir() if not is_hidden(each.name)] if folder.is_dir() else []


def walk(place: Place) -> Iterator[Place]:
    """A file itself, or those in a folder at any depth; hidden folders and links to folders are not entered."""
    if not place.is_dir():
        yield place
        return
    for each in sorted(place.iterdir(), key=lambda each: each.name):
        if is_hidden(each.name) or (isinstance(each, Path) and each.is_symlink() and each.is_dir()):
            yield each
        else:
            yield from walk(each)


def is_text(file: Place) -> bool:
    """Whether a file is a review, or holds one a line, where a folder is read."""
    return file.name.lower().endswith(".txt") and not is_hidden(file.name) and file.is_file()


def text_files(
    classes: Sequence[tuple[str, Place]], left_out: Sequence[str], encoding: str | None, lines: bool = False
) -> Found:
    """The .txt files of folders with their labels, or a file by itself; each is a review, or each of its lines is."""
    files: list[tuple[str, Place]] = []
    others = [*left_out]
    for label, folder in classes:
        for file in walk(folder):
            if file is folder or is_text(file):
                files.append((label, file))
            else:
                others.append(file.name)

    def entries() -> Iterator[Entry]:
        for label, file in files:
            with file_errors(str(file)), cast(io.BufferedIOBase, file.open("rb")) as opened:
                if lines:
                    for number, line in enumerate(text_lines(opened, str(file), encoding), start=1):
                        yield f"{file}:{number}", line, label
                else:
                    yield str(file), decoded(opened.read(4 * LONGEST_REVIEW), str(file), encoding), label

    return Found(f"{'lines of ' if lines else ''}{len(files):,} text files", entries(), others)


def table(file: io.BufferedIOBase, name: str, form: Format, label: str | None = None, option: str = "--") -> Found:
    """The rows of an open file: of each the text, and the label where its column is named.

    Args:
      option: what the options of the command begin with, for advice.
    """
    text = form.text_column
    columns = {text: f"name it with {option}text_column="}
    if label is not None:
        columns[label] = f"name it with {option}label_column=; reviews without labels are for predict alone"
    rows = Table(file, name, columns, form.encoding, form.quotes)

    def entries() -> Iterator[Entry]:
        yield from ((where, text_of(row, text, where), label and row[label]) for where, row in rows)

    return Found(f"{rows.kind}, texts in {text!r}" + ("" if label is None else f", labels in {label!r}"), entries())


def told(place: Place, purpose: str, found: Found, encoding: str | None, option: str = "--") -> str:
    """What a place holds, in a line for the log; `found` has its entries in a list.

    Raises:
      UserError: there is no review, or too many are not UTF-8 while no encoding is named (65).
    """
    entries = cast(list[Entry], found.entries)
    if not entries:
        others = f"; left out {few(found.left_out)}" if found.left_out else ""
        raise UserError(f"{place}: holds no review{others}", BAD_DATA)
    invalid = [(where, text) for where, text, _ in entries if not is_utf8(text)]
    if encoding is None:
        refuse_undecoded(invalid, len(entries), option)
    parts = [f"{place} ({purpose}): {len(entries):,} reviews; {found.kind}"]
    if found.left_out:
        parts.append(f"left out {few(found.left_out)}")
    if invalid:
        parts.append(f"{len(invalid):,} not {(encoding or 'UTF-8').upper()}, the first {invalid[0][0]}")
    if lines := [where for where, text, _ in entries if b"\n" in text.strip()]:
        parts.append(f"{len(lines):,} of several lines, the first {lines[0]}")
    return "; ".join(parts)


def few(names: Sequence[str]) -> str:
    """How many names there are, and the first of them."""
    more = f" and {len(names) - FEW:,} more" if len(names) > FEW else ""
    return f"{len(names):,} ({', '.join(names[:FEW])}{more})" if names else ""
