"""Bad input as a user gives it: one line that names the place, an exit code, and nothing written."""

import fcntl
import gzip
import io
import json
import pickle
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import LSTMConfig
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.runs.run import Run
from tests.commands.command_line import fails, run
from tests.untrained import begin

CONFIG = """
from imdb_jax.config import *

config = Config(
    data=DataConfig(source="files", path="reviews", max_length=8, validation=ValidationConfig(size=0.4)),
    model=ModelConfig(embedding=PretrainedEmbedding(vectors="glove.txt"), encoder=LSTMConfig(hidden_dim=2)),
    training=TrainingConfig(batch_size=8, epochs=1, eval_batch_size=8),
)
"""
TRAIN = ("imdb_jax.train", "--config", "config.py", "--workdir", "run")
AUDIT = ("imdb_jax.audit", "--config", "config.py")
NEAR = ("imdb_jax.vectors", "neighbours", "the", "--vectors")
ENCODE = ("imdb_jax.vocabulary", "encode", "--workdir", "run", "the")
PREDICT = ("imdb_jax.predict", "--workdir", "run", "the")
REPORT = ("imdb_jax.report", "run", "copy")
GLOVE = b"the 1 2 3\nfilm 4 5 6\nwas 7 8 9\ngood 1 0 0\nbad 0 1 0\n"
REVIEWS = {f"reviews/{name}/{i}.txt": b"the film was %b" % word for name, word in (("pos", b"good"), ("neg", b"bad"))
           for i in range(10)}  # fmt: skip


