"""Commands as a user types them."""

import contextlib
import importlib
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from imdb_jax import runtime
from imdb_jax.errors import run_command
from imdb_jax.models import OWN_ENCODERS

ROOT = Path(__file__).parents[2]
Done = subprocess.CompletedProcess[bytes]


def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    """What `python -m` would answer, in the process of the tests: JAX is imported and set up already.

    Whatever a process would take with it when it ends is put back.
    """
    name, *rest = map(str, arguments)
    command = importlib.import_module(name)
    source, out, err = (io.TextIOWrapper(io.BytesIO(data), "utf-8", write_through=True) for data in (stdin, b"", b""))
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.multiple(sys, argv=[name, *rest], stdin=source, stdout=out, stderr=err),
        _log_as_before(),
        mock.patch.object(runtime, "set_up_process"),
        mock.patch.dict(OWN_ENCODERS),
    ):
        try:
            run_command(command.main)
        except SystemExit as end:
            code = end.code
    return Done([name, *rest], code, out.buffer.getvalue(), err.buffer.getvalue())


@contextlib.contextmanager
def _log_as_before() -> Iterator[None]:
    log = logging.getLogger("imdb_jax")
    handlers, propagate, level = [*log.handlers], log.propagate, log.level
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)


def run_alone(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Done:
    """The same in a process of its own, which takes seconds."""
    command = [sys.executable, "-m", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment)


def fails(
    code: int, *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, notices: bool = False, by=run
) -> str:
    """The one line that a user's mistake gives; `notices` may come before it."""
    process = by(*arguments, stdin=stdin, cwd=cwd)
    *before, line = process.stderr.decode().splitlines()
    assert process.returncode == code, process.stderr
    assert line.startswith("error: ")
    assert not before if not notices else not any(each.startswith(("error: ", "Traceback")) for each in before), before
    return line
