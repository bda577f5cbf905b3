"""A command that is interrupted while it imports."""

import os
import signal
import subprocess
import sys

import pytest


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
