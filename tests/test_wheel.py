"""What `pip install` of a built wheel gives: the command, the configs by name, the reader, the page's templates."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import imdb_jax
from imdb_jax.__main__ import COMMANDS
from tests.conftest import CONFIGS
from tests.test_imports import COMMANDS as FILES_OF_COMMANDS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("compiled_as_for_users")
SHORT = ("--config.data.limit=100", "--config.training.epochs=1")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed package alone; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools leaves a folder behind where it builds
    for name in ("imdb_jax", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder / "dist", source], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed console command, typed in another folder."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, installed / "bin" / "imdb-jax", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_it_trains_reads_and_reports_by_names_alone(installed: Path, tmp_path: Path) -> None:
    def typed(*arguments: str) -> str:
        done = run(installed, tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # by two processes, each of which finds the package
    typed("train", "--config", "quickstart", "--workdir", "seeds", "--config.seeds=0,1", *SHORT)
    assert not json.loads((tmp_path / "seeds" / "results.json").read_text())["failed"]
    assert typed("predict", "--workdir", "seeds", "What a film!").endswith("What a film!\n")
    assert typed("report", "--workdir", "seeds").startswith(str(Path("seeds", "report.html")))
    typed("export", "--workdir", "seeds", "--out", "model.zip")
    reader = [
        sys.executable,
        installed / "imdb_jax" / "inference" / "reader.py",
        "--numpy",
        "model.zip",
        "What a film!",
    ]
    assert subprocess.run(reader, cwd=tmp_path, capture_output=True, text=True).stdout.endswith("What a film!\n")


def test_it_has_all_configs_and_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert {path.name for path in installed.glob("imdb_jax/configs/*.py")} == {path.name for path in CONFIGS}
    where = "import imdb_jax; print(imdb_jax.__file__); print(*imdb_jax.load_config('conv1d').training.__dict__)"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(str(installed / "imdb_jax" / "__init__.py")), done.stderr
    assert not (installed / "tests").exists()


def test_an_unknown_name_is_one_line_with_those_there_are(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "train", "--config", "glove_bilstn", "--workdir", "run")
    assert (done.returncode, done.stdout) == (66, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: glove_bilstn: no such file, and no config of that name (did you mean glove_bilstm?)")
    assert all(path.stem in line for path in CONFIGS)


def test_the_command_lists_all_commands(installed: Path, tmp_path: Path) -> None:
    listed = run(installed, tmp_path).stdout
    assert [line.split()[0] for line in listed.splitlines()[2:]] == [*COMMANDS]
    assert {*COMMANDS} == FILES_OF_COMMANDS
    assert run(installed, tmp_path, "--version").stdout == f"imdb-jax {imdb_jax.__version__}\n"
    done = run(installed, tmp_path, "trian")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: trian: no such command (did you mean train?); there are train, predict")
