"""The cache folder, and files and folders that are whole or not there."""

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from imdb_jax.errors import LOCKED, UserError

log = logging.getLogger(__name__)

ROOM = "set IMDB_JAX_CACHE to a folder with room"
CHECKSUMS = "checksums.json"  # in a cached folder: the BLAKE2 checksum of each of its files


@contextlib.contextmanager
def os_errors_told(place: Path, advice: str, exit_code: int = LOCKED) -> Iterator[None]:
    """Makes an error of the system a `UserError`: the place, what the system says, and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{place}: {error.strerror or error}; {advice}", exit_code) from None


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a draft beside a file; it takes the file's place at the end, and is deleted where that isn't reached."""
    draft = _draft(path)
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def output_file(path: Path, option: str = "--out") -> Iterator[BinaryIO]:
    """An `atomic_file` whose place was named on the command line: that it can't be written is a `UserError` (73)."""
    with os_errors_told(path, f"choose another {option}"), atomic_file(path) as file:
        yield file


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Makes a draft beside a folder; it takes the folder's place at the end, and is deleted where that isn't reached.

    Of several processes that make the same folder at once the first to end wins; the others' drafts are deleted.
    """
    draft = _draft(path)
    try:
        draft.mkdir(parents=True)
        yield draft
        try:
            draft.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def local_path(path: str | Path, field: str) -> Path:
    """A path that a user gave as the value of a field, with `~` for a home folder.

    Raises:
      UserError: it is empty, of another machine such as `gs://bucket/run`, or there is no such home.
    """
    text = os.fspath(path)
    if not text or re.match(r"[A-Za-z][\w+.-]+:/", text):  # a drive of Windows has one letter
        raise UserError(f"{field}: {text!r}; needs a path on a disk of this machine, such as runs/mine")
    try:
        place = Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{field}: {text!r}; there is no such home folder here, give a path without ~") from None
    try:
        place.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # which is_file and exists do not tell in newer Pythons
            raise
    return place


def sha256(content: bytes) -> str:
    """The checksum of what a file of a run holds."""
    return hashlib.sha256(content).hexdigest()


def _draft(path: Path) -> Path:
    """A name of its own: neither another thread nor a container on the same disk, with the same pid, draws it too."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}")


def cache_dir() -> Path:
    """The cache folder: $IMDB_JAX_CACHE, else imdb_jax in $XDG_CACHE_HOME, else in ~/.cache.

    Each noun has its own folder inside: vectors/, tokens/, fingerprints/, compilation/. All of it may be deleted at
    any time; nothing is created here.
    """
    if chosen := os.environ.get("IMDB_JAX_CACHE"):
        return local_path(chosen, "IMDB_JAX_CACHE")
    return local_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "IMDB_JAX_CACHE") / "imdb_jax"


def cached_folder(path: Path, write: Callable[[Path], object]) -> Path:
    """A folder of the cache, made by `write` on first use, or again where a file of it is gone or not as it was."""
    with os_errors_told(path, ROOM):
        if _is_whole(path):
            return path
        if path.is_dir():
            log.warning(f"{path}: damaged; it is made again")
        with atomic_folder(path) as draft:
            write(draft)
            (draft / CHECKSUMS).write_text(json.dumps(_checksums(draft)))
            if path.is_dir() and not _is_whole(path):  # so late because another process may have made it meanwhile
                with contextlib.suppress(OSError):
                    shutil.rmtree(path.rename(_draft(path)), ignore_errors=True)
    return path


def _is_whole(folder: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return json.loads((folder / CHECKSUMS).read_bytes()) == _checksums(folder)
    return False


def _checksums(folder: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(folder.iterdir()):
        if path.name != CHECKSUMS:
            with path.open("rb") as file:
                sums[path.name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return sums
