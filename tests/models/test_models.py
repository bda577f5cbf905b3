"""What the reference files don't show: one-hot words, pools, initial weights, parameter counts."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imdb_jax.config import (
    Conv1DConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OneHotEmbedding,
    PretrainedEmbedding,
    SimpleRNNConfig,
    load_file,
)
from imdb_jax.inference import numpy_model
from imdb_jax.models import LSTM, BigramEmbedding, Conv1D, SimpleRNN, TextClassifier, Words, attend, pool
from imdb_jax.models.embedding import bigram_buckets
from tests.conftest import CONFIGS


def counts(config: ModelConfig, vocabulary_size: int, vectors: np.ndarray | None = None) -> tuple[int, int]:
    """Trained and frozen parameters, without drawing them."""
    model = nnx.eval_shape(lambda: TextClassifier(config, vocabulary_size, vectors=vectors, rngs=nnx.Rngs(0)))
    _, trained, frozen = nnx.split(model, nnx.Param, ...)
    return tuple(sum(x.size for x in jax.tree.leaves(state)) for state in (trained, frozen))


OURS = ("quickstart", "mean_pool", "bigrams", "ngrams", "onehot_conv1d")  # of no tutorial
TUTORIALS = {  # parameters of the tutorials' models; what of them is frozen comes second
    "glove_bilstm": (2_034_113, 2_000_000),
    "lstm": (160_881, 0),
    "conv1d_stack": (163_761, 0),
    "max_pool": (160_145, 0),
    "word2vec_conv1d": (1_013_169, 0),
    "embedding_rnn": (160_257, 0),
    "conv1d": (2_789_889, 0),
    "onehot_rnn": (4_081, 0),
    "embedding_rnn_small": (8_209, 0),
}


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.stem not in OURS], ids=lambda path: path.stem)
def test_parameter_counts_are_the_tutorials(path: Path) -> None:
    name = path.stem.removesuffix("_tuned")
    config = load_file(path)
    size = config.data.vocabulary_size
    vectors = np.zeros((size, 100), np.float32) if isinstance(config.model.embedding, PretrainedEmbedding) else None
    trained, frozen = counts(config.model, size, vectors)
    assert (trained + frozen, frozen) == TUTORIALS[name]


def test_parameter_count_with_vectors_of_300_numbers() -> None:
    config = load_file(next(path for path in CONFIGS if path.stem == "word2vec_conv1d"))
    assert counts(config.model, 10_000, np.zeros((10_000, 300), np.float32)) == (3_035_569, 0)


@pytest.mark.parametrize(
    "encoder",
    [cls(12, 4, bidirectional=True, pooling="last", rngs=nnx.Rngs(0)) for cls in (LSTM, SimpleRNN)]
    + [Conv1D(12, 4, 3, rngs=nnx.Rngs(0))],
)
def test_ids_equal_the_dense_product_of_one_hot_vectors(encoder) -> None:
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 12, (3, 5)), jnp.int32)
    for length in (5, 2):
        mask = jnp.arange(5) < jnp.array([[5], [length], [1]])
        np.testing.assert_allclose(
            encoder(Words(tokens, None), mask), encoder(jax.nn.one_hot(tokens, 12), mask), atol=1e-6
        )


def test_a_start_from_the_identity_changes_the_recurrent_kernels_alone() -> None:
    orthogonal, identity = (
        TextClassifier(ModelConfig(encoder=encoder), 12, rngs=nnx.Rngs(0))
        for encoder in (
            SimpleRNNConfig(hidden_dim=4, bidirectional=True),
            SimpleRNNConfig(hidden_dim=4, bidirectional=True, recurrent_init="identity"),
        )
    )
    for direction in (identity.encoder.forward, identity.encoder.backward):
        np.testing.assert_array_equal(direction.recurrent_kernel[...], np.eye(4, dtype=np.float32))
    for direction in (orthogonal.encoder.forward, orthogonal.encoder.backward):
        kernel = direction.recurrent_kernel[...]
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-6)
        direction.recurrent_kernel = nnx.Param(jnp.eye(4))
    jax.tree.map(np.testing.assert_array_equal, nnx.state(identity), nnx.state(orthogonal))


@pytest.mark.parametrize("encoder", [LSTMConfig(hidden_dim=4), SimpleRNNConfig(hidden_dim=4), Conv1DConfig(features=4)])
def test_one_hot_classifier(encoder) -> None:
    model = TextClassifier(ModelConfig(embedding=OneHotEmbedding(), encoder=encoder), 500, rngs=nnx.Rngs(0))
    logits = model(jnp.array([[3, 499, 0]]), jnp.array([2]))
    assert logits.shape == (1,)
    assert "embedding" not in nnx.state(model)  # one-hot words have no weights of their own


def test_pools_against_numpy() -> None:
    random = np.random.default_rng(0)
    states, query = (jnp.asarray(random.normal(size=size), jnp.float32) for size in ((2, 4, 3), (3, 1)))
    mask = jnp.array([[1, 1, 1, 0], [1, 0, 0, 0]], bool)
    for row, length in enumerate((3, 1)):
        valid = states[row, :length]
        weights = np.exp(np.tanh(valid) @ query)
        np.testing.assert_allclose(pool(states, mask, "max")[row], valid.max(axis=0), rtol=1e-6)
        np.testing.assert_allclose(pool(states, mask, "mean")[row], valid.mean(axis=0), rtol=1e-5)
        expected = (weights * valid).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(attend(states, mask, query)[row], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "bidirectional"),
    [("last", True), ("mean", True), ("max", True), ("attention", True), ("last", False), ("max", False)],
)
def test_padding_may_hold_anything_in_every_pool(pooling, bidirectional: bool) -> None:
    encoder = LSTM(6, 4, bidirectional=bidirectional, pooling=pooling, rngs=nnx.Rngs(0))
    encode = jax.jit(encoder)
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 5, 6)).astype(np.float32)
    mask = jnp.arange(9) < jnp.array([[5], [3]])
    padded = np.concatenate([x, random.normal(size=(2, 4, 6)).astype(np.float32)], axis=1)
    features = encode(jnp.asarray(padded), mask)
    np.testing.assert_allclose(features, encode(jnp.asarray(x), mask[:, :5]), atol=1e-6)
    assert features.shape == (2, encoder.features) == (2, 8 if bidirectional else 4)


def test_review_shorter_than_the_window() -> None:
    encoder = Conv1D(2, 3, 4, rngs=nnx.Rngs(0))
    x = jnp.ones((1, 2, 2))
    expected = jax.nn.relu(encoder.kernel[...][:2].sum(axis=(0, 1)))
    np.testing.assert_allclose(encoder(x, jnp.ones((1, 2), bool))[0], expected, atol=1e-6)


def test_initial_weights_are_keras() -> None:
    encoder = LSTM(100, 32, bidirectional=True, pooling="last", rngs=nnx.Rngs(0))
    for weights in (encoder.forward, encoder.backward):
        np.testing.assert_allclose(
            weights.recurrent_kernel[...] @ weights.recurrent_kernel[...].T, np.eye(32), atol=1e-5
        )
        np.testing.assert_array_equal(weights.bias[...], np.repeat([0, 1, 0, 0], 32))
        assert np.abs(weights.kernel[...]).max() <= np.sqrt(6 / (100 + 128))
    assert not np.array_equal(encoder.forward.kernel[...], encoder.backward.kernel[...])


def test_vectors_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match="one row for each of 10 tokens"):
        TextClassifier(
            ModelConfig(embedding=PretrainedEmbedding()), 10, vectors=np.zeros((9, 100), np.float32), rngs=nnx.Rngs(0)
        )


@pytest.mark.parametrize("encoder", [LSTMConfig(hidden_dim=4, pooling="max"), Conv1DConfig(features=4)])
def test_folded_model_is_the_same_function(encoder) -> None:
    model = TextClassifier(ModelConfig(embedding=LearnedEmbedding(dim=6), encoder=encoder), 20, rngs=nnx.Rngs(0))
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 20, (4, 7)), jnp.int32)
    lengths = jnp.array([7, 1, 4, 2])
    np.testing.assert_allclose(model.folded()(tokens, lengths), model(tokens, lengths), atol=1e-6)
    assert "embedding" in nnx.state(model)
    assert "embedding" not in nnx.state(model.folded())


def test_an_encoder_that_cannot_be_folded_is_left_as_it_is() -> None:
    class Mean(nnx.Module):
        features = 6

        def __call__(self, words: Words, mask: jax.Array) -> jax.Array:
            return pool(words.vectors(), mask, "mean")

    model = TextClassifier(ModelConfig(embedding=LearnedEmbedding(dim=6)), 20, rngs=nnx.Rngs(0))
    model.encoder = Mean()
    model.output = nnx.Linear(6, 1, rngs=nnx.Rngs(0))
    tokens, lengths = jnp.array([[3, 4, 5]]), jnp.array([2])
    np.testing.assert_array_equal(model.folded()(tokens, lengths), model(tokens, lengths))


def test_each_pair_of_words_adds_a_vector_of_its_own() -> None:
    table, pairs = (np.random.default_rng(seed).normal(size=(rows, 3)) for seed, rows in enumerate((20, 7)))
    embedding = BigramEmbedding(jnp.asarray(table), jnp.asarray(pairs))
    tokens = jnp.array([[5, 6, 5, 6, 0]])
    added = embedding(tokens).vectors()[0] - table[tokens[0]]
    np.testing.assert_allclose(added[0], added[2], atol=1e-6)  # 5 6 both times
    rows = bigram_buckets(tokens, jnp.array([[6, 5, 6, 0, 0]]), 7)
    np.testing.assert_allclose(added, pairs[rows[0]], atol=1e-6)
    np.testing.assert_array_equal(rows, numpy_model.bigram_buckets(np.asarray(tokens), 7))


def test_pairs_spread_evenly_and_know_their_order() -> None:
    first, second = (x.reshape(1, -1) for x in jnp.meshgrid(jnp.arange(200), jnp.arange(200)))
    rows = np.asarray(bigram_buckets(first, second, 1 << 10))[0]
    counts = np.bincount(rows, minlength=1 << 10)
    expected = 200 * 200 / (1 << 10)
    assert ((counts - expected) ** 2 / expected).sum() < 1_400  # chi-square of 1,023 degrees, far in its tail at 1,200
    swapped = np.asarray(bigram_buckets(second, first, 1 << 10))[0]
    assert (rows == swapped).mean() < 0.01
