"""The record of a run, on a disk that is full for a while."""

import errno
import logging
from pathlib import Path

import pytest

from imdb_jax.training.logs import RunLog


def record(epoch: int) -> dict:
    figures = {"loss": 0.5, "accuracy": 0.5}
    return {"epoch": epoch, "step": 10 * epoch, "train": figures, "validation": figures, "reviews_per_second": 1.0}


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_figures_wait_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = tmp_path / "metrics.jsonl"
    with caplog.at_level(logging.WARNING, "imdb_jax"), RunLog(tmp_path, []) as run_log:
        run_log.write(record(1))
        before = metrics.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_text", full_disk)
            run_log.write(record(2))
        assert metrics.read_bytes() == before
        assert [line.getMessage() for line in caplog.records] == [
            f"{tmp_path}: figures not written (No space left on device); training goes on"
        ]
        run_log.write(record(3))
    assert [line.split(",")[0] for line in metrics.read_text().splitlines()] == [f'{{"epoch": {i}' for i in (1, 2, 3)]


def test_a_run_does_not_end_without_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_log = RunLog(tmp_path, [])
    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space"), run_log:
        run_log.write(record(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.jsonl", "tensorboard"]
