"""The record of a run, on a disk that is full for a while."""

import errno
import logging
import threading
from pathlib import Path

import pytest

from imdb_jax.training.logs import RunLog, log_file, off_screen


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


def test_runs_in_threads_have_a_log_each_and_leave_the_screen_to_their_warnings(tmp_path: Path) -> None:
    log, screen = logging.getLogger("imdb_jax"), logging.FileHandler(tmp_path / "screen")
    both_open = threading.Barrier(2)

    def member(name: str) -> None:
        with off_screen(), log_file(tmp_path / name):
            both_open.wait()
            log.info(f"{name} trains")
            writer = f"{threading.current_thread().name} checkpoints_0"
            written = threading.Thread(target=log.warning, args=(f"{name} has little room",), name=writer)
            written.start()
            written.join()
            both_open.wait()

    log.addHandler(screen)
    try:
        threads = [threading.Thread(target=member, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.info("all have ended")
    finally:
        log.removeHandler(screen)
        screen.close()
    assert (tmp_path / "a").read_text() == "a trains\na has little room\n"
    assert (tmp_path / "b").read_text() == "b trains\nb has little room\n"
    *warnings, last = (tmp_path / "screen").read_text().splitlines()
    assert sorted(warnings) == ["a has little room", "b has little room"]
    assert last == "all have ended"
