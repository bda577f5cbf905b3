"""GloVe, word2vec and fastText files -> the vectors of the words that are wanted.

Formats are told by content, and nothing is ever unpickled. A file is read once, as bytes, in blocks: only the lines of
wanted words are parsed, but any line with too few numbers is found, so that no damaged file is loaded in part.
"""

import codecs
import gzip
import logging
import re
import string
import zipfile
from collections import Counter
from collections.abc import Generator, Iterator, Set
from contextlib import ExitStack, closing
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

log = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes read at a time; no line may be longer
HEADER = re.compile(rb"(\d{1,12}) ([1-9]\d{0,4})[ \r]*\n")  # word2vec: number of words, numbers per word
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

WordVector = tuple[str, bytes, np.ndarray]  # file and line or word number, for error messages; a word; its vector


def read_word_vectors(path: Path, words: Set[bytes] | None) -> dict[bytes, np.ndarray]:
    """Reads the vectors of `words`, or of all words, in the order of the file; where one stands there again, its first.

    They are float32, finite and of one length.
    """
    vectors: dict[bytes, np.ndarray] = {}
    repeated = 0
    with closing(_blocks(path)) as blocks:
        for where, word, vector in _read(path, blocks, words):
            if not np.isfinite(vector).all():
                raise UserError(f"{where}: nan or infinity, expected finite numbers", BAD_DATA)
            repeated += word in vectors
            vectors.setdefault(word, vector)
    if repeated:
        log.warning("%s: %d wanted words stand there again; the first vector of each is kept", path, repeated)
    return vectors


def _read(path: Path, blocks: Iterator[bytes], words: Set[bytes] | None) -> Iterator[WordVector]:
    head = next(blocks, b"").removeprefix(codecs.BOM_UTF8)
    if not head:
        raise UserError(f"{path}: empty file, expected word vectors", BAD_DATA)
    if header := HEADER.match(head):
        count, dim = map(int, header.groups())
        rest = head[header.end() :]
        values = rest.partition(b" ")[2][: 4 * dim]  # where they are float32 they look like no text
        is_binary = _width(rest.partition(b"\n")[0]) < dim and values.translate(None, string.printable.encode())
        return (_read_binary if is_binary else _read_text)(path, chain([rest], blocks), words, dim, count)
    # The width that most of the first lines have: a word with spaces or a damaged line can't mislead it.
    widths = Counter(_width(line) for line in head.split(b"\n", 100)[:100] if line.strip())
    dim = max(widths, key=lambda width: widths[width], default=0)
    if not dim:
        raise UserError(f"{path}: no word vectors; GloVe text, word2vec text and word2vec .bin are read", BAD_DATA)
    return _read_text(path, chain([head], blocks), words, dim, None)


def _blocks(path: Path) -> Generator[bytes, None, None]:
    """The unpacked bytes of a file, or of the member of a zip archive that the end of the path names, BLOCK at a time.

    A progress bar shows when that takes long.
    """
    archive = next((file for file in (path, *path.parents) if file.is_file()), None)
    if archive is None:
        raise UserError(f"{path}: no such file", MISSING_INPUT)
    try:
        with ExitStack() as opened:
            file: Any = opened.enter_context(archive.open("rb"))
            magic = file.read(4)
            file.seek(0)
            if magic == ZIP:
                members = opened.enter_context(zipfile.ZipFile(file))
                file = opened.enter_context(members.open(_member(path, archive, members.namelist())))
            elif path != archive:
                raise UserError(f"{path}: {archive.name} is no zip archive", MISSING_INPUT)
            elif magic.startswith(GZIP):
                file = opened.enter_context(gzip.open(file))
            bar = opened.enter_context(tqdm(desc=path.name, unit="B", unit_scale=True, delay=2, disable=None))
            while block := file.read(BLOCK):
                yield block
                bar.update(len(block))
    except UserError:
        raise
    except Exception as error:  # gzip, zipfile, zlib, lzma and struct each raise their own on damaged bytes
        raise UserError(f"{path}: cannot be read: {str(error) or type(error).__name__}", BAD_DATA) from None


