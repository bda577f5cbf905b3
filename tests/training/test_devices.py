"""Which devices a run takes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from imdb_jax.training.devices import EXCHANGED, places_for, replicate
from imdb_jax.training.replicas import Replicas
from imdb_jax.training.step import Learner


def devices_for(weights: int, batch_size: int, devices: Sequence[Any] | None = None) -> list[Any]:
    learner, _ = Learner.create(nnx.Linear(1, 1, rngs=nnx.Rngs(0)), optax.sgd(1.0), seed=0)
    replicas = replicate(learner, {"table": jnp.zeros(weights)}, batch_size, devices)
    assert isinstance(replicas, Replicas)
    return list(replicas.devices)


def test_small_models_share_a_batch_over_the_cores() -> None:
    assert devices_for(10, batch_size=32) == jax.devices()[:2]
    assert devices_for(10, batch_size=8) == jax.devices()[:1]
    assert devices_for(10, batch_size=1_024) == jax.devices()


def test_large_models_stay_on_one_device() -> None:
    assert devices_for(EXCHANGED + 1, batch_size=1_024) == jax.devices()[:1]


def test_members_of_a_population_have_a_core_each() -> None:
    cores = jax.devices()
    assert places_for(8) == [[core] for core in cores]
    assert places_for(20) == [[core] for core in cores]
    assert places_for(2) == [cores[:4], cores[4:]]
    assert places_for(1) == [cores]
    assert devices_for(10, 1_024, cores[2:]) == cores[2:]
