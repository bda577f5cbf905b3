"""The IMDB reviews as their publisher packs them: aclImdb_v1.tar.gz or the aclImdb folder, read where they lie.

Nothing is extracted to disk. `train/unsup`, 50,000 reviews without a label, is passed on under its own name, so that
it can't become a third class.
"""

import gzip
import hashlib
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

REVIEWS_PER_CLASS = 12_500  # of each split
MAX_BYTES = 512 << 20  # unpacked; the original takes 290 MB
CLASS_FOLDERS = ("train/neg", "train/pos", "test/neg", "test/pos")
_REVIEW = re.compile(r"(?:.*/)?(train|test)/(neg|pos|unsup)/([^/.][^/]*\.txt)")


def read(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields each review's name, `aclImdb/<split>/<class>/<file>.txt`, and its open file.

    Args:
      path: the .tar.gz, the aclImdb folder or the folder that holds it.

    Raises:
      UserError: no such path (66); a broken archive, an unsafe path in it, or too large (65).
    """
    if path.is_dir():
        for file in _files(path):
            with open(file, "rb") as opened:
                yield _name(file.as_posix()) or "", opened
    elif path.is_file():
        yield from _read_archive(path)
    else:
        raise UserError(f"{path}: no such file or folder; data.path is aclImdb_v1.tar.gz or aclImdb", MISSING_INPUT)


def check(path: Path) -> Counter[str]:
    """Reads through an archive or folder once, before anything is made from it.

    Returns:
      Reviews by folder, such as `train/neg`.

    Raises:
      UserError: as `read`; a class folder is missing (66) or has another number of reviews than IMDB's (65).
    """
    counts = Counter(name.removeprefix("aclImdb/").rpartition("/")[0] for name, _ in read(path))
    for folder in CLASS_FOLDERS:
        if not counts[folder]:
            raise UserError(f"{path}: no reviews in {folder}; needed are {', '.join(CLASS_FOLDERS)}", MISSING_INPUT)
    if any(counts[folder] != REVIEWS_PER_CLASS for folder in CLASS_FOLDERS):
        found = ", ".join(f"{folder} {counts[folder]:,}" for folder in CLASS_FOLDERS)
        allowed = f"IMDB has {REVIEWS_PER_CLASS:,} reviews in each; for others use data.source files"
        raise UserError(f"{path}: {found}; {allowed}", BAD_DATA)
    return counts


def identity(path: Path) -> str:
    """Hex sha256 that changes when the archive, or a file's name, size or time in the folder, does."""
    if not path.is_dir():
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; data.path is aclImdb_v1.tar.gz or aclImdb", MISSING_INPUT) from None
    digest = hashlib.sha256()
    for file in _files(path):
        status = file.stat()
        digest.update(f"{_name(file.as_posix())} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _name(path: str) -> str | None:
    """The standard name of a review from any path that ends like one."""
    match = _REVIEW.fullmatch(path)
    return f"aclImdb/{match[1]}/{match[2]}/{match[3]}" if match else None


def _files(path: Path) -> Iterator[Path]:
    root = path if (path / "train").is_dir() else path / "aclImdb"
    for folder in (*CLASS_FOLDERS, "train/unsup"):
        if (root / folder).is_dir():
            yield from (root / folder / name for name in sorted(os.listdir(root / folder)) if _name(f"{folder}/{name}"))


class _Capped:
    """A file that refuses to give more than `MAX_BYTES`: a few gzipped kilobytes can unpack to gigabytes."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path, self._left = file, path, MAX_BYTES

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UserError(f"{self._path}: unpacks to more than {MAX_BYTES >> 20} MB; not IMDB's archive", BAD_DATA)
        return data


def _read_archive(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        with gzip.open(path) as unpacked, tarfile.open(fileobj=_Capped(unpacked, path), mode="r|") as archive:
            for member in archive:
                archive.members.clear()  # tarfile keeps every header it has read
                place = PurePosixPath(member.name)
                if place.is_absolute() or ".." in place.parts:
                    raise UserError(f"{path}: unsafe path in archive, {member.name!r}; get it anew", BAD_DATA)
                name = _name(member.name)
                if name and member.isfile() and (file := archive.extractfile(member)):
                    yield name, file
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{path}: not a whole .tar.gz ({error}); get it anew", BAD_DATA) from None
