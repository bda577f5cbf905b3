"""Signals to commands, and to other programs, notebooks and threads that train."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import pytest

from imdb_jax import build_model, fit, load_config, load_dataset
from imdb_jax.training.signals import REPEATED, Interrupted, StopSignal
from tests.commands.command_line import ROOT

# Presses a key as soon as the first epoch has been told.
PRESS = """
import logging, signal
class Press(logging.Handler):
    def __init__(self, *signums):
        super().__init__()
        self.signums = signums
    def emit(self, record):
        if record.getMessage().startswith("epoch  1/"):
            for signum in self.signums:
                signal.raise_signal(signum)
def press(*signums):
    log = logging.getLogger("imdb_jax.training.loop")
    log.handlers = [Press(*signums)]
"""
FIT = """
from dataclasses import replace
from imdb_jax import build_model, fit, load_config, load_dataset
config = load_config("quickstart")
config = replace(config, data=replace(config.data, limit=50), training=replace(config.training, epochs=3))
data = load_dataset(config.data)
model = build_model(config, data.vocabulary)
"""


@pytest.mark.parametrize("module", ["tyro", "numpy", "jax", "orbax.checkpoint"])
def test_an_interrupt_during_an_import_ends_a_command_without_a_traceback(module: str, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"""
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
""")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-m",
        "imdb_jax.train",
        "--config",
        "configs/quickstart.py",
        "--workdir",
        tmp_path / "run",
    ]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == b""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A kernel whose user interrupts training once, then twice, and what its cells print."""
    cells = [
        PRESS + FIT + "before = signal.getsignal(signal.SIGINT)",
        """
press(signal.SIGINT)
for trial in range(3):
    try:
        fit(model, data, config, "once")
    except Exception as error:
        print("this trial has failed", error)
""",
        """
press(signal.SIGINT, signal.SIGINT)
fit(model, data, config, "twice")
""",
        """
press()
print(trial, before is signal.getsignal(signal.SIGINT), len(data.train.labels))
print(fit(model, data, config, "once").epochs)
""",
    ]
    folder = tmp_path_factory.mktemp("notebook")
    opened = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        resources = {"metadata": {"path": str(folder)}}
        client = nbclient.NotebookClient(
            opened, timeout=600, kernel_name="python3", allow_errors=True, resources=resources
        )
        done = client.execute()
    outputs = [cell.outputs for cell in done.cells]
    return folder, ["".join(each.get("text", each.get("ename", "")) for each in of_cell) for of_cell in outputs]


@pytest.mark.slow
def test_an_interrupt_in_a_notebook_saves_and_ends_a_loop_over_trials(notebook: tuple[Path, list[str]]) -> None:
    folder, told = notebook
    assert told[1].endswith("Interrupted")
    assert "this trial has failed" not in told[1]
    assert [path.name for path in (folder / "once" / "checkpoints").iterdir()]


@pytest.mark.slow
def test_a_second_interrupt_leaves_the_kernel_its_variables(notebook: tuple[Path, list[str]]) -> None:
    _, told = notebook
    assert told[2].endswith("KeyboardInterrupt")
    first, *rest = told[3].splitlines()
    assert first == "0 True 80"
    assert rest[-1] == "3"


def test_training_in_a_thread(tmp_path: Path) -> None:
    config = load_config("quickstart")
    config = replace(config, data=replace(config.data, limit=50), training=replace(config.training, epochs=1))
    data, found = load_dataset(config.data), []
    train = lambda: found.append(fit(build_model(config, data.vocabulary), data, config, tmp_path))  # noqa: E731
    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found[0].epochs == 1


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, REPEATED[0], *(pytest.param(each, marks=pytest.mark.slow) for each in REPEATED[1:])]
)
def test_the_first_signal_of_a_command_saves_a_checkpoint(signum: signal.Signals, tmp_path: Path) -> None:
    """Those of closed terminals and of schedulers come again and again."""
    pressed = [signum] * (1 if signum == signal.SIGINT else 3)
    default = f"signal.signal({int(signum)}, signal.default_int_handler if {int(signum)} == 2 else signal.SIG_DFL)"
    start = (
        f"press(*{[int(each) for each in pressed]})\nfrom imdb_jax.train import main, run_command\nrun_command(main)"
    )
    code = f"{PRESS}\n{default}  # nohup ignores some\n{start}"
    command = [sys.executable, "-c", code, "--config", "quickstart", "--workdir", tmp_path / "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--config.data.limit=50"], capture_output=True, text=True, env=environment)
    assert done.returncode == 128 + signum, done.stderr
    assert done.stderr.count("saving a checkpoint") == 1
    assert done.stderr.endswith(f"{signum.name}: stopped; run the same command again to go on\n")
    assert [each.name for each in (tmp_path / "run" / "checkpoints").iterdir() if each.name.isdecimal()]


def test_what_is_ignored_or_of_another_program_is_left_alone() -> None:
    def theirs(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, theirs)
    try:
        with StopSignal() as stop:
            signal.raise_signal(signal.SIGINT)
            assert (stop.asked(), signal.getsignal(signal.SIGTERM)) == (0, theirs)
        signal.signal(signal.SIGINT, theirs)
        with pytest.raises(Interrupted), StopSignal():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        for signum, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(signum, handler)


def test_another_program_that_imports_the_package_keeps_its_interrupt(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("import imdb_jax")
    (tmp_path / "theirs" / "main.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    (tmp_path / "sitecustomize.py").write_text(
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-m", "theirs.main"], capture_output=True, text=True, env=environment)
    assert done.stderr.endswith("KeyboardInterrupt\n")
