"""What every parser promises whatever it reads, and a search for inputs that break it."""

import argparse
import contextlib
import gzip
import io
import logging
import random
import re
import signal
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imdb_jax import audit, cli, predict
from imdb_jax.config import Config, TextConfig, fields, from_json, to_json
from imdb_jax.data import aclimdb
from imdb_jax.data.files import FileReviews, read_csv, read_jsonl
from imdb_jax.data.vocabulary import Vocabulary, read_word_index
from imdb_jax.errors import LONGEST, UserError
from imdb_jax.runs.run import Run
from imdb_jax.wordvectors.neighbours import neighbours
from imdb_jax.wordvectors.table import read_all_vectors, read_vectors

MEMORY = Path("/dev/shm")  # writing there never waits for a disk
PATIENCE = 60  # seconds after which an input is taken to hang its parser
ODD = (  # inserted beside random bytes
    *b'\n\r\t\0 ",{}[]:-=\\\x1c\x85\xff', b"\r\n", b"nan", b"1e999", b"-1", b"true", b"null", b'""', b"[" * 3_000,
    b"9" * 5_000, b"\\ud800", b"\xef\xbb\xbf", b"\xc2\xa0", b"\xe2\x80\xa8", b"--", b"../", "é🙂".encode(),
)  # fmt: skip
TOKENS = (b"", b"[UNK]", b"the", b"film", b". . .", b"caf\xc3\xa9")
TABLE = np.random.default_rng(0).normal(size=(len(TOKENS) - 2, 3)).astype("<f4")


class Parser(NamedTuple):
    """How bytes are parsed.

    Attributes:
      samples: valid inputs.
      read: parses a file and asserts what holds of the result; raises UserError for what is not valid.
    """

    samples: tuple[bytes, ...]
    read: Callable[[Path], None]


class Hung(BaseException):
    """Past all handlers of exceptions: a parser took longer than `PATIENCE`."""


def mutated(samples: Sequence[bytes], draw: random.Random) -> bytes:
    """One of the samples with one to four changes."""
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
                odd = draw.choice(ODD)
                data[start:start] = bytes([odd]) if isinstance(odd, int) else odd
            case 4:
                data[start:start] = data[start:end]
            case 5:
                data = data[end:] + data[start:end] + data[:start]
    return bytes(data)


def verdict(parser: Parser, data: bytes, path: Path) -> bool:
    """Whether an input is accepted.

    Raises:
      Exception, Hung: it breaks the parser.
    """
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
    (nearest,) = neighbours(str(path), *read_all_vectors(path), [b"the"], 3)
    assert len(nearest) <= 3
    assert all(-1.001 < each.cosine < 1.001 and each.word != b"the" for each in nearest)


def labelled(read: Callable, path: Path) -> None:
    reviews = FileReviews(path, partial(read, path, "text", "label"))
    again = [pair for texts, labels in reviews.chunks() for pair in zip(texts, labels, strict=True)]
    assert [label for _, label in again] == reviews.labels.tolist()
    assert all(isinstance(text, bytes) and label in (0, 1) for text, label in again)


def predicted(kind: str, path: Path) -> None:
    args = predict.Args("run", input=kind, text_column="text")  # pyright: ignore  (one of three strings)
    with path.open("rb") as file:
        assert all(isinstance(text, bytes) for text in predict.read_reviews(args, file))


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
        assert from_json(to_json(parsed.config), "config.json") == parsed.config


def config_json(path: Path) -> None:
    config = from_json(path.read_bytes(), "config.json")
    assert from_json(to_json(config), "config.json") == config


def vocabulary(path: Path) -> None:
    text = TextConfig()
    loaded = Vocabulary.load(path, text)
    assert len(set(loaded.tokens)) == len(loaded)
    loaded.save(path)
    assert Vocabulary.load(path, text).tokens == loaded.tokens


def word_index(path: Path) -> None:
    words = read_word_index(path)
    assert words
    assert len(set(words)) == len(words)
    assert all(word.split() == [word] for word in words)


def results(path: Path) -> None:
    """A run's records: results.json, or metrics.jsonl."""
    place = path.with_name("results.json")
    place.write_bytes(path.read_bytes())
    assert isinstance(Run(path.parent).results(), dict)


def history(path: Path) -> None:
    path.with_name("results.json").unlink(missing_ok=True)  # it seals the metrics of a run that has ended
    place = path.with_name("metrics.jsonl")
    place.write_bytes(path.read_bytes())
    assert all(isinstance(record, dict) for record in Run(path.parent).history())


def _lines() -> bytes:
    return b"".join(
        b" ".join([word, *(b"%.9g" % number for number in row)]) + b"\n"
        for word, row in zip(TOKENS[2:], TABLE.tolist(), strict=True)
    )


def _vectors() -> tuple[bytes, ...]:
    packed, header = io.BytesIO(), b"%d %d\n" % TABLE.shape
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("vectors.txt", _lines())
    binary = b"".join(
        word + b" " + row.tobytes() for word, row in zip(TOKENS[2:], TABLE, strict=True) if b" " not in word
    )
    return (
        _lines(), header + _lines(), b"%d %d\n" % (len(TABLE) - 1, 3) + binary,
        gzip.compress(_lines(), 0, mtime=0), packed.getvalue(),
    )  # fmt: skip


