"""Nothing is lost: a short version of scripts/faults, with real damage; --slow: all of it, kills too."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.environment import ROOT
from scripts.trials.faults import GOALS, Goal, run

SEED = 1104  # its first kill, signals and full disk come early in a run, on slow machines and on fast ones


def faults(workdir: Path, *arguments: str) -> list[str]:
    """The lines it prints."""
    command = [sys.executable, "-m", "scripts.trials.faults", "--workdir", str(workdir), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "trials",
    [
        {"damage": 3},
        pytest.param({**dict.fromkeys(GOALS, 5), "damage": 100}, marks=pytest.mark.slow),
    ],
)
def test_nothing_is_lost(tmp_path: Path, trials: dict[str, int]) -> None:
    numbers = map(str, trials.values())
    lines = faults(tmp_path / "faults", "--goals", *trials, "--trials", *numbers, "--seed", str(SEED))
    assert [line.split(":")[0] for line in lines] == [*trials]
    assert all("; 0 failed" in line or "skipped" in line for line in lines)
    assert "kills" not in trials or " kills after the first step" in lines[[*trials].index("kills")]


def test_a_goal_that_was_hardly_tested_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    idle = Goal(lambda rig, draw, folder: Counter(), 4, {"kills": 0.5})
    monkeypatch.setitem(GOALS, "kills", idle)
    assert run("kills", SimpleNamespace(folder=tmp_path), 4, SEED) == 1
    assert "kills: tested too little: 0 kills in 4 trials, not 2" in capsys.readouterr().out
