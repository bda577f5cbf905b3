"""Traces of a few steps, in runs of any length."""

import errno
import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from imdb_jax.errors import UserError
from imdb_jax.training.profile import Profile


def profile(folder: Path, steps: int) -> None:
    with Profile(folder) as profile:
        for step in range(steps):
            profile.step(jnp.full(3, step))


@pytest.mark.parametrize(("steps", "traced"), [(25, 10), (20, 10), (12, 2)])
def test_steps_after_the_first_ten_are_traced(
    steps: int, traced: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "imdb_jax"):
        profile(tmp_path / "profile", steps)
    assert [line.getMessage().split(",")[0] for line in caplog.records] == [
        f"{tmp_path / 'profile'}: a trace of {traced} steps"
    ]
    (trace,) = (tmp_path / "profile").rglob("*.xplane.pb")
    assert jax.profiler.ProfileData.from_file(str(trace))
    assert (trace.parent / "perfetto_trace.json.gz").exists()


def test_a_run_too_short_to_trace_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    profile(tmp_path / "profile", 5)
    assert [line.getMessage() for line in caplog.records] == [
        "--profile: nothing traced in 5 steps; it begins after 10"
    ]


def test_training_goes_on_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop_trace = jax.profiler.stop_trace

    def full_disk() -> None:
        stop_trace()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jax.profiler, "stop_trace", full_disk)
    profile(tmp_path, 25)
    (line,) = (line.getMessage() for line in caplog.records)
    assert line.endswith("no trace written ([Errno 28] No space left on device); training goes on")


def test_a_file_in_the_way_is_told_before_training(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("")
    with pytest.raises(UserError, match="profile: File exists; make room"):
        profile(tmp_path / "profile", 25)
