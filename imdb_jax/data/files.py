"""Your own labelled reviews: a folder with `pos` and `neg`, a CSV or a JSONL file, the last two also as .gz."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from imdb_jax.config import DataConfig
from imdb_jax.data.reviews import LONGEST_REVIEW, Corpus, Reviews, Selection, hashed, hold_out
from imdb_jax.data.rows import csv_rows, jsonl_rows, text_of
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, USAGE, UserError

log = logging.getLogger(__name__)

LABELS = {"0": 0, "neg": 0, "negative": 0, "false": 0, "1": 1, "pos": 1, "positive": 1, "true": 1}
Labelled = Iterator[tuple[bytes, int]]
Rows = Callable[[Any, str, Sequence[str]], Iterator[tuple[str, dict[str, Any]]]]
ROWS: dict[str, Rows] = {".csv": csv_rows, ".jsonl": jsonl_rows}


class FileReviews(Reviews):
    """Reviews that a function reads from disk each time anew.

    They are read once when opened, so that a wrong label in the last line is known at once.
    """

    def __init__(self, path: Path, read: Callable[[], Labelled]) -> None:
        self._read = read
        digest = hashlib.sha256()
        labels = bytearray()
        try:
            for text, label in read():
                digest.update(hashed(text, label))
                labels.append(label)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path}: cannot be read ({error})", BAD_DATA) from None
        if not labels:
            raise UserError(f"{path}: holds no review", BAD_DATA)
        self.fingerprint = digest.hexdigest()
        self.labels = np.frombuffer(bytes(labels), np.int8)

    def texts(self) -> Iterator[bytes]:
        """As in `Reviews`."""
        return (text for text, _ in self._read())


def open_files(config: DataConfig) -> Corpus:
    """Opens the reviews at `data.path`.

    Test reviews are those at `data.test_path`, else those in a `test` folder beside `train`, else a stratified
    `data.test_fraction` that is held out.
    """
    path = Path(cast(str, config.path)).expanduser()
    test_path = Path(config.test_path).expanduser() if config.test_path else None
    if (path / "train").is_dir():
        test_path = test_path or (path / "test" if (path / "test").is_dir() else None)
        path = path / "train"
    reviews = _open(path, "data.path", config)
    if test_path is not None:
        return Corpus(reviews, _open(test_path, "data.test_path", config))
    held = hold_out(reviews.labels, "stratified", config.test_fraction, config.split_seed, "data.test_fraction")
    return Corpus(Selection(reviews, ~held), Selection(reviews, held))


def _open(path: Path, field: str, config: DataConfig) -> FileReviews:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; set {field}", MISSING_INPUT)
    if not path.is_dir():
        kind = Path(path.name.removesuffix(".gz")).suffix
        if kind not in ROWS:
            raise UserError(f"{field}: {str(path)!r}; must be a folder with pos and neg, a .csv or a .jsonl", USAGE)
        return FileReviews(path, partial(read_rows, ROWS[kind], path, config.text_column, config.label_column))
    found = {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    for name in ("neg", "pos"):
        if name not in found:
            raise UserError(f"{path / name}: no such class folder; needed are {path}/neg and {path}/pos", MISSING_INPUT)
    if others := found - {"neg", "pos", "unsup"}:
        raise UserError(f"{path / min(others)}: a third class; allowed: neg, pos", BAD_DATA)
    if "unsup" in found:
        log.warning("%s: ignored, its reviews have no label", path / "unsup")
    return FileReviews(path, partial(read_folder, path))


def read_folder(path: Path) -> Labelled:
    """Reads one review per file, those in `neg` first, each class by file name."""
    for name in ("neg", "pos"):
        for file in sorted((path / name).iterdir()):
            if file.is_file() and not file.name.startswith("."):
                with file.open("rb") as opened:
                    yield opened.read(LONGEST_REVIEW), LABELS[name]


def read_rows(rows: Rows, path: Path, text_column: str, label_column: str) -> Labelled:
    """Reads the texts and labels of a table, plain or as .gz, by `csv_rows` or `jsonl_rows`."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for where, row in rows(file, str(path), (text_column, label_column)):
            yield text_of(row, text_column, where), _label(row[label_column], where)


def _label(value: Any, where: str) -> int:
    try:
        return LABELS[str(value).strip().lower()]
    except KeyError:
        allowed = "0/1, neg/pos, negative/positive, false/true"
        raise UserError(f"{where}: label {value!r}; allowed: {allowed}", BAD_DATA) from None
