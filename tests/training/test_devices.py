"""Which devices a run takes."""

import jax
import jax.numpy as jnp

from imdb_jax.training.devices import EXCHANGED, devices_for


def test_small_models_share_a_batch_over_the_cores() -> None:
    params = {"kernel": jnp.zeros(10)}
    assert devices_for(params, batch_size=32) == jax.devices()[:2]
    assert devices_for(params, batch_size=8) == jax.devices()[:1]
    assert devices_for(params, batch_size=1_024) == jax.devices()


def test_large_models_stay_on_one_device() -> None:
    params = {"table": jnp.zeros(EXCHANGED + 1)}
    assert devices_for(params, batch_size=1_024) == jax.devices()[:1]
