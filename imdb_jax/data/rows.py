"""Rows of the tables that people bring: CSV, TSV, JSON and parquet, plain, .gz or .zip, in any encoding.

It needs nothing of imdb_jax, so that the reader of exported models can take a copy of this file along.
"""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import json
import re
import reprlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, cast

LONGEST_REVIEW = 1_000_000  # bytes of one review; longer ones are cut here and the audit counts them
MOST_INVALID = 0.01  # share of the reviews that may hold bytes of another encoding than expected
LONGEST_FIELD = 64 << 20  # characters; a longer CSV field is a quote that nobody closed
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
WORKBOOK = "a workbook of a spreadsheet; save it as CSV UTF-8"
UNREADABLE = {  # by what a file begins with
    b"\xd0\xcf\x11\xe0": WORKBOOK,
    b"BZh": "packed by bzip2; .gz and .zip are read",
    b"\xfd7zXZ": "packed by xz; .gz and .zip are read",
    b"7z\xbc\xaf": "packed by 7-Zip; .gz and .zip are read",
    b"Rar!": "packed by RAR; .gz and .zip are read",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard; .gz and .zip are read",
    b"ARROW1": "an Arrow file; parquet is read",
}
MARKS = {  # byte-order marks, the longer before those that they begin with
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
Row = dict[str, Any]


class FileError(ValueError):
    """A file that can't be read as it is, said in one line."""

    exit_code = 65  # of sysexits.h


class ColumnError(FileError):
    """A column that a command asks for is not there."""

    def __init__(self, where: str, column: str, found: Iterable[str]) -> None:
        super().__init__(f"{where}: no column {column!r}; found: {', '.join(map(repr, found))}")
        self.column = column


class Table:
    """A file of rows, taken for what its content says it is; its name decides nothing.

    Args:
      file: is read once, from where it stands, then closed.
      name: of the file, for messages.
      columns: that each row must have; the separator of a CSV file is the one under which the header names them all.
      encoding: of the text where no byte-order mark names it; UTF-8 unless given.
      quotes: of a CSV file: quotes around a field may hold separators and line breaks; otherwise they are characters.

    Attributes:
      kind: what it was taken for, in words.

    Raises:
      FileError: here or while rows are read, with the line where there is one.
    """

    def __init__(
        self,
        file: io.BufferedIOBase,
        name: str,
        columns: Sequence[str],
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
            except FileError:
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
            raise FileError(f"{self.name}: {message}")
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
                        raise FileError(f"{self.name}:{line}: {len(row)} fields, expected {len(header)}; {advice}")
                    yield f"{self.name}:{line}", dict(zip(header, row, strict=True))
                line = before + rows.line_num + 1
        except csv.Error as error:
            message = "quotes must open and close a field, and be doubled inside"
            raise FileError(f"{self.name}:{line}: {error} in the row that begins here; {message}") from None

    def _json_array(self, text: io.TextIOWrapper) -> Iterator[tuple[str, Row]]:
        try:
            found = json.load(text, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise FileError(f"{self.name}: {error}; must be a JSON array of objects") from None
        for number, row in enumerate(found, start=1):
            where = f"{self.name}: item {number}"
            yield where, _checked(row, self._columns, where)

    def _parquet(self, file: io.BufferedIOBase) -> Iterator[tuple[str, Row]]:
        try:
            import pyarrow
            import pyarrow.parquet as parquet
        except ImportError:
            raise FileError(f"{self.name}: reading parquet takes pyarrow; pip install pyarrow") from None
        try:
            table = parquet.ParquetFile(file if file.seekable() else io.BytesIO(file.read()))
            check_columns(self._columns, table.schema_arrow.names, self.name)
            batches = table.iter_batches(columns=list(self._columns))
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from ((f"{self.name}: row {number}", row) for number, row in enumerate(rows, start=1))
        except pyarrow.ArrowException as error:
            raise FileError(f"{self.name}: cannot be read ({error})") from None


@contextlib.contextmanager
def file_errors(name: str) -> Iterator[None]:
    """Makes what goes wrong while a file is read a `FileError`."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise FileError(f"{name}: not {e.encoding} ({e})") from None
    except zipfile.BadZipFile as e:
        raise FileError(f"{name}: cannot be read; the zip file or workbook is damaged or cut off ({e})") from None
    # damaged, packed in an odd way or encrypted; LookupError is of an encoding that Python does not know
    except (UnicodeError, OSError, EOFError, zlib.error, RuntimeError, csv.Error, LookupError) as e:
        raise FileError(f"{name}: cannot be read ({getattr(e, 'strerror', None) or e})") from None


def unpack(file: io.BufferedIOBase, name: str) -> io.BufferedReader:
    """What is packed in a file, however often, or the file itself."""
    reader = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(Any, file))
    start = reader.peek(8)[:8]
    if kind := next((kind for magic, kind in UNREADABLE.items() if start.startswith(magic)), None):
        raise FileError(f"{name}: {kind}")
    if reader.peek(512)[257:262] == b"ustar":
        raise FileError(f"{name}: a tar archive; unpack it, or pack its files as .zip")
    if start.startswith(b"\x1f\x8b"):
        return unpack(cast(Any, gzip.GzipFile(fileobj=reader, mode="rb")), name)
    if not start.startswith((b"PK\3\4", b"PK\5\6")):
        return reader
    archive = zipfile.ZipFile(reader if reader.seekable() else io.BytesIO(reader.read()))
    if is_workbook(archive):
        raise FileError(f"{name}: {WORKBOOK}")
    inside = [member for member in archive.namelist() if not is_hidden(member) and not member.endswith("/")]
    if len(inside) != 1:
        allowed = "must hold one table, or folders of reviews of each class, such as neg/ and pos/"
        raise FileError(f"{name}: holds {len(inside)} files; {allowed}")
    return unpack(cast(Any, archive.open(inside[0])), name)


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a zip file is a spreadsheet."""
    return not {"xl/workbook.xml", "content.xml", "Index/Document.iwa"}.isdisjoint(archive.namelist())


def is_hidden(name: str) -> bool:
    """Whether a path is of the system's own making: hidden, or what macOS puts beside files in an archive."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table, packed or not."""
    return bare(name).endswith(TABLES)


def holds_table(path: str, column: str, encoding: str | None = None) -> bool:
    """Whether a file is a table with a column; any other is read as lines. A file named as a table is always one."""
    if is_table(path):
        return True
    try:
        with open(path, "rb") as file:
            table = Table(file, path, (column,), encoding)
            if "JSON" in table.kind:
                next(iter(table), None)  # a review may begin with a bracket too
            table.close()
    except FileError:
        return False
    return True


def refuse_undecoded(invalid: Sequence[tuple[str, bytes]], count: int, option: str) -> None:
    """Refuses reviews of another encoding than expected: some among `count`, given with their place."""
    if len(invalid) <= MOST_INVALID * count:
        return
    sample = b"\n".join(text for _, text in invalid[:1000])
    guess = None if re.search(rb"[\x80-\xff]{3}", sample) else "cp1252"  # accents stand apart, other letters in rows
    with contextlib.suppress(ImportError):
        import charset_normalizer

        guess = guess or getattr(charset_normalizer.from_bytes(sample).best(), "encoding", None)
    likely = f"{guess} (a guess)" if guess else "its name"
    message = f"not UTF-8, as {len(invalid):,} of {count:,} reviews; save as UTF-8 or set {option}encoding={likely}"
    raise FileError(f"{invalid[0][0]}: {message}")


def is_utf8(text: bytes) -> bool:
    """Whether a text can be decoded; lone surrogates, which JSON can spell, are let pass."""
    try:
        text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def bare(name: str) -> str:
    """A file's name in lower case, without .gz or .zip."""
    return name.lower().removesuffix(".gz").removesuffix(".zip")


def encoding_of(start: bytes, given: str | None = None) -> str:
    """The encoding of a text by its first bytes: what a byte-order mark says, or the one that is given, or UTF-8."""
    return next((encoding for mark, encoding in MARKS.items() if start.startswith(mark)), given or "utf-8")


def decoded(raw: bytes, name: str, encoding: str | None = None) -> bytes:
    """A text as UTF-8, at most `LONGEST_REVIEW` bytes; what can't be decoded passes through."""
    with file_errors(name):
        text = raw.decode(encoding_of(raw, encoding), "surrogateescape")
        return text.encode("utf-8", "surrogateescape")[:LONGEST_REVIEW]


def text_lines(file: io.BufferedIOBase, name: str, encoding: str | None = None) -> Iterator[bytes]:
    """The lines of a file, packed or not, as UTF-8 without their ends."""
    with file_errors(name):
        reader = unpack(file, name)
        encoding = encoding_of(reader.peek(4), encoding)
        with io.TextIOWrapper(reader, encoding, "surrogateescape", newline="\n") as lines:
            for line in lines:
                yield line.rstrip("\r\n").encode("utf-8", "surrogateescape")[:LONGEST_REVIEW]


def json_lines(lines: Iterable[str], name: str, keys: Sequence[str] = ()) -> Iterator[tuple[str, Row]]:
    """One JSON object a line, with file and line; blank lines hold none."""
    for number, line in enumerate(lines, start=1):
        if line.isspace() or not line:
            continue
        where = f"{name}:{number}"
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise FileError(f"{where}: {error}; must be one JSON object per line, or an array of objects") from None
        yield where, _checked(row, keys, where)


def check_columns(wanted: Sequence[str], found: Sequence[str], where: str) -> None:
    """Refuses a table or an object without some column, or with two of that name."""
    for column in wanted:
        if column not in found:
            raise ColumnError(where, column, found)
        if found.count(column) > 1:
            raise FileError(f"{where}: the column {column!r} stands there twice")


def _checked(row: Any, keys: Sequence[str], where: str) -> Row:
    if not isinstance(row, dict):
        raise FileError(f"{where}: {type(row).__name__}; must be a JSON object")
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
        raise FileError(f"{where}: {key} is {reprlib.repr(text)}; must be a string")
    try:
        return text.encode("utf-8", "surrogateescape")[:LONGEST_REVIEW]
    except UnicodeEncodeError:  # JSON can spell a lone surrogate, which no bytes decode to
        return text.encode("utf-8", "surrogatepass")[:LONGEST_REVIEW]
