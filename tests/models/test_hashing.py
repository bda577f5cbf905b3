"""Masks of dropout: the right share, no pattern, drawn by the seeds alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imdb_jax.models.hashing import bernoulli, dropout

SHAPE = (64, 50, 40)


def seeds(seed: int) -> jax.Array:
    return jax.random.bits(jax.random.key(seed), (SHAPE[0], 2), jnp.uint32)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_is_the_rate_everywhere(rate: float) -> None:
    mask = np.asarray(bernoulli(seeds(0), rate, SHAPE[1:]))
    deviation = np.sqrt(rate * (1 - rate))
    assert abs(mask.mean() - rate) < 4 * deviation / np.sqrt(mask.size)
    for axes in ((1, 2), (0, 2), (0, 1)):
        means = mask.mean(axis=axes)
        assert np.abs(means - rate).max() < 5 * deviation / np.sqrt(mask.size / len(means))


def test_a_rate_next_to_1_drops_all_but_nothing_else() -> None:
    assert bernoulli(seeds(0), 1 - 1e-10, SHAPE[1:]).all()


def test_neighbours_and_seeds_are_uncorrelated() -> None:
    first, second, third = (np.asarray(bernoulli(seeds(seed), 0.5, SHAPE[1:]), float) - 0.5 for seed in range(3))
    limit = 5 * 0.25 / np.sqrt(first.size)
    for axis in range(3):
        for lag in (1, 2, 3, 8):
            shifted = np.roll(first, lag, axis)
            assert abs((first * shifted).mean()) < limit, (axis, lag)
    assert abs((first * second).mean()) < limit
    assert abs((first * third).mean()) < limit


def test_a_row_draws_apart_from_the_rows_beside_it() -> None:
    whole = bernoulli(seeds(2), 0.3, SHAPE[1:])
    part = jax.jit(bernoulli, static_argnums=(1, 2))(seeds(2)[10:20], 0.3, SHAPE[1:])
    np.testing.assert_array_equal(whole[10:20], part)


def test_dropout_keeps_the_mean_and_needs_seeds() -> None:
    x = jnp.ones(SHAPE)
    dropped = np.asarray(dropout(x, 0.3, seeds(0)))
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
    assert abs(dropped.mean() - 1) < 0.02
    assert dropout(x, 0.3, None) is x
    assert dropout(x, 0.0, seeds(0)) is x
