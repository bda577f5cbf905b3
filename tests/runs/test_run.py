"""The files of a run: what has changed since it was written is refused."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imdb_jax.config import Config, DataConfig
from imdb_jax.config.checked import dump
from imdb_jax.data.dataset import Dataset, load_dataset
from imdb_jax.errors import UserError
from imdb_jax.runs.run import Manifest, Predictions, Results, Run
from imdb_jax.training.history import Epoch, Seconds
from imdb_jax.training.metrics import Scores, TrainScores

LOGITS, LABELS = np.array([0.5, -2.0], np.float32), np.array([1, 0], np.int8)

NAN = float("nan")
SCORES = Scores(accuracy=0.5, loss=0.7, auc=NAN, f1=0.5, examples=2)
EPOCHS = [Epoch(n, 5 * n, TrainScores(0.7, 0.5), SCORES, seconds=1.5) for n in (1, 2)]
RESULTS = Results(
    validation=SCORES,
    test=SCORES,
    seed=0,
    best_epoch=1,
    epochs=2,
    seconds=Seconds(compile=0.5, train=3.0, total=4.0),
    versions={"jax": "0.10.2"},
    device={"kind": "cpu", "count": 2},
    data="d",
    reviews="r",
    config={},
)


def lines(epochs: list[Epoch]) -> str:
    return "".join(json.dumps(dump(epoch)) + "\n" for epoch in epochs)


@pytest.fixture
def finished(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    run.write_text("metrics.jsonl", lines(EPOCHS))
    run.conclude(RESULTS, {"test": Predictions(LOGITS, LABELS)})
    return run


def test_what_was_written_is_read(finished: Run) -> None:
    results = finished.results()
    assert results is not None
    assert dump(replace(results, metrics=None, predictions=None)) == dump(RESULTS)  # as JSON, for NaN equals nothing
    assert math.isnan(results.test.auc)
    assert '"auc": null' in (finished.folder / "results.json").read_text()
    history = finished.history()
    assert [dump(epoch) for epoch in history.epochs] == [dump(epoch) for epoch in EPOCHS]
    assert history.seconds.train == 3.0
    found = finished.predictions("test")
    np.testing.assert_array_equal(found.logits, LOGITS, strict=True)
    np.testing.assert_array_equal(found.labels, LABELS, strict=True)


def test_what_version_0_1_wrote_is_read(finished: Run) -> None:
    """Its checksum was called a seal, NaN stood there as it is, and one phase had another name."""
    content = json.loads((finished.folder / "results.json").read_text())
    content.pop("checksum")
    content["test"]["auc"] = NAN
    content["seconds"] = {"import": 0.25, "data": 0.1, "compile": 0.5, "train": 3.0, "evaluation": -0.1, "total": 4.0}
    seal = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    (finished.folder / "results.json").write_text(json.dumps({**content, "seal": seal}, indent=2) + "\n")
    results = finished.results()
    assert results is not None
    assert results.seconds.total == 4.0
    assert math.isnan(results.test.auc)


def test_predictions_that_have_changed_or_are_gone_are_refused(finished: Run) -> None:
    path = finished.folder / "predictions.npz"
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(UserError, match=r"predictions\.npz: has changed since the run wrote it"):
            finished.predictions("test")
    path.unlink()
    with pytest.raises(UserError, match=r"predictions\.npz: No such file"):
        finished.predictions("test")


def test_a_run_that_has_not_ended_has_no_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no such file; --workdir must be the directory of a training run"):
        Run(tmp_path).predictions("test")
    monkeypatch.setattr(Run, "config", lambda self: None)  # it has begun
    with pytest.raises(UserError, match="not a finished run; let training end"):
        Run(tmp_path).predictions("test")


def write(run: Run, name: str, content: dict[str, Any]) -> None:
    checksum = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    run.write_text(name, json.dumps({**content, "checksum": checksum}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": 3}, r"results\.json: test: 3; "),
        ({"test": {**dump(SCORES), "f1": "high"}}, r"results\.json: test\.f1: 'high'; input should be a valid number"),
        ({"seed": "0"}, r"results\.json: seed: '0'; input should be a valid integer"),
    ],
)
def test_results_with_a_valid_checksum_that_are_none_are_refused(
    finished: Run, changes: dict[str, Any], said: str
) -> None:
    write(finished, "results.json", {**dump(RESULTS), **changes})
    for read in (finished.results, finished.history):
        with pytest.raises(UserError, match=said) as refused:
            read()
        assert refused.value.exit_code == 65


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"sha256": {}}, r"manifest\.json: data: field required"),
        ({"data": "reviews", "sha256": []}, r"manifest\.json: sha256: \[\]; input should be an object"),
    ],
)
def test_a_manifest_with_a_valid_checksum_that_is_none_is_refused(
    tmp_path: Path, manifest: dict[str, Any], said: str
) -> None:
    run = Run(tmp_path)
    write(run, "manifest.json", manifest)
    for read in (run.config, run.vocabulary, run.origin):
        with pytest.raises(UserError, match=said) as refused:
            read()
        assert refused.value.exit_code == 65


def test_an_epoch_without_what_a_report_shows_is_named(tmp_path: Path) -> None:
    cut = {**dump(EPOCHS[1]), "validation": dump(EPOCHS[1].train)}
    (tmp_path / "metrics.jsonl").write_text(lines(EPOCHS[:1]) + json.dumps(cut) + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: validation\.auc: field required"):
        Run(tmp_path).history()


def test_figures_of_a_finished_run_that_have_changed_are_refused(finished: Run) -> None:
    finished.write_text("metrics.jsonl", lines(EPOCHS[:1]))
    with pytest.raises(UserError, match=r"metrics\.jsonl: has changed since the run wrote it"):
        finished.history()


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(lines(EPOCHS[:1]).encode() + b'{"epoch": \xff}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: .*one JSON object per line"):
        Run(tmp_path).history()


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        Run(tmp_path).write_text("results.json", "")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_look_at_the_test_split_that_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_readings.jsonl").mkdir()
    with pytest.raises(UserError, match=r"test_readings\.jsonl: Is a directory; each look at the test") as refused:
        Run(tmp_path).record_test_reading({"command": "evaluate", "step": 1})
    assert refused.value.exit_code == 74


DATA = DataConfig(source="synthetic", vocabulary_size=50, limit=20)


def run_on(folder: Path, dataset: Dataset) -> Run:
    run = Run(folder)
    folder.mkdir()
    run.begin(Config(), dataset)
    run.write_text("metrics.jsonl", lines(EPOCHS))
    run.conclude(replace(RESULTS, reviews=dataset.reviews), {})
    return run


def as_format_1(run: Run, data: str) -> None:
    """As versions wrote it whose fingerprints looked at 64 reviews."""
    manifest = dump(run.read_record("manifest.json", Manifest))
    del manifest["format"]
    write(run, "manifest.json", {**manifest, "data": data})
    run.conclude(replace(RESULTS, reviews=data), {})


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("fields", [{}, {"vocabulary_size": 49}, {"split_seed": 1}, {"limit": 21}], ids=str)
def test_only_the_reviews_that_a_run_was_begun_with_are_its_data(
    tmp_path: Path, old: bool, fields: dict[str, Any]
) -> None:
    run = run_on(tmp_path / "run", load_dataset(DATA))
    if old:
        as_format_1(run, "83c5dacefbcd26ce18619f323ce2e4d4")
    other = load_dataset(replace(DATA, **fields))
    if fields:
        with pytest.raises(UserError, match="the reviews have changed since this run was begun") as refused:
            run.check_data(other)
        assert refused.value.exit_code == 65
    else:
        run.check_data(other)


def test_runs_of_old_and_new_versions_are_compared(tmp_path: Path) -> None:
    datasets = {name: load_dataset(replace(DATA, split_seed=seed)) for seed, name in enumerate("ab")}
    runs = {(name, of): run_on(tmp_path / f"{name}{of}", datasets[name]) for name in "ab" for of in ("new", "old")}
    for name in "ab":
        as_format_1(runs[name, "old"], name)
    for (one, _), first in runs.items():
        for (another, _), second in runs.items():
            assert first.has_reviews_of(second, "validation") == (one == another)
