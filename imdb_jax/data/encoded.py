"""The bytes of a file, whatever it is packed in, and the text that they encode.

Like all that the reader of exported models takes along, it needs nothing but Python.
"""

import codecs
import contextlib
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, cast

from imdb_jax.errors import BAD_DATA, UserError

LONGEST_REVIEW = 1_000_000  # bytes of one review; longer ones are cut here and the audit counts them
MOST_INVALID = 0.01  # share of the reviews that may hold bytes of another encoding than expected
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
# What reading raises where a file is damaged, packed in an odd way or encrypted, or of an encoding unknown to Python.
DAMAGE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    csv.Error,
    ValueError,
    RuntimeError,
    LookupError,
)


@contextlib.contextmanager
def file_errors(name: str) -> Iterator[None]:
    """Makes what goes wrong while a file is read a `UserError` (65)."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise UserError(f"{name}: not {e.encoding} ({e})", BAD_DATA) from None
    except DAMAGE as e:
        place = getattr(e, "filename", None) or name
        raise UserError(f"{place}: cannot be read ({getattr(e, 'strerror', None) or e})", BAD_DATA) from None


def unpack(file: io.BufferedIOBase, name: str) -> io.BufferedReader:
    """What is packed in a file, however often, or the file itself."""
    reader = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(Any, file))
    start = reader.peek(8)[:8]
    if kind := next((kind for magic, kind in UNREADABLE.items() if start.startswith(magic)), None):
        raise UserError(f"{name}: {kind}", BAD_DATA)
    if reader.peek(512)[257:262] == b"ustar":
        raise UserError(f"{name}: a tar archive; unpack it, or pack its files as .zip", BAD_DATA)
    if start.startswith(b"\x1f\x8b"):
        return unpack(cast(Any, gzip.GzipFile(fileobj=reader, mode="rb")), name)
    if not start.startswith((b"PK\3\4", b"PK\5\6")):
        return reader
    archive = zipfile.ZipFile(reader if reader.seekable() else io.BytesIO(reader.read()))
    if is_workbook(archive):
        raise UserError(f"{name}: {WORKBOOK}", BAD_DATA)
    inside = [member for member in archive.namelist() if not is_hidden(member) and not member.endswith("/")]
    if len(inside) != 1:
        allowed = "must hold one table, or, if it is given by its path, folders of reviews such as neg/ and pos/"
        raise UserError(f"{name}: holds {len(inside)} files; {allowed}", BAD_DATA)
    return unpack(cast(Any, archive.open(inside[0])), name)


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a zip file is a spreadsheet."""
    return not {"xl/workbook.xml", "content.xml", "Index/Document.iwa"}.isdisjoint(archive.namelist())


def is_hidden(name: str) -> bool:
    """Whether a path is of the system's own making: hidden, or what macOS puts beside files in an archive."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


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
    raise UserError(f"{invalid[0][0]}: {message}", BAD_DATA)


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
