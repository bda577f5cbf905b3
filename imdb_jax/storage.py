"""The cache folder, and files that are whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from imdb_jax.errors import LOCKED, UserError


@contextmanager
def draft_of(path: Path) -> Iterator[BinaryIO]:
    """Opens a draft beside a file; it takes the file's place at the end, and is deleted where that isn't reached.

    Raises:
      UserError: the folder is not there or can't be written, or the disk is full (73).
    """
    draft = path.parent / f".{path.name}.{os.getpid()}"
    try:
        try:
            with draft.open("wb") as file:
                yield file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error})", LOCKED) from None


def cache_dir() -> Path:
    """The cache folder: $IMDB_JAX_CACHE, else imdb_jax in $XDG_CACHE_HOME, else in ~/.cache.

    Each noun has its own folder inside: vectors/, tokens/, compilation/, synthetic/. All of it may be deleted at any
    time; nothing is created here.
    """
    if chosen := os.environ.get("IMDB_JAX_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "imdb_jax"
