"""What every parser promises whatever it reads: something valid, or the user's error in one line.

Inputs are valid samples with bytes flipped, cut, inserted or swapped; scripts/fuzz tries many more of them.
"""

import contextlib
import gzip
import io
import json
import math
import os
import random
import re
import signal
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from imdb_jax import audit, cli
from imdb_jax.config import Config, DataConfig, dump, fields, load
from imdb_jax.data import aclimdb
from imdb_jax.data.files import read_files
from imdb_jax.data.inputs import read_inputs
from imdb_jax.data.places import Format, enter
from imdb_jax.data.vocabulary import read_word_index
from imdb_jax.errors import LONGEST, UserError
from imdb_jax.runs.run import Results, Run
from imdb_jax.training.history import Epoch, Seconds
from imdb_jax.training.metrics import Scores, TrainScores
from imdb_jax.wordvectors.formats import read_word_vectors
from imdb_jax.wordvectors.table import neighbours, read_vectors

INPUTS = int(os.environ.get("FUZZ_INPUTS", 30))  # for each parser
PATIENCE = 60  # seconds after which an input is taken to hang its parser
MARKS = b'\n\r\t\0 ",{}[]:-=\\\x1c\x85\xff'
ODD = (  # inserted
    *(bytes([mark]) for mark in MARKS), b"\r\n", b"nan", b"1e999", b"-1", b"true", b"null", b'""', b"[" * 3_000,
    b"9" * 5_000, b"\\ud800", b"\xef\xbb\xbf", b"\xc2\xa0", b"\xe2\x80\xa8", b"--", b"../", "é🙂".encode(),
)  # fmt: skip
TOKENS = (b"", b"[UNK]", b"the", b"film", b". . .", b"caf\xc3\xa9")
TABLE = np.random.default_rng(0).normal(size=(len(TOKENS) - 2, 3)).astype("<f4")


class Parser(NamedTuple):
    """Valid inputs, and what parses a file and asserts what holds of the result, or raises UserError."""

    samples: Sequence[bytes]
    read: Callable[[Path], None]