def _tar(form: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as members:
        for folder in aclimdb.CLASS_FOLDERS:
            name = f"aclImdb/{folder}/{'é' * (form == tarfile.PAX_FORMAT)}0_7.txt"
            info = tarfile.TarInfo(name)
            info.size = len(folder)
            members.addfile(info, io.BytesIO(folder.encode()))
    return packed.getvalue()


def _with_seal(folder: Path) -> bytes:
    scores = {"accuracy": 0.5, "loss": 0.7, "auc": 0.5, "f1": 0.5, "examples": 2}
    seconds = {"compile": 0.5, "train": 1.0, "total": 2.0}
    counts = {"seed": 0, "best_epoch": 1, "epochs": 1}
    Run(folder).write_results(
        {"validation": scores, "test": scores, **counts, "seconds": seconds, "versions": {}, "device": {}}
    )
    return (folder / "results.json").read_bytes()


def parsers(folder: Path) -> dict[str, Parser]:
    """Every parser by name.

    Args:
      folder: to write samples in.
    """
    csvs = (b'text,label\nfine,1\n"bad, ""really""\nbad",neg\n', b'\xef\xbb\xbfid,label,text\r\n1,True,"\xff\r\n"\r\n')
    jsonls = (b'{"text": "fine", "label": 1}\n\n{"label": "neg", "text": "\\ud83d \xff", "id": [1.5, null]}\n',)
    tars = tuple(_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    flags = [f"--config.{name}={value}" for name, value in fields(Config()).items() if isinstance(value, int | float)]
    typed = tuple("\n".join(["--output=json", *flags[i : i + 3]]).encode() for i in range(0, len(flags), 3))
    figures = b'"loss": 0.7, "accuracy": 0.5'
    record = b'{"epoch": 1, "step": 50, "train": {%b}, "validation": {%b, "auc": NaN, "f1": 0.5, "examples": 2}, ' % (
        figures,
        figures,
    )
    record += b'"seconds": 1.5}\n'
    return {
        "vectors": Parser(_vectors(), vectors),
        "neighbours": Parser(_vectors(), near),
        "csv": Parser(csvs, partial(labelled, read_csv)),
        "jsonl": Parser(jsonls, partial(labelled, read_jsonl)),
        "predict_csv": Parser(csvs, partial(predicted, "csv")),
        "predict_jsonl": Parser(jsonls, partial(predicted, "jsonl")),
        "archive": Parser(tuple(gzip.compress(each, mtime=0) for each in tars), archive),
        "tar": Parser(tars, tar),
        "overrides": Parser(typed, overrides),
        "config": Parser((to_json(Config()).encode(),), config_json),
        "vocabulary": Parser((b"".join(token + b"\n" for token in TOKENS),), vocabulary),
        "word_index": Parser((b'{"the": 1, "film": 3, "caf\\u00e9": 2}\n',), word_index),
        "results": Parser((_with_seal(folder),), results),
        "history": Parser((record, record + record), history),
    }


def search(parser: Parser, inputs: Iterator[bytes], folder: Path) -> tuple[int, int, list[bytes]]:
    """Counts inputs that are accepted and refused, and gives those that break the parser."""
    accepted, refused, broke = 0, 0, []
    for data in inputs:
        signal.alarm(PATIENCE)
        try:
            if verdict(parser, data, folder / "input"):
                accepted += 1
            else:
                refused += 1
        except (Exception, Hung):
            broke.append(data)
        finally:
            signal.alarm(0)
    return accepted, refused, broke


def main(arguments: list[str], known: Callable[[Path], dict[str, Parser]] = parsers) -> int:
    options = argparse.ArgumentParser("scripts/fuzz")
    options.add_argument("--inputs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    options.add_argument("--repeat", type=Path)
    options.add_argument("parsers", nargs="*")
    args = options.parse_args(arguments)
    warnings.simplefilter("error")  # a warning is a second line
    signal.signal(signal.SIGALRM, _hung)
    failures = 0
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folder = Path(name)
        found = known(folder)
        if unknown := set(args.parsers) - found.keys():
            options.error(f"{min(unknown)!r}; parsers are {', '.join(found)}")
        for name in args.parsers or found:
            if args.repeat is not None:
                print("accepted" if verdict(found[name], args.repeat.read_bytes(), folder / "input") else "refused")
                continue
            draw, started = random.Random(f"{args.seed} {name}"), time.perf_counter()
            inputs = (mutated(found[name].samples, draw) for _ in range(args.inputs))
            accepted, refused, broke = search(found[name], inputs, folder)
            seconds = time.perf_counter() - started
            print(
                f"{name}: {args.inputs:,} inputs, {accepted:,} accepted, {refused:,} refused, {seconds:.0f} s",
                flush=True,
            )
            for number, data in enumerate(broke):
                args.out.mkdir(parents=True, exist_ok=True)
                place = args.out / f"{name}-{args.seed}-{number}"
                place.write_bytes(data)
                print(f"{name}: broke; scripts/fuzz --repeat {place} {name}", flush=True)
            failures += len(broke)
    return 1 if failures else 0


def _hung(*_: object) -> None:
    raise Hung


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # notices of what was handled
    sys.exit(main(sys.argv[1:]))
