"""bfloat16 activations: what is summed over many words is summed in float32."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from imdb_jax.config import (
    Conv1DConfig,
    Encoder,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
)
from imdb_jax.data.batches import Batch
from imdb_jax.models import TextClassifier
from imdb_jax.training.optimizer import build_optimizer
from imdb_jax.training.step import Learner

OFTEN = 5  # an id


@pytest.mark.parametrize("buckets", [0, 8])
@pytest.mark.parametrize(
    "encoder",
    [
        PoolConfig(pooling="mean"),
        Conv1DConfig(features=64, kernel_size=2),
        LSTMConfig(hidden_dim=4, pooling="mean"),
    ],
    ids=lambda encoder: encoder.kind,
)
def test_a_frequent_word_learns_as_in_float32(encoder: Encoder, buckets: int) -> None:
    rows, width = 64, 64
    tokens = np.random.default_rng(0).integers(2, 20, (rows, width)).astype(np.int32)
    tokens[:, ::2] = OFTEN
    ones = np.ones(rows, np.float32)
    batch = Batch(tokens, np.full(rows, width, np.int32), ones, ones, np.float32(rows))
    config = ModelConfig(
        embedding=LearnedEmbedding(dim=8, bigram_buckets=buckets), encoder=encoder, dropout=0.0, embedding_dropout=0.2
    )
    found = []
    for dtype in ("float32", "bfloat16"):
        model = TextClassifier(dataclasses.replace(config, dtype=dtype), 20, rngs=nnx.Rngs(0))
        learner, state = Learner.create(model, build_optimizer(OptimizerConfig(), 1), 0, dtype=dtype)
        gradients, _ = jax.jit(learner.gradients)(state, learner.frozen, batch)
        assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(gradients))
        found.append(np.asarray(gradients["embedding"]["table"][OFTEN]))
    assert np.linalg.norm(found[1] - found[0]) < 0.03 * np.linalg.norm(found[0])
