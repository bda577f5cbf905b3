"""Commands as a user types them, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment)


def fails(code: int, *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, notices: bool = False) -> str:
    """The one line that a user's mistake gives; `notices` may come before it."""
    process = run(*arguments, stdin=stdin, cwd=cwd)
    *before, line = process.stderr.decode().splitlines()
    assert process.returncode == code, process.stderr
    assert line.startswith("error: ")
    assert not before if not notices else not any(each.startswith(("error: ", "Traceback")) for each in before), before
    return line
