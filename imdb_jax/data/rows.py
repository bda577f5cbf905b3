"""Rows of CSV and JSONL files."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

from imdb_jax.data.reviews import LONGEST_REVIEW
from imdb_jax.errors import BAD_DATA, UserError

LONGEST_FIELD = 64 << 20  # characters; a longer CSV field is a quote that nobody closed


def csv_rows(file: io.BufferedIOBase, name: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Reads comma-separated rows, the first of which names the columns, then closes the file; blank lines are no rows.

    Yields:
      File and line, for error messages, and a row. Bytes that are no UTF-8 stand there as surrogates (PEP 383).
    """
    csv.field_size_limit(LONGEST_FIELD)
    with io.TextIOWrapper(cast(BinaryIO, file), "utf-8-sig", "surrogateescape", newline="") as text:
        rows = csv.reader(text, strict=True)
        try:
            header = next(rows, [])
            for column in columns:
                if header and column not in header:
                    raise UserError(f"{name}:1: no column {column!r}; found: {', '.join(header)}", BAD_DATA)
            line = rows.line_num + 1
            for row in rows:
                if row:
                    where = f"{name}:{line}"
                    if len(row) != len(header):
                        message = f"{len(row)} fields, expected {len(header)}; put quotes around texts with commas"
                        raise UserError(f"{where}: {message}", BAD_DATA)
                    yield where, dict(zip(header, row, strict=True))
                line = rows.line_num + 1
        except csv.Error as error:
            raise UserError(f"{name}:{rows.line_num}: {error}; must be comma-separated with quotes", BAD_DATA) from None


def jsonl_rows(file: Iterable[bytes], name: str, keys: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Reads one JSON object per line, as `csv_rows` reads rows; blank lines hold none."""
    for number, line in enumerate(file, start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line.isspace() or not line:
            continue
        where = f"{name}:{number}"
        try:
            row = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: {error}; must be one JSON object per line", BAD_DATA) from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: {type(row).__name__}; must be a JSON object", BAD_DATA)
        for key in keys:
            if key not in row:
                raise UserError(f"{where}: no key {key!r}; found: {', '.join(row)}", BAD_DATA)
        yield where, row


def text_of(row: dict[str, Any], key: str, where: str) -> bytes:
    """Gives back the bytes that the text of a row was decoded from, cut to `LONGEST_REVIEW`."""
    text = row[key]
    if not isinstance(text, str):
        raise UserError(f"{where}: {key} is {text!r}; must be a string", BAD_DATA)
    try:
        return text.encode("utf-8", "surrogateescape")[:LONGEST_REVIEW]
    except UnicodeEncodeError:  # JSON can spell a lone surrogate, which no bytes decode to
        return text.encode("utf-8", "surrogatepass")[:LONGEST_REVIEW]
