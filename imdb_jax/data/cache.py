"""Where things that can be made again are kept."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache folder: $IMDB_JAX_CACHE, else imdb_jax in $XDG_CACHE_HOME, else in ~/.cache.

    Each noun has its own folder inside: vectors/, tokens/, compilation/, synthetic/. All of it may be deleted at any
    time; nothing is created here.
    """
    if chosen := os.environ.get("IMDB_JAX_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "imdb_jax"
