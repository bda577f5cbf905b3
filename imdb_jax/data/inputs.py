"""Reviews without labels, as they are given to be read: typed, in files and folders, on standard input, from Python.

`predict` and the reader of exported models read them by this file, which needs nothing but Python.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from imdb_jax.data.encoded import LONGEST_REVIEW, MOST_INVALID, file_errors, is_utf8, text_lines
from imdb_jax.data.places import Format, enter, table, text_files, told
from imdb_jax.data.rows import TABLES, holds_table, is_table
from imdb_jax.errors import MISSING_INPUT, UserError

log = logging.getLogger(__name__)

STDIN = "-"  # an argument that stands for standard input
FILES = (*TABLES, ".txt", ".gz", ".zip", ".xlsx", ".xls", ".ods")  # what the name of a file ends in


def names_file(argument: str) -> bool:
    """Whether an argument is the path of a file or a folder, and no review.

    Raises:
      UserError: it looks like one, but there is none (66).
    """
    if argument == STDIN or os.path.exists(argument):
        return True
    named = argument.lower().endswith(FILES)
    looks = named or argument.startswith(("./", "../", "/", "~")) or argument.endswith("/")
    is_path = len(argument.split()) == 1 or (named and "/" in argument)  # folders may have spaces
    if looks and is_path and not argument[:1].isspace():
        raise UserError(f"{argument}: no such file; put a space before it if it is a review", MISSING_INPUT)
    return False


def name_files(arguments: Sequence[str], options: Mapping[str, str | None]) -> bool:
    """Whether reviews come from files or standard input; if not, options for those that are given are refused."""
    if not arguments or sum(map(names_file, arguments)):
        return True
    for name, value in options.items():
        if value is not None:
            raise UserError(f"--{name}: {value!r}; only for files and standard input, not for typed reviews")
    return False


def as_asked(form: Format, options: Mapping[str, str | None]) -> tuple[Format, bool | None]:
    """How files are read, and whether they hold tables: as the run was trained to, but for options that are given.

    Raises:
      UserError: lines have no columns (2).
    """
    kind, column = options["input"], options["text_column"]
    if kind == "lines" and column is not None:
        raise UserError(f"--text_column: {column!r}; with --input lines there are no columns")
    form = form._replace(text_column=column or form.text_column, encoding=options["encoding"] or form.encoding)
    return form, None if kind is None and column is None else kind != "lines"


def read_inputs(arguments: Sequence[str], form: Format, as_table: bool | None = None) -> Iterator[tuple[str, bytes]]:
    """The reviews that arguments are or name, or without any, or by `-`, those on standard input; with their place.

    Args:
      as_table: whether files and standard input hold tables, or a review in each line; None: files as they look,
        standard input lines.
    """
    for argument in arguments or [STDIN]:
        if argument == STDIN:
            yield from _in_stream(cast(io.BufferedReader, sys.stdin.buffer), "stdin", form, as_table)
        elif not names_file(argument):
            yield "", argument.encode("utf-8", sys.getfilesystemencodeerrors())  # what isn't text passes through
        elif os.path.isfile(argument) or os.path.isdir(argument):
            yield from _in_file(argument, form, as_table)
        else:  # a pipe, such as `<(...)` of a shell
            with file_errors(argument), open(argument, "rb") as pipe:
                yield from _in_stream(pipe, argument, form, as_table)


def _in_file(argument: str, form: Format, as_table: bool | None) -> Iterator[tuple[str, bytes]]:
    place = enter(Path(argument))
    if place.is_dir() and as_table is not None:
        raise UserError(f"--input and --text_column: only for files, {argument} is a folder")
    if guessed := as_table is None and not place.is_dir():
        with open(argument, "rb") as file:  # one that is named as a table is always one
            as_table = is_table(argument) or holds_table(file, form.text_column, form.encoding)
    with file_errors(argument), contextlib.ExitStack() as opened:
        if as_table:
            found = table(opened.enter_context(open(argument, "rb")), argument, form)
        else:
            found = text_files([("", place)], (), form.encoding, form.lines_are_reviews or not place.is_dir())
        entries = [*found.entries]
    if guessed and not as_table and entries:
        _tell_of_table(argument, entries[0][1], form)
    log.info(told(place, "to predict", found._replace(entries=entries), form.encoding))
    yield from ((where, text) for where, text, _ in entries)


def _in_stream(
    stream: io.BufferedReader, name: str, form: Format, as_table: bool | None
) -> Iterator[tuple[str, bytes]]:
    if as_table:
        texts = (text for _, text, _ in table(stream, name, form).entries)
    else:
        texts = text_lines(stream, name, form.encoding)
    count = invalid = 0
    for text in texts:
        if not count and as_table is None:
            _tell_of_table(name, text, form)
        count, invalid = count + 1, invalid + (not is_utf8(text))
        yield "", text
    if not count:
        log.warning(f"{name}: holds no review")
    if invalid > MOST_INVALID * count:  # of a file it would be refused; these are read by now
        encoding = (form.encoding or "UTF-8").upper()
        log.warning(f"{name}: {invalid:,} of {count:,} reviews are not {encoding}; name their --encoding")


def _tell_of_table(name: str, line: bytes, form: Format) -> None:
    if line.strip() and (b"\t" in line or holds_table(io.BytesIO(line), form.text_column)):
        log.warning(f"{name}: begins as a table does, and is read as lines; --text_column reads a table")


def texts_of(reviews: Any) -> list[bytes]:
    """The bytes of several reviews, each str or bytes: in a list, an array, a pandas Series, whatever has an order."""
    unordered = isinstance(reviews, str | bytes | Mapping | set | frozenset) or getattr(reviews, "ndim", 1) != 1
    if unordered or not isinstance(reviews, Iterable):
        raise UserError(f"reviews: {reviews!r}; must be a text, or texts in a list or in one column")
    texts = []
    for number, text in enumerate(reviews):
        if not isinstance(text, str | bytes):
            raise UserError(f"reviews[{number}]: {text!r}; must be a text (str, or UTF-8 bytes)")
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        texts.append(content[:LONGEST_REVIEW])
    return texts
