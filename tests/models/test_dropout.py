"""Masks of dropout: the right share, no pattern, drawn by the key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imdb_jax.models.dropout import bernoulli, dropout

SHAPE = (64, 50, 40)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_is_the_rate_everywhere(rate: float) -> None:
    mask = np.asarray(bernoulli(jax.random.key(0), rate, SHAPE))
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(mask.mean() - rate) < 4 * deviation / np.sqrt(mask.size)
    for axes in ((1, 2), (0, 2), (0, 1)):
        means = mask.mean(axis=axes)
        assert np.abs(means - rate).max() < 5 * deviation / np.sqrt(mask.size / len(means))


def test_neighbours_and_keys_are_uncorrelated() -> None:
    keys = jax.random.split(jax.random.key(1), 3)
    first, second, third = (np.asarray(bernoulli(key, 0.5, SHAPE), float) - 0.5 for key in keys)
    limit = 5 * 0.25 / np.sqrt(first.size)
    for axis in range(3):
        for lag in (1, 2, 3, 8):
            shifted = np.roll(first, lag, axis)
            assert abs((first * shifted).mean()) < limit, (axis, lag)
    assert abs((first * second).mean()) < limit
    assert abs((first * third).mean()) < limit


def test_same_key_same_mask() -> None:
    key = jax.random.key(2)
    np.testing.assert_array_equal(
        bernoulli(key, 0.3, SHAPE), jax.jit(bernoulli, static_argnums=(1, 2))(key, 0.3, SHAPE)
    )


def test_dropout_keeps_the_mean_and_needs_a_key() -> None:
    x = jnp.ones(SHAPE)
    dropped = np.asarray(dropout(x, 0.3, jax.random.key(0)))
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
    assert abs(dropped.mean() - 1) < 0.02
    assert dropout(x, 0.3, None) is x
    assert dropout(x, 0.0, jax.random.key(0)) is x
