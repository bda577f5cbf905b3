"""A run is exported, and read by one file where there is no imdb_jax, and even no JAX."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.inference.artefact import PACKAGE, READER
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.run import Run
from tests.commands.command_line import fails, run
from tests.inference.test_artefact import SMALL, predictor_of

REVIEWS = ["word7 word8,\nword9", "", "Word10 " * 50, "naïve 🍿"]
ABSENT = "raise ImportError('not here')\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a run, the model exported from it, and the reader; of what imdb_jax needs only JAX and NumPy are there."""
    folder = tmp_path_factory.mktemp("export")
    predictor_of(folder / "run", SMALL)
    (folder / "model.zip").write_text("an older one")
    asked = ("--workdir", "run", "--out", "model.zip", "--reader", "reader.pyz")
    process = run("imdb_jax.export", *asked, cwd=folder)
    told = b"run: training has not ended; this is the best epoch so far\n"
    assert (process.returncode, process.stdout, process.stderr) == (0, b"model.zip\nreader.pyz\n", told)
    (folder / "away").mkdir()
    for name in ("imdb_jax", "flax", "optax", "orbax", "pydantic", "tyro", "rich", "jaxtyping"):
        (folder / "away" / f"{name}.py").write_text(ABSENT)
    return folder


def test_the_reader_is_all_that_it_imports_and_no_more() -> None:
    seen = "import sys, imdb_jax.inference.reader; print(*(getattr(m, '__file__', 0) for m in sys.modules.values()))"
    found = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True).stdout.split()
    own = [Path(name).relative_to(PACKAGE).as_posix() for name in found if name.startswith(f"{PACKAGE}{os.sep}")]
    assert sorted(own) == sorted(READER)
    assert not [name for name in found if f"{os.sep}jax{os.sep}" in name or f"{os.sep}pydantic" in name]


def read(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "reader.pyz", *arguments]
    environment = os.environ | {"PYTHONPATH": "away"}
    return subprocess.run(command, input=stdin, capture_output=True, cwd=folder, env=environment)


