"""Nothing is lost: a short version of scripts/faults, with real processes, kills, signals and full disks."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.environment import ROOT


def faults(workdir: Path, *arguments: str) -> list[str]:
    """The lines it prints."""
    command = [sys.executable, "-m", "scripts.trials.faults", "--workdir", str(workdir), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("trials", "goals"),
    [
        (1, ["kills", "starts", "disk"]),
        (10, ["damage"]),
        pytest.param(5, ["kills", "signals", "starts", "disk"], marks=pytest.mark.slow),
        pytest.param(100, ["damage"], marks=pytest.mark.slow),
    ],
)
def test_nothing_is_lost(tmp_path: Path, trials: int, goals: list[str]) -> None:
    lines = faults(tmp_path / "faults", "--goals", *goals, "--trials", str(trials), "--seed", "1")
    assert [line.split(":")[0] for line in lines] == goals
    assert all("; 0 failed" in line or "skipped" in line for line in lines)
    if "kills" in goals:
        assert " kills after the first step" in lines[0]
