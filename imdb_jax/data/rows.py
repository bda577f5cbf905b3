"""Rows of the tables that people bring: CSV, TSV, JSON and parquet, plain, .gz or .zip, in any encoding."""

import csv
import io
import itertools
import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from imdb_jax.data.encoded import LONGEST_REVIEW, bare, encoding_of, file_errors, unpack
from imdb_jax.errors import BAD_DATA, UserError

LONGEST_FIELD = 64 << 20  # characters; a longer CSV field is a quote that nobody closed
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
Row = dict[str, Any]


class Table:
    """A file of rows, taken for what its content says it is; its name decides nothing.

    Args:
      file: is read once, from where it stands, then closed.
      name: of the file, for messages.
      columns: that each row must have, with advice for where one is missing; the separator of a CSV file is the one
        under which the header names them all.
      encoding: of the text where no byte-order mark names it; UTF-8 unless given.
      quotes: of a CSV file: quotes around a field may hold separators and line breaks; otherwise they are characters.

    Attributes:
      kind: what it was taken for, in words.

    Raises:
      UserError: here or while rows are read, with the line where there is one.
    """

    def __init__(
        self,
        file: io.BufferedIOBase,
        name: str,
        columns: Mapping[str, str],
        encoding: str | None = None,
        quotes: bool = True,
    ) -> None:
        self.name, self._columns, self._quotes = name, columns, quotes
        with file_errors(name):
            file = unpack(file, name)
            start = file.peek(4096)[:4096]
            if start.startswith(b"PAR1"):
                self.kind, self._file, self._rows = "parquet", file, self._parquet(file)
                return
            encoding = encoding_of(start, encoding)
            first = start.decode(encoding, "ignore").lstrip()[:1]
        newline = "\n" if first == "{" else ""
        self._file = text = io.TextIOWrapper(file, encoding, "surrogateescape", newline=newline)
        if first == "{":
            kind, self._rows = "JSON lines", json_lines(text, name, columns)
        elif first == "[":
            kind, self._rows = "a JSON array", self._json_array(text)
        else:
            try:
                with file_errors(name):
                    separator, header, line = self._header(text)
            except UserError:
                text.close()
                raise
            kind, self._rows = f"CSV with {SEPARATORS[separator]}", self._csv(text, separator, header, line)
        self.kind = f"{kind} in {encoding.removesuffix('-sig').upper()}"

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        """Yields file and line of each row, and the row. Bytes that can't be decoded are surrogates (PEP 383)."""
        with self._file, file_errors(self.name):
            yield from self._rows

    def close(self) -> None:
        """Closes the file, if its rows are not to be read."""
        self._file.close()

    def _header(self, text: io.TextIOWrapper) -> tuple[str, list[str], int]:
        """The separator, the names of the columns and the number of their line."""
        csv.field_size_limit(LONGEST_FIELD)
        number, line = 0, "\n"
        while line.isspace():
            number, line = number + 1, text.readline()
        if "\0" in line:
            order = "be" if line.startswith("\0") else "le"
            message = f"not text; if it is UTF-16 without a byte-order mark, its encoding is utf-16-{order}"
            raise UserError(f"{self.name}: {message}", BAD_DATA)
        if line.startswith("sep="):  # a hint to Excel
            number, line = number + 1, text.readline()
        names = {each: [name.strip() for name in next(csv.reader([line], delimiter=each), [])] for each in SEPARATORS}
        fitting = (each for each, header in names.items() if set(self._columns) <= set(header))
        separator = next(fitting, max(names, key=lambda each: len(names[each])))
        if line:  # an empty file is one without rows
            check_columns(self._columns, names[separator], f"{self.name}:{number}")
        return separator, names[separator], number

    def _csv(self, text: io.TextIOWrapper, separator: str, header: list[str], before: int) -> Iterator[tuple[str, Row]]:
        quoting = csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE
        rows = csv.reader(text, delimiter=separator, quoting=quoting, strict=True)
        line = before + 1
        try:
            for row in rows:
                if not row and len(header) == 1:
                    row = [""]  # in a single column a blank line is an empty cell
                if row:
                    if len(row) != len(header):
                        advice = f"name all columns, and put quotes around texts with {SEPARATORS[separator]}"
                        raise UserError(
                            f"{self.name}:{line}: {len(row)} fields, expected {len(header)}; {advice}", BAD_DATA
                        )
                    yield f"{self.name}:{line}", dict(zip(header, row, strict=True))
                line = before + rows.line_num + 1
        except csv.Error as error:
            message = "quotes must open and close a field, and be doubled inside"
            raise UserError(f"{self.name}:{line}: {error} in the row that begins here; {message}", BAD_DATA) from None

    def _json_array(self, text: io.TextIOWrapper) -> Iterator[tuple[str, Row]]:
        try:
            found = json.load(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.name}: {error}; must be a JSON array of objects", BAD_DATA) from None
        for number, row in enumerate(found, start=1):
            where = f"{self.name}: item {number}"
            yield where, _checked(row, self._columns, where)

    def _parquet(self, file: io.BufferedIOBase) -> Iterator[tuple[str, Row]]:
        try:
            import pyarrow
            import pyarrow.parquet as parquet
        except ImportError:
            raise UserError(f"{self.name}: reading parquet takes pyarrow; pip install pyarrow", BAD_DATA) from None
        try:
            table = parquet.ParquetFile(file if file.seekable() else io.BytesIO(file.read()))
            check_columns(self._columns, table.schema_arrow.names, self.name)
            batches = table.iter_batches(columns=list(self._columns))
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from ((f"{self.name}: row {number}", row) for number, row in enumerate(rows, start=1))
        except pyarrow.ArrowException as error:
            raise UserError(f"{self.name}: cannot be read ({error})", BAD_DATA) from None


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table, packed or not."""
    return bare(name).endswith(TABLES)


def holds_table(file: io.BufferedIOBase, column: str, encoding: str | None = None) -> bool:
    """Whether what stands in a file is a table with a column."""
    try:
        table = Table(file, "", {column: ""}, encoding)
        if "JSON" in table.kind:
            next(iter(table), None)  # a review may begin with a bracket too
        table.close()
    except UserError:
        return False
    return True


def json_lines(lines: Iterable[str], name: str, keys: Mapping[str, str] = {}) -> Iterator[tuple[str, Row]]:
    """One JSON object a line, with file and line; blank lines hold none."""
    for number, line in enumerate(lines, start=1):
        if line.isspace() or not line:
            continue
        where = f"{name}:{number}"
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{where}: {error}; must be one JSON object per line, or an array of objects", BAD_DATA
            ) from None
        yield where, _checked(row, keys, where)


def check_columns(wanted: Mapping[str, str], found: Sequence[str], where: str) -> None:
    """Refuses a table or an object without some column, or with two of that name; `wanted` gives advice for each."""
    for column, advice in wanted.items():
        if column not in found:
            names = ", ".join(map(repr, found))
            raise UserError(f"{where}: no column {column!r}; found: {names}; {advice}", BAD_DATA)
        if found.count(column) > 1:
            raise UserError(f"{where}: the column {column!r} stands there twice", BAD_DATA)


def _checked(row: Any, keys: Mapping[str, str], where: str) -> Row:
    if not isinstance(row, dict):
        raise UserError(f"{where}: {type(row).__name__}; must be a JSON object", BAD_DATA)
    check_columns(keys, [*row], where)
    return row


def _unique(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return row


def text_of(row: Row, key: str, where: str) -> bytes:
    """The text of a row as UTF-8, at most `LONGEST_REVIEW` bytes; none at all (null, NaN) is an empty text."""
    text = row[key]
    if text is None or text != text:
        return b""
    if not isinstance(text, str):
        raise UserError(f"{where}: {key} is {reprlib.repr(text)}; must be a string", BAD_DATA)
    try:
        return text.encode("utf-8", "surrogateescape")[:LONGEST_REVIEW]
    except UnicodeEncodeError:  # JSON can spell a lone surrogate, which no bytes decode to
        return text.encode("utf-8", "surrogatepass")[:LONGEST_REVIEW]
