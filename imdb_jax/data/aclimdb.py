"""The IMDB reviews as their publisher packs them: aclImdb_v1.tar.gz or the aclImdb folder, read where they lie.

Nothing is extracted to disk, and TFDS is not needed. `train/unsup`, 50,000 reviews without a label, has its own name,
so that it can't become a third class.
"""

import functools
import gzip
import hashlib
import logging
import os
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

import numpy as np

from imdb_jax.data.encoded import LONGEST_REVIEW
from imdb_jax.data.reviews import Content, Corpus, Reviews
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

log = logging.getLogger(__name__)

REVIEWS_PER_CLASS = 12_500  # of each split
CLASS_FOLDERS = ("train/neg", "train/pos", "test/neg", "test/pos")
OTHERS = "for reviews of your own add --config.data.source=files"
_REVIEW = re.compile(r"(train|test)/(neg|pos|unsup)/[^.].*\.txt")


def open_aclimdb(path: Path) -> Corpus:
    """Opens the archive, the folder aclImdb, or the folder that holds it; read once for both splits.

    The reviews come in the order in which TFDS keeps them, so that it doesn't matter which of the two one has.
    """
    if not path.exists():
        advice = "--config.data.path= is aclImdb_v1.tar.gz or aclImdb"
        raise UserError(f"{path}: no such file or folder; {advice}", MISSING_INPUT)
    log.info(f"{path}: read as IMDB's publisher packs its reviews; left out those without a label, in train/unsup")
    read, checksum = functools.cache(lambda: _read(path)), functools.cache(lambda: _checksum(path))
    return Corpus(
        Reviews.stored(lambda: read()["train"], lambda: f"{checksum()}-train"),
        Reviews.stored(lambda: read()["test"], lambda: f"{checksum()}-test"),
    )


def _read(path: Path) -> dict[str, Content]:
    """The reviews of train and test; refused where a class is missing (66) or its size is not IMDB's (65)."""
    found = {name: file.read(LONGEST_REVIEW) for name, file in read_reviews(path) if "/unsup/" not in name}
    counts = Counter(name.removeprefix("aclImdb/").rpartition("/")[0] for name in found)
    if any(counts[folder] != REVIEWS_PER_CLASS for folder in CLASS_FOLDERS):
        sizes = ", ".join(f"{folder} {counts[folder]:,}" for folder in CLASS_FOLDERS)
        allowed = f"IMDB has {REVIEWS_PER_CLASS:,} reviews in each; {OTHERS}"
        raise UserError(f"{path}: {sizes}; {allowed}", BAD_DATA if len(counts) == len(CLASS_FOLDERS) else MISSING_INPUT)
    splits = {}
    for split in ("train", "test"):
        names = [name for name in found if name.startswith(f"aclImdb/{split}/")]
        names.sort(key=lambda name: hashlib.md5(f"{split}{name}".encode()).digest())  # noqa: S324  (as TFDS does)
        labels = np.array(["/pos/" in name for name in names], np.int8)
        splits[split] = [found[name] for name in names], labels
    return splits


def _checksum(path: Path) -> str:
    """Changes when the archive, or a file's name, size or time in the folder, does."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in _files(path):
        status = file.stat()
        digest.update(os.fsencode(f"{_name(file)} {status.st_size} {status.st_mtime_ns}\n"))
    return digest.hexdigest()


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
        with gzip.open(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                archive.members.clear()  # pyright: ignore  (tarfile keeps every header it has read)
                name = _name(PurePosixPath(member.name))
                if name and member.isfile() and (file := archive.extractfile(member)):
                    yield name, file
            while unpacked.read(1 << 16):  # tarfile stops before gzip's checksum, which is verified at its very end
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{path}: not a whole .tar.gz ({error}); get it anew, or {OTHERS}", BAD_DATA) from None


def _name(file: PurePath) -> str:
    """The standard name of a review's file, wherever the folder or archive keeps it; "" if it is none."""
    name = "/".join(file.parts[-3:])
    return f"aclImdb/{name}" if _REVIEW.fullmatch(name) else ""


def _files(path: Path) -> Iterator[Path]:
    root = path if (path / "train").is_dir() else path / "aclImdb"
    for folder in (*CLASS_FOLDERS, "train/unsup"):
        yield from sorted(filter(_name, (root / folder).glob("*")))
