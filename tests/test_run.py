"""The files of a run: what has changed since it was written is refused."""

from pathlib import Path

import pytest

from imdb_jax.errors import UserError
from imdb_jax.run import Run


@pytest.fixture
def finished(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.write_text("metrics.jsonl", '{"epoch": 1}\n{"epoch": 2}\n')
    run.write_results({"seed": 0})
    return run


def test_what_was_written_is_read(finished: Run) -> None:
    assert finished.results() == {"seed": 0}
    assert finished.history() == [{"epoch": 1}, {"epoch": 2}]


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
