"""Imports run one way: commands -> reporting -> training -> models, data -> config -> errors."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import imdb_jax

PACKAGE = Path(imdb_jax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "records": {"config", "errors"},
    "data": {"data", "config", "errors"},
    "models": {"models", "config", "errors"},
    "training": {"training", "models", "data", "config", "errors"},
    "reporting": {
        "reporting",
        "predictor",
        "experiment",
        "population",
        "run",
        "training",
        "models",
        "data",
        "config",
        "errors",
    },
}


def wing(path: Path) -> str:
    """The folder or file right below the package: `data` of data/text.py, `config` of config.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = {name.split(".")[1] for name in imports(path) if name.startswith("imdb_jax.")}
    assert own <= ALLOWED.get(wing(path), own)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_framework_and_no_tests(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"tensorflow", "torch", "keras", "tests"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_reports_pay_for_figures_and_templates(path: Path) -> None:
    assert wing(path) == "reporting" or not {name.split(".")[0] for name in imports(path)} & {"matplotlib", "jinja2"}


def test_no_file_without_a_noun() -> None:
    assert not {path.name for path in PACKAGE.rglob("*")} & {"utils.py", "common.py", "utils", "common"}


def test_every_wing_is_there() -> None:
    """A wing that was renamed would no longer be held to its rule."""
    assert ALLOWED.keys() <= {wing(path) for path in FILES}
    assert "imdb_jax.errors.UserError" in imports(PACKAGE / "config.py")