def packed(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A .tar.gz of one review."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    return whole.getvalue()


def saved(array: np.ndarray) -> bytes:
    whole = io.BytesIO()
    np.save(whole, array, allow_pickle=True)
    return whole.getvalue()


def files(root: Path) -> dict[str, bytes | None]:
    """Every file by its name, and every folder."""
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def write(root: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def of_imdb(name: str) -> tuple[str, ...]:
    return (*AUDIT, "--config.data.source=imdb", f"--config.data.path={name}", "--config.data.data_dir=data")


TABLE = [  # files, command, exit code, what is said
    # fields of the config
    ({}, (*TRAIN, "--config.training.batchsize=8"), 2, "--config.training.batch_size"),
    ({}, (*TRAIN, "--config.training.epochs=many"), 2, "--config.training.epochs: invalid literal for int()"),
    ({}, (*TRAIN, "--config.training.batch_size=0"), 2, "training.batch_size: 0; input should be greater than"),
    ({}, (*TRAIN, "--config.optimizer.learning_rate=nan"), 2, "optimizer.learning_rate: nan; input should be a finite"),
    ({}, (*TRAIN, "--config.model.dropout=1.5"), 2, "model.dropout: 1.5; input should be less than 1"),
    # the file of the config
    ({}, ("imdb_jax.train", "--config", "none.py", "--workdir", "run"), 66, "none.py: no such file"),
    ({"config.py": b"x = 1\nx / 0\n"}, TRAIN, 2, "config.py:2: ZeroDivisionError: division by zero"),
    # vectors
    ({"v.txt": GLOVE + b"odd 1 2\n"}, (*TRAIN, "--config.model.embedding.vectors=v.txt"), 65,
     "v.txt:6: 2 numbers, expected 3"),
    ({"v.txt": GLOVE[:-3]}, (*NEAR, "v.txt"), 65, "v.txt:5: 2 numbers, expected 3"),
    ({"v.txt": b""}, (*NEAR, "v.txt"), 65, "v.txt: empty file, expected word vectors"),
    ({"v.txt": GLOVE.replace(b"1 2", b"nan 2")}, (*NEAR, "v.txt"), 65, "v.txt:1: nan or infinity, expected finite"),
    ({"v.gz": gzip.compress(GLOVE)[:-9]}, (*NEAR, "v.gz"), 65, "v.gz: cannot be read"),
    ({"v.bin": b"2 3\nthe " + bytes(12)}, (*NEAR, "v.bin"), 65, "v.bin: 1 whole words, its first line promises 2"),
    ({"v.pkl": pickle.dumps({"the": [1.0, 2.0]})}, (*NEAR, "v.pkl"), 65, "v.pkl: no word vectors"),
    ({"v.npy": saved(np.array([Path()], object))}, (*NEAR, "v.npy"), 65, "v.npy: no word vectors"),
    # reviews
    ({"reviews/pos/0.txt": b"good"}, TRAIN, 66, "reviews: no folder 0 or neg or negative or false; found 1 (pos)"),
    ({"reviews/other/0.txt": b"so so", **REVIEWS}, AUDIT, 65,
     "reviews/other: a third class; allowed: negative is 0, neg"),
    ({"r.csv": b"text,label\nfine,1\nbad,0\nso so,2\n"}, (*TRAIN, "--config.data.path=r.csv"), 65,
     "r.csv:4: label '2'; allowed: negative is 0, neg"),
    ({"r.jsonl": b'{"text": "fine", "label": 1}\n{"text": "b'}, (*AUDIT, "--config.data.path=r.jsonl"), 65,
     "r.jsonl:2: Unterminated string"),
    ({"r.tar.gz": packed("r.csv")}, (*AUDIT, "--config.data.path=r.tar.gz"), 65, "r.tar.gz: a tar archive; unpack it"),
    ({}, (*AUDIT, "--config.data.text_column=label"), 2, "text_column: 'label'; is data.label_column too"),
    # archives
    ({"a.tar.gz": packed("../evil.txt")}, of_imdb("a.tar.gz"), 66, "a.tar.gz: train/neg 0, train/pos 0"),
    ({"a.tar.gz": packed("aclImdb/train/neg/0.txt", tarfile.SYMTYPE)}, of_imdb("a.tar.gz"), 66, ": train/neg 0, train"),
    ({"a.tar.gz": packed("aclImdb/train/neg/0.txt")[:-9]}, of_imdb("a.tar.gz"), 65, "a.tar.gz: not a whole .tar.gz"),
    # the run directory
    ({"run": b""}, TRAIN, 73, "run: File exists; choose another --workdir"),
    ({}, ("imdb_jax.predict", "--workdir", "run", "fine"), 66, "run/manifest.json: no such file"),
]  # fmt: skip


@pytest.mark.parametrize(("contents", "command", "code", "said"), TABLE, ids=[said for *_, said in TABLE])
def test_bad_input_is_one_line_and_nothing_is_written(
    contents: dict[str, bytes], command: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    write(tmp_path, {"config.py": CONFIG.encode(), "glove.txt": GLOVE})
    write(tmp_path, contents if any(name.startswith("reviews/") for name in contents) else {**REVIEWS, **contents})
    before = files(tmp_path)
    assert said in fails(code, *command, cwd=tmp_path, notices=True)
    assert files(tmp_path) == before


ODD_GLOVE = (
    b"8 3\n" + GLOVE + b"the 9 9 9\nna\xc2\xa0ve 1 2 3\n\xff\xfe 1 2 3\n"  # a word again, a no-break space, no UTF-8
)
ODD_REVIEWS = {
    "reviews/unsup/0.txt": b"what",
    "reviews/pos/empty.txt": b"",
    "reviews/pos/bytes.txt": b"\xff good \0",
    "reviews/neg/long.txt": b"bad " * 300_000,
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of odd reviews and vectors, and what training said."""
    folder = tmp_path_factory.mktemp("odd")
    write(folder, {"config.py": CONFIG.encode(), "glove.txt": ODD_GLOVE, **REVIEWS, **ODD_REVIEWS})
    process = run(*TRAIN, "--config.data.encoding=utf-8", cwd=folder)
    assert process.returncode == 0, process.stderr.decode()
    return folder / "run", process.stderr.decode()


def test_what_is_odd_is_handled_counted_and_told_once(odd: tuple[Path, str]) -> None:
    folder, said = odd
    assert said.count("left out 1 (unsup with 1 .txt files)") == 1
    assert said.count("1 not UTF-8, the first reviews/pos/bytes.txt") == 1
    assert said.count("glove.txt: 1 wanted words stand there again; the first vector of each is kept") == 1
    vocabulary, table = Run(folder).vocabulary(), Run(folder).load_vectors()
    assert table is not None
    assert table[vocabulary.encode(b"the")[0]].tolist() == [1, 2, 3]
    splits = json.loads((folder / "audit.json").read_text())["splits"].values()
    counted = {name: sum(split[name] for split in splits) for name in ("empty", "invalid_utf8", "nul", "truncated")}
    assert counted == {"empty": 1, "invalid_utf8": 1, "nul": 1, "truncated": 1}
    assert sum(split["reviews"] for split in splits) == len(REVIEWS) + len(ODD_REVIEWS) - 1


def test_predict_answers_whatever_comes(odd: tuple[Path, str]) -> None:
    reviews = [b"", b"xyzzy", "<b>🙂</b>".encode(), b"good " * 1_000_000, b"\xff\x00\x85", b"good"]
    process = run("imdb_jax.predict", "--workdir", odd[0], stdin=b"\n".join(reviews))
    told = b"stdin: 1 of 6 reviews are not UTF-8; name their --encoding\n"
    assert (process.returncode, process.stderr) == (0, told)
    found = [json.loads(line) for line in process.stdout.splitlines()]
    assert [each["flags"] for each in found] == [["empty"], *[["all_unknown"]] * 2, ["truncated"], ["all_unknown"], []]
    assert all(0 <= each["probability"] <= 1 for each in found)


@pytest.mark.parametrize(
    ("kind", "stdin", "said"),
    [
        ("jsonl", b'{"text": "good"}\n' + b"[" * 100_000, "must be one JSON object per line"),
        ("csv", b'text\ngood\n"never\nclosed\n', "stdin:3: unexpected end of data in the row that begins here; quotes"),
    ],
)
def test_predict_names_the_line_that_it_can_not_read(odd: tuple[Path, str], kind: str, stdin: bytes, said: str) -> None:
    assert said in fails(65, "imdb_jax.predict", "--workdir", odd[0], "--input", kind, stdin=stdin)


@pytest.mark.parametrize("argument", ["no such/reviews.csv", "nosuch.txt", "./x"])
def test_what_is_named_as_a_file_is_no_review(odd: tuple[Path, str], argument: str) -> None:
    assert "no such file" in fails(66, "imdb_jax.predict", "--workdir", odd[0], argument)
    process = run("imdb_jax.predict", "--workdir", odd[0], f" {argument}")
    assert process.stdout.split()[0] in (b"positive", b"negative")


def test_a_finished_run_of_other_reviews_is_refused(odd: tuple[Path, str]) -> None:
    folder = odd[0].parent
    write(folder, {name.replace("reviews/", "others/"): text for name, text in REVIEWS.items()})
    options = ("--config.data.encoding=utf-8", "--config.data.path=others")
    assert "the reviews have changed since this run was begun" in fails(65, *TRAIN, *options, cwd=folder, notices=True)


@pytest.mark.parametrize(
    ("command", "name", "content", "said"),
    [
        (ENCODE, "manifest.json", b"[" * 100_000, "manifest.json: has changed since it was written"),
        (ENCODE, "vocabulary.txt", b"\n[UNK]\nthe\n", "vocabulary.txt: has changed since the run wrote it"),
        (PREDICT, "vectors.npy", saved(np.array([Path()], object)), "vectors.npy: has changed since the run wrote it"),
        (REPORT, "metrics.jsonl", b'{"epoch": 1}\n{"ep', "metrics.jsonl: has changed since the run wrote it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_run_is_named_and_left_alone(
    odd: tuple[Path, str], command: tuple[str, ...], name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    for place in ("run", "copy"):
        shutil.copytree(odd[0], tmp_path / place)
    (tmp_path / "run" / name).write_bytes(content)
    before = files(tmp_path)
    assert said in fails(65, *command, cwd=tmp_path)
    assert files(tmp_path) == before


def test_a_run_that_another_process_trains_is_left_alone(odd: tuple[Path, str]) -> None:
    with (odd[0] / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = files(odd[0])
        said = fails(73, *TRAIN, cwd=odd[0].parent)
    assert "run: another process is training there; choose another --workdir" in said
    assert files(odd[0]) == before


def test_a_damaged_checkpoint_is_told_in_one_line(odd: tuple[Path, str], tmp_path: Path) -> None:
    """Not by what each of Orbax's tasks has to say of it."""
    shutil.copytree(odd[0], tmp_path / "run")
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    for index in checkpoint.glob("arrays/state/d/*"):
        index.unlink()
    *notices, line = run(*PREDICT, cwd=tmp_path).stderr.decode().splitlines()
    assert ["damaged (" in notice for notice in notices] == [True]
    assert "none of its 1 checkpoints can be read" in line


def test_a_checkpoint_of_another_model_is_refused_by_leaf(odd: tuple[Path, str], tmp_path: Path) -> None:
    old, new = Run(odd[0]), Run(tmp_path / "run")
    config = old.config()
    config = replace(config, model=replace(config.model, encoder=LSTMConfig(hidden_dim=3)))
    with new.taken():
        begin(new, config, old.vocabulary(), old.load_vectors())
    shutil.copytree(old.checkpoints, new.checkpoints)
    said = fails(2, "imdb_jax.predict", "--workdir", new.folder, "fine")
    assert "encoder.backward.bias is float32[8] there but float32[12] in this run" in said


def test_a_checkpoint_of_another_vocabulary_is_refused_by_file(odd: tuple[Path, str], tmp_path: Path) -> None:
    old, new = Run(odd[0]), Run(tmp_path / "run")
    *others, last, first = old.vocabulary().tokens
    vocabulary = Vocabulary([*others, first, last], old.config().data.text)
    with new.taken():
        begin(new, old.config(), vocabulary, old.load_vectors())
    shutil.copytree(old.checkpoints, new.checkpoints)
    assert re.search(r"vocabulary\.txt is \w{16} there but \w{16} in this run", fails(2, *PREDICT, cwd=tmp_path))
