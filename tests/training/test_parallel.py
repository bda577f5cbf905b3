"""Training on several devices, simulated ones."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jaxtyping import PyTree

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Batches
from imdb_jax.training.build import build_learner
from imdb_jax.training.loop import Stopwatch
from imdb_jax.training.parallel import MOST_EXCHANGED, CoreReplicas, Replicas, replicate
from imdb_jax.training.step import Learner, TrainState
from tests.conftest import CONFIGS, build_model, random_split, small

STEPS = 20


@pytest.fixture(scope="module", params=["glove_bilstm", "conv1d"])
def config(request: pytest.FixtureRequest) -> Config:
    return small(load_file(next(path for path in CONFIGS if path.stem == request.param)))


def train(config: Config, devices: int) -> TrainState:
    """The state after some epochs of batches whose rows don't divide among the devices.

    In float64: in float32 another order of sums can choose another maximum, which Adam makes a step of full length.
    """
    learner, state = build_learner(build_model(config), config, STEPS)
    learner = dataclasses.replace(learner, dtype="float64", frozen=doubled(learner.frozen))
    replicas = Replicas(learner, jax.devices()[:devices])
    batches = Batches(random_split([*range(1, 31)] * 2), 6, 24)
    state = replicas.place(state._replace(params=doubled(state.params), opt_state=doubled(state.opt_state)))
    for epoch in range(STEPS // len(batches)):
        *_, state = replicas.steps(state, batches.shuffled(0, epoch, share=replicas.share(6)))
    assert int(state.step) == STEPS
    return jax.device_get(state._replace(key=0))


def doubled(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x.astype("float64") if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def test_one_and_eight_devices_agree(config: Config) -> None:
    with jax.enable_x64(True):
        one, eight = (train(config, devices) for devices in (1, 8))
    assert {leaf.dtype for leaf in jax.tree.leaves(one.params)} == {np.dtype("float64")}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), eight.params, one.params)
    np.testing.assert_allclose(eight.metrics, one.metrics, rtol=1e-5)


def test_one_compilation_per_shape_and_no_hidden_transfer(config: Config) -> None:
    batches = Batches(random_split([*range(1, 25)] * 4), 8, 24, buckets=(8,))
    learner, state = build_learner(build_model(config), config, STEPS)
    replicas = Replicas(learner, jax.devices()[:2])
    state = replicas.place(state)
    with Stopwatch() as stopwatch, jax.transfer_guard("disallow"):
        for epoch in range(2):
            *_, state = replicas.steps(state, batches.shuffled(seed=0, epoch=epoch))
            assert stopwatch.compilations == 2


def test_rows_of_a_batch_that_does_not_divide(config: Config) -> None:
    learner, _ = build_learner(build_model(config), config, STEPS)
    assert Replicas(learner, jax.devices()).share(6) == (0, 8)
    assert Replicas(learner, jax.devices()).share(32) == (0, 32)
    assert Replicas(learner, jax.devices()[:3]).share(32) == (0, 33)


@pytest.mark.parametrize("kind", [Replicas, CoreReplicas])
def test_a_placed_state_is_a_copy(kind: type[Replicas], config: Config) -> None:
    """Steps consume the states they are given, while a checkpoint of them may still be on its way to the disk."""
    learner, state = build_learner(build_model(config), config, STEPS)
    before = jax.device_get(state.params)
    replicas = kind(learner, jax.devices()[:2])
    saved = replicas.place(state)
    batch = next(Batches(random_split([5] * 8), 8, 8).shuffled(0, 0))
    jax.block_until_ready([*replicas.steps(replicas.place(saved), [batch])])
    for kept in (saved, state):
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(kept.params), before)


def devices_for(weights: int, batch_size: int) -> list[Any]:
    learner, _ = Learner.create(nnx.Linear(1, 1, rngs=nnx.Rngs(0)), optax.sgd(1.0), seed=0)
    replicas = replicate(learner, {"table": jnp.zeros(weights)}, batch_size)
    assert isinstance(replicas, CoreReplicas)
    return list(replicas.devices)


def test_small_models_share_a_batch_over_the_cores() -> None:
    assert devices_for(10, batch_size=32) == jax.devices()[:2]
    assert devices_for(10, batch_size=8) == jax.devices()[:1]
    assert devices_for(10, batch_size=1_024) == jax.devices()


def test_large_models_stay_on_one_device() -> None:
    assert devices_for(MOST_EXCHANGED + 1, batch_size=1_024) == jax.devices()[:1]
