"""A population: each member is the run alone, whatever stops or joins it."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import jax
import numpy as np
import pytest

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
    TrainingConfig,
    with_fields,
)
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.inference.predictor import Predictor, open_labeller, restore_best
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.population import Population, members, runs_in
from imdb_jax.runs.run import Run
from imdb_jax.runs.sweep import run_sweep
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.metrics import score
from imdb_jax.training.replicas import Replicas
from imdb_jax.training.signals import Interrupted

CONFIG = Config(
    data=DataConfig(source="synthetic", limit=60, vocabulary_size=200, max_length=40, buckets=()),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=PoolConfig(), embedding_dropout=0.1),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-2, ema_decay=0.9),
    training=TrainingConfig(batch_size=16, epochs=2),
)
SEEDS = members(CONFIG, "0..3", {})


def weights(run: Run) -> dict[str, tuple[str, str]]:
    return fingerprints(restore_best(run)[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Population:
    """Four members, one on each of four devices."""
    folder = tmp_path_factory.mktemp("population") / "seeds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMDB_JAX_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run_sweep(CONFIG, SEEDS, folder, 0.0, [[device] for device in jax.devices()[:4]])
    return Population(folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Seed 1 as `imdb_jax.train` trains it, with a whole batch on one device as that is the only one."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMDB_JAX_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setattr(jax, "devices", lambda: jax.local_devices()[:1])
        run_experiment(dataclasses.replace(CONFIG, seed=1), folder, 0.0)
    return Run(folder)


def test_each_member_is_the_run_alone(trained: Population, alone: Run) -> None:
    member = trained.run("seed=1")
    assert member.config() == alone.config()
    assert weights(member) == weights(alone)
    for split in ("validation", "test"):
        np.testing.assert_array_equal(member.predictions(split).logits, alone.predictions(split).logits)
    assert len(member.test_readings()) == 1
    assert "seed 1" in (member.folder / "train.log").read_text()
    assert "seed 2" not in (member.folder / "train.log").read_text()


def test_members_on_other_devices_are_the_run_alone_to_tolerance(trained: Population, tmp_path: Path) -> None:
    run_experiment(dataclasses.replace(CONFIG, seed=2), tmp_path, 0.0)  # its batches are shared out
    found, expected = (run.predictions("test").logits for run in (trained.run("seed=2"), Run(tmp_path)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_results_are_those_of_the_members(trained: Population) -> None:
    results = trained.results()
    assert results is not None
    accuracies = [(trained.run(name).results() or {})["test"]["accuracy"] for name in SEEDS]
    assert [member["test"]["accuracy"] for member in results["members"]] == accuracies
    (point,) = results["points"]
    assert point["members"] == results["ensemble"]["members"] == list(SEEDS)
    assert point["test"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert point["test"]["accuracy"]["std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert results["failed"] == {}


def test_the_ensemble_decides_by_the_mean_logit(trained: Population) -> None:
    labeller = open_labeller(trained.folder)
    test = load_dataset(CONFIG.data).test
    logits = np.mean([Predictor(run).logits(test).astype(np.float64) for run in trained.runs()], axis=0)
    np.testing.assert_allclose(labeller.logits(test), logits, atol=1e-6)
    results = trained.results()
    assert results is not None
    assert results["ensemble"]["test"] == pytest.approx(score(logits, test.labels), abs=1e-6)
    reviews = ["A wonderful, brilliant film.", ""]
    (first, empty), singles = labeller.predict(reviews), [member.predict(reviews) for member in labeller.members]
    odds = [np.log(single[0].probability / (1 - single[0].probability)) for single in singles]
    assert first.probability == pytest.approx(1 / (1 + np.exp(-np.mean(odds))), abs=1e-5)
    assert empty.flags == ["empty"]


def test_a_population_that_has_ended_is_left_alone(trained: Population) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*") if path.name != ".lock"}
    run_sweep(CONFIG, {}, trained.folder, 0.0)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets all members together take some steps, then sends a signal."""
    original, taken = Replicas.step, []

    def step(self, states, shards):
        taken.append(None)
        if len(taken) == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, states, shards)

    monkeypatch.setattr(Replicas, "step", step)


