"""A recurrence over words, with a backward pass derived by hand, and its cells: what one step does.

Forward, at step t with input x_t:

    z_t = x_t W + h_{t-1} U + b            pre-activations
    h_t, ... = cell(z_t, h_{t-1}, ...)     state; an LSTM carries its cell besides

Backward, dz_t comes from the gradients of what step t carries on, and dh_{t-1} = dz_t U^T. Only this must run one step
after the other, and all its other factors are known before. So the backward loop is a few products and one small matrix
product; W, U and b get their gradients from many steps at once, each by one large matrix product:
dW = X^T dZ, dU = H^T dZ, db = sum dZ.

Time is cut into chunks of steps. The forward pass keeps what is carried, and nothing else; the backward pass computes
a chunk's pre-activations again, by one matrix product, while it is in the cache: that is cheaper than fetching them
from memory. Chunks that hold nothing but padding are skipped: one compiled program serves every length at its own cost.

Padding that comes before a review gets pre-activations that leave a state of zeros exactly zero: no mask in the loop.

LSTM (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000). The pre-activations z stand side by side for the
gates i, f, g, o:

    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o);   g = tanh(z_g)
    c_t = f c_{t-1} + i g                              cell
    h_t = o tanh(c_t)                                  state

and backward, from the gradients dh_t and dc_t that later steps and the loss send:

    dc_t += dh_t o (1 - tanh(c_t)^2)
    dz_t  = [dc_t g i(1-i), dc_t c_{t-1} f(1-f), dc_t i(1-g^2), dh_t tanh(c_t) o(1-o)]
    dc_{t-1} = dc_t f

Padding closes the input gate: while i = 0 and c = 0, c and h stay exactly 0, and every factor of dz is 0 as well.

SimpleRNN (Elman 1990):

    h_t = tanh(z_t);   dz_t = dh_t (1 - h_t^2)

Padding has z = 0, and tanh(0) = 0; its dz must be held at 0, since the slope of tanh there is 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

Carry = tuple[Array, ...]  # the state h [B, H] first


class Loop(NamedTuple):
    """How a loop over time is cut.

    Attributes:
      chunk: steps whose pre-activations are computed together, a multiple of `unroll`.
      unroll: steps that are one piece of the program: an accelerator waits each time that it asks whether a loop ends.
    """

    chunk: int
    unroll: int


CPU_LOOP = Loop(24, 1)  # chunks of 12 to 64 steps are as fast (LOG.md)
ACCELERATOR_LOOP = Loop(60, 10)  # against the CPU's, half the time of a training step on a GPU (docs/gpu.md)


class Cell(NamedTuple):
    """One step of a recurrence and its derivative.

    Attributes:
      carried: arrays [B, H] that go from step to step, h and what a cell has besides.
      bias: the initial bias of each gate; a cell has G / H of them.
      closed: pre-activations, one for each gate, that leave a carry of zeros as it is.
      step: (carry before, z [B, G]) -> carry after.
      factors: (z [C, B, G], carries [C + 1, B, H] from before the first step on, valid [C, B]) -> what `back` needs of
        each step, computed for a chunk at once.
      back: (gradients of the carry after, factors of the step) -> (dz, gradients of the carry before but for h, whose
        gradient is dz U^T). No gradient may leave a step of padding before the first word.
    """

    carried: int
    bias: tuple[float, ...]
    closed: tuple[float, ...]
    step: Callable[[Carry, Array], Carry]
    factors: Callable[[Array, Carry, Array], Any]
    back: Callable[[Carry, Any], tuple[Array, Carry]]


def recur(
    cell: Cell,
    ids: Int[Array, "T B"],
    table: Float[Array, "N D"] | None,
    valid: Bool[Array, "T B"],
    kernel: Float[Array, "D G"],
    recurrent_kernel: Float[Array, "H G"],
    bias: Float[Array, " G"],
    *,
    all_states: bool,
    loop: Loop = CPU_LOOP,
) -> Float[Array, "T B H"] | Float[Array, "B H"]:
    """Runs a cell over `table[ids]` from a carry of zeros.

    Works under jit, grad, vmap, jax.export with symbolic T and B, and shard_map over rows with `check_vma=False`.

    Args:
      ids: rows of the table, a step after the other.
      table: input vectors; None stands for the identity, so that inputs are one-hot.
      valid: false at padding. Before a row's first word it leaves the state at zero; after the last word the state
        means nothing, and no gradient may come from there.
      kernel, recurrent_kernel, bias: W, U and b.
      all_states: return the state after each step, not after the last alone.
      loop: how the platform that runs it likes loops.

    Returns:
      States in the dtype of the weights; between steps they are float32 at least.
    """
    missing = loop.chunk * -(-ids.shape[0] // loop.chunk) - ids.shape[0]
    ids, valid = (jnp.pad(x, ((missing, 0), (0, 0))) for x in (ids, valid))
    states: Any = _recur(cell, loop, all_states, ids, table, valid, kernel, recurrent_kernel, bias)
    states = states[missing:] if all_states else states
    return states.astype(kernel.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _recur(cell: Cell, loop: Loop, all_states: bool, ids, table, valid, kernel, recurrent_kernel, bias) -> Array:
    keep = 1 if all_states else 0
    last, history = _run(cell, loop, keep, ids, table, valid, kernel, recurrent_kernel, bias)
    return history[0][1:] if all_states else last[0]


def _forward(cell: Cell, loop: Loop, all_states: bool, *arguments: Any):
    """Also keeps what the backward pass needs: the arguments and everything carried."""
    values = [argument if argument is None else argument.value for argument in arguments]
    last, history = _run(cell, loop, cell.carried, *values)
    table = arguments[1]
    tune_table = table is not None and table.perturbed  # a frozen table needs no gradient
    return history[0][1:] if all_states else last[0], (values, history, tune_table)


def _run(cell: Cell, loop: Loop, keep: int, ids, table, valid, kernel, recurrent_kernel, bias) -> tuple[Carry, Carry]:
    """The last carry, and the first `keep` parts of all carries [T + 1, B, H], from those before step 0 on."""
    dtype = np.promote_types(kernel.dtype, np.float32)  # of all sums over many steps

    def step(carry, z):
        h = carry[0].astype(recurrent_kernel.dtype)
        carry = cell.step(carry, z + jnp.dot(h, recurrent_kernel, preferred_element_type=dtype))
        return carry, carry[:keep]

    def chunk(index, carry):
        carry, history = carry
        start = index * loop.chunk
        at = partial(lax.dynamic_slice_in_dim, start_index=start, slice_size=loop.chunk)
        z = _inputs(cell, at(ids), table, at(valid), kernel, bias)
        carry, after = lax.scan(step, carry, z, unroll=loop.unroll)
        put = partial(lax.dynamic_update_slice_in_dim, start_index=start + 1, axis=0)
        return carry, jax.tree.map(put, history, after)

    zero = jnp.zeros((ids.shape[1], recurrent_kernel.shape[0]), dtype)
    history = (jnp.zeros((ids.shape[0] + 1, *zero.shape), dtype),) * keep
    return lax.fori_loop(*_occupied(valid, loop.chunk), chunk, ((zero,) * cell.carried, history))


def _backward(cell: Cell, loop: Loop, all_states: bool, residuals, gradient):
    (ids, table, valid, kernel, recurrent_kernel, bias), history, tune_table = residuals
    dtype = np.promote_types(kernel.dtype, np.float32)
    transposed = recurrent_kernel.T.astype(dtype)

    def step(carry, inputs):
        (dh, *others), (factors, dstate) = carry, inputs
        dz, others = cell.back((dh if dstate is None else dh + dstate, *others), factors)
        return (dz @ transposed, *others), dz

    def chunk(index, carry):
        carry, (dkernel, drecurrent_kernel, dbias, dtable) = carry
        start = (last - 1 - (index - first)) * loop.chunk
        at = partial(lax.dynamic_slice_in_dim, start_index=start, slice_size=loop.chunk)
        rows, words = at(ids), at(valid)
        carries = tuple(at(kept, slice_size=loop.chunk + 1) for kept in history)
        h = carries[0][:-1]
        z = _inputs(cell, rows, table, words, kernel, bias) + _rows_dot(h, recurrent_kernel.astype(dtype))
        dstates = at(gradient) if all_states else None
        inputs = cell.factors(z, carries, words), dstates
        carry, dz = lax.scan(step, carry, inputs, reverse=True, unroll=loop.unroll)

        dz, h, rows = dz.reshape(-1, dz.shape[-1]), h.reshape(-1, h.shape[-1]), rows.reshape(-1)
        if table is None:
            dkernel = dkernel.at[rows].add(dz)
        else:
            dkernel += table[rows].astype(kernel.dtype).astype(dtype).T @ dz
        if tune_table:
            dtable = dtable.at[rows].add(dz @ kernel.T.astype(dtype))
        return carry, (dkernel, drecurrent_kernel + h.T @ dz, dbias + dz.sum(axis=0), dtable)

    first, last = _occupied(valid, loop.chunk)
    zero = jnp.zeros(history[0].shape[1:], dtype)
    weights = kernel, recurrent_kernel, bias, table if tune_table else None
    sums = jax.tree.map(lambda weight: jnp.zeros(weight.shape, dtype), weights)
    carry = (zero if all_states else gradient, *(zero,) * (cell.carried - 1))
    _, sums = lax.fori_loop(first, last, chunk, (carry, sums))
    dkernel, drecurrent_kernel, dbias, dtable = jax.tree.map(lambda sum_, w: sum_.astype(w.dtype), sums, weights)
    return None, dtable, None, dkernel, drecurrent_kernel, dbias


_recur.defvjp(_forward, _backward, symbolic_zeros=True)


def _inputs(cell: Cell, ids, table, valid, kernel, bias) -> Float[Array, "C B G"]:
    """The part x W + b of a chunk's pre-activations; padding closes the cell."""
    dtype = np.promote_types(kernel.dtype, np.float32)
    z = kernel[ids].astype(dtype) if table is None else _rows_dot(table[ids].astype(kernel.dtype), kernel, dtype)
    closed = jnp.repeat(jnp.array(cell.closed, dtype), bias.shape[0] // len(cell.closed))
    return jnp.where(valid[:, :, None], z + bias.astype(dtype)[None, None], closed[None, None])


def _rows_dot(x: Float[Array, "C B D"], matrix: Float[Array, "D G"], dtype: Any = None) -> Float[Array, "C B G"]:
    """`x @ matrix` as one product of two matrices."""
    flat = jnp.dot(x.reshape(-1, x.shape[-1]), matrix, preferred_element_type=dtype)
    return flat.reshape(*x.shape[:-1], -1)


def _occupied(valid: Bool[Array, "T B"], chunk: int) -> tuple[Array, Array]:
    """The range of chunks from the first to the last that hold a word; empty if none does."""
    count = valid.shape[0] // chunk
    filled = valid.reshape(count, chunk * valid.shape[1]).any(axis=1)
    index = jnp.arange(count)
    return jnp.where(filled, index, count).min(), jnp.where(filled, index + 1, 0).max()


CLOSED = -1e4  # pre-activation at which a sigmoid is 0 in every float format


def _gates(z: Float[Array, "... G"]) -> list[Array]:
    """i, f, g, o of an LSTM: sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, so that one tanh serves all four."""
    sigmoid = jnp.array([0.5, 0.5, 0.0, 0.5], z.dtype)
    shift = jnp.repeat(sigmoid, z.shape[-1] // 4)
    shift = jnp.expand_dims(shift, range(z.ndim - 1))
    scale = jnp.where(shift == 0, 1, shift)
    return jnp.split(jnp.tanh(z * scale) * scale + shift, 4, axis=-1)


def _lstm_step(carry: Carry, z: Float[Array, "B G"]) -> Carry:
    i, f, g, o = _gates(z)
    c = f * carry[1] + i * g
    return o * jnp.tanh(c), c


def _lstm_factors(z: Float[Array, "C B G"], carries: Carry, valid: Bool[Array, "C B"]) -> Carry:
    i, f, g, o = _gates(z)
    before, tanh_c = carries[1][:-1], jnp.tanh(carries[1][1:])
    slopes = [g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
    return jnp.concatenate(slopes, axis=-1), o * (1 - tanh_c * tanh_c), f


def _lstm_back(gradients: Carry, factors: Carry) -> tuple[Array, Carry]:
    (dh, dc), (slopes, cell_slope, f) = gradients, factors
    dc = dc + dh * cell_slope
    return jnp.concatenate([dc, dc, dc, dh], axis=-1) * slopes, (dc * f,)


def _simple_rnn_factors(z: Float[Array, "C B G"], carries: Carry, valid: Bool[Array, "C B"]) -> Array:
    h = carries[0][1:]
    return jnp.where(valid[:, :, None], 1 - h * h, 0)


LSTM_CELL = Cell(2, (0.0, 1.0, 0.0, 0.0), (CLOSED, 0.0, 0.0, 0.0), _lstm_step, _lstm_factors, _lstm_back)

SIMPLE_RNN_CELL = Cell(
    carried=1,
    bias=(0.0,),
    closed=(0.0,),
    step=lambda carry, z: (jnp.tanh(z),),
    factors=_simple_rnn_factors,
    back=lambda gradients, slope: (gradients[0] * slope, ()),
)
