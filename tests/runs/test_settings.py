"""Global settings of JAX that a program of somebody else has made."""

import json
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from imdb_jax import Predictor
from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from imdb_jax.runs.experiment import run_experiment
from tests.commands.command_line import fails, run_alone

CONFIG = Config(
    data=DataConfig(source="synthetic", vocabulary_size=100, max_length=16, limit=40),
    model=ModelConfig(
        embedding=LearnedEmbedding(dim=4), encoder=LSTMConfig(hidden_dim=3, pooling="attention"), hidden_dims=(3,)
    ),
    optimizer=OptimizerConfig(schedule="cosine", ema_decay=0.9),
    training=TrainingConfig(epochs=1),
)
TEXTS = ["a fine film", "dull and slow"]
OTHERS = [("jax_enable_x64", True), pytest.param(("jax_default_prng_impl", "rbg"), marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run_experiment(CONFIG, folder)
    return folder


@pytest.fixture
def setting(request: pytest.FixtureRequest) -> Iterator[None]:
    name, value = request.param
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    jax.clear_caches()
    yield
    jax.config.update(name, before)
    jax.clear_caches()


@pytest.fixture(scope="module")
def probabilities(finished: Path) -> list[float]:
    return [each.probability for each in Predictor(finished).predict(TEXTS)]


@pytest.mark.parametrize("setting", OTHERS, indirect=True, ids=str)
def test_a_run_is_read_and_trained_the_same(
    finished: Path, probabilities: list[float], setting: None, tmp_path: Path
) -> None:
    predictor = Predictor(finished)
    assert {leaf.dtype for leaf in jax.tree.leaves(predictor._models)} <= {np.dtype("float32")}
    np.testing.assert_allclose([each.probability for each in predictor.predict(TEXTS)], probabilities, atol=1e-6)
    run_experiment(CONFIG, tmp_path)
    found = [json.loads((folder / "results.json").read_text()) for folder in (finished, tmp_path)]
    assert found[0]["first_weights"] == found[1]["first_weights"]
    assert found[0]["validation"]["loss"] == pytest.approx(found[1]["validation"]["loss"], abs=1e-5)


@pytest.mark.parametrize("setting", [("jax_threefry_partitionable", False)], indirect=True)
def test_a_run_that_goes_on_under_other_settings_is_told(
    setting: None, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_experiment(CONFIG, tmp_path)
    (tmp_path / "results.json").unlink()
    jax.config.update("jax_threefry_partitionable", True)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    run_experiment(CONFIG, tmp_path)
    assert "jax_threefry_partitionable False -> None" in caplog.text
    assert "XLA_FLAGS None -> --xla_cpu_enable_fast_math=true" in caplog.text


def test_a_platform_that_is_not_there_is_one_line(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    for command in (
        ("train", "--config", "quickstart", "--workdir", finished / "new"),
        ("predict", "--workdir", finished),
    ):
        said = fails(2, f"imdb_jax.{command[0]}", *command[1:], stdin=b"fine", by=run_alone)
        assert said.startswith("error: JAX_PLATFORMS: 'cuda'; ")
    assert not (finished / "new").exists()
