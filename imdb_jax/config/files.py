"""A config as a Python file that names one `config`, and as fields by their names on the command line."""

import difflib
import functools
import runpy
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imdb_jax.config.checked import dump, load
from imdb_jax.config.schema import Config
from imdb_jax.errors import MISSING_INPUT, USAGE, UserError
from imdb_jax.storage import local_path


def load_file(path: str | Path) -> Config:
    """Runs a Python config file and returns the `Config` that it names `config`; see `run_file`.

    Example: `load_file("conv1d")` is the config of configs/conv1d.py, which comes with the package.
    """
    if not (file := local_path(path, "--config")).is_file():
        path = _shipped(file)
    elif file.suffix not in ("", ".py"):
        raise UserError(f"{path}: a config is a name or a .py file; reviews are given by --config.data.path=")
    config = run_file(path).get("config")
    if not isinstance(config, Config):
        raise UserError(f"{path}: defines no config; end it with `config = Config(...)` from imdb_jax.config")
    return config


def run_file(path: str | Path) -> dict[str, Any]:
    """Runs a Python file and returns its names. Run only files that you would run as a script."""
    path = local_path(path, "--code")
    if not path.is_file():
        raise UserError(f"{path}: no such file", MISSING_INPUT)
    try:
        return runpy.run_path(str(path))
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        line = f":{lines[-1]}" if lines else ""
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise UserError(f"{path}{line}: {kind}{error}") from None


def _shipped(name: Path) -> Path:
    """The file of a config that comes with the package: in it where it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    folder = next(filter(Path.is_dir, (package / "configs", package.with_name("configs"))), package)
    files = {path.stem: path for path in sorted(folder.glob("*.py"))}
    if str(name) in files:
        return files[str(name)]
    near = difflib.get_close_matches(name.stem.lower(), files, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UserError(
        f"{name}: no such file, and no config of that name{hint}; there are {', '.join(files)}", MISSING_INPUT
    )


def fields(config: Config) -> dict[str, Any]:
    """Every field's value by its name on the command line, such as `model.encoder.hidden_dim`."""
    return dict(_leaves(dump(config)))


def with_fields(config: Config, values: Mapping[str, Any]) -> Config:
    """A config with some fields set by their names on the command line."""
    known = fields(config)
    tree = dump(config)
    for field_name, value in values.items():
        if field_name not in known:
            near = difflib.get_close_matches(field_name, known, n=1)
            raise UserError(f"{field_name}: no such field" + (f"; did you mean {near[0]}?" if near else ""))
        *path, name = field_name.split(".")
        functools.reduce(dict.__getitem__, path, tree)[name] = value
    return load(Config, tree, "", USAGE)


def differences(old: Config, new: Config) -> list[str]:
    """Lists the fields in which two configs differ, as `field: old -> new`."""
    before, after = fields(old), fields(new)
    pairs = ((name, before.get(name, "absent"), after.get(name, "absent")) for name in before | after)
    return [f"{name}: {was!r} -> {now!r}" for name, was, now in pairs if was != now]


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
