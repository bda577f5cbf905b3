"""The record of a run, on a disk that is full for a while."""

import errno
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from imdb_jax.training import logs
from imdb_jax.training.history import Epoch
from imdb_jax.training.logs import RunLog, log_file
from imdb_jax.training.metrics import Scores, TrainScores


def epoch(number: int) -> Epoch:
    return Epoch(number, 10 * number, TrainScores(0.5, 0.5), Scores(0.5, 0.5, float("nan"), 0.5, 4), seconds=1.0)


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def numbers(metrics: Path) -> list[str]:
    return [line.split(",")[0] for line in metrics.read_text().splitlines()]


def test_lines_are_appended_and_those_of_later_steps_dropped(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("".join(f'{{"epoch": {number},\n' for number in (1, 2, 3)))
    epochs = [epoch(1)]
    with RunLog(tmp_path, epochs) as run_log, metrics.open() as tail:
        assert len(tail.read().splitlines()) == 1
        for number in (2, 3):
            epochs.append(epoch(number))
            run_log.write(epochs)
            assert f'"epoch": {number}' in tail.read()  # as `tail -f` sees it
    assert '"auc": null' in metrics.read_text()


def test_figures_wait_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, epochs = tmp_path / "metrics.jsonl", [epoch(1)]
    with caplog.at_level(logging.WARNING, "imdb_jax"), RunLog(tmp_path, epochs) as run_log:
        before = metrics.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", full_disk)
            epochs.append(epoch(2))
            run_log.write(epochs)
        assert metrics.read_bytes() == before
        assert [line.getMessage() for line in caplog.records] == [
            f"{tmp_path}: figures not written (No space left on device); training goes on"
        ]
        epochs.append(epoch(3))
        run_log.write(epochs)
    assert numbers(metrics) == [f'{{"epoch": {number}' for number in (1, 2, 3)]


def test_a_run_does_not_end_without_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = [epoch(1)]
    with RunLog(tmp_path, epochs) as run_log:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", full_disk)
            epochs.append(epoch(2))
            run_log.write(epochs)
            patch.setattr(logs, "atomic_file", full_disk)
            with pytest.raises(OSError, match="No space"):
                run_log.write_metrics(epochs)
        run_log.write_metrics(epochs)
    assert len(numbers(tmp_path / "metrics.jsonl")) == 2


def test_a_log_goes_on_after_an_earlier_one(tmp_path: Path) -> None:
    log = logging.getLogger("imdb_jax.runs")
    for name in ("first", "second"):
        with log_file(tmp_path / "train.log"):
            log.info(f"{name} start: 영화")
        log.info("between")
    assert (tmp_path / "train.log").read_text(encoding="utf-8") == "first start: 영화\nsecond start: 영화\n"


def test_a_program_that_has_imported_a_kernel_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is IPython in a terminal; tests/test_notebooks.py runs in a kernel."""
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    assert not logs.in_notebook()
    for shell, expected in ((None, False), (SimpleNamespace(), False), (SimpleNamespace(kernel=object()), True)):
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda shell=shell: shell, raising=False)
        assert logs.in_notebook() == expected
