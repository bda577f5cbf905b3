"""Imports run one way, in no circle: each file stands on a floor and imports from the floors below it alone."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import imdb_jax

PACKAGE = Path(imdb_jax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# From the ground up. Rooms that share a floor never import each other; what is neither named here nor in a named wing
# is a command, on the roof.
FLOORS = (
    {"errors"},
    {"storage"},
    {"config", "runtime"},
    {"cli"},
    {"data", "models", "wordvectors"},
    {"training"},
    {"runs"},
    {"inference"},
    {"reporting"},
)
COMMANDS = {"audit", "compare", "evaluate", "export", "predict", "report", "train", "vectors", "vocabulary"}


def wing(path: Path) -> str:
    """The folder or file right below the package: `data` of data/text.py, `config` of config.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def floor(name: str) -> int:
    return next((height for height, rooms in enumerate(FLOORS) if name in rooms), len(FLOORS))


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_imported(path: Path) -> set[Path]:
    """The package's own files that a file imports."""
    found = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "imdb_jax" and len(parts) > 1:
            inside = PACKAGE.joinpath(*parts[1:])
            candidates = (inside.with_suffix(".py"), inside / "__init__.py", inside.parent.with_suffix(".py"))
            found |= {next((file for file in candidates if file.exists()), inside.parent / "__init__.py")}
    return found - {path}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_down(path: Path) -> None:
    if path != PACKAGE / "__init__.py":  # which only hands out the names of others
        own = floor(wing(path))
        for other in files_imported(path) - {PACKAGE / "__init__.py"}:
            assert wing(other) == wing(path) or floor(wing(other)) < own, f"{path} imports {other}"


def test_no_circles() -> None:
    graph = {path: files_imported(path) for path in FILES if path.name != "__init__.py"}
    TopologicalSorter(graph).prepare()  # a CycleError names the circle


def test_every_file_stands_on_a_floor() -> None:
    """A room that was renamed would no longer be held to its rule."""
    rooms = {wing(path) for path in FILES} - {"__init__"}
    assert rooms == set.union(*FLOORS) | COMMANDS | {"__main__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_framework_and_no_tests(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"tensorflow", "torch", "keras", "tests"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_reports_pay_for_figures_and_templates(path: Path) -> None:
    assert wing(path) == "reporting" or not {name.split(".")[0] for name in imports(path)} & {"matplotlib", "jinja2"}


def test_no_file_without_a_noun() -> None:
    assert not {path.name for path in PACKAGE.rglob("*")} & {"utils.py", "common.py", "utils", "common"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_shapes_in_signatures_are_checked(path: Path, pytestconfig: pytest.Config) -> None:
    """pyproject.toml names what is checked while tests run; a file with shapes that is not named would not be."""
    if wing(path) not in COMMANDS and any(name.startswith("jaxtyping.") for name in imports(path)):
        listed = pytestconfig.getoption("jaxtyping_packages").split(",")
        checked = {PACKAGE.parent.joinpath(*name.split(".")) for name in listed}
        assert checked & {path.with_suffix(""), *path.parents}
