"""One process writes into a folder at a time, and a start that fails leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imdb_jax.errors import LOCKED, UserError
from imdb_jax.runs.run import Run

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


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refuse(tmp_path / "file" / "run").endswith("run: Not a directory; choose another --workdir")