def test_a_stopped_population_goes_on_exactly_and_takes_in_more_seeds(
    trained: Population, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [[device] for device in jax.devices()[:2]]
    with monkeypatch.context() as patch:
        stop_after(9, patch)  # of 12 a member
        with pytest.raises(Interrupted) as stopped:
            run_sweep(CONFIG, members(CONFIG, "0..2", {}), tmp_path, 0.0, places)
    assert stopped.value.exit_code == 143
    assert Population(tmp_path).results() is None
    assert any((tmp_path / "members" / "seed=0" / "checkpoints").iterdir())
    assert not (tmp_path / "members" / "seed=2").exists()
    run_sweep(CONFIG, SEEDS, tmp_path, 0.0, places)
    for name in SEEDS:
        assert weights(Population(tmp_path).run(name)) == weights(trained.run(name))
    results, whole = Population(tmp_path).results(), trained.results()
    assert results is not None
    assert whole is not None
    assert results["points"] == whole["points"]
    assert results["ensemble"] == whole["ensemble"]


def test_a_seed_joins_a_population_that_has_ended(trained: Population, tmp_path: Path) -> None:
    places = [[device] for device in jax.devices()[:1]]
    run_sweep(CONFIG, members(CONFIG, "0", {}), tmp_path, 0.0, places)
    run_sweep(CONFIG, members(CONFIG, "1", {}), tmp_path, 0.0, places)
    population = Population(tmp_path)
    assert list(population.members()) == ["seed=0", "seed=1"]
    assert [run.folder.name for run in population.chosen()] == ["seed=0", "seed=1"]
    assert weights(population.run("seed=1")) == weights(trained.run("seed=1"))


def test_results_of_fewer_members_than_there_are_now_are_none(trained: Population, tmp_path: Path) -> None:
    population = Population(tmp_path)
    results = trained.results()
    assert results is not None
    results.pop("seal", None)
    population.begin(CONFIG, SEEDS)
    population.write_results(results)
    assert population.results() == results
    population.begin(CONFIG, members(CONFIG, "0..4", {}))
    assert population.results() is None
    with pytest.raises(UserError, match="not all members have ended; train --workdir goes on"):
        population.chosen()


def test_the_others_go_on_when_a_member_diverges_and_validation_chooses_among_them(
    tmp_path: Path,
) -> None:
    found = members(CONFIG, "0,1", {"optimizer.learning_rate": "3e38,1e-9,3e-2"})
    with pytest.raises(UserError) as failed:
        run_sweep(CONFIG, found, tmp_path, 0.0, [[device] for device in jax.devices()[:4]])
    assert failed.value.exit_code == BAD_DATA
    assert "2 of 6 members failed: " in str(failed.value)
    assert "seed=1,optimizer.learning_rate=3e+38: the training loss is" in str(failed.value)
    population = Population(tmp_path)
    results = population.results()
    assert results is not None
    assert len(results["failed"]) == 2
    means = {point["name"]: point["validation"]["accuracy"]["mean"] for point in results["points"]}
    assert list(means) == ["optimizer.learning_rate=1e-09", "optimizer.learning_rate=0.03"]
    best = max(means, key=lambda name: means[name])
    assert results["ensemble"]["name"] == best
    assert [run.folder.name for run in population.chosen()] == [f"seed={seed},{best}" for seed in (0, 1)]


def test_data_that_differ_are_loaded_each(tmp_path: Path) -> None:
    found = members(CONFIG, None, {"data.max_length": "20,40", "training.epochs": "1"})
    run_sweep(CONFIG, found, tmp_path, 0.0)
    assert [run.config().data.max_length for run in runs_in(tmp_path)] == [20, 40]
    assert with_fields(CONFIG, next(iter(found.values()))) == runs_in(tmp_path)[0].config()


def test_a_population_is_no_run_and_a_run_is_no_population(trained: Population, alone: Run) -> None:
    with pytest.raises(UserError, match="a population of runs, not a single one; choose another --workdir"):
        run_experiment(CONFIG, trained.folder, 0.0)
    with pytest.raises(UserError, match="a single run; choose another --workdir for a population"):
        run_sweep(CONFIG, SEEDS, alone.folder, 0.0)
    assert not (alone.folder / "population.json").exists()


def test_another_config_and_other_fields_are_refused(trained: Population) -> None:
    before = (trained.folder / "population.json").read_bytes()
    longer = dataclasses.replace(CONFIG, training=TrainingConfig(batch_size=16, epochs=3))
    with pytest.raises(UserError, match=r"begun with another config \(training\.epochs: 2 -> 3\)"):
        run_sweep(longer, members(longer, "4", {}), trained.folder, 0.0)
    with pytest.raises(UserError, match=r"its members differ in seed, not in seed, model\.dropout"):
        run_sweep(CONFIG, members(CONFIG, "4", {"model.dropout": "0.1"}), trained.folder, 0.0)
    assert (trained.folder / "population.json").read_bytes() == before


def test_a_population_that_has_changed_is_refused(trained: Population, tmp_path: Path) -> None:
    content = json.loads((trained.folder / "population.json").read_text())
    content["members"]["seed=9"] = {"seed": 9}
    (tmp_path / "population.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"population\.json: has changed since it was written"):
        runs_in(tmp_path)


def test_a_start_without_data_leaves_nothing_behind(tmp_path: Path) -> None:
    data = DataConfig(source="files", path=str(tmp_path / "nowhere.csv"))
    with pytest.raises(UserError, match=r"nowhere\.csv"):
        run_sweep(dataclasses.replace(CONFIG, data=data), SEEDS, tmp_path / "population", 0.0)
    assert list(tmp_path.iterdir()) == []
