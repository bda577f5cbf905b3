"""What a command may use of its machine: cores by quota, a cache folder, a home."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imdb_jax import runtime
from imdb_jax.runtime import cpu_quota, usable_cores
from tests.commands.command_line import ROOT, run


def groups(root: Path, **files: str) -> Path:
    """A machine's files below a root; __ stands for a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("cpu_", "cpu.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, math.inf),  # macOS
        ({"proc__self__cgroup": "0::/\n"}, math.inf),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu_max": "max 100000\n"}, math.inf),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu_max": "200000 100000\n"}, 2),
        (  # a pod limits its containers
            {
                "proc__self__cgroup": "0::/pod/one\n",
                "sys__fs__cgroup__pod__cpu_max": "150000 100000\n",
                "sys__fs__cgroup__pod__one__cpu_max": "400000 100000\n",
            },
            1.5,
        ),
        (  # the path is the host's, the files are the container's
            {
                "proc__self__cgroup": "3:memory:/docker/1\n2:cpu,cpuacct:/docker/1\n0::/x\n",
                "sys__fs__cgroup__cpu__cpu_cfs_quota_us": "50000\n",
                "sys__fs__cgroup__cpu__cpu_cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc__self__cgroup": "1:cpu:/\n",
                "sys__fs__cgroup__cpu__cpu_cfs_quota_us": "-1\n",
                "sys__fs__cgroup__cpu__cpu_cfs_period_us": "100000\n",
            },
            math.inf,
        ),
    ],
)
def test_the_quota_of_a_container(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    assert cpu_quota(groups(tmp_path, **files)) == cores


@pytest.mark.parametrize(("quota", "count"), [(math.inf, 64), (2.0, 2), (1.5, 2), (0.1, 1), (100.0, 64)])
def test_cores_are_as_many_as_the_quota_allows(quota: float, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(100, 164)}, raising=False)
    monkeypatch.setattr(runtime, "cpu_quota", lambda: quota)
    assert len({*usable_cores()}) == len(usable_cores()) == count
    assert {*usable_cores()} <= {*range(100, 164)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime") / "run"
    short = ("--config.data.limit=50", "--config.training.epochs=1")
    assert run("imdb_jax.train", "--config", "quickstart", "--workdir", folder, *short).returncode == 0
    return folder


def alone(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of somebody without a name, a home or a chosen cache, unless the variables say so."""
    (folder / "sitecustomize.py").write_text("""
import pwd
def none(*_):
    raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = none
""")
    names = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "IMDB_JAX_CACHE", "TFDS_DATA_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in names} | variables
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT)])
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("home", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_default_cache_that_cannot_be_written_does_not_stop_predict(
    trained: Path, tmp_path: Path, home: bool
) -> None:
    (tmp_path / "file").touch()
    variables = {"HOME": str(tmp_path / "file")} if home else {}
    done = alone(tmp_path, "imdb_jax.predict", "--workdir", trained, "A fine film", **variables)
    assert done.returncode == 0, done.stderr
    assert "A fine film" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("compiled programs are not kept (")


@pytest.mark.parametrize("config", ["quickstart", "lstm"])
def test_training_without_a_home_is_one_line(tmp_path: Path, config: str) -> None:
    done = alone(tmp_path, "imdb_jax.train", "--config", config, "--workdir", "run")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("there is no such home folder here, give a path without ~")
    assert "Traceback" not in done.stderr


def test_a_cache_that_was_chosen_must_be_writable(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    chosen = str(tmp_path / "file")
    done = alone(tmp_path, "imdb_jax.predict", "--workdir", trained, "A fine film", IMDB_JAX_CACHE=chosen)
    assert done.returncode == 73
    assert done.stderr.endswith("compilation: Not a directory; set IMDB_JAX_CACHE to a folder with room\n")
