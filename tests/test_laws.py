"""The laws that hold for the model of every config."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Batch, Batches
from imdb_jax.models.classifier import ENCODERS
from imdb_jax.training.loop import Stopwatch
from imdb_jax.training.metrics import score
from imdb_jax.training.optimizer import build_optimizer
from imdb_jax.training.parallel import CoreReplicas, Replicas
from imdb_jax.training.step import Learner, TrainState, evaluate
from tests.conftest import CONFIGS, ONE_OF_EACH_ENCODER, ONE_OF_EACH_KIND, build_model, random_split

LENGTHS = [1, 2, 3, 5, 8, 8, 7, 4]

Start = tuple[Learner, TrainState]


@pytest.fixture(scope="module")
def start(config: Config) -> Start:
    """How a config's model learns, and its state before the first step."""
    optimizer = build_optimizer(config.optimizer, steps=100)
    return Learner.create(build_model(config), optimizer, config.seed, ema_decay=config.optimizer.ema_decay)


@pytest.fixture(scope="module")
def replicas(start: Start) -> Callable[[int], Replicas]:
    """The learner on so many devices; what they have compiled serves all tests of a config."""
    kind = CoreReplicas if jax.default_backend() == "cpu" else Replicas
    return functools.cache(lambda devices: kind(start[0], jax.devices()[:devices]))


@pytest.fixture(scope="module")
def logits(start: Start) -> Callable[..., jax.Array]:
    """The logits of a batch, compiled once for all tests of a config."""
    return logits_by(start[0])


def test_it_trains_and_predicts_where_ranks_must_agree(start: Start) -> None:
    learner, state = start
    batch = first_batch()
    with jax.numpy_rank_promotion("raise"):
        jax.eval_shape(learner.train_step, state, learner.frozen, batch)
        for folded in (False, True):
            model = learner.eval_model(state.eval_params, learner.frozen, folded=folded)
            jax.eval_shape(evaluate, model, batch.tokens, batch.lengths)


def first_batch(lengths: list[int] = LENGTHS, width: int = 8) -> Batch:
    return next(Batches(random_split(lengths), len(lengths), width).shuffled(seed=0, epoch=0))


def logits_by(learner: Learner) -> Callable[..., jax.Array]:
    compiled = jax.jit(learner.logits)
    return lambda params, batch, keys=None: compiled(params, learner.frozen, batch.tokens, batch.lengths, keys)


def train(replicas: Replicas, state: TrainState, batches: list[Batch]) -> TrainState:
    """The state after a step on each batch, which is the same on all devices."""
    *_, state = replicas.steps(replicas.place(state), batches)
    for leaf in jax.tree.leaves(state.params):
        for each in leaf.addressable_shards:
            np.testing.assert_array_equal(each.data, leaf)
    return state


def moved(start: Start, replicas: Callable[[int], Replicas]) -> TrainState:
    """The state after a step: before the first, a model whose weights start at 0 says the same of every review."""
    return train(replicas(1), start[1], [first_batch()])


def all_close(got: Any, wanted: Any, atol: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), got, wanted)


def widened(batch: Batch, width: int) -> Batch:
    """The same batch with more padding, all of it filled with a real word, which must not matter either."""
    tokens = np.full((len(batch.tokens), width), 7, np.int32)
    tokens[:, : batch.tokens.shape[1]] = batch.tokens
    return batch._replace(tokens=np.where(np.arange(width) < batch.lengths[:, None], tokens, 7))


def test_padding_never_matters(start: Start, replicas: Callable[[int], Replicas]) -> None:
    learner, _ = start
    state = moved(start, replicas)

    @jax.jit
    def loss_and_gradients(params, batch):
        def loss(params):
            logits = learner.logits(params, learner.frozen, batch.tokens, batch.lengths)
            return optax.sigmoid_binary_cross_entropy(logits, batch.labels).mean(), logits

        return jax.value_and_grad(loss, has_aux=True)(params)

    batch = first_batch()
    (_, logits), gradients = loss_and_gradients(state.params, batch)
    (_, more_logits), more_gradients = loss_and_gradients(state.params, widened(batch, 40))
    all_close(more_logits, logits, atol=1e-5)
    all_close(more_gradients, gradients, atol=1e-4)


def test_row_order_never_matters(
    start: Start, replicas: Callable[[int], Replicas], logits: Callable[..., jax.Array]
) -> None:
    state = moved(start, replicas)
    batch = first_batch()
    order = np.random.default_rng(1).permutation(len(batch.tokens))
    found = logits(state.params, batch)
    permuted = logits(state.params, batch._replace(tokens=batch.tokens[order], lengths=batch.lengths[order]))
    all_close(permuted, found[order], atol=1e-6)
    assert np.ptp(found) > 1e-4  # a model that says the same of every review would pass


@pytest.mark.expensive
def test_rows_of_weight_zero_never_matter(start: Start, replicas: Callable[[int], Replicas]) -> None:
    _, state = start
    real = np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32)
    batch = first_batch()._replace(weights=real)
    other = batch._replace(
        labels=np.where(real > 0, batch.labels, 1 - batch.labels), tokens=np.where(real[:, None] > 0, batch.tokens, 9)
    )
    after, after_other = (train(replicas(1), state, [each]) for each in (batch, other))
    all_close(after.params, after_other.params, atol=1e-6)
    assert float(after.metrics.weight) == 5


