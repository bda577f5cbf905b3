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
from imdb_jax.reporting.attribution import CONVERGED, Attribution, integrated_gradients
from tests.conftest import VOCABULARY_SIZE, build_model

LENGTHS = jnp.array([12, 5, 1], jnp.int32)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(2, VOCABULARY_SIZE, (3, 12)), jnp.int32)
REVIEWS = [row[:length].tolist() for row, length in zip(np.asarray(TOKENS), LENGTHS, strict=True)]


class Mean(nnx.Module):
    """An encoder with no kernel to fold words into."""

    features = 6

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        return pool(words.vectors(), mask, "mean")


class Sudden(Mean):
    """One that changes its mind within a hundredth of the path."""

    def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
        return jnp.tanh(400.0 * (super().__call__(words, mask) - 0.3))


def attribute(model: TextClassifier) -> list[Attribution]:
    return integrated_gradients(model, REVIEWS)


def share_missed(found: list[Attribution]) -> float:
    """How far the attributions are from adding up to what they explain, as a share of it."""
    return max(each.convergence_delta / abs(each.logit - each.baseline) for each in found)


def with_encoder(encoder: Mean) -> TextClassifier:
    model = TextClassifier(ModelConfig(embedding=LearnedEmbedding(dim=6)), VOCABULARY_SIZE, rngs=nnx.Rngs(0))
    model.encoder = encoder
    model.output = nnx.Linear(6, 1, rngs=nnx.Rngs(0))
    return model


def build_model_of(encoder, embedding) -> TextClassifier:
    return TextClassifier(ModelConfig(embedding=embedding, encoder=encoder), VOCABULARY_SIZE, rngs=nnx.Rngs(0))


@pytest.mark.expensive
def test_attributions_add_up(config: Config) -> None:
    model = build_model(config)
    found = attribute(model)
    np.testing.assert_allclose([each.logit for each in found], model(TOKENS, LENGTHS), atol=1e-5)
    assert [len(each.words) for each in found] == LENGTHS.tolist()
    assert share_missed(found) < 1e-2
    wins_nowhere = isinstance(
        config.model.encoder, Conv1DConfig | ConvStackConfig | PoolConfig
    )  # and so counts nowhere
    assert np.abs(found[0].words).min() > 0 or wins_nowhere


def test_attributions_of_a_linear_model_are_its_terms() -> None:
    model = with_encoder(Mean())
    vectors = model.embedding(TOKENS).vectors()
    terms = np.asarray((vectors @ model.output.kernel[...])[:, :, 0] / LENGTHS[:, None])
    for each, expected, length in zip(attribute(model), terms, LENGTHS, strict=True):
        np.testing.assert_allclose(each.words, expected[:length], atol=1e-6)
        assert each.baseline == model.output.bias[...]


def test_a_sudden_change_is_not_stepped_over() -> None:
    model = with_encoder(Sudden())
    model.embedding.table[...] = jnp.abs(model.embedding.table[...]) + 0.5
    found = attribute(model)
    assert min(abs(each.logit - each.baseline) for each in found) > 0.1
    assert max(each.convergence_delta for each in found) < CONVERGED


def test_a_change_that_float32_can_not_follow_is_followed() -> None:
    """A recurrence that blows up small differences: its logit jumps between two neighbours in float32."""
    model = build_model_of(SimpleRNNConfig(hidden_dim=1), LearnedEmbedding(dim=1))
    weights = model.encoder.forward
    weights.kernel[...], weights.recurrent_kernel[...] = jnp.ones((1, 1)), jnp.full((1, 1), 4.0)
    weights.bias[...], model.output.kernel[...] = jnp.full(1, -0.1), jnp.full((1, 1), 3.0)
    model.embedding.table[...] = jnp.full((VOCABULARY_SIZE, 1), 0.3)
    (found,) = integrated_gradients(model, [[5] * 20])
    assert abs(found.logit - found.baseline) > 5
    assert found.convergence_delta < CONVERGED


def test_a_model_that_has_diverged_ends_the_search() -> None:
    model = with_encoder(Mean())
    model.output.kernel[...] = jnp.full((6, 1), jnp.nan)
    (found,) = integrated_gradients(model, REVIEWS[:1])
    assert np.isnan(found.words).all()


def test_the_reviews_beside_one_never_matter() -> None:
    model = build_model_of(LSTMConfig(hidden_dim=4, pooling="mean"), LearnedEmbedding(dim=6))
    (alone,) = integrated_gradients(model, REVIEWS[1:2])
    np.testing.assert_allclose(alone.words, attribute(model)[1].words, atol=1e-6)


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
    np.testing.assert_allclose([each.logit for each in found], model(TOKENS, LENGTHS), atol=1e-6)
    dense = build_model_of(encoder, LearnedEmbedding(dim=VOCABULARY_SIZE))
    dense.encoder, dense.hidden, dense.output = model.encoder, model.hidden, model.output
    dense.embedding.table[...] = jnp.eye(VOCABULARY_SIZE)
    for each, expected in zip(found, attribute(dense), strict=True):
        np.testing.assert_allclose(each.words, expected.words, atol=1e-5)
