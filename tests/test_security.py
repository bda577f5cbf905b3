"""What a user downloads or is given is data: nothing in the package runs or unpickles it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import imdb_jax

PACKAGE = Path(imdb_jax.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "code"}
CALLS = {"eval", "exec", "compile", "__import__", "extract", "extractall", "system", "popen", "run_module", "run_path"}


def risks(source: str) -> Iterator[str]:
    """What in a source could run what it reads."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield module
            case ast.Call(func=ast.Attribute(value=ast.Name("re"), attr="compile")):
                pass
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in CALLS:
                yield name
            case ast.keyword(arg="allow_pickle", value=value) if ast.unparse(value) != "False":
                yield "allow_pickle"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_that_is_read_is_run(path: Path) -> None:
    assert [*risks(path.read_text())] == (
        ["run_path"] if path == PACKAGE / "config" / "files.py" else []
    )  # a config is code


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal as m",
        "from yaml import load",
        "def f():\n    from dill.settings import x",
        "np.load(file, allow_pickle=True)",
        "np.load(file, allow_pickle=trusted)",
        "eval(text)",
        "compile(text, 'x', 'exec')",
        "archive.extractall(folder)",
        "os.system(text)",
        "runpy.run_path(file)",
    ],
)
def test_each_risk_is_seen(source: str) -> None:
    assert len([*risks(source)]) == 1