def _member(path: Path, archive: Path, members: list[str]) -> str:
    """The member that a path names, or the only one."""
    names = [name for name in members if not name.endswith("/") and not name.startswith("__MACOSX/")]
    wanted = names if path == archive else [path.relative_to(archive).as_posix()]
    if len(wanted) != 1 or wanted[0] not in names:
        held = ", ".join(names[:10]) or "nothing"
        raise UserError(f"{path}: {archive.name} holds {held}; give {archive}/NAME", MISSING_INPUT)
    return wanted[0]


def _width(line: bytes) -> int:
    """How many numbers end a line. The first field is the word even where it reads as a number."""
    return sum(1 for _ in takewhile(_is_number, reversed(line.rstrip().split(b" ")[1:])))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_text(
    path: Path, blocks: Iterator[bytes], words: Set[bytes] | None, dim: int, count: int | None
) -> Iterator[WordVector]:
    """Reads lines `word number ... number`; `count` is the number of words that a header promised."""
    firsts = {word.partition(b" ")[0] for word in words or ()}  # words may hold spaces: glove.840B has `. . .`
    before = 0 if count is None else 1  # the header is line 1
    number, blank, line = before, 0, b""
    for number, line in enumerate(_lines(path, blocks), start=before + 1):
        if words is not None and line.count(b" ") >= dim and line[: line.find(b" ")] not in firsts:
            continue
        if not line.strip():
            blank += 1
            continue
        where, word, vector = _parse(f"{path}:{number}", line, dim)
        if words is not None and word in words:
            yield where, word, vector
        elif (surplus := word.split(b" ")[1:]) and all(map(_is_number, surplus)):
            raise UserError(f"{where}: {dim + len(surplus)} numbers, expected {dim}", BAD_DATA)
        elif words is None:
            yield where, word, vector
    if line.strip():
        _parse(f"{path}:{number}", line, dim)  # where a cut file ends
    found = number - before - blank
    if count == found + 1:  # as fastText's published files have it
        log.warning(f"{path}: {found:,} words, one less than its first line promises")
    elif count is not None and count != found:
        raise UserError(f"{path}: {found:,} words, its first line promises {count:,}", BAD_DATA)


def _lines(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        lines = (rest + block).split(b"\n")  # no other byte ends a line: words hold NBSP, U+2028 and broken UTF-8
        rest = lines.pop()
        if len(rest) > BLOCK:
            raise UserError(f"{path}: a line of more than {BLOCK:,} bytes, expected word vectors", BAD_DATA)
        yield from lines
    if rest:
        yield rest


def _parse(where: str, line: bytes, dim: int) -> WordVector:
    word, *fields = line.rstrip().rsplit(b" ", dim)
    if len(fields) < dim:
        raise UserError(f"{where}: {len(fields)} numbers, expected {dim}", BAD_DATA)
    try:
        values = [*map(float, fields)]
    except ValueError as error:
        raise UserError(f"{where}: {error}", BAD_DATA) from None
    with np.errstate(over="ignore"):  # becomes an infinity, which `read_word_vectors` refuses
        return where, word, np.array(values, np.float32)


def _read_binary(
    path: Path, blocks: Iterator[bytes], words: Set[bytes] | None, dim: int, count: int
) -> Iterator[WordVector]:
    """Reads records of a word, a space, `dim` little-endian float32 values and, with some writers, a line feed."""
    number, rest, size = 0, b"", 4 * dim
    for block in blocks:
        rest, start = rest + block, 0
        while (space := rest.find(b" ", start)) >= 0 and (end := space + 1 + size) <= len(rest):
            number += 1
            word = rest[start:space].lstrip(b"\n")
            if words is None or word in words:
                vector = np.frombuffer(rest, "<f4", dim, space + 1).astype(np.float32)
                yield f"{path}: word {number}", word, vector
            start = end
        rest = rest[start:]
        if len(rest) > BLOCK + size:
            raise UserError(f"{path}: word {number + 1}: does not end", BAD_DATA)
    if number != count or rest.strip(b"\n"):
        raise UserError(f"{path}: {number:,} whole words, its first line promises {count:,}", BAD_DATA)
