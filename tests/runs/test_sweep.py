"""A population: each member is the run alone, whatever stops or joins it."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    dump,
    with_fields,
)
from imdb_jax.data.dataset import load_dataset
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.inference.predictor import Predictor, open_classifier, restore_best
from imdb_jax.runs import member, sweep
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.member import Member, Place, find_devices, places_for
from imdb_jax.runs.mixture import Mix
from imdb_jax.runs.population import Population, members, runs_in
from imdb_jax.runs.run import Run
from imdb_jax.runs.sweep import run_sweep
from imdb_jax.runtime import usable_cores
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.metrics import score
from imdb_jax.training.signals import Interrupted

CONFIG = Config(
    data=DataConfig(source="synthetic", limit=60, vocabulary_size=200, max_length=40, buckets=()),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=PoolConfig(), embedding_dropout=0.1),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-2, ema_decay=0.9),
    training=TrainingConfig(batch_size=16, epochs=2),
)
SEEDS = members(CONFIG, "0..2", {})
CORE = usable_cores()[-1]


def weights(run: Run) -> dict[str, tuple[str, str]]:
    return fingerprints(restore_best(run)[1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Population:
    """Three members, each on one core."""
    folder = tmp_path_factory.mktemp("population") / "seeds"
    run_sweep(CONFIG, SEEDS, folder, places=[Place([core]) for core in usable_cores()])
    return Population(folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Seed 1 as `imdb_jax.train` trains it where it may use a single core."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "config.json").write_text(json.dumps(dump(dataclasses.replace(CONFIG, seed=1))))
    (folder / "config.py").write_text(
        "import json\nfrom pathlib import Path\nfrom imdb_jax.config import Config, load\n"
        "content = json.loads(Path(__file__).with_name('config.json').read_text())\n"
        "config = load(Config, content, 'config.json')\n"
    )
    start = f"""
