"""The sparse backward pass against autodiff of a plain convolution, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from imdb_jax.models import Words
from imdb_jax.models.convolution import (
    KERNEL_ROWS,
    Conv1D,
    _dense_backward,
    _masked_max,
    _one_hot_max,
    _running_max,
    _sparse_backward,
    convolve_max,
)


def plain(x, kernel, windows):
    outputs = lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    inside = jnp.arange(outputs.shape[1], dtype=jnp.int32) < windows[:, None]
    return jnp.where(inside[:, :, None], outputs, -jnp.inf).max(axis=1)


@pytest.fixture
def inputs():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        x, kernel = (jnp.asarray(random.normal(size=shape)) for shape in ((4, 9, 5), (3, 5, 6)))
        yield x, kernel, jnp.array([7, 1, 4, 2], jnp.int32)


def test_equals_autodiff_of_the_plain_convolution(inputs) -> None:
    def loss(function, x, kernel, windows):
        out = function(x, kernel, windows)
        return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)), out

    results = [jax.value_and_grad(loss, (1, 2), has_aux=True)(function, *inputs) for function in (convolve_max, plain)]
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, atol=1e-12), *results)


def test_both_ways_back_agree(inputs) -> None:
    x, kernel, windows = inputs
    outputs = lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    (highest, position), masked = _running_max(outputs, windows), _masked_max(outputs, windows)
    np.testing.assert_array_equal(highest, masked[0])
    np.testing.assert_array_equal(position, masked[1])
    gradient = jnp.cos(highest)
    sparse, dense = (back(x, kernel, position, gradient) for back in (_sparse_backward, _dense_backward))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), sparse, dense)


def test_a_tie_goes_to_the_first_window(inputs) -> None:
    _, kernel, _ = inputs
    x = jnp.ones((1, 6, 5), kernel.dtype)
    gradient = jax.grad(lambda x: convolve_max(x, kernel, jnp.array([4], jnp.int32)).sum())(x)
    np.testing.assert_allclose(gradient[0, :3], kernel.sum(axis=2), atol=1e-12)
    np.testing.assert_array_equal(gradient[0, 3:], 0)


def test_vmap_over_kernels_equals_each_alone(inputs) -> None:
    x, kernel, windows = inputs
    kernels = jnp.stack([kernel, -kernel])
    grad = jax.grad(lambda kernel: (convolve_max(x, kernel, windows) ** 2).sum())
    together = jax.vmap(grad)(kernels)
    np.testing.assert_allclose(together, jnp.stack([grad(k) for k in kernels]), atol=1e-12)


@pytest.mark.parametrize("reviews", [1, 4, KERNEL_ROWS, KERNEL_ROWS + 1])
@pytest.mark.parametrize("words", [3, 9, KERNEL_ROWS + 2, KERNEL_ROWS + 3])
def test_one_hot_words_pick_rows_of_the_kernel(reviews: int, words: int) -> None:
    random = np.random.default_rng(reviews)
    ids = random.integers(0, 5, (reviews, words)).astype(np.int32)
    kernel = random.normal(size=(3, 5, 6)).astype(np.float32)
    lengths = random.integers(1, words + 1, reviews)
    lengths[0] = words
    mask, windows = np.arange(words) < lengths[:, None], np.maximum(lengths - 2, 1).astype(np.int32)
    one_hot = np.where(mask[:, :, None], np.eye(5, dtype=np.float32)[ids], 0)
    want = plain(one_hot, kernel, windows)
    got = jax.jit(_one_hot_max)(ids, kernel, mask, windows)
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("words", [2, 3, 9])
def test_winners_are_the_words_of_the_windows_with_the_maxima(words: int) -> None:
    random = np.random.default_rng(words)
    ids = random.integers(0, 5, (4, words)).astype(np.int32)
    lengths = np.array([words, 1, 2, words])
    mask = np.arange(words) < lengths[:, None]
    encoder = Conv1D(5, 6, 3, rngs=nnx.Rngs(0))
    encoder.bias[...] += 100  # no feature is cut off at 0
    found = jax.jit(lambda ids, mask: encoder.winners(ids, mask))(ids, mask)
    places = np.arange(3)[:, None, None], found, np.arange(6)
    read = encoder.kernel[...].at[places].get(mode="fill", fill_value=0)
    np.testing.assert_allclose(read.sum(axis=0) + 100, encoder(Words(ids, None), mask), rtol=1e-6)
    assert (found[1:, 1] == 5).all()  # padding follows a single word
