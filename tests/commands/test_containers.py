"""Two containers on one cache: each has a process 1 of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.command_line import ROOT

CONTAINER = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
ALLOWED = shutil.which("unshare") and subprocess.run([*CONTAINER, "true"], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not ALLOWED, reason="unshare is not there, or this user may not start a container")
def test_two_containers_start_on_one_empty_cache(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text,label\n" + "a fine film,1\na dull film,0\n" * 2_000)
    typed = "from imdb_jax.audit import main; from imdb_jax.errors import run_command"
    code = f"import os, sys; {typed}; print(os.getpid(), file=sys.stderr); run_command(main)"
    data = ["--config=quickstart", "--config.data.source=files", f"--config.data.path={tmp_path / 'mine.csv'}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "IMDB_JAX_CACHE": str(tmp_path / "cache")}
    started = [
        subprocess.Popen([*CONTAINER, sys.executable, "-c", code, *data], env=environment, stdout=-1, stderr=-1)
        for _ in range(2)
    ]
    told = [(*process.communicate(), process.returncode) for process in started]
    assert [code for _, _, code in told] == [0, 0], told
    assert [error.split()[0] for _, error, _ in told] == [b"1", b"1"]
    assert told[0][0] == told[1][0] != b""
    assert not [*(tmp_path / "cache").rglob(".*.*")]  # no draft is left behind
