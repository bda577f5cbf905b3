"""Commands where what only Linux has is taken away: they then find what macOS or Windows finds."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from imdb_jax.runs.member import Member
from tests.commands.command_line import ROOT

# Read by every Python of a command, the processes of members too, before anything else.
SITECUSTOMIZE = """
import ctypes, io, os, select, signal, sys

for module in ("fcntl", "grp", "pwd", "resource", "termios"):  # Windows has none of them
    sys.modules[module] = None
for module in ("array_record", "tensorflow_datasets"):  # nor a wheel of the first, which the other reads by
    sys.modules[module] = None
for name in (
    "sched_getaffinity", "sched_setaffinity",  # nor has macOS
    "fork", "forkpty", "getloadavg", "getuid", "geteuid", "killpg", "mkfifo", "posix_fadvise",
):
    delattr(os, name)
if hasattr(os, "process_cpu_count"):  # of Python 3.13; on Linux it asks the first of these
    os.process_cpu_count = os.cpu_count
for name in ("SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGQUIT"):
    delattr(signal, name)
for name in ("epoll", "poll"):
    delattr(select, name)

class CDLL(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "mallopt":  # of glibc alone
            raise AttributeError(name)
        return super().__getattr__(name)

ctypes.CDLL = CDLL
io.text_encoding = lambda encoding, stacklevel=2: encoding or "cp1252"  # of files on Windows, unless it is named
"""
SHORT = ("--config.data.limit=100", "--config.training.epochs=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return folder


# Commands one after the other, each as `python -m` runs it; JAX is imported and set up once.
IN_TURN = """
import json, runpy, sys
from imdb_jax import runtime

for name, *arguments in json.loads(sys.argv[1]):
    sys.argv = [name, *arguments]
    try:
        runpy.run_module(f"imdb_jax.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, (name, end.code)
    runtime.set_up_process = lambda: None
"""


def run(folder: Path, *commands: Sequence[str | Path], **variables: str) -> str:
    """What commands print there; they end well and tell of no mistake."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])} | variables
    line = [sys.executable, "-c", IN_TURN, json.dumps([[*map(str, command)] for command in commands])]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.stdout.decode(errors="replace")


def test_what_only_linux_has_is_gone(folder: Path) -> None:
    probe = "import os, signal, sys; print(sys.modules['fcntl'], hasattr(os, 'fork'), hasattr(signal, 'SIGHUP'))"
    done = subprocess.run([sys.executable, "-c", probe], env=os.environ | {"PYTHONPATH": str(folder)}, stdout=-1)
    assert done.stdout.split() == [b"None", b"False", b"False"]


def test_own_files_from_training_to_an_exported_model(folder: Path) -> None:
    rows = (f"{'good' if i % 2 else 'bad'} film number {i},{i % 2}" for i in range(40))
    (folder / "리뷰.csv").write_text("\n".join(["text,label", *rows]))
    data = ("--config.data.source=files", "--config.data.path=리뷰.csv", "--config.training.epochs=1")
    workdir = ("--workdir", folder / "run")
    out = ("--out", folder / "model.zip", "--reader", folder / "reader.pyz")
    told = run(
        folder,
        ("train", "--config", ROOT / "configs" / "quickstart.py", *workdir, *data),
        ("evaluate", *workdir),
        ("predict", *workdir, "Très drôle 🍿"),
        ("report", *workdir),
        ("export", *workdir, *out),
        ("inference.reader", folder / "model.zip", "Fun"),
        PYTHONUTF8="0",  # a pipe that knows few letters, as on Windows
        PYTHONIOENCODING="cp1252",
    )
    results = json.loads((folder / "run" / "results.json").read_text())
    assert results["test"]["examples"] == 8
    assert f'"accuracy": {results["validation"]["accuracy"]}' in told
    assert "\\U0001f37f" in told
    assert "report.html" in told
    assert told.splitlines()[-1].endswith("  Fun")


@pytest.mark.slow
def test_a_population(folder: Path) -> None:
    workdir = folder / "seeds"
    config = ROOT / "configs" / "quickstart.py"
    run(folder, ("train", "--config", config, "--workdir", workdir, "--config.seeds=0,1", *SHORT))
    found = json.loads((workdir / "results.json").read_text())
    assert found["ensemble"]["members"] == ["seed=0", "seed=1"]
    assert not found["failed"]


def test_imdb_without_array_record_is_one_line(folder: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "TFDS_DATA_DIR": str(tmp_path)}
    typed = "from imdb_jax.audit import main; from imdb_jax.errors import run_command; run_command(main)"
    code = f"import sys; del sys.modules['tensorflow_datasets']; {typed}"
    command = [sys.executable, "-W", "ignore", "-c", code, "--config", "lstm"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 66, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: data.source imdb: array_record is not installed")
    assert line.endswith("--config.data.path=aclImdb_v1.tar.gz")


@pytest.mark.slow
def test_the_dependencies_resolve_everywhere() -> None:
    """Asks a package index."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / "check_platforms"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 * 4
    for line in lines:
        assert ("array-record" in line) == (not line.startswith("Windows")), line


def test_a_signal_that_windows_cannot_send_is_left_to_its_console() -> None:
    member = Member.__new__(Member)
    member._process = mock.Mock(**{"send_signal.side_effect": ValueError("Unsupported signal: 2")})
    member.stop(2)
    member._process.send_signal.assert_called_once_with(2)
