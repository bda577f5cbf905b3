"""The laws that hold for the model of every config."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from imdb_jax.config import Config
from imdb_jax.data.batches import Batch, Batches
from imdb_jax.training.metrics import Metrics
from imdb_jax.training.optimizer import build_optimizer
from imdb_jax.training.parallel import MeshReplicas, Replicas
from imdb_jax.training.step import Learner, TrainState
from tests.conftest import build_model, random_split

LENGTHS = [1, 2, 3, 5, 8, 8, 7, 4]


def first_batch(lengths: list[int] = LENGTHS, width: int = 8):
    return next(Batches(random_split(lengths), len(lengths), width).shuffled(seed=0, epoch=0))


def learner_of(config: Config, steps: int = 100):
    optimizer = build_optimizer(config.optimizer, steps)
    return Learner.create(build_model(config), optimizer, config.seed, ema_decay=config.optimizer.ema_decay)


def train(learner: Learner, state: TrainState, batches: list[Batch], devices: int = 1) -> TrainState:
    """The state after a step on each batch."""
    replicas = Replicas(learner, jax.devices()[:devices])
    states = replicas.place(state)
    for shards in replicas.send(batches):
        states = replicas.step(states, shards)
    for other in states[1:]:
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(other.params), jax.device_get(states[0].params))
    return states[0]


def widened(batch, width: int):
    """The same batch with more padding, filled with a real word, which must not matter either."""
    extra = np.full((len(batch.tokens), width - batch.tokens.shape[1]), 7, np.int32)
    padded = np.where(np.arange(batch.tokens.shape[1]) < batch.lengths[:, None], batch.tokens, 7)
    return batch._replace(tokens=np.concatenate([padded, extra], axis=1))


def test_padding_never_matters(config: Config) -> None:
    learner, state = learner_of(config)
    batch = first_batch()

    def loss(params, batch):
        logits = learner.logits(params, learner.frozen, jnp.asarray(batch.tokens), jnp.asarray(batch.lengths))
        return optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(batch.labels)).mean(), logits

    (_, logits), gradients = jax.value_and_grad(loss, has_aux=True)(state.params, batch)
    for width in (9, 24):
        (_, more_logits), more_gradients = jax.value_and_grad(loss, has_aux=True)(state.params, widened(batch, width))
        np.testing.assert_allclose(more_logits, logits, atol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), more_gradients, gradients)


def test_row_order_never_matters(config: Config) -> None:
    model = build_model(config)
    batch = first_batch()
    order = np.random.default_rng(1).permutation(len(batch.tokens))
    logits = model(jnp.asarray(batch.tokens), jnp.asarray(batch.lengths))
    permuted = model(jnp.asarray(batch.tokens[order]), jnp.asarray(batch.lengths[order]))
    np.testing.assert_allclose(permuted, logits[order], atol=1e-6)
    assert np.ptp(logits) > 1e-4  # a model that says the same of every review would pass


def test_rows_of_weight_zero_never_matter(config: Config) -> None:
    learner, state = learner_of(config)
    batch = first_batch()
    filled = batch._replace(weights=np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32))
    other = filled._replace(
        labels=np.where(filled.weights > 0, filled.labels, 1 - filled.labels),
        tokens=np.where(filled.weights[:, None] > 0, filled.tokens, 9),
    )
    after, after_other = (train(learner, state, [b]) for b in (filled, other))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after.params, after_other.params)
    assert float(after.metrics.weight) == 5


def test_every_trainable_leaf_moves_and_no_frozen_one(config: Config) -> None:
    learner, state = learner_of(config)
    before, frozen_before = jax.device_get((state.params, learner.frozen))
    state = train(learner, state, [first_batch()] * 2)
    for (path, old), new in zip(
        jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(state.params), strict=True
    ):
        assert not np.array_equal(old, new), path
    jax.tree.map(np.testing.assert_array_equal, learner.frozen, frozen_before)
    assert bool(jax.tree.leaves(learner.frozen)) == (
        config.model.embedding.kind == "pretrained" and not config.model.embedding.trainable
    )


def test_frozen_table_gets_no_gradient_even_when_asked_for(config: Config) -> None:
    learner, state = learner_of(config)
    if not jax.tree.leaves(learner.frozen):
        pytest.skip("this config freezes nothing")
    batch = first_batch()
    gradients = jax.grad(
        lambda frozen: learner.logits(state.params, frozen, jnp.asarray(batch.tokens), jnp.asarray(batch.lengths)).sum()
    )(learner.frozen)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(gradients))


def test_one_compilation_per_bucket_and_no_hidden_transfer(config: Config) -> None:
    batches = Batches(random_split([*range(1, 25)] * 4), 8, 24, buckets=(8, 16))
    learner, state = learner_of(config)
    replicas = Replicas(learner, jax.devices()[:1])
    states = replicas.place(state)
    for epoch in range(3):
        for shards in replicas.send(batches.shuffled(seed=0, epoch=epoch)):
            with jax.transfer_guard("disallow"):
                states = replicas.step(states, shards)
        assert replicas._train_step._cache_size() == 3


def test_devices_do_not_matter(config: Config) -> None:
    learner, state = learner_of(config)
    batches = list(Batches(random_split([*range(1, 23)] * 2), 8, 24).shuffled(seed=0, epoch=0))
    assert batches[-1].weights.sum() < 8 or any(batch.weights.sum() < 8 for batch in batches)
    one, several = (train(learner, state, batches, count) for count in (1, 4))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), several.params, one.params)
    for name, value in one.metrics.compute().items():
        assert several.metrics.compute()[name] == pytest.approx(value, rel=1e-5)


def test_prediction_does_not_depend_on_devices(config: Config) -> None:
    learner, state = learner_of(config)
    batches = Batches(random_split([*range(1, 25)] * 2), 5, 24, buckets=(8, 16))
    logits = []
    for kind, count in ((Replicas, 1), (Replicas, 3), (MeshReplicas, 3)):
        replicas = kind(learner, jax.devices()[:count])
        logits.append(replicas.logits(replicas.eval_models(replicas.place(state)), batches))
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-6)
    np.testing.assert_allclose(logits[2], logits[0], atol=1e-6)
    first = learner.logits(state.params, learner.frozen, *(jnp.asarray(x) for x in next(batches.sorted())[1][:2]))
    np.testing.assert_allclose(logits[0][next(batches.sorted())[0]], first, atol=1e-6)


def test_overfits_32_reviews(config: Config) -> None:
    without_dropout = dataclasses.replace(config.model, dropout=0.0, word_dropout=0.0, embedding_dropout=0.0)
    config = dataclasses.replace(config, model=without_dropout)
    learner, state = Learner.create(build_model(config), optax.adam(1e-2), seed=0)
    batch = first_batch([*range(4, 12)] * 4, 12)
    tokens, lengths, labels, weights = map(jnp.asarray, batch)
    metrics = {"loss": math.inf}
    for _ in range(3):  # a mean of words takes its time
        if metrics["loss"] < 0.01:
            break
        state = train(learner, state, [batch] * 150)
        metrics = Metrics.of(learner.logits(state.params, learner.frozen, tokens, lengths), labels, weights).compute()
    assert metrics["accuracy"] == 1
    assert metrics["loss"] < 0.01


def test_dropout_needs_a_key_and_changes_with_it(config: Config) -> None:
    model = nnx.clone(build_model(config))
    batch = first_batch()
    tokens, lengths = jnp.asarray(batch.tokens), jnp.asarray(batch.lengths)
    np.testing.assert_array_equal(model(tokens, lengths), model(tokens, lengths))
    first, second = (jax.random.split(jax.random.key(seed), len(tokens)) for seed in range(2))
    drops = any((config.model.dropout, config.model.word_dropout, config.model.embedding_dropout))
    assert np.array_equal(model(tokens, lengths, first), model(tokens, lengths, second)) != drops


def test_bfloat16_stays_close(config: Config) -> None:
    batch = first_batch()
    tokens, lengths = jnp.asarray(batch.tokens), jnp.asarray(batch.lengths)
    optimizer = optax.sgd(1.0)
    logits = []
    for dtype in ("float32", "bfloat16"):
        learner, state = Learner.create(build_model(config), optimizer, seed=0, dtype=dtype)
        assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(state.params))
        logits.append(learner.logits(state.params, learner.frozen, tokens, lengths))
        assert logits[-1].dtype == jnp.float32
    assert not np.array_equal(*logits)
    np.testing.assert_allclose(logits[1], logits[0], atol=0.05)
