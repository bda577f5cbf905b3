"""Convolutional encoders.

The gradient of a maximum over the review reaches one window per filter. On a CPU the backward pass follows just
those windows, F rows instead of W x F; elsewhere a dense convolution is quicker than many small steps.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from imdb_jax.models.embedding import OrderedEncoder, Words

KERNEL_ROWS = 64  # of the kernel that each step of `_one_hot_max` adds: few reviews then take few steps (LOG.md)


class Conv1D(OrderedEncoder):
    """ReLU filters over windows of words, then each filter's maximum over the review (Kim 2014).

    Only windows that lie within a review count. A review shorter than the window is filled up with zero vectors.
    """

    def __init__(self, input_dim: int, features: int, kernel_size: int, *, rngs: nnx.Rngs) -> None:
        shape = (kernel_size, input_dim, features)
        self.kernel = nnx.Param(nnx.initializers.glorot_uniform()(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(features, jnp.float32))
        self.features = features

    @override
    def of_padded(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        kernel = self.kernel[...]
        size = kernel.shape[0]
        missing = (0, 0), (0, max(0, size - mask.shape[1]))
        windows = jnp.maximum(mask.sum(axis=1) - size + 1, 1)
        if words.table is None:
            ids, mask = jnp.pad(words.ids, missing), jnp.pad(mask, missing)
            highest = _one_hot_max(ids, kernel, mask, windows.astype(jnp.int32))
        else:
            x = jnp.where(mask[:, :, None], words.vectors(), 0)
            highest = convolve_max(jnp.pad(x, (*missing, (0, 0))), kernel, windows)
        # Bias and ReLU are monotone, so they may follow the maximum, where there is W times less to compute.
        return jax.nn.relu(highest + self.bias[...][None])

    def winners(self, ids: Int[Array, "B T"], mask: Bool[Array, "B T"]) -> Int[Array, "K B F"]:
        """The one-hot words of the windows that have the maxima; V, which is no word, where those are of padding.

        The features of a review then are a function of `kernel[k, winners[k, b, f], f]` and no other number of it.
        """
        kernel = self.kernel[...]
        size = kernel.shape[0]
        rows = jnp.where(mask, ids, kernel.shape[1]).T
        rows = jnp.pad(rows, ((0, max(0, size - len(rows))), (0, 0)), constant_values=kernel.shape[1])
        windows = jnp.maximum(mask.sum(axis=1, dtype=jnp.int32) - size + 1, 1)

        def window(start, best):
            highest, position = best
            at = lax.dynamic_slice_in_dim(rows, start, size)
            output = sum(kernel[k].at[at[k]].get(mode="fill", fill_value=0) for k in range(size))
            higher = (output > highest) & (start < windows)[:, None]
            return jnp.where(higher, output, highest), jnp.where(higher, start, position)

        shape = len(ids), kernel.shape[2]
        start = jnp.full(shape, -jnp.inf, kernel.dtype), jnp.zeros(shape, jnp.int32)
        _, position = lax.fori_loop(0, windows.max(), window, start)
        review = jnp.arange(len(ids), dtype=jnp.int32)[:, None]
        return jnp.stack([rows[position + k, review] for k in range(size)])

    def fold(self, table: Float[Array, "V D"]) -> None:
        """Multiplies an embedding's table into the kernel: from now on words are one-hot."""
        self.kernel = nnx.Param(jnp.einsum("vd,kdf->kvf", table, self.kernel[...]))


class ConvStack(OrderedEncoder):
    """Conv1D, the maximum of each short stretch, Conv1D again, then each filter's maximum over the review.

    Only windows and stretches that lie within a review count. A review too short to fill one window of the second
    convolution is filled up with zero vectors.

    Args:
      kernel_size: words, then stretches, in a window.
      pool_size: windows of the first convolution in a stretch.
    """

    def __init__(self, input_dim: int, features: int, kernel_size: int, pool_size: int, *, rngs: nnx.Rngs) -> None:
        draw = nnx.initializers.glorot_uniform(dtype=jnp.float32)
        self.kernel = nnx.Param(draw(rngs.params(), (kernel_size, input_dim, features)))
        self.bias = nnx.Param(jnp.zeros(features, jnp.float32))
        self.second_kernel = nnx.Param(draw(rngs.params(), (kernel_size, features, features)))
        self.second_bias = nnx.Param(jnp.zeros(features, jnp.float32))
        self.features = features
        self.pool_size = pool_size

    @override
    def of_padded(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        size = self.kernel.shape[0]
        x = jnp.where(mask[:, :, None], words.vectors(), 0)
        shortest = self.pool_size * size + size - 1
        x = jnp.pad(x, ((0, 0), (0, max(0, shortest - x.shape[1])), (0, 0)))
        outputs = _convolve(x, self.kernel[...])
        stretches = outputs.shape[1] // self.pool_size
        outputs = outputs[:, : stretches * self.pool_size].reshape(x.shape[0], stretches, self.pool_size, -1)
        x = jax.nn.relu(outputs.max(axis=2) + self.bias[...][None, None])
        whole = (mask.sum(axis=1) - size + 1) // self.pool_size
        windows = jnp.maximum(whole - size + 1, 1)
        return jax.nn.relu(convolve_max(x, self.second_kernel[...], windows) + self.second_bias[...][None])


@jax.custom_vjp
def convolve_max(
    x: Float[Array, "B T D"], kernel: Float[Array, "K D F"], windows: Int[Array, " B"]
) -> Float[Array, "B F"]:
    """The maximum of each filter of a valid convolution over the first `windows` windows of each row.

    The gradient goes to the first window that attains the maximum.
    """
    return _max(_convolve(x, kernel), windows)[0]


def _forward(x, kernel, windows):
    highest, position = _max(_convolve(x, kernel), windows)
    return highest, (x, kernel, position)


def _backward(residuals, gradient):
    dx, dkernel = lax.platform_dependent(*residuals, gradient, cpu=_sparse_backward, default=_dense_backward)
    return dx, dkernel, None


convolve_max.defvjp(_forward, _backward)


def _convolve(x: Float[Array, "B T D"], kernel: Float[Array, "K D F"]) -> Float[Array, "B W F"]:
    return lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))


