"""The IMDB reviews (Maas et al. 2011): prepared by TFDS, from a local archive or folder, or downloaded.

TFDS' own builder of imdb_reviews does the work, with one part replaced: it walks archives with TensorFlow.
"""

import os
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.imdb_reviews import imdb_reviews_dataset_builder as stock

from imdb_jax.config import DataConfig
from imdb_jax.data import aclimdb
from imdb_jax.data.prepared import open_prepared, prepare
from imdb_jax.data.reviews import Corpus
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

PREPARED = Path("imdb_reviews", "plain_text", "1.0.0")  # inside data_dir
SOURCE = "prepared_from.txt"  # inside a preparation of ours: the identity of the archive or folder it was made from
SERVER_PATIENCE = 4.0  # seconds that the publisher's server gets to answer
WAYS_OUT = (
    "give --config.data.data_dir=FOLDER where TFDS has prepared imdb_reviews, or --config.data.path=aclImdb_v1.tar.gz, "
    "or run once on a machine with network; for a try without IMDB: --config.data.source=synthetic"
)


class Builder(stock.Builder, skip_registration=True):
    """TFDS' builder of imdb_reviews, able to read archives without TensorFlow.

    Attributes:
      source: a local archive or folder instead of the download.
      counts: its reviews by folder.
    """

    name = "imdb_reviews"
    pkg_dir_path = stock.Builder._get_pkg_dir_path()  # where TFDS finds the description
    url_infos: Any = stock.Builder.url_infos  # the publisher's checksum, which downloads are verified against
    source: Path | None = None
    counts: Mapping[str, int] | None = None

    def _split_generators(self, dl_manager: Any) -> list[Any]:
        # Of the download manager the stock builder calls two methods, and TFDS' own iter_archive needs TensorFlow.
        manager: Any = SimpleNamespace(
            download=lambda url: self.source or _download(dl_manager, url),
            iter_archive=lambda archive: aclimdb.read_reviews(Path(archive)),
        )
        generators = super()._split_generators(manager)
        if self.source is not None:
            Path(self.data_dir, SOURCE).write_text(aclimdb.identity(self.source))
        # Many people have deleted train/unsup, which nothing here needs; TFDS refuses to write an empty split.
        return [
            one for one in generators if one.name != "unsupervised" or self.counts is None or self.counts["train/unsup"]
        ]


def open_imdb(config: DataConfig) -> Corpus:
    """Opens 25,000 training and 25,000 test reviews; prepares them on first use.

    `data.path` comes first when it is given, then a preparation in the data directory, then the download.

    Raises:
      UserError: they can't be had (66), are not IMDB's or are damaged (65), or can't be written (73, 74).
    """
    folder = prepared_folder(config)
    corpus = open_prepared(folder)
    if any(len(reviews) != 2 * aclimdb.REVIEWS_PER_CLASS for reviews in corpus):
        found = " and ".join(f"{len(reviews):,}" for reviews in corpus)
        allowed = f"IMDB has {2 * aclimdb.REVIEWS_PER_CLASS:,} in each; delete the folder to prepare it again"
        raise UserError(f"{folder}: {found} reviews in train and test; {allowed}", BAD_DATA)
    return corpus


def prepared_folder(config: DataConfig) -> Path:
    """The folder of the reviews as TFDS keeps them, prepared on first use; errors are those of `open_imdb`."""
    data_dir = Path(config.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    if config.path is not None:
        return _prepare_local(Path(config.path).expanduser(), data_dir)
    if not (data_dir / PREPARED).exists():
        _check_network(data_dir)
        prepare(Builder(data_dir=data_dir))
    return data_dir / PREPARED


def _prepare_local(path: Path, data_dir: Path) -> Path:
    """Prepares an archive or folder, unless that was done before, and returns the prepared folder."""
    source = aclimdb.identity(path)
    if _source(data_dir / PREPARED) not in (None, source):
        # Another preparation lives there: it is neither used in place of `path` nor overwritten.
        data_dir = data_dir / f"aclImdb-{source[:12]}"
    if not (data_dir / PREPARED).exists():
        counts = aclimdb.count_reviews(path)  # before TFDS makes its folders
        builder = Builder(data_dir=data_dir)
        builder.source, builder.counts = path, counts
        prepare(builder)
    return data_dir / PREPARED


def _source(folder: Path) -> str | None:
    """What a prepared folder was made from: an identity, "" if unknown, None if there is no such folder."""
    if not folder.exists():
        return None
    return (folder / SOURCE).read_text() if (folder / SOURCE).is_file() else ""


def _download(manager: tfds.download.DownloadManager, url: str) -> Path:
    try:
        return Path(manager.download(url))
    except Exception as error:  # requests' and urllib3's own types, or a checksum that doesn't match
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{url}: download failed ({reason}); try again, or {WAYS_OUT}", MISSING_INPUT) from error


def _check_network(data_dir: Path) -> None:
    """Fails in seconds where TFDS would retry for minutes."""
    url = next(iter(Builder.url_infos))
    failures: list[str] = ["no answer"]

    def ask() -> None:
        try:
            # Any answer below 400 will do; urllib honours the proxies that TFDS' downloader will use.
            request = urllib.request.Request(url, method="HEAD")  # noqa: S310 (TFDS' own URL)
            urllib.request.urlopen(request, timeout=SERVER_PATIENCE).close()  # noqa: S310
            failures.clear()
        except (OSError, ValueError) as error:
            failures[:] = [str(getattr(error, "reason", error))]

    asking = threading.Thread(target=ask, daemon=True)  # a DNS lookup can hang and takes no timeout
    asking.start()
    asking.join(SERVER_PATIENCE)
    if failures:
        missing = f"no imdb_reviews in {data_dir}, and {urlsplit(url).hostname} can't be reached ({failures[0]})"
        raise UserError(f"data.source imdb: {missing}; {WAYS_OUT}", MISSING_INPUT)