def test_every_trainable_leaf_moves_and_no_frozen_one(
    config: Config, start: Start, replicas: Callable[[int], Replicas]
) -> None:
    learner, state = start
    frozen_before = jax.device_get(learner.frozen)
    after = train(replicas(1), state, [first_batch()] * 2)
    for (path, old), new in zip(jax.tree.leaves_with_path(state.params), jax.tree.leaves(after.params), strict=True):
        assert not np.array_equal(old, new), path
    jax.tree.map(np.testing.assert_array_equal, learner.frozen, frozen_before)
    embedding = config.model.embedding
    frozen_by_config = embedding.kind == "log_count_ratio" or (
        embedding.kind == "pretrained" and not embedding.trainable
    )
    assert bool(jax.tree.leaves(learner.frozen)) == frozen_by_config


def test_frozen_table_gets_no_gradient_even_when_asked_for(start: Start) -> None:
    learner, state = start

    def loss(frozen, params, batch):
        return learner.logits(params, frozen, batch.tokens, batch.lengths).sum()

    gradients = jax.jit(jax.grad(loss))(learner.frozen, state.params, first_batch())
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradients))


@pytest.mark.expensive
def test_one_compilation_per_bucket_and_no_hidden_transfer(start: Start) -> None:
    learner, state = start
    batches = Batches(random_split([*range(1, 25)] * 4), 8, 24, buckets=(8,))
    replicas = CoreReplicas(dataclasses.replace(learner), jax.devices()[:1])  # a copy: nothing is compiled for it yet
    state = replicas.place(state)
    with Stopwatch() as stopwatch, jax.transfer_guard("disallow"):
        for epoch in range(3):
            *_, state = replicas.steps(state, batches.shuffled(seed=0, epoch=epoch))
            assert stopwatch.compilations == 2


@pytest.mark.expensive
def test_devices_do_not_matter(start: Start, replicas: Callable[[int], Replicas]) -> None:
    _, state = start
    batches = list(Batches(random_split([*range(1, 23)] * 2), 8, 24).shuffled(seed=0, epoch=0))
    assert any(batch.weights.sum() < 8 for batch in batches)
    one, several = (train(replicas(devices), state, batches) for devices in (1, 2))
    all_close(several.params, one.params, atol=2e-5)
    figures = [dataclasses.asdict(state.metrics.compute()) for state in (several, one)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)


@pytest.mark.expensive
def test_prediction_does_not_depend_on_devices(
    start: Start, replicas: Callable[[int], Replicas], logits: Callable[..., jax.Array]
) -> None:
    learner, _ = start
    state = moved(start, replicas)
    batches = Batches(random_split([*range(1, 25)]), 5, 24)
    one, *others = (
        each.logits(each.eval_models(each.place(state)), batches)
        for each in (replicas(1), replicas(2), Replicas(learner, jax.devices()[:2]))
    )
    for other in others:
        all_close(other, one, atol=1e-6)
    rows, batch = next(batches.sorted())
    all_close(one[rows], logits(state.eval_params, batch), atol=1e-6)


@pytest.mark.expensive
def test_overfits_32_reviews(config: Config) -> None:
    without_dropout = dataclasses.replace(config.model, dropout=0.0, word_dropout=0.0, embedding_dropout=0.0)
    model = build_model(dataclasses.replace(config, model=without_dropout))
    learner, state = Learner.create(model, optax.adam(1e-2), seed=0)
    batch = first_batch([*range(4, 12)] * 4, 12)
    state = train(CoreReplicas(learner, jax.devices()[:1]), state, [batch] * 450)  # a mean of words takes its time
    figures = score(np.asarray(logits_by(learner)(state.params, batch)), batch.labels)
    assert figures.accuracy == 1
    assert figures.loss < 0.01


def test_dropout_needs_a_key_and_changes_with_it(
    config: Config, start: Start, logits: Callable[..., jax.Array]
) -> None:
    _, state = start
    batch = first_batch()
    np.testing.assert_array_equal(*(logits(state.params, batch) for _ in range(2)))
    keys = [jax.random.split(jax.random.key(seed), len(batch.tokens)) for seed in range(2)]
    first, second = (logits(state.params, batch, each) for each in keys)
    drops = any((config.model.dropout, config.model.word_dropout, config.model.embedding_dropout))
    assert np.array_equal(first, second) != drops


def test_bfloat16_stays_close(
    config: Config, start: Start, replicas: Callable[[int], Replicas], logits: Callable[..., jax.Array]
) -> None:
    batch = first_batch()
    state = moved(start, replicas)
    learner, rounded = Learner.create(build_model(config), optax.sgd(1.0), seed=0, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(rounded.params)} == {jnp.dtype("float32")}
    exact, found = logits(state.params, batch), logits_by(learner)(state.params, batch)
    assert found.dtype == jnp.float32
    assert not np.array_equal(found, exact)
    # two units of bfloat16 are more than 0.05 for logits above 6.4
    assert (np.abs(found - exact) <= np.maximum(0.05, 2**-7 * np.abs(exact))).all()


def test_one_of_each_kind_is_tried() -> None:
    """What the laws are tried on by default has every part that a config of configs/ has."""

    def parts(stem: str) -> set[tuple[str, Any]]:
        model = load_file(next(path for path in CONFIGS if path.stem == stem)).model
        fields = ("kind", "pooling", "bidirectional", "trainable")
        found = {(f, getattr(s, f)) for s in (model.embedding, model.encoder) for f in fields if hasattr(s, f)}
        rates = ("dropout", "word_dropout", "embedding_dropout")
        return (
            found | {("drops", rate) for rate in rates if getattr(model, rate)} | {("hidden", bool(model.hidden_dims))}
        )

    tried = set.union(*map(parts, ONE_OF_EACH_KIND))
    assert tried == set.union(*(parts(path.stem) for path in CONFIGS))
    encoders = [load_file(path).model.encoder.kind for path in CONFIGS if path.stem in ONE_OF_EACH_ENCODER]
    assert sorted(encoders) == sorted({kind for part, kind in tried if part == "kind"} & set(ENCODERS))
