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
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

REVIEWS_PER_CLASS = 12_500  # of each split
LARGEST_TAR = 512 << 20  # bytes, unpacked; the original takes 290 MB
CLASS_FOLDERS = ("train/neg", "train/pos", "test/neg", "test/pos")
_REVIEW = re.compile(r"(train|test)/(neg|pos|unsup)/[^.].*\.txt")


class _CappedGzip(gzip.GzipFile):
    """Refuses to unpack more than `LARGEST_TAR`: a few kilobytes can unpack to gigabytes."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > LARGEST_TAR:
            raise UserError(f"{self.name}: unpacks to more than {LARGEST_TAR >> 20} MB; not IMDB's archive", BAD_DATA)
        return data


def read_reviews(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields each review's name, `aclImdb/<split>/<class>/<file>.txt`, and its open file.

    They lie in a .tar.gz, in the folder aclImdb, or in the folder that holds it.
    """
    if path.is_dir():
        for file in _files(path):
            with open(file, "rb") as opened:
                yield _name(file), opened
        return
    try:
        with _CappedGzip(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                archive.members.clear()  # pyright: ignore  (tarfile keeps every header it has read)
                place = PurePosixPath(member.name)
                if place.is_absolute() or ".." in place.parts:
                    raise UserError(f"{path}: unsafe path in archive, {member.name!r}; get it anew", BAD_DATA)
                if (name := _name(place)) and member.isfile() and (file := archive.extractfile(member)):
                    yield name, file
            while unpacked.read(1 << 16):  # tarfile stops before gzip's checksum, which is verified at its very end
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{path}: not a whole .tar.gz ({error}); get it anew", BAD_DATA) from None


def count_reviews(path: Path) -> Counter[str]:
    """Counts reviews by folder, such as `train/neg`; refuses those that lack one (66) or differ from IMDB's (65)."""
    counts = Counter(name.removeprefix("aclImdb/").rpartition("/")[0] for name, _ in read_reviews(path))
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
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; data.path is aclImdb_v1.tar.gz or aclImdb", MISSING_INPUT)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in _files(path):
        status = file.stat()
        digest.update(os.fsencode(f"{_name(file)} {status.st_size} {status.st_mtime_ns}\n"))
    return digest.hexdigest()


def _name(file: PurePath) -> str:
    """The standard name of a review's file, wherever the folder or archive keeps it; "" if it is none."""
    name = "/".join(file.parts[-3:])
    return f"aclImdb/{name}" if _REVIEW.fullmatch(name) else ""


def _files(path: Path) -> Iterator[Path]:
    root = path if (path / "train").is_dir() else path / "aclImdb"
    for folder in (*CLASS_FOLDERS, "train/unsup"):
        yield from sorted(filter(_name, (root / folder).glob("*")))
