"""Keras' weights give Keras' logits and gradients (tests/golden/generate_models.py)."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from imdb_jax.config import Conv1DConfig, ConvStackConfig, LearnedEmbedding, LSTMConfig, ModelConfig, SimpleRNNConfig
from imdb_jax.models import LSTM, TextClassifier

GOLDEN = Path(__file__).parents[1] / "golden" / "models.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, jax.Array]:
    with np.load(GOLDEN) as arrays:
        return {name: jnp.asarray(array) for name, array in arrays.items()}


def case(golden: dict[str, jax.Array], name: str) -> dict[str, jax.Array]:
    return {key.removeprefix(f"{name}/"): value for key, value in golden.items() if key.startswith(f"{name}/")}


def direction(weights: dict[str, jax.Array], prefix: str = "") -> dict[str, jax.Array]:
    return {name: weights[prefix + name] for name in ("kernel", "recurrent_kernel", "bias")}


def recurrent_params(weights: dict[str, jax.Array], *prefixes: str) -> dict:
    names = dict(zip(("forward", "backward"), prefixes, strict=False))
    return {
        "embedding": {"table": weights["embedding"]},
        "encoder": {name: direction(weights, prefix) for name, prefix in names.items()},
        "output": {"kernel": weights["head_kernel"], "bias": weights["head_bias"]},
    }


def test_bidirectional_lstm(golden: dict[str, jax.Array]) -> None:
    weights = case(golden, "bilstm")
    config = ModelConfig(embedding=LearnedEmbedding(dim=7), encoder=LSTMConfig(hidden_dim=5))
    graph, _ = nnx.split(TextClassifier(config, 50, rngs=nnx.Rngs(0)))
    params = recurrent_params(weights, "forward_", "backward_")
    logits = nnx.merge(graph, params)(weights["tokens"], weights["lengths"])
    np.testing.assert_allclose(logits, weights["logits"], atol=2e-7)

    expected = case(golden, "bilstm_gradients")

    def loss(params):
        logits = nnx.merge(graph, params)(weights["tokens"], weights["lengths"])
        return optax.sigmoid_binary_cross_entropy(logits, expected["labels"]).mean()

    value, gradients = jax.value_and_grad(loss)(params)
    np.testing.assert_allclose(value, expected["loss"], atol=1e-6)
    wanted = recurrent_params(expected, "forward_", "backward_")
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, atol=1e-6), gradients, wanted)


def test_states_of_all_steps(golden: dict[str, jax.Array]) -> None:
    weights = case(golden, "bilstm")
    encoder = LSTM(7, 5, bidirectional=True, pooling="mean", rngs=nnx.Rngs(0))
    graph, _ = nnx.split(encoder)
    params = {name: direction(weights, f"{name}_") for name in ("forward", "backward")}
    mask = jnp.arange(weights["tokens"].shape[1]) < weights["lengths"][:, None]
    mean = nnx.merge(graph, params)(weights["embedding"][weights["tokens"]], mask)
    outputs = golden["bilstm_sequence/outputs"]
    np.testing.assert_allclose(mean, outputs.sum(axis=1) / weights["lengths"][:, None].astype(jnp.float32), atol=2e-7)


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("lstm", LSTMConfig(hidden_dim=5, bidirectional=False)), ("simple_rnn", SimpleRNNConfig(hidden_dim=5))],
)
def test_one_direction(golden: dict[str, jax.Array], name: str, encoder: LSTMConfig | SimpleRNNConfig) -> None:
    weights = case(golden, name)
    config = ModelConfig(embedding=LearnedEmbedding(dim=7), encoder=encoder)
    graph, _ = nnx.split(TextClassifier(config, 50, rngs=nnx.Rngs(0)))
    model = nnx.merge(graph, recurrent_params(weights, ""))
    logits = model(weights["tokens"], weights["lengths"])
    np.testing.assert_allclose(logits, weights["logits"], atol=2e-7)


def test_conv1d(golden: dict[str, jax.Array]) -> None:
    weights = case(golden, "conv1d")
    config = ModelConfig(embedding=LearnedEmbedding(dim=7), encoder=Conv1DConfig(features=6), hidden_dims=(8,))
    graph, _ = nnx.split(TextClassifier(config, 50, rngs=nnx.Rngs(0)))
    params = {
        "embedding": {"table": weights["embedding"]},
        "encoder": {"kernel": weights["conv_kernel"], "bias": weights["conv_bias"]},
        "hidden": {0: {"kernel": weights["dense_kernel"], "bias": weights["dense_bias"]}},
        "output": {"kernel": weights["head_kernel"], "bias": weights["head_bias"]},
    }
    model = nnx.merge(graph, params)
    logits = model(weights["tokens"], weights["lengths"])
    np.testing.assert_allclose(logits, weights["logits"], atol=4e-7)


def test_conv_stack(golden: dict[str, jax.Array]) -> None:
    weights = case(golden, "conv1d_stack")
    encoder = ConvStackConfig(features=4, kernel_size=3, pool_size=2)
    config = ModelConfig(embedding=LearnedEmbedding(dim=7), encoder=encoder, hidden_dims=(3,))
    graph, _ = nnx.split(TextClassifier(config, 50, rngs=nnx.Rngs(0)))
    params = {
        "embedding": {"table": weights["embedding"]},
        "encoder": {
            "kernel": weights["conv1_kernel"],
            "bias": weights["conv1_bias"],
            "second_kernel": weights["conv2_kernel"],
            "second_bias": weights["conv2_bias"],
        },
        "hidden": {0: {"kernel": weights["dense_kernel"], "bias": weights["dense_bias"]}},
        "output": {"kernel": weights["head_kernel"], "bias": weights["head_bias"]},
    }
    model = nnx.merge(graph, params)
    logits = model(weights["tokens"], weights["lengths"])
    np.testing.assert_allclose(logits, weights["logits"], atol=4e-7)
