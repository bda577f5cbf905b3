"""The files of a run: what has changed since it was written is refused."""

from pathlib import Path

import numpy as np
import pytest

from imdb_jax.errors import UserError
from imdb_jax.run import Predictions, Run

LOGITS, LABELS = np.array([0.5, -2.0], np.float32), np.array([1, 0], np.int8)


@pytest.fixture
def finished(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.write_text("metrics.jsonl", '{"epoch": 1}\n{"epoch": 2}\n')
    run.write_predictions({"test": Predictions(LOGITS, LABELS)})
    run.write_results({"seed": 0})
    return run


def test_what_was_written_is_read(finished: Run) -> None:
    assert finished.results() == {"seed": 0}
    assert finished.history() == [{"epoch": 1}, {"epoch": 2}]
    found = finished.predictions("test")
    np.testing.assert_array_equal(found.logits, LOGITS, strict=True)
    np.testing.assert_array_equal(found.labels, LABELS, strict=True)


def test_predictions_that_have_changed_or_are_gone_are_refused(finished: Run) -> None:
    path = finished.folder / "predictions.npz"
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(UserError, match=r"predictions\.npz: has changed since the run has ended"):
            finished.predictions("test")
    path.unlink()
    with pytest.raises(UserError, match=r"predictions\.npz: no such file"):
        finished.predictions("test")


def test_a_run_that_has_not_ended_has_no_predictions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a finished run; let training end"):
        Run(tmp_path).predictions("test")


def test_figures_of_a_finished_run_that_have_changed_are_refused(finished: Run) -> None:
    finished.write_text("metrics.jsonl", '{"epoch": 1}\n{"epoch": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl: has changed since the run has ended"):
        finished.history()


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"epoch": 1}\n{"epoch": \xff}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: .*one JSON object per line"):
        Run(tmp_path).history()


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        Run(tmp_path).write_text("results.json", "")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
