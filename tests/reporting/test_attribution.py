"""Integrated gradients: they add up, for every model, and find the words that count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imdb_jax.config import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OneHotEmbedding,
    PoolConfig,
    SimpleRNNConfig,
)
from imdb_jax.models import TextClassifier, Words, pool
from imdb_jax.reporting.attribution import Attributions, integrated_gradients
from tests.conftest import VOCABULARY_SIZE, build_model

LENGTHS = jnp.array([12, 5, 1], jnp.int32)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(2, VOCABULARY_SIZE, (3, 12)), jnp.int32)


class Mean(nnx.Module):
    """An encoder with no kernel to fold words into."""

    features = 6

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        return pool(words.vectors(), mask, "mean")


class Sudden(Mean):
    """One that changes its mind within a hundredth of the path."""

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        return jnp.tanh(400.0 * (super().__call__(words, mask) - 0.3))


def attribute(model: TextClassifier, tokens: jax.Array = TOKENS) -> Attributions:
    graph, weights = nnx.split(model)
    run = jax.jit(lambda weights, *batch: integrated_gradients(nnx.merge(graph, weights), *batch))
    return jax.device_get(run(weights, tokens, LENGTHS))


def gap(found: Attributions) -> float:
    """How far the attributions are from adding up to what they explain, as a share of it."""
    explained = found.logits - found.baselines
    return float(np.max(np.abs(found.words.sum(axis=1) - explained) / np.abs(explained)))


def with_encoder(encoder: Mean) -> TextClassifier:
    model = TextClassifier(ModelConfig(embedding=LearnedEmbedding(dim=6)), VOCABULARY_SIZE, rngs=nnx.Rngs(0))
    model.encoder = encoder
    model.output = nnx.Linear(6, 1, rngs=nnx.Rngs(0))
    return model


def build_model_of(encoder, embedding) -> TextClassifier:
    return TextClassifier(ModelConfig(embedding=embedding, encoder=encoder), VOCABULARY_SIZE, rngs=nnx.Rngs(0))


def test_attributions_add_up(config: Config) -> None:
    model = build_model(config)
    found = attribute(model)
    np.testing.assert_allclose(found.logits, model(TOKENS, LENGTHS), atol=1e-5)
    assert gap(found) < 1e-3
    wins_nowhere = isinstance(config.model.encoder, Conv1DConfig | ConvStackConfig | PoolConfig)  # and so pulls nowhere
    assert np.abs(found.words[0]).min() > 0 or wins_nowhere


def test_attributions_of_a_linear_model_are_its_terms() -> None:
    model = with_encoder(Mean())
    vectors = model.embedding(TOKENS).vectors()
    mask = jnp.arange(12) < LENGTHS[:, None]
    terms = jnp.where(mask, (vectors @ model.output.kernel[...])[:, :, 0] / LENGTHS[:, None].astype(jnp.float32), 0)
    found = attribute(model)
    np.testing.assert_allclose(found.words, terms, atol=1e-6)
    np.testing.assert_array_equal(found.baselines, np.broadcast_to(model.output.bias[...], 3))


def test_a_sudden_change_is_not_stepped_over() -> None:
    model = with_encoder(Sudden())
    model.embedding.table[...] = jnp.abs(model.embedding.table[...]) + 0.5
    found = attribute(model)
    assert np.abs(found.logits - found.baselines).min() > 0.1
    assert gap(found) < 0.02


def test_padding_never_matters() -> None:
    model = build_model_of(LSTMConfig(hidden_dim=4, pooling="mean"), LearnedEmbedding(dim=6))
    padded = jnp.pad(TOKENS, ((0, 0), (0, 7)), constant_values=9)
    more = attribute(model, padded).words
    np.testing.assert_allclose(more[:, :12], attribute(model).words, atol=1e-6)
    assert not more[:, 12:].any()


@pytest.mark.parametrize(
    "encoder",
    [
        SimpleRNNConfig(hidden_dim=4, bidirectional=True, pooling="attention"),
        Conv1DConfig(features=8),
    ],
)
def test_one_hot_words_have_the_attributions_of_unit_vectors(encoder) -> None:
    model = build_model_of(encoder, OneHotEmbedding())
    found = attribute(model)
    np.testing.assert_allclose(found.logits, model(TOKENS, LENGTHS), atol=1e-6)
    dense = build_model_of(encoder, LearnedEmbedding(dim=VOCABULARY_SIZE))
    dense.encoder, dense.hidden, dense.output = model.encoder, model.hidden, model.output
    dense.embedding.table[...] = jnp.eye(VOCABULARY_SIZE)
    np.testing.assert_allclose(found.words, attribute(dense).words, atol=1e-5)
