"""One process writes into a folder at a time, and a start that fails leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imdb_jax.config import run_file
from imdb_jax.errors import LOCKED, UserError
from imdb_jax.runs.run import Run
from tests.commands.command_line import fails

HOLD = """if True:
    import sys
    from imdb_jax.runs.run import Run
    with Run(sys.argv[1]).taken():
        print("held", flush=True)
        sys.stdin.read()
"""


def refuse(folder: Path) -> str:
    with pytest.raises(UserError) as caught, Run(folder).taken():
        pass
    assert caught.value.exit_code == LOCKED
    return str(caught.value)


def test_a_lock_is_let_go_when_its_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert refuse(folder) == f"{folder}: another process is training there; choose another --workdir"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with Run(folder).taken():
        assert (folder / ".lock").exists()


def test_a_folder_has_one_holder_in_a_process_too(tmp_path: Path) -> None:
    with Run(tmp_path).taken():
        assert "another process is training there" in refuse(tmp_path)
    with Run(tmp_path).taken():
        pass


@pytest.mark.parametrize("kept", [False, True])
def test_a_start_that_fails_leaves_no_folder_but_what_others_put_there(tmp_path: Path, kept: bool) -> None:
    folder = tmp_path / "run"

    def fail() -> None:
        with Run(folder).taken():
            if kept:
                (folder / "notes.txt").touch()
            raise UserError("no such word")

    with pytest.raises(UserError, match="no such word"):
        fail()
    assert folder.exists() == kept


def test_a_start_that_fails_leaves_an_empty_folder_that_was_there(tmp_path: Path) -> None:
    def fail() -> None:
        with Run(tmp_path).taken():
            raise UserError("no such word")

    with pytest.raises(UserError, match="no such word"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refuse(tmp_path / "file" / "run").endswith("run: Not a directory; choose another --workdir")


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "predictions.npz", "train.log", "checkpoints"])
def test_a_folder_with_files_of_somebody_else_is_left_alone(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--workdir .` among the files of another program."""
    (tmp_path / name).write_text("theirs")
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    line = fails(2, "imdb_jax.train", "--config", "quickstart", "--workdir", ".")
    assert line == f"error: .: holds {name} and no run; nothing is overwritten, choose another --workdir"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "notes.txt"])
    assert (tmp_path / name).read_text() == "theirs"


def test_a_start_that_was_killed_before_it_had_begun_may_be_repeated(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "config.json").touch()
    with Run(tmp_path).taken():
        pass
    assert (tmp_path / "config.json").exists()


@pytest.mark.parametrize("path", ["", "gs://bucket/run", "s3://bucket", "file:///tmp/run", "~nobody-of-this-name/run"])
@pytest.mark.parametrize("command", ["train", "predict"])
def test_a_path_that_is_not_on_this_disk_is_one_line(tmp_path: Path, path: str, command: str) -> None:
    line = fails(2, f"imdb_jax.{command}", *["--config", "quickstart"][: 2 * (command == "train")], "--workdir", path)
    assert line.startswith(f"error: --workdir: {path!r}; ")


@pytest.mark.parametrize(
    "name", ["a[1]", "a]", pytest.param("a\\b", marks=pytest.mark.skipif(os.sep == "\\", reason=""))]
)
def test_a_path_that_checkpoints_cannot_be_read_from_is_refused_before_training(tmp_path: Path, name: str) -> None:
    line = fails(2, "imdb_jax.train", "--config", "quickstart", "--workdir", tmp_path / name / "run")
    assert "no checkpoint can be read from a path with" in line
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("option", ["--workdir", "--config", "--config.data.path"])
def test_a_name_that_is_too_long_is_one_line(tmp_path: Path, option: str) -> None:
    options = {"--config": "quickstart", "--workdir": tmp_path / "run", "--config.data.source": "files"}
    options["--config.data.path"] = "reviews.csv"
    options |= {option: "x" * 300}
    line = fails(2, "imdb_jax.train", *[each for pair in options.items() for each in pair])
    assert line.endswith(": File name too long")
    assert [*tmp_path.iterdir()] == []


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Run("~/run").folder == tmp_path / "run"
    (tmp_path / "mine.py").write_text("answer = 42")
    assert run_file("~/mine.py")["answer"] == 42
