"""The IMDB reviews in a folder that TFDS has prepared: made and read without TensorFlow."""

import contextlib
import errno
import functools
import hashlib
import logging
import mmap
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Int8
from tensorflow_datasets.core.utils import tqdm_utils

from imdb_jax.data.reviews import Corpus, ReviewList, Reviews
from imdb_jax.errors import BAD_DATA, IO_FAILED, LOCKED, UserError
from imdb_jax.storage import cache_dir, cache_entry, is_whole

log = logging.getLogger(__name__)


class PreparedReviews(Reviews):
    """The reviews of one split: train, test or unsupervised.

    Raises:
      UserError: the folder holds another number of reviews than it says (65).
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, split: str) -> None:
        info = builder.info.splits[split]
        self._files = [Path(path) for path in info.filepaths]
        self._features: Any = builder.info.features
        self._records = _open_records(builder, split)
        if len(self) != info.num_examples:
            found = f"{len(self):,} reviews in {split}, expected {info.num_examples:,}"
            raise UserError(f"{builder.data_dir}: {found}; delete the folder to prepare it again", BAD_DATA)

    def __len__(self) -> int:
        return len(self._records)

    def chunks(self, size: int = 1024) -> Iterator[tuple[list[bytes], Int8[np.ndarray, " n"]]]:
        """As in `Reviews`."""
        return self._decoded.chunks(size)

    @functools.cached_property
    def _decoded(self) -> ReviewList:
        """All reviews, kept: 33 MB of IMDB's, which are read four times, and each takes TFDS 21 microseconds."""
        decode = self._features.deserialize_example_np
        with _damage_told(self._files[0].parent):
            examples = [decode(record) for record in self._records.__getitems__(range(len(self)))]
        return ReviewList([each["text"] for each in examples], np.array([each["label"] for each in examples], np.int8))

    @functools.cached_property
    def fingerprint(self) -> str:
        """As in `Reviews`: of the texts, since the files of one corpus differ between formats and versions of TFDS.

        It is kept in the cache folder by a checksum of the files: decoding all reviews takes a second, reading the
        bytes of the files 30 milliseconds.
        """
        digest = hashlib.blake2b(digest_size=32)
        with _damage_told(self._files[0].parent):
            for path in self._files:
                digest.update(path.read_bytes())
        entry = cache_dir() / "fingerprints" / digest.hexdigest()
        if not is_whole(entry):
            with cache_entry(entry) as draft:
                (draft / "fingerprint.txt").write_text(self._decoded.fingerprint)
        return (entry / "fingerprint.txt").read_text()


class TFRecords:
    """Random access to the records of TFRecord files, which TFDS itself reads through TensorFlow only.

    A record is its length (8 bytes), a checksum (4), the data and another checksum (4). The checksums are not
    verified: CRC-32C is not in Python's library.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._places: list[tuple[mmap.mmap, int, int]] = []
        for path in paths:
            with open(path, "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            start = 0
            while start < len(data):
                (length,) = struct.unpack_from("<Q", data, start)
                self._places.append((data, start + 12, length))
                start += 12 + length + 4
            if start != len(data):
                raise ValueError(f"{path} is truncated")

    def __len__(self) -> int:
        return len(self._places)

    def __getitems__(self, rows: Sequence[int]) -> list[bytes]:
        return [data[start : start + length] for data, start, length in (self._places[row] for row in rows)]


def _open_records(builder: tfds.core.DatasetBuilder, split: str) -> Any:
    """Opens raw records by their place; both readers have `__len__` and `__getitems__`."""
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        return TFRecords(builder.info.splits[split].filepaths)
    return builder.as_data_source(split).data_source  # pyright: ignore  (its decorator hides the argument)


def open_prepared(folder: Path) -> Corpus:
    """Opens the train and test split of a prepared folder, array_record or tfrecord.

    Raises:
      UserError: the folder is incomplete, damaged or in another format (65).
    """
    with _damage_told(folder):
        builder = tfds.builder_from_directory(folder)
        return Corpus(PreparedReviews(builder, "train"), PreparedReviews(builder, "test"))


@contextlib.contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TFDS and its readers answer damage with a dozen types, down to protobuf's own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{folder}: cannot be read ({reason}); delete it to prepare it again", BAD_DATA) from error


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Makes a builder's folder as array_record.

    TFDS writes beside the folder and renames at the end: when interrupted there is no folder, and of two processes
    that prepare at once one wins and both go on.

    Raises:
      UserError: the folder can't be written (73), or the disk is full or fails (74).
    """
    folder = Path(builder.data_dir)
    log.info("preparing %s in %s", builder.info.full_name, folder)
    tqdm_utils.display_progress_bar(sys.stderr.isatty())
    try:
        # TFDS announces itself on standard output, which belongs to the results of commands.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            builder.download_and_prepare(file_format="array_record")
    except OSError as error:
        if folder.exists():  # another process was faster
            return
        refused = (
            isinstance(error, PermissionError | FileExistsError | NotADirectoryError) or error.errno == errno.EROFS
        )
        message = f"{folder}: cannot be written ({error.strerror or error}); set data.data_dir or TFDS_DATA_DIR"
        raise UserError(message, LOCKED if refused else IO_FAILED) from None
