"""The LSTM recurrence, with a backward pass derived by hand.

Forward, at step t with input x_t (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000):

    z_t = x_t W + h_{t-1} U + b                        pre-activations of the gates i, f, g, o, side by side
    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);   g = tanh(z_g)
    c_t = f c_{t-1} + i g                              cell
    h_t = o tanh(c_t)                                  state

Backward, from the gradients dh_t and dc_t that later steps and the loss send:

    dc_t += dh_t o (1 - tanh(c_t)^2)
    dz_t  = [dc_t g i(1-i), dc_t c_{t-1} f(1-f), dc_t i(1-g^2), dh_t tanh(c_t) o(1-o)]
    dh_{t-1} = dz_t U^T;   dc_{t-1} = dc_t f

Only this must run one step after the other, and all its factors are known before. So the backward loop is a few
products and one small matrix product; W, U and b get their gradients from all steps at once, each by one large matrix
product: dW = X^T dZ, dU = H^T dZ, db = sum dZ.

Time is cut into chunks. The forward pass keeps h and c alone; the backward pass computes a chunk's gates again, by one
matrix product, while it is in the cache: that is cheaper than fetching them from memory. Chunks that hold nothing but
padding are skipped, so that one compiled program serves every length at its own cost.

Padding closes the input gate. While i = 0 and c = 0, c and h stay exactly 0, so padding that comes before a review
needs no mask in the loop; every factor of its dz is 0 as well.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

CHUNK = 24  # steps whose gates are computed together
CLOSED = -1e4  # pre-activation at which a sigmoid is 0 in every float format


def lstm(
    ids: Int[Array, "T B"],
    table: Float[Array, "N D"] | None,
    valid: Bool[Array, "T B"],
    kernel: Float[Array, "D G"],
    recurrent_kernel: Float[Array, "H G"],
    bias: Float[Array, " G"],
    *,
    all_states: bool,
) -> Float[Array, "T B H"] | Float[Array, "B H"]:
    """Runs an LSTM over `table[ids]` from zero states.

    Args:
      ids: rows of the table, a step after the other.
      table: input vectors; None stands for the identity, so that inputs are one-hot.
      valid: false at padding. Before a row's first word it leaves the state at zero; after the last word the state
        means nothing, and no gradient may come from there.
      kernel: W, with columns for the gates i, f, g, o; G = 4H.
      recurrent_kernel: U.
      bias: b.
      all_states: return the state after each step, not after the last alone.

    Returns:
      States in the dtype of the weights; between steps they are float32 at least.
    """
    missing = CHUNK * -(-ids.shape[0] // CHUNK) - ids.shape[0]
    ids, valid = (jnp.pad(x, ((missing, 0), (0, 0))) for x in (ids, valid))
    states: Any = _lstm(all_states, ids, table, valid, kernel, recurrent_kernel, bias)
    states = states[missing:] if all_states else states
    return states.astype(kernel.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(all_states: bool, ids, table, valid, kernel, recurrent_kernel, bias) -> Array:
    state, history = _run(all_states, ids, table, valid, kernel, recurrent_kernel, bias)
    return state if history is None else history[0][1:]


def _forward(all_states: bool, *arguments: Any):
    """Also keeps what the backward pass needs: the arguments and all states and cells."""
    values = [argument if argument is None else argument.value for argument in arguments]
    state, history = _run(True, *values)
    assert history is not None
    table = arguments[1]
    tune_table = table is not None and table.perturbed  # a frozen table needs no gradient
    return history[0][1:] if all_states else state, (values, history, tune_table)


def _run(keep: bool, ids, table, valid, kernel, recurrent_kernel, bias) -> tuple[Array, tuple[Array, Array] | None]:
    """The last state and, if they are to be kept, all states and cells [T + 1, B, H], those before step 0 first."""
    half, shift, dtype = _gate_scales(recurrent_kernel)
    recurrent_kernel = recurrent_kernel * half.astype(recurrent_kernel.dtype)

    def step(carry, z):
        h, c = carry
        z = z + jnp.dot(h.astype(recurrent_kernel.dtype), recurrent_kernel, preferred_element_type=dtype)
        i, f, g, o = jnp.split(jnp.tanh(z) * half + shift, 4, axis=-1)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), (h, c) if keep else None

    def chunk(index, carry):
        state, history = carry
        start = index * CHUNK
        z = _preactivations(_at(ids, start), table, _at(valid, start), kernel, bias) * half
        state, after = lax.scan(step, state, z)
        if keep:
            history = jax.tree.map(lambda kept, new: _put(kept, new, start + 1), history, after)
        return state, history

    zero = jnp.zeros((ids.shape[1], recurrent_kernel.shape[0]), dtype)
    history = (jnp.zeros((ids.shape[0] + 1, *zero.shape), dtype),) * 2 if keep else None
    (state, _), history = lax.fori_loop(*_occupied(valid), chunk, ((zero, zero), history))
    return state, history


def _backward(all_states: bool, residuals, gradient):
    (ids, table, valid, kernel, recurrent_kernel, bias), (states, cells), tune_table = residuals
    half, shift, dtype = _gate_scales(recurrent_kernel)
    transposed = recurrent_kernel.T.astype(dtype)

    def step(carry, factors):
        dh, dc = carry
        gate_slopes, cell_slope, f, dstate = factors
        dh = dh if dstate is None else dh + dstate
        dc = dc + dh * cell_slope
        dz = jnp.concatenate([dc, dc, dc, dh], axis=-1) * gate_slopes
        return (dz @ transposed, dc * f), dz

    def chunk(index, carry):
        carry, (dkernel, drecurrent_kernel, dbias, dtable) = carry
        start = (last - 1 - (index - first)) * CHUNK
        rows, h, c = _at(ids, start), _at(states, start), _at(cells, start, CHUNK + 1)
        z = _preactivations(rows, table, _at(valid, start), kernel, bias)
        z = z + _rows_dot(h, recurrent_kernel.astype(dtype))
        i, f, g, o = jnp.split(jnp.tanh(z * half) * half + shift, 4, axis=-1)
        before, tanh_c = c[:-1], jnp.tanh(c[1:])
        slopes = [g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
        dstates = _at(gradient, start) if all_states else None
        factors = jnp.concatenate(slopes, axis=-1), o * (1 - tanh_c * tanh_c), f, dstates
        carry, dz = lax.scan(step, carry, factors, reverse=True)

        dz, h, rows = dz.reshape(-1, dz.shape[-1]), h.reshape(-1, h.shape[-1]), rows.reshape(-1)
        if table is None:
            dkernel = dkernel.at[rows].add(dz)
        else:
            dkernel += table[rows].astype(dtype).T @ dz
        if tune_table:
            dtable = dtable.at[rows].add(dz @ kernel.T.astype(dtype))
        return carry, (dkernel, drecurrent_kernel + h.T @ dz, dbias + dz.sum(axis=0), dtable)

    first, last = _occupied(valid)
    zero = jnp.zeros(states.shape[1:], dtype)
    weights = kernel, recurrent_kernel, bias, table if tune_table else None
    sums = jax.tree.map(lambda weight: jnp.zeros(weight.shape, dtype), weights)
    dstate = zero if all_states else gradient
    _, sums = lax.fori_loop(first, last, chunk, ((dstate, zero), sums))
    dkernel, drecurrent_kernel, dbias, dtable = jax.tree.map(lambda sum_, w: sum_.astype(w.dtype), sums, weights)
    return None, dtable, None, dkernel, drecurrent_kernel, dbias


_lstm.defvjp(_forward, _backward, symbolic_zeros=True)


def _gate_scales(recurrent_kernel: Float[Array, "H G"]) -> tuple[Array, Array, Any]:
    """(s, r, dtype): gates are `s tanh(s z) + r`, for sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: one tanh for all four."""
    dtype = _state_dtype(recurrent_kernel)
    sigmoid, tanh = jnp.full(recurrent_kernel.shape[0], 0.5, dtype), jnp.ones(recurrent_kernel.shape[0], dtype)
    return (
        jnp.concatenate([sigmoid, sigmoid, tanh, sigmoid]),
        jnp.concatenate([sigmoid, sigmoid, 0 * tanh, sigmoid]),
        dtype,
    )


def _state_dtype(weights: Array) -> Any:
    """What sums over many steps are kept in: float32, or float64 for weights of that dtype."""
    return weights.dtype if weights.dtype.itemsize > 4 else jnp.float32


def _preactivations(ids, table, valid, kernel, bias) -> Float[Array, "C B G"]:
    """The products x W + b of a chunk; padding closes the input gate."""
    dtype = _state_dtype(kernel)
    z = kernel[ids].astype(dtype) if table is None else _rows_dot(table[ids], kernel, dtype)
    hidden_dim = bias.shape[0] // 4
    closed = jnp.where(jnp.arange(4 * hidden_dim) < hidden_dim, jnp.asarray(CLOSED, dtype), 0)
    return jnp.where(valid[:, :, None], z + bias.astype(dtype), closed)


def _rows_dot(x: Float[Array, "C B D"], matrix: Float[Array, "D G"], dtype: Any = None) -> Float[Array, "C B G"]:
    """`x @ matrix` as one product of two matrices."""
    flat = jnp.dot(x.reshape(-1, x.shape[-1]), matrix, preferred_element_type=dtype)
    return flat.reshape(*x.shape[:-1], -1)


def _occupied(valid: Bool[Array, "T B"]) -> tuple[Array, Array]:
    """The range of chunks from the first to the last that hold a word; empty if none does."""
    count = valid.shape[0] // CHUNK
    filled = valid.reshape(count, CHUNK * valid.shape[1]).any(axis=1)
    index = jnp.arange(count)
    return jnp.where(filled, index, count).min(), jnp.where(filled, index + 1, 0).max()


def _at(x: Array, start: Array, size: int = CHUNK) -> Array:
    return lax.dynamic_slice_in_dim(x, start, size)


def _put(x: Array, part: Array, start: Array) -> Array:
    return lax.dynamic_update_slice_in_dim(x, part, start, 0)
