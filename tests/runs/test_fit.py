"""`fit`, called by a program with a model and reviews of its own: what it records is what was done."""

import dataclasses
import inspect
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imdb_jax import Predictor, build_model, fit, load_dataset
from imdb_jax.config import (
    Config,
    Conv1DConfig,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    OptimizerConfig,
    OwnEncoderConfig,
    PoolConfig,
    PretrainedEmbedding,
    TextConfig,
    TrainingConfig,
)
from imdb_jax.data.dataset import Dataset
from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import word_vectors
from imdb_jax.models import OWN_ENCODERS, Words
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.run import Run

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


def test_what_stands_in_another_place_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    model: Any = build_model(CONFIG, dataset.vocabulary)
    for given, said in (
        ((None, dataset, CONFIG), "NoneType where a TextClassifier must be"),
        ((dataset, model, CONFIG), "Dataset where a TextClassifier must be"),
        ((model, dataset.vocabulary, CONFIG), "Vocabulary where a Dataset must be"),
        ((model, dataset, CONFIG.data), "DataConfig where a Config must be"),
    ):
        with pytest.raises(UserError, match=said):
            inspect.unwrap(fit)(*given, tmp_path / "run")  # what tests alone check
    with pytest.raises(UserError, match="config: Config; must be a DataConfig"):
        inspect.unwrap(load_dataset)(CONFIG)
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


@pytest.mark.slow
def test_a_folded_model_is_the_one_that_the_vectors_give(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    words = dataset.vocabulary.words
    file.write_text("".join(f"{word.decode()} {k % 7} {k % 5 - 2}\n" for k, word in enumerate(words)))
    embedding = PretrainedEmbedding(vectors=str(file), trainable=True, folded=True)
    config = changed(CONFIG, embedding=embedding, encoder=Conv1DConfig(features=4))
    config = dataclasses.replace(config, optimizer=OptimizerConfig(name="adagrad", learning_rate=0.1))
    model = build_model(config, dataset.vocabulary)
    given = fit(model, dataset, config, tmp_path / "given")
    built = run_experiment(config, tmp_path / "built", dataset=dataset)
    assert (given.first_weights, given.test) == (built.first_weights, built.test)
    assert model.encoder.kernel.shape == (3, len(dataset.vocabulary), 4)


class Recurring(nnx.Module):
    """An encoder of layers of Flax that keep random keys they don't use, with a counter of its own."""

    def __init__(self, input_dim: int, *, layer: str, rngs: nnx.Rngs) -> None:
        self.features = input_dim
        self.layer = LAYERS[layer](input_dim, rngs)
        self.places = nnx.Variable(jnp.arange(4))

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        last = jnp.maximum(mask.sum(axis=1) - 1, 0)
        return self.layer(words.vectors())[jnp.arange(len(mask)), last] + self.places[0]


LAYERS = {
    "gru": lambda dim, rngs: nnx.RNN(nnx.GRUCell(dim, dim, rngs=rngs)),
    "dropout": lambda dim, rngs: nnx.Dropout(0.5, rngs=rngs),
    "norm": lambda dim, rngs: nnx.BatchNorm(dim, rngs=rngs),
}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    monkeypatch.setitem(OWN_ENCODERS, "recurring", Recurring)
    return lambda layer: changed(CONFIG, encoder=OwnEncoderConfig(name="recurring", options={"layer": layer}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_encoder_of_layers_that_keep_keys_and_whole_numbers_trains(
    own: Callable[[str], Config], dataset: Dataset, tmp_path: Path, dtype: str
) -> None:
    config = changed(own("gru"), dtype=dtype)
    model = build_model(config, dataset.vocabulary)
    fit(model, dataset, config, tmp_path)
    found = Predictor(tmp_path).model
    assert found.encoder.places.dtype == jnp.int32  # pyright: ignore
    jax.tree.map(np.testing.assert_array_equal, nnx.state(found, nnx.Param), nnx.state(model, nnx.Param))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("dropout", "model.encoder.name: 'recurring'; uses or changes random numbers of its own"),
        ("norm", "model.encoder.name: 'recurring'; uses or changes encoder.layer.mean while it reads"),
    ],
)
def test_an_encoder_whose_state_no_step_keeps_is_refused(
    own: Callable[[str], Config], dataset: Dataset, layer: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        build_model(own(layer), dataset.vocabulary)


@pytest.mark.parametrize(("name", "said"), [("rmsprop", "the largest weight is"), ("adam", "the validation loss is")])
def test_weights_that_the_last_update_of_an_epoch_lost_end_the_run(
    dataset: Dataset, tmp_path: Path, name: Any, said: str
) -> None:
    training = TrainingConfig(epochs=2, batch_size=1000)  # the loss of the only step is that before its update
    config = dataclasses.replace(CONFIG, training=training, optimizer=OptimizerConfig(name=name, learning_rate=3e38))
    with pytest.raises(UserError, match=rf"{said} (nan|inf) at step 1; lower optimizer\.learning_rate"):
        fit(build_model(config, dataset.vocabulary), dataset, config, tmp_path)


def test_a_frozen_table_stays_float32_where_activations_do_not(dataset: Dataset, tmp_path: Path) -> None:
    config = changed(CONFIG, embedding=PretrainedEmbedding(), dtype="bfloat16")
    table = np.random.default_rng(0).normal(size=(len(dataset.vocabulary), 4)).astype(np.float32)
    fit(build_model(config, dataset.vocabulary, table), dataset, config, tmp_path)
    predictor = Predictor(tmp_path)
    for found in (predictor.model.embedding.table[...], word_vectors(Run(tmp_path))):  # pyright: ignore
        np.testing.assert_array_equal(found, table, strict=True)
