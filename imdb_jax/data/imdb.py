"""The IMDB reviews (Maas et al. 2011) as TFDS prepares them, from a folder it has prepared or from the download.

TFDS' own builder of imdb_reviews does the work, with one part replaced: it walks archives with TensorFlow. Nothing
here needs TensorFlow, to make the folder or to read it. A local archive is read without TFDS: see `aclimdb`.
"""

import contextlib
import errno
import hashlib
import logging
import os
import struct
import sys
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils
from tensorflow_datasets.datasets.imdb_reviews import imdb_reviews_dataset_builder as stock

from imdb_jax.config import DataConfig
from imdb_jax.data import aclimdb
from imdb_jax.data.reviews import Content, Corpus, Reviews
from imdb_jax.errors import BAD_DATA, IO_FAILED, LOCKED, MISSING_INPUT, UserError
from imdb_jax.storage import local_path

log = logging.getLogger(__name__)

PREPARED = Path("imdb_reviews", "plain_text", "1.0.0")  # inside data_dir
SERVER_PATIENCE = 4.0  # seconds that the publisher's server gets to answer
WAYS_OUT = (
    "give --config.data.data_dir=FOLDER where TFDS has prepared imdb_reviews, or --config.data.path=aclImdb_v1.tar.gz, "
    "or run once on a machine with network; for a try without IMDB: --config.data.source=synthetic"
)


def prepared_reviews(builder: tfds.core.DatasetBuilder, split: str) -> Reviews:
    """The reviews of one split of a prepared folder: train, test or unsupervised. Damage is told when they are read."""
    info, features = builder.info.splits[split], cast(Any, builder.info.features)

    def read() -> Content:
        with _damage_told(builder.data_dir):
            if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
                records = [record for path in info.filepaths for record in _read_tfrecord(Path(path))]
            else:
                source: Any = builder.as_data_source(split)  # pyright: ignore  (its decorator hides it)
                records = source.data_source.__getitems__(range(len(source)))
            if len(records) != info.num_examples:
                raise ValueError(f"{len(records):,} reviews in {split}, expected {info.num_examples:,}")
            examples = [features.deserialize_example_np(record) for record in records]
            labels = np.array([each["label"] for each in examples])
            if split != "unsupervised" and not np.isin(labels, (0, 1)).all():
                raise ValueError(f"a label other than 0 and 1 in {split}")
        return [each["text"] for each in examples], labels.astype(np.int8)

    def checksum() -> str:
        digest = hashlib.blake2b(digest_size=32)
        with _damage_told(builder.data_dir):
            for path in info.filepaths:
                digest.update(Path(path).read_bytes())
        return digest.hexdigest()

    return Reviews.stored(read, checksum)


def _read_tfrecord(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, which TFDS itself reads through TensorFlow only.

    A record is its length (8 bytes), a checksum (4), the data and another checksum (4). The checksums are not
    verified: CRC-32C is not in Python's library.
    """
    data = path.read_bytes()
    start = 0
    while start < len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        yield data[start + 12 : start + 12 + length]
        start += 12 + length + 4
    if start != len(data):
        raise ValueError(f"{path} is truncated")


@contextlib.contextmanager
def _damage_told(folder: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # TFDS and its readers answer damage with a dozen types, down to protobuf's own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{folder}: cannot be read ({reason}); delete it to prepare it again", BAD_DATA) from error


def open_imdb(config: DataConfig) -> Corpus:
    """Opens 25,000 training and 25,000 test reviews; downloads and prepares them on first use."""
    folder = prepared_folder(config)
    log.info(f"{folder}: IMDB's reviews as TFDS prepares them")
    with _damage_told(folder):
        builder = tfds.builder_from_directory(folder)
        sizes = [builder.info.splits[split].num_examples for split in ("train", "test")]
        corpus = Corpus(*(prepared_reviews(builder, split) for split in ("train", "test")))
    if sizes != [2 * aclimdb.REVIEWS_PER_CLASS] * 2:
        found = f"{sizes[0]:,} and {sizes[1]:,} reviews in train and test"
        allowed = f"IMDB has {2 * aclimdb.REVIEWS_PER_CLASS:,} in each; delete the folder to prepare it again"
        raise UserError(f"{folder}: {found}; {allowed}", BAD_DATA)
    return corpus


def prepared_folder(config: DataConfig) -> Path:
    """The folder of the reviews as TFDS keeps them, prepared on first use."""
    chosen = config.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = local_path(chosen, "data.data_dir")
    if not (data_dir / PREPARED).exists():
        if find_spec("array_record") is None:
            message = "array_record is not installed, and Windows has none; get aclImdb_v1.tar.gz and give its place:"
            raise UserError(f"data.source imdb: {message} --config.data.path=aclImdb_v1.tar.gz", MISSING_INPUT)
        _check_network(data_dir)
        _prepare(data_dir)
    return data_dir / PREPARED


class Builder(stock.Builder, skip_registration=True):
    """TFDS' builder of imdb_reviews, able to read the archive without TensorFlow."""

    name = "imdb_reviews"
    pkg_dir_path = stock.Builder._get_pkg_dir_path()  # where TFDS finds the description
    url_infos: Any = stock.Builder.url_infos  # the publisher's checksum, which downloads are verified against

    def _split_generators(self, dl_manager: Any) -> list[Any]:
        # Of the download manager the stock builder calls two methods, and TFDS' own iter_archive needs TensorFlow.
        manager: Any = SimpleNamespace(
            download=lambda url: _download(dl_manager, url),
            iter_archive=lambda archive: aclimdb.read_reviews(Path(archive)),
        )
        return super()._split_generators(manager)


def _prepare(data_dir: Path) -> None:
    """Downloads the archive and makes the folder as array_record.

    TFDS writes beside the folder and renames at the end: when interrupted there is no folder, and of two processes
    that prepare at once one wins and both go on.
    """
    builder = Builder(data_dir=data_dir)
    folder = Path(builder.data_dir)
    log.info("preparing %s in %s", builder.info.full_name, folder)
    tqdm_utils.display_progress_bar(getattr(sys.stderr, "isatty", bool)())
    try:
        # TFDS announces itself on standard output, which belongs to the results of commands.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            builder.download_and_prepare(file_format="array_record")
    except OSError as error:
        if folder.exists():  # another process was faster
            return
        refused = isinstance(error, PermissionError | FileExistsError | NotADirectoryError)
        message = f"{folder}: cannot be written ({error.strerror or error}); set data.data_dir or TFDS_DATA_DIR"
        raise UserError(message, LOCKED if refused or error.errno == errno.EROFS else IO_FAILED) from None


def _download(manager: tfds.download.DownloadManager, url: str) -> Path:
    try:
        return Path(manager.download(url))
    except Exception as error:  # requests' and urllib3's own types, or a checksum that doesn't match
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{url}: download failed ({reason}); try again, or {WAYS_OUT}", MISSING_INPUT) from error


def _check_network(data_dir: Path) -> None:
    """Fails in seconds where TFDS would retry for minutes."""
    url = next(iter(Builder.url_infos))
    try:
        # Any answer below 400 will do; urllib honours the proxies that TFDS' downloader will use.
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 (TFDS' own URL)
        urllib.request.urlopen(request, timeout=SERVER_PATIENCE).close()  # noqa: S310
    except (OSError, ValueError, HTTPException) as error:
        reached = f"{urlsplit(url).hostname} can't be reached ({getattr(error, 'reason', error)})"
        missing = f"no imdb_reviews in {data_dir}, and {reached}"
        raise UserError(f"data.source imdb: {missing}; {WAYS_OUT}", MISSING_INPUT) from None
