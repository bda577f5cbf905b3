"""Law 6: a run that was stopped and started again equals one that was not, bit for bit."""

import dataclasses
import itertools
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
    TrainingConfig,
)
from imdb_jax.config.checked import dump
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs import experiment
from imdb_jax.runs.experiment import Keeper, run_experiment
from imdb_jax.runs.run import Run
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.parallel import CoreReplicas
from imdb_jax.training.signals import Interrupted, StopSignal

CONFIG = Config(
    seed=3,
    data=DataConfig(source="synthetic", limit=60, vocabulary_size=200, max_length=40, buckets=(16,)),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=LSTMConfig(hidden_dim=4), embedding_dropout=0.1),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-2, schedule="cosine", clip_norm=1.0, ema_decay=0.9),
    training=TrainingConfig(batch_size=16, epochs=3, eval_batch_size=16),
)
SIMPLE = dataclasses.replace(  # which compiles in no time
    CONFIG,
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=PoolConfig()),
    training=TrainingConfig(batch_size=16, epochs=2),
)
TIMES = {"seconds", "reviews_per_second", "tokens_per_second", "metrics"}  # the last is a checksum of the others


def without_times(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in TIMES}


def outcome(folder: Path) -> tuple[list[dict], dict, dict]:
    """What must be equal: metrics, results, weights."""
    metrics = [without_times(json.loads(line)) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    predictor = Predictor(Run(folder))
    return metrics, without_times(dump(Run(folder).results())), jax.device_get(predictor._models[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_experiment(CONFIG, folder)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(whole: Path) -> tuple[list[dict], dict, dict]:
    return outcome(whole)


def stop_after(steps: int, action, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets training take some steps, then acts in the middle of the next."""
    original, taken = CoreReplicas.steps, itertools.count(1)

    def act(self, state, batches):
        for after in original(self, state, batches):
            if next(taken) > steps:
                action()
            yield after

    monkeypatch.setattr(CoreReplicas, "steps", act)


class PowerCutError(Exception):
    """Ends a run without any warning."""


def power_cut() -> None:
    raise PowerCutError


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(  # in each of the three epochs of 6 steps, and between them
    ("action", "steps"),
    [
        (power_cut, 2),
        slow(power_cut, 5),
        (power_cut, 6),
        (power_cut, 9),
        slow(power_cut, 13),
        slow(terminate, 2),
        (terminate, 5),
        slow(terminate, 6),
        slow(terminate, 9),
        (terminate, 13),
    ],
)
def test_stopped_run_goes_on_exactly(
    uninterrupted, action, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(steps, action, patch)
        with pytest.raises(Interrupted if action is terminate else PowerCutError) as stopped:
            run_experiment(CONFIG, str(tmp_path))
    if action is terminate:
        assert stopped.value.exit_code == 143
        assert (tmp_path / "checkpoints" / str(steps + 1)).is_dir()  # no step is lost
    assert Run(tmp_path).results() is None
    run_experiment(CONFIG, str(tmp_path))
    metrics, results, params = outcome(tmp_path)
    assert metrics == uninterrupted[0]
    assert results == uninterrupted[1]
    jax.tree.map(np.testing.assert_array_equal, params, uninterrupted[2])


def test_seconds_are_sums_over_all_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(8, terminate, patch)
        with pytest.raises(Interrupted):
            run_experiment(CONFIG, str(tmp_path))
    with Keeper(Run(tmp_path), CONFIG) as keeper:
        assert keeper.take() is None
        dataset = load_dataset(CONFIG.data)
        _, before = keeper.restore(build_learner(build_model(CONFIG, dataset.vocabulary), CONFIG, steps=18)[1])
    assert len(before.epochs) == 1
    assert before.seconds.train > before.epochs[0].seconds  # of the second epoch, too, which was not at its end
    results = run_experiment(CONFIG, str(tmp_path))
    phases = {**dataclasses.asdict(results.seconds)}
    total, compiling = phases.pop("total"), phases.pop("compile")
    assert all(seconds >= getattr(before.seconds, phase) - 1e-3 for phase, seconds in phases.items())
    assert total == pytest.approx(sum(phases.values()), abs=0.01)
    assert total > compiling > before.seconds.compile
    assert phases["train"] == pytest.approx(sum(epoch.seconds for epoch in Run(tmp_path).history().epochs), abs=0.01)


def test_a_signal_that_training_no_longer_sees_is_not_lost() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as stopped, StopSignal():
        terminate()
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_finished_run_is_left_alone(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.name not in (".lock", "train.log")}
    run_experiment(CONFIG, whole)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len((whole / "test_readings.jsonl").read_text().splitlines()) == 1


def test_another_config_is_refused_by_name(whole: Path) -> None:
    other = dataclasses.replace(CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, learning_rate=0.5))
    with pytest.raises(UserError, match=r"optimizer\.learning_rate: 0\.01 -> 0\.5"):
        run_experiment(other, whole)


def test_the_test_split_decides_nothing(uninterrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: with every test label turned round, all but the test scores stays as it was."""
    original = experiment.load_dataset

    def turned_round(config: DataConfig):
        dataset = original(config)
        return dataset._replace(test=dataset.test._replace(labels=1 - dataset.test.labels))

    monkeypatch.setattr(experiment, "load_dataset", turned_round)
    run_experiment(CONFIG, str(tmp_path))
    metrics, results, params = outcome(tmp_path)
    assert metrics == uninterrupted[0]
    assert results["test"]["accuracy"] == pytest.approx(1 - uninterrupted[1]["test"]["accuracy"])
    told = {"test": 0, "predictions": 0}  # the latter is a checksum of the test labels too
    assert {**results, **told} == {**uninterrupted[1], **told}
    jax.tree.map(np.testing.assert_array_equal, params, uninterrupted[2])


def test_compilations_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of each epoch tells them, those that come after the first too."""
    original, taken = CoreReplicas.steps, itertools.count(1)

    def forget(self, state, batches):
        for after in original(self, state, batches):
            if next(taken) == 8:  # in the second epoch of 6
                jax.clear_caches()
            yield after

    monkeypatch.setattr(CoreReplicas, "steps", forget)
    run_experiment(SIMPLE, tmp_path)
    log = (tmp_path / "train.log").read_text()
    assert "compiled 0" not in log.partition("epoch  2/2")[0]
    assert re.search(r"epoch  2/2 .* compiled [1-9]", log)


def test_two_starts_on_one_workdir(tmp_path: Path) -> None:
    with Run(tmp_path).taken():
        with pytest.raises(UserError, match="another process") as refused, Run(tmp_path).taken():
            pass
        assert refused.value.exit_code == 73
    with Run(tmp_path).taken():
        pass  # free again


def test_diverging_loss_is_told_in_one_line(tmp_path: Path) -> None:
    wild = dataclasses.replace(SIMPLE, optimizer=OptimizerConfig(learning_rate=3e38))
    with pytest.raises(UserError, match=r"the training loss is (nan|inf) at step \d+; lower optimizer\.learning_rate"):
        run_experiment(wild, tmp_path)
