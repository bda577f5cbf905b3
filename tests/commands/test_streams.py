"""Commands whose standard streams are closed, replaced, gone in the middle or of few letters."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from imdb_jax import cli, vocabulary
from imdb_jax.runs.run import Run
from imdb_jax.training.logs import progress_bar
from tests.commands import command_line
from tests.commands.command_line import ROOT

SHORT = ("--config", "quickstart", "--config.data.limit=50", "--config.training.epochs=1")


def shell(redirection: str, name: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command of ours, with what a shell does to its streams."""
    command = ["bash", "-c", f'"$@" {redirection}', "-", sys.executable, "-m", f"imdb_jax.{name}", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(command, capture_output=True, env=environment, timeout=600)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with all three streams closed."""
    folder = tmp_path_factory.mktemp("streams") / "run"
    assert shell("<&- >&- 2>&-", "train", *SHORT, "--workdir", folder).returncode == 0
    assert Run(folder).results() is not None
    for path in folder.rglob("*"):  # what a library writes to stream 2 is in no file of the run
        assert path.name == "train.log" or not path.is_file() or b"reviews/s" not in path.read_bytes()
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    path = run.parent / "model.zip"
    assert command_line.run("imdb_jax.export", "--workdir", run, "--out", path).returncode == 0
    return path


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&-"])
def test_a_closed_stream_changes_nothing(run: Path, closed: str) -> None:
    done = shell(closed, "predict", "--workdir", run, "A fine film")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert (b"A fine film" in done.stdout) == (closed == "2>&-")


@pytest.mark.slow
def test_members_of_a_population_do_not_need_streams_either(tmp_path: Path) -> None:
    done = shell("<&- >&- 2>&-", "train", *SHORT, "--workdir", tmp_path / "seeds", "--config.seeds=0,1")
    assert done.returncode == 0
    assert (tmp_path / "seeds" / "results.json").exists()


def test_who_reads_what_is_told_may_leave(tmp_path: Path) -> None:
    done = shell("2>&1 | head -1; exit ${PIPESTATUS[0]}", "train", *SHORT, "--workdir", tmp_path / "run")
    assert done.returncode == 0
    assert b"Exception ignored" not in done.stderr
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_output_on_a_full_disk_is_one_line(run: Path) -> None:
    done = shell(">/dev/full", "predict", "--workdir", run, "A fine film")
    assert done.returncode == 74
    assert done.stderr == b"error: No space left on device; make room and run the same command again\n"


def test_a_terminal_that_is_gone_does_not_end_training(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    nohup = ["bash", "-c", 'trap "" HUP; exec "$@"', "-"]
    command = [*nohup, sys.executable, "-m", "imdb_jax.train", *SHORT, "--workdir", tmp_path / "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        assert os.read(ours, 10)  # it has begun to tell
        os.close(ours)
    assert process.returncode == 0
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.parametrize(
    "encoding", [*(pytest.param(e, marks=pytest.mark.slow) for e in ("cp1252", "ascii")), "euc-kr"]
)
def test_a_terminal_of_few_letters(run: Path, model: Path, encoding: str) -> None:
    variables = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    told = shell("", "predict", "--workdir", run, "좋은 é 🍿", **variables)
    assert told.returncode == 0, told.stderr
    assert "🍿".encode("ascii", "backslashreplace") in told.stdout
    assert shell("", "train", "--help", **variables).returncode == 0
    wrong = shell("", "train", *SHORT, "--workdir", run, "--nonsense", **variables)
    assert wrong.stderr == b"error: Unrecognized options: --nonsense\n"
    told = shell("", "inference.reader", model, "좋은 é 🍿", **variables)
    assert told.returncode == 0, told.stderr
    assert "🍿".encode("ascii", "backslashreplace") in told.stdout


def test_arguments_are_utf_8_in_a_korean_locale_too(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.utf8("영화 \udcff") == "영화 ".encode() + b"\xff"
    vocabulary.main(["encode", "--workdir", str(run), "café"])
    usual = capsys.readouterr().out
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("euc-kr"))
    vocabulary.main(["encode", "--workdir", str(run), "café"])
    assert capsys.readouterr().out == usual


class Tee:
    """What people put in the place of a stream."""

    def write(self, text: str) -> None:
        pass


@pytest.mark.parametrize("stream", [None, Tee()])
def test_a_library_does_not_ask_what_a_stream_may_not_know(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(1, 1, 10, 0) as bar:
        assert bar.disable