import os, runpy
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [{CORE}])
from imdb_jax import runtime
runtime.usable_cores = lambda: [{CORE}]
runpy.run_module("imdb_jax.train", None, "__main__", True)
"""
    command = [sys.executable, "-c", start, "--config", folder / "config.py", "--workdir", folder / "run"]
    subprocess.run(command, check=True)
    return Run(folder / "run")


def test_each_member_is_the_run_alone(trained: Population, alone: Run) -> None:
    member = trained.run("seed=1")
    assert member.config() == alone.config()
    assert weights(member) == weights(alone)
    for split in ("validation", "test"):
        np.testing.assert_array_equal(member.predictions(split).logits, alone.predictions(split).logits)
    assert member.test_readings()[1:] == [{"command": "train", "ensemble": [*SEEDS]}]
    assert "seed 1" in (member.folder / "train.log").read_text()
    assert "seed 2" not in (member.folder / "train.log").read_text()


def test_members_on_other_devices_are_the_run_alone_to_tolerance(trained: Population, tmp_path: Path) -> None:
    run_experiment(dataclasses.replace(CONFIG, seed=2), tmp_path)  # its batches are shared out
    found, expected = (run.predictions("test").logits for run in (trained.run("seed=2"), Run(tmp_path)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("members", "sizes"), [(20, [1] * 8), (8, [1] * 8), (3, [2] * 4), (2, [4, 4]), (1, [8])])
def test_members_have_a_core_each_or_more(members: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "usable_cores", lambda: [*range(8)])
    places = places_for(members, "cpu", 8)
    assert [len(place.cores) for place in places] == sizes
    assert sorted(core for place in places for core in place.cores) == [*range(8)]
    assert not any(place.environment for place in places)


def test_members_have_an_accelerator_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places_for(9, "gpu", 2)] == ["2", "5"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in places_for(9, "gpu", 2)] == ["0", "1"]
    assert [place.environment["TPU_VISIBLE_CHIPS"] for place in places_for(9, "tpu", 4)] == ["0", "1", "2", "3"]


def test_devices_are_found_by_a_process_of_its_own() -> None:
    assert find_devices()[0] == "cpu"


def test_results_are_those_of_the_members(trained: Population) -> None:
    results = trained.results()
    assert results is not None
    accuracies = [found.test.accuracy for name in SEEDS if (found := trained.run(name).results())]
    (point,) = results.points
    assert results.ensemble is not None
    assert point.members == results.ensemble.members == list(SEEDS)
    assert point.test.accuracy.mean == pytest.approx(np.mean(accuracies))
    assert point.test.accuracy.std == pytest.approx(np.std(accuracies, ddof=1))
    assert results.failed == {}


def test_the_ensemble_decides_by_the_mean_logit(trained: Population) -> None:
    classifier = open_classifier(Mix().with_first(str(trained.folder)))
    test = load_dataset(CONFIG.data).test
    logits = np.mean([Predictor(run).logits(test).astype(np.float64) for run in trained.runs()], axis=0)
    results = trained.results()
    assert results is not None
    assert results.ensemble is not None
    found, expected = dataclasses.astuple(results.ensemble.test), dataclasses.astuple(score(logits, test.labels))
    assert found == pytest.approx(expected, abs=1e-6)
    reviews = ["A wonderful, brilliant film.", ""]
    (first, empty), singles = classifier.predict(reviews), [member.predict(reviews) for member in classifier.members]
    odds = [np.log(single[0].probability / (1 - single[0].probability)) for single in singles]
    assert first.probability == pytest.approx(1 / (1 + np.exp(-np.mean(odds))), abs=1e-5)
    assert empty.flags == ["empty"]


def test_a_population_that_has_ended_is_left_alone(trained: Population) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*") if path.name != ".lock"}
    run_sweep(CONFIG, {}, trained.folder)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_member_whose_folder_is_gone_is_trained_again(trained: Population, tmp_path: Path) -> None:
    population = Population(shutil.copytree(trained.folder, tmp_path / "seeds"))
    shutil.rmtree(population.run("seed=1").folder)
    run_sweep(CONFIG, {}, population.folder, places=[Place([CORE])])
    assert weights(population.run("seed=1")) == weights(trained.run("seed=1"))
    results, whole = population.results(), trained.results()
    assert results is not None
    assert whole is not None
    assert (results.points, results.ensemble) == (whole.points, whole.ensemble)


def test_a_stopped_population_goes_on_exactly_and_takes_in_more_seeds(
    trained: Population, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Member):
        """Sends a signal to the process that watches as soon as the second member has been started."""

        def __init__(self, config: Config, *arguments: Any) -> None:
            super().__init__(config, *arguments)
            if config.seed == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    places = [Place([CORE])]
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "Member", Stopped)
        with pytest.raises(Interrupted) as stopped:
            run_sweep(CONFIG, members(CONFIG, "0..2", {}), tmp_path, places=places)
    assert stopped.value.exit_code == 143
    population = Population(tmp_path)
    assert population.results() is None
    assert population.run("seed=0").results() is not None
    assert not population.run("seed=2").folder.exists()
    run_sweep(CONFIG, members(CONFIG, "0,1", {}), tmp_path, places=places)
    for name in SEEDS:
        assert weights(population.run(name)) == weights(trained.run(name))
    results, whole = population.results(), trained.results()
    assert results is not None
    assert whole is not None
    assert results.points == whole.points
    assert results.ensemble == whole.ensemble


def test_results_of_fewer_members_than_there_are_now_are_none(trained: Population, tmp_path: Path) -> None:
    population = Population(tmp_path)
    results = trained.results()
    assert results is not None
    population.begin(CONFIG, SEEDS)
    population.write_record("results.json", results)
    assert population.results() == results
    population.begin(CONFIG, members(CONFIG, "0..4", {}))
    assert population.results() is None
    with pytest.raises(UserError, match="not all members have ended; train --workdir goes on"):
        population.chosen()


def test_the_others_go_on_when_a_member_diverges_and_validation_chooses_among_them(tmp_path: Path) -> None:
    """Members whose data differ load their own."""
    found = members(CONFIG, None, {"optimizer.learning_rate": "3e38,3e-2", "data.max_length": "20,40"})
    with pytest.raises(UserError) as failed:
        run_sweep(CONFIG, found, tmp_path)
    assert failed.value.exit_code == BAD_DATA
    assert "2 of 4 members failed: " in str(failed.value)
    assert "seed=0,data.max_length=40,optimizer.learning_rate=3e+38: the training loss is" in str(failed.value)
    population = Population(tmp_path)
    results = population.results()
    assert results is not None
    assert len(results.failed) == 2
    means = {point.name: point.validation.accuracy.mean for point in results.points}
    assert list(means) == [f"data.max_length={length},optimizer.learning_rate=0.03" for length in (20, 40)]
    best = max(means, key=lambda name: means[name])
    assert results.ensemble is not None
    assert results.ensemble.name == best
    (chosen,) = population.chosen()
    assert chosen.folder.name == f"seed=0,{best}"
    for name in (f"seed=0,{point}" for point in means):
        assert population.run(name).config() == with_fields(CONFIG, found[name])


def test_a_population_is_no_run_and_a_run_is_no_population(trained: Population, alone: Run) -> None:
    with pytest.raises(UserError, match="holds a population of runs; choose another --workdir"):
        run_experiment(CONFIG, trained.folder)
    with pytest.raises(UserError, match="holds a single run; choose another --workdir"):
        run_sweep(CONFIG, SEEDS, alone.folder)
    assert not (alone.folder / "population.json").exists()


def test_another_config_and_other_fields_are_refused(trained: Population) -> None:
    before = (trained.folder / "population.json").read_bytes()
    longer = dataclasses.replace(CONFIG, training=TrainingConfig(batch_size=16, epochs=3))
    with pytest.raises(UserError, match=r"begun with another config \(training\.epochs: 2 -> 3\)"):
        run_sweep(longer, members(longer, "4", {}), trained.folder)
    with pytest.raises(UserError, match=r"its members differ in seed, not in seed, model\.dropout"):
        run_sweep(CONFIG, members(CONFIG, "4", {"model.dropout": "0.1"}), trained.folder)
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
        run_sweep(dataclasses.replace(CONFIG, data=data), SEEDS, tmp_path / "population")
    assert list(tmp_path.iterdir()) == []