@pytest.mark.parametrize("options", [[], ["--numpy"]], ids=["jax", "numpy"])
def test_a_copy_of_the_reader_says_what_predict_says(options: list[str], folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    if options:
        (tmp_path / "away" / "jax.py").write_text(ABSENT)
    process = read(tmp_path, *options, "model.zip", *REVIEWS)
    assert (process.returncode, process.stderr) == (0, b"")
    lines = [line.partition("  ") for line in process.stdout.decode().splitlines()]
    assert [start for _, _, start in lines] == [" ".join(review.split())[:60] for review in REVIEWS]
    expected = [prediction.probability for prediction in Predictor(Run(folder / "run")).predict(REVIEWS)]
    np.testing.assert_allclose([float(probability) for probability, _, _ in lines], expected, atol=2e-6)
    table = "".join(json.dumps({"review": review}) + "\n" for review in REVIEWS).encode("utf-16")
    (tmp_path / "table.json.gz").write_bytes(gzip.compress(table))
    (tmp_path / "lines.txt").write_text("\ufeff" + "".join(" ".join(review.split()) + "\n" for review in REVIEWS))
    with zipfile.ZipFile(tmp_path / "classes.zip", "w") as archive:
        for number, review in enumerate(REVIEWS):
            archive.writestr(f"{('neg', 'pos')[number // 2]}/{number}.txt", review)
        archive.writestr("pos/notes.md", "none")
    for asked, told in (
        (
            ["--text_column", "review", "model.zip", "table.json.gz"],
            "4 reviews; JSON lines in UTF-16, texts in 'review'",
        ),
        (["model.zip", "lines.txt"], "4 reviews; lines of 1 text files"),
        (["model.zip", "classes.zip"], "4 reviews; 4 text files; left out 1 (notes.md)"),
    ):
        of_file = read(tmp_path, *options, *asked)
        assert (of_file.returncode, of_file.stdout) == (0, process.stdout)
        assert told in of_file.stderr.decode()
    refused = read(tmp_path, *options, "model.zip", "table.json.gz")
    assert refused.returncode == 65
    said = "error: table.json.gz:1: no column 'text'; found: 'review'; name it with --text_column=\n"
    assert refused.stderr.decode() == said
    (tmp_path / "cp949.csv").write_bytes("text\n훌륭한 영화\n".encode("cp949"))
    (tmp_path / "header.csv").write_text("text\n")
    for name, code, said in (
        ("cp949.csv", 65, "cp949.csv:2: not UTF-8, as 1 of 1 reviews; save as UTF-8 or set --encoding="),
        ("header.csv", 65, "header.csv: holds no review"),
        ("nowhere.csv", 66, "nowhere.csv: no such file"),
        ("--text_column=review", 2, "--text_column: 'review'; only for files and standard input, not for typed"),
    ):
        refused = read(tmp_path, *options, "model.zip", name, *(["fine"] if code == 2 else []))
        assert refused.returncode == code
        assert refused.stderr.decode().startswith(f"error: {said}")
    piped = read(tmp_path, *options, "model.zip", stdin=b"\xef\xbb\xbfword7 word8, word9\n\n")
    assert piped.stdout.splitlines() == process.stdout.splitlines()[:2]
    told = "stdin: 1 of 2 reviews are not UTF-8; name their --encoding\n"
    odd = read(tmp_path, *options, "model.zip", stdin="é\n".encode() + "é\n".encode("cp1252"))
    assert (odd.returncode, odd.stderr.decode(), piped.stderr) == (0, told, b"")
    as_cp1252 = read(tmp_path, "--encoding=cp1252", *options, "model.zip", stdin="word7 é\n".encode("cp1252"))
    assert as_cp1252.stdout.decode().endswith("  word7 é\n")
    as_table = read(tmp_path, "--text_column=review", *options, "model.zip", stdin=table)
    assert as_table.stdout == process.stdout


def test_files_are_read_as_the_run_was_trained_to(tmp_path: Path) -> None:
    """Its column, its encoding, and that quotes are characters like others."""
    reviews = [f'"{"좋은" if number % 2 else "나쁜"} 영화 {number}' for number in range(40)]
    lines = [f"{review}\t{number % 2}" for number, review in enumerate(reviews)]
    (tmp_path / "own.txt").write_bytes("\n".join(["document\tlabel", *lines]).encode("cp949"))
    data = {"source": "files", "path": "own.txt", "text_column": "document", "encoding": "cp949", "quotes": "False"}
    options = [f"--config.data.{name}={value}" for name, value in data.items()]
    epochs = "--config.training.epochs=1"
    trained = run("imdb_jax.train", "--config", "quickstart", "--workdir", "run", *options, epochs, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr.decode()
    exported = run("imdb_jax.export", "--workdir", "run", "--out", "model.zip", "--reader", "reader.pyz", cwd=tmp_path)
    assert exported.returncode == 0
    predicted = run("imdb_jax.predict", "--workdir", "run", "own.txt", cwd=tmp_path).stdout.splitlines()
    found = read(tmp_path, "--numpy", "model.zip", "own.txt")
    assert found.returncode == 0
    assert found.stderr.decode() == ("own.txt (to predict): 40 reviews; CSV with tabs in CP949, texts in 'document'\n")
    expected = [json.loads(line)["probability"] for line in predicted]
    told = [line.split("  ", 1) for line in found.stdout.decode().splitlines()]
    np.testing.assert_allclose([float(probability) for probability, _ in told], expected, atol=2e-6)
    assert [text for _, text in told] == reviews
    piped = read(tmp_path, "--numpy", "model.zip", stdin="\n".join(reviews).encode("cp949"))
    assert piped.stdout == found.stdout
    odd = read(tmp_path, "--numpy", "model.zip", stdin=b"\xff\n")
    assert odd.stderr == b"stdin: 1 of 1 reviews are not CP949; name their --encoding\n"


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    export = ["imdb_jax.export", "--workdir", folder / "run", "--out"]
    assert "none/model.zip: No such file or directory; choose another --out" in fails(
        73, *export, "none/model.zip", notices=True
    )
    same = fails(2, *export, tmp_path / "model.zip", "--reader", tmp_path / "model.zip")
    assert "model.zip'; must end in .pyz" in same
    assert "'float32', 'float16'" in fails(2, *export, tmp_path / "model.zip", "--table", "int8")
    nowhere = fails(73, *export, folder / "again.zip", "--reader", "none/reader.pyz", notices=True)
    assert "none/reader.pyz: No such file or directory; choose another --reader" in nowhere
    out = ("--workdir", tmp_path, "--out", tmp_path / "model.zip")
    assert "manifest.json: no such file" in fails(66, *export[:1], *out)
    assert not [*tmp_path.iterdir()]
    shutil.copy(folder / "reader.pyz", tmp_path)
    (tmp_path / "model.zip").write_bytes((folder / "model.zip").read_bytes()[:-9])
    for name, code, said in (("no.zip", 66, "no such file"), ("model.zip", 65, "not a model of imdb_jax (BadZipFile")):
        process = read(tmp_path, "--numpy", name, "fine")
        assert process.returncode == code
        assert process.stderr.decode().startswith(f"error: {name}: {said}")
        assert process.stderr.count(b"\n") == 1
