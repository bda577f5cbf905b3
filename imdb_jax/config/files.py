"""Config files: Python that is run, and names one `config`."""

import runpy
from pathlib import Path
from typing import Any

from imdb_jax.config.schema import Config
from imdb_jax.errors import MISSING_INPUT, UserError


def load_file(path: str | Path) -> Config:
    """Runs a Python config file and returns the `Config` that it names `config`.

    Raises:
      UserError: see `run_file`; or the file defines no `config`.
    """
    config = run_file(path).get("config")
    if not isinstance(config, Config):
        raise UserError(f"{path}: defines no config; end it with `config = Config(...)` from imdb_jax.config")
    return config


def run_file(path: str | Path) -> dict[str, Any]:
    """Runs a Python file and returns its names. Run only files that you would run as a script.

    Raises:
      UserError: no such file, or it raises.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; see configs/ for those that come along", MISSING_INPUT)
    try:
        return runpy.run_path(str(path))
    except Exception as error:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise UserError(f"{path}{_line_in(path, error)}: {kind}{error}") from None


def _line_in(path: Path, error: Exception) -> str:
    """The last line of `path` on the way to an error, as `:LINE`; nothing where there is none."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(path) else None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return f":{line}" if line else ""
