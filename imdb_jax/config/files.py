"""Config files: Python that is run, and names one `config`."""

import runpy
import traceback
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
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        line = f":{lines[-1]}" if lines else ""
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise UserError(f"{path}{line}: {kind}{error}") from None