def _one_hot_max(
    ids: Int[Array, "B T"], kernel: Float[Array, "K D F"], mask: Bool[Array, "B T"], windows: Int[Array, " B"]
) -> Float[Array, "B F"]:
    """`convolve_max` of one-hot words: sums of the kernel's rows, none where the mask is false."""
    batch, length = ids.shape
    size = kernel.shape[0]
    stretch = max(1, KERNEL_ROWS // batch) if isinstance(batch, int) else 1  # windows; 1 for an export's any batch
    starts = jnp.arange(0, length - size + 1, stretch, dtype=jnp.int32)
    rows = jnp.where(mask, ids, kernel.shape[1]).T  # out of range: the row of padding is zero
    rows = jnp.pad(rows, ((0, stretch - 1), (0, 0)), constant_values=kernel.shape[1])

    def step(highest, start):
        at = lax.dynamic_slice_in_dim(rows, start, stretch + size - 1)
        output = kernel[0].at[at[:stretch]].get(mode="fill", fill_value=0)
        for k in range(1, size):
            output += kernel[k].at[at[k : k + stretch]].get(mode="fill", fill_value=0)
        inside = (start + jnp.arange(stretch, dtype=jnp.int32))[:, None] < windows[None]
        return jnp.maximum(highest, jnp.where(inside[:, :, None], output, -jnp.inf).max(axis=0)), None

    lowest = jnp.full((batch, kernel.shape[2]), -jnp.inf, kernel.dtype)
    return lax.scan(step, lowest, starts)[0]


def _max(outputs: Float[Array, "B W F"], windows: Int[Array, " B"]) -> tuple[Float[Array, "B F"], Int[Array, "B F"]]:
    """Maximum over the first windows of each row, and where it is first attained."""
    return lax.platform_dependent(outputs, windows, cpu=_running_max, default=_masked_max)


def _masked_max(outputs, windows):
    inside = jnp.arange(outputs.shape[1], dtype=windows.dtype)[None] < windows[:, None]
    masked = jnp.where(inside[:, :, None], outputs, -jnp.inf)
    return masked.max(axis=1), masked.argmax(axis=1).astype(jnp.int32)


def _running_max(outputs, windows):
    """Maximum and position in one pass; XLA's argmax on CPU takes several times as long."""

    def window(index, best):
        highest, position = best
        output = lax.dynamic_index_in_dim(outputs, index, axis=1, keepdims=False)
        higher = (output > highest) & (index < windows.astype(index.dtype))[:, None]
        return jnp.where(higher, output, highest), jnp.where(higher, index.astype(jnp.int32), position)

    first = outputs[:, 0], jnp.zeros(outputs[:, 0].shape, jnp.int32)
    return lax.fori_loop(1, outputs.shape[1], window, first)


def _dense_backward(x, kernel, position, gradient):
    at_window = jnp.arange(x.shape[1] - kernel.shape[0] + 1, dtype=jnp.int32)[None, :, None]
    _, back = jax.vjp(_convolve, x, kernel)
    return back(jnp.where(at_window == position[:, None, :], gradient[:, None, :], 0))


def _sparse_backward(x, kernel, position, gradient):
    filters = kernel.transpose(2, 0, 1)

    def review(dfilters, row):
        x, position, gradient = row
        window = position[:, None] + jnp.arange(kernel.shape[0], dtype=jnp.int32)[None]
        gradient = gradient[:, None, None]
        return dfilters + x[window] * gradient, jnp.zeros_like(x).at[window].add(filters * gradient)

    start = jnp.zeros(filters.shape, np.promote_types(filters.dtype, np.float32))
    dfilters, dx = lax.scan(review, start, (x, position, gradient))
    return dx, dfilters.astype(filters.dtype).transpose(1, 2, 0)
