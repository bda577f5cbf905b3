"""Which devices a run takes."""

import jax
import jax.numpy as jnp

from imdb_jax.training.devices import EXCHANGED, devices_for, places_for


def test_small_models_share_a_batch_over_the_cores() -> None:
    params = {"kernel": jnp.zeros(10)}
    assert devices_for(params, batch_size=32) == jax.devices()[:2]
    assert devices_for(params, batch_size=8) == jax.devices()[:1]
    assert devices_for(params, batch_size=1_024) == jax.devices()


def test_large_models_stay_on_one_device() -> None:
    params = {"table": jnp.zeros(EXCHANGED + 1)}
    assert devices_for(params, batch_size=1_024) == jax.devices()[:1]


def test_small_members_of_a_population_have_a_core_each() -> None:
    params, cores = {"kernel": jnp.zeros(10)}, jax.devices()
    assert places_for(8, params) == [[core] for core in cores]
    assert places_for(2, params) == [cores[:2], cores[2:]]
    assert places_for(1, params) == [cores]
    assert devices_for(params, 1_024, cores[2:]) == cores[2:]


def test_large_members_of_a_population_take_turns() -> None:
    assert places_for(8, {"table": jnp.zeros(EXCHANGED + 1)}) == [jax.devices()]