def mutated(samples: Sequence[bytes], draw: random.Random) -> bytes:
    """One of the samples with one to four changes; now and then something else."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randint(0, 60))
    data = bytearray(draw.choice(samples))
    for _ in range(draw.randint(1, 4)):
        start, end = sorted(draw.randint(0, len(data)) for _ in range(2))
        match draw.randrange(6):
            case 0 if data:
                data[start - 1] ^= 1 << draw.randrange(8)
            case 1:
                del data[start:end]
            case 2:
                del data[start : start + draw.randint(1, 3)]
            case 3:
                data[start:start] = draw.choice(ODD)
            case 4:
                data[start:start] = data[start:end]
            case 5:
                data = data[end:] + data[start:end] + data[:start]
    return bytes(data)


def accepts(parser: Parser, data: bytes, path: Path) -> bool:
    """Whether an input is accepted, not refused; raises anything else where it breaks the parser."""
    path.write_bytes(data)
    try:
        parser.read(path)
    except UserError as error:
        told = str(error)
    else:
        return True
    assert len(told.splitlines()) == 1
    assert len(told) <= LONGEST + len(" ... ")
    return False


def vectors(path: Path) -> None:
    table, found = read_vectors(path, TOKENS)
    assert table.dtype == np.float32
    assert len(table) == len(found) == len(TOKENS)
    assert np.isfinite(table).all()
    assert found.any()
    assert not found[0]
    assert not table[~found].any()


def near(path: Path) -> None:
    vectors = read_word_vectors(path, None)
    nearest = neighbours(str(path), [*vectors], np.array([*vectors.values()]), b"the", 3)
    assert len(nearest) <= 3
    assert all(-1.001 < cosine < 1.001 and word != "the" for word, cosine in nearest)


def labelled(path: Path) -> None:
    config = DataConfig(source="files", path=str(path), encoding="utf-8")
    reviews = read_files(enter(path), config, "fuzzed")
    assert all(
        isinstance(text, bytes) and label in (0, 1) for text, label in zip(reviews.texts(), reviews.labels, strict=True)
    )


def predicted(path: Path) -> None:
    assert all(isinstance(text, bytes) for _, text in read_inputs([str(path)], Format(encoding="utf-8"), True))


def archive(path: Path) -> None:
    found = [name for name, _ in aclimdb.read_reviews(path)]
    assert all(re.fullmatch(r"aclImdb/(train|test)/(neg|pos|unsup)/[^/]+\.txt", name) for name in found)
    assert [name for name, file in aclimdb.read_reviews(path) if file.read() is not None] == found


def tar(path: Path) -> None:
    """What damages a tar inside of a whole .gz."""
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    archive(path)


def overrides(path: Path) -> None:
    arguments = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):  # --help
        parsed = cli.parse(audit.Args, arguments, "audit", audit.Args(Config()))
        assert load(Config, dump(parsed.config), "config.json") == parsed.config


def config_json(path: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # which a run's checksum tells
        return
    config = load(Config, content, "config.json")
    assert load(Config, dump(config), "config.json") == config


def word_index(path: Path) -> None:
    words = read_word_index(path)
    assert words
    assert len(set(words)) == len(words)
    assert all(word.split() == [word] for word in words)


def results(path: Path) -> None:
    """Of a run; its seal covers the metrics too, so that `history` reads them without results."""
    path.with_name("results.json").write_bytes(path.read_bytes())
    assert Run(path.parent).results()


def history(path: Path) -> None:
    path.with_name("results.json").unlink(missing_ok=True)
    path.with_name("metrics.jsonl").write_bytes(path.read_bytes())
    assert all(epoch.epoch for epoch in Run(path.parent).history().epochs)


def zips(files: dict[str, bytes]) -> list[bytes]:
    """Files as zip files, packed in each way."""
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(packed := io.BytesIO(), "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        found.append(packed.getvalue())
    return found


def parsers(folder: Path) -> dict[str, Parser]:
    """Every parser by name; samples are written in the folder."""
    rows = [*zip(TOKENS[2:], TABLE, strict=True)]
    lines = b"".join(b"%b %b\n" % (word, b" ".join(b"%.9g" % x for x in row)) for word, row in rows)
    header = b"%d %d\n" % TABLE.shape
    binary = b"3 3\n" + b"".join(word + b" " + row.tobytes() for word, row in rows if b" " not in word)
    with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("vectors.txt", lines)
    files = lines, header + lines, binary, gzip.compress(lines, 0, mtime=0), packed.getvalue()
    csvs = b'text,label\nfine,1\n"bad, ""really""\nbad",neg\n', b'\xef\xbb\xbfid,label,text\r\n1,True,"\xff\r\n"\r\n'
    jsonls = (b'{"text": "fine", "label": 1}\n\n{"label": "neg", "text": "\\ud83d \xff", "id": [1.5, null]}\n',)
    tars = [_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    flags = [f"--config.{name}={value}" for name, value in fields(Config()).items() if isinstance(value, int | float)]
    typed = ["\n".join(["--output=json", *flags[i : i + 3]]).encode() for i in range(0, len(flags), 3)]
    scores = Scores(loss=0.7, accuracy=0.5, auc=math.nan, f1=0.5, examples=2)
    (folder / "metrics.jsonl").touch()
    (folder / "predictions.npz").touch()
    Run(folder).conclude(Results(scores, scores, 0, 1, 1, Seconds(total=2.0), {}, {}, "", "", {}), {})
    line = json.dumps(dump(Epoch(1, 50, TrainScores(0.7, 0.5), scores, 1.5))).encode() + b"\n"
    return {
        "vectors": Parser(files, vectors),
        "neighbours": Parser(files, near),
        "csv": Parser(csvs, labelled),
        "jsonl": Parser(jsonls, labelled),
        "table_zip": Parser(zips({"reviews.csv": csvs[0]}), labelled),
        "folders_zip": Parser(zips({"neg/1.txt": b"bad", "pos/é.txt": b"fine"}), labelled),
        "predict_csv": Parser(csvs, predicted),
        "predict_jsonl": Parser(jsonls, predicted),
        "archive": Parser([gzip.compress(each, mtime=0) for each in tars], archive),
        "tar": Parser(tars, tar),
        "overrides": Parser(typed, overrides),
        "config": Parser([json.dumps(dump(Config())).encode()], config_json),
        "word_index": Parser([b'{"the": 1, "film": 3, "caf\\u00e9": 2}\n'], word_index),
        "results": Parser([(folder / "results.json").read_bytes()], results),
        "history": Parser([line, line + line], history),
    }


def _tar(form: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as members:
        for folder in aclimdb.CLASS_FOLDERS:
            info = tarfile.TarInfo(f"aclImdb/{folder}/{'é' * (form == tarfile.PAX_FORMAT)}0_7.txt")
            info.size = len(folder)
            members.addfile(info, io.BytesIO(folder.encode()))
    return packed.getvalue()


class Hung(BaseException):
    """Past all handlers of exceptions: a parser took longer than `PATIENCE`."""


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    def hung(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, hung)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parser]:
    return parsers(tmp_path_factory.mktemp("samples"))


NAMES = (
    "vectors", "neighbours", "csv", "jsonl", "table_zip", "folders_zip", "predict_csv", "predict_jsonl", "archive",
    "tar", "overrides", "config", "word_index", "results", "history",
)  # fmt: skip


def test_every_parser_is_here(known: dict[str, Parser]) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_accepted(name: str, known: dict[str, Parser], tmp_path: Path) -> None:
    for sample in known[name].samples:
        assert accepts(known[name], sample, tmp_path / "input")


@pytest.mark.parametrize("name", NAMES)
@settings(
    deadline=None,  # files are written
    max_examples=INPUTS,
    derandomize="FUZZ_INPUTS" not in os.environ,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**64))
def test_damage_is_refused_or_read(
    name: str, known: dict[str, Parser], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    data = mutated(known[name].samples, random.Random(seed))
    signal.alarm(PATIENCE)
    accepted = accepts(known[name], data, tmp_path_factory.getbasetemp() / "input")
    event("accepted" if accepted else "refused")


def test_what_breaks_a_parser_is_no_refusal(tmp_path: Path) -> None:
    def breaks(path: Path) -> None:
        if b"a" not in path.read_bytes():
            raise UserError("no a")
        raise ValueError("a bug")

    fragile = Parser([b"an a"], breaks)
    assert not accepts(fragile, b"b", tmp_path / "input")
    with pytest.raises(ValueError, match="a bug"):
        accepts(fragile, b"a", tmp_path / "input")
