"""`fit`, called by a program with a model and reviews of its own: what it records is what was done."""

import dataclasses
import json
import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imdb_jax import Predictor, build_model, fit, load_dataset
from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    PoolConfig,
    PretrainedEmbedding,
    TextConfig,
    TrainingConfig,
)
from imdb_jax.data.dataset import Dataset
from imdb_jax.errors import UserError

CONFIG = Config(
    data=DataConfig(source="synthetic", vocabulary_size=200, max_length=16, limit=50),
    model=ModelConfig(embedding=LearnedEmbedding(dim=4), encoder=PoolConfig(pooling="mean")),
    training=TrainingConfig(epochs=1),
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(CONFIG.data)


def changed(config: Config, **model) -> Config:
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **model))


def test_a_model_that_starts_warm_is_told(dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = build_model(CONFIG, dataset.vocabulary)
    fresh, again = build_model(CONFIG, dataset.vocabulary), tmp_path / "again"
    first = fit(model, dataset, CONFIG, tmp_path / "first")
    assert first.first_weights == fit(fresh, dataset, CONFIG, tmp_path / "same").first_weights
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    warm = fit(model, dataset, CONFIG, again)
    assert "the model starts from other weights than seed 0 draws" in caplog.text
    assert json.loads((again / "results.json").read_text())["first_weights"] == warm.first_weights
    assert warm.first_weights != first.first_weights
    caplog.clear()
    fit(model, dataset, CONFIG, again)  # finished: whatever the model's weights are, it gets those of the run
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("built_by", "said"),
    [
        (changed(CONFIG, dropout=0.25), r"model: not built by this config \(model\.dropout: 0\.25 -> 0\.5\)"),
        (changed(CONFIG, encoder=PoolConfig()), "model.encoder.pooling: 'max' -> 'mean'"),
    ],
)
def test_a_model_of_another_config_is_refused(dataset: Dataset, tmp_path: Path, built_by: Config, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fit(build_model(built_by, dataset.vocabulary), dataset, CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_whose_parts_were_exchanged_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    model = build_model(CONFIG, dataset.vocabulary)
    model.output = nnx.Linear(4, 2, rngs=nnx.Rngs(0))
    with pytest.raises(UserError, match=r"model: output\.bias is float32\[2\] there, but float32\[1\] by the config"):
        fit(model, dataset, CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vocabulary_size": 150}, r"dataset: not opened with this config \(data.vocabulary_size: 150 -> 200\)"),
        ({"text": TextConfig(keep_apostrophes=True)}, "data.text.keep_apostrophes: True -> False"),
        ({"split_seed": 3}, "data.split_seed: 3 -> 0"),
    ],
)
def test_reviews_of_another_config_are_refused(tmp_path: Path, change: dict, said: str) -> None:
    dataset = load_dataset(dataclasses.replace(CONFIG.data, **change))
    with pytest.raises(UserError, match=said):
        fit(build_model(CONFIG, dataset.vocabulary), dataset, CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_reviews_may_be_batched_otherwise_than_they_were_opened(tmp_path: Path) -> None:
    dataset = load_dataset(dataclasses.replace(CONFIG.data, max_length=600, keep="tail", buckets=(32,)))
    fit(build_model(CONFIG, dataset.vocabulary), dataset, CONFIG, tmp_path)
    assert Predictor(tmp_path).predict("a fine film").flags == []


def test_a_run_goes_on_with_its_own_frozen_table_alone(dataset: Dataset, tmp_path: Path) -> None:
    config = changed(CONFIG, embedding=PretrainedEmbedding())
    tables = np.random.default_rng(0).normal(size=(2, len(dataset.vocabulary), 4)).astype(np.float32)
    first, other = (build_model(config, dataset.vocabulary, table) for table in tables)
    fit(first, dataset, config, tmp_path / "run")  # its own table is the run's
    with pytest.raises(
        UserError, match=r"model: embedding\.table is float32\[200, 4\] \w+ there, but float32\[200, 4\] \w+ by"
    ):
        fit(other, dataset, config, tmp_path / "run")
    other.embedding.table[...] = jnp.asarray(tables[0])
    fit(other, dataset, config, tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, nnx.state(first, nnx.Param), nnx.state(other, nnx.Param))
