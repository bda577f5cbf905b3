"""The cells of a recurrence: what one step does, and its derivative.

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

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imdb_jax.models.recurrence import Carry, Cell

CLOSED = -1e4  # pre-activation at which a sigmoid is 0 in every float format


def _gates(z: Float[Array, "... G"]) -> list[Array]:
    """i, f, g, o of an LSTM: sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, so that one tanh serves all four."""
    sigmoid = jnp.array([0.5, 0.5, 0.0, 0.5], z.dtype)
    shift = jnp.repeat(sigmoid, z.shape[-1] // 4)
    scale = jnp.where(shift == 0, 1, shift)
    return jnp.split(jnp.tanh(z * scale) * scale + shift, 4, axis=-1)


def _lstm_closed(hidden_dim: int) -> Float[Array, " G"]:
    return jnp.where(jnp.arange(4 * hidden_dim) < hidden_dim, CLOSED, 0.0)


def _lstm_bias(hidden_dim: int) -> Float[Array, " G"]:
    return jnp.zeros(4 * hidden_dim).at[hidden_dim : 2 * hidden_dim].set(1.0)


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


LSTM_CELL = Cell(
    carried=2,
    gates=4,
    bias=_lstm_bias,
    closed=_lstm_closed,
    step=_lstm_step,
    factors=_lstm_factors,
    back=_lstm_back,
)
SIMPLE_RNN_CELL = Cell(
    carried=1,
    gates=1,
    bias=jnp.zeros,
    closed=jnp.zeros,
    step=lambda carry, z: (jnp.tanh(z),),
    factors=_simple_rnn_factors,
    back=lambda gradients, slope: (gradients[0] * slope, ()),
)
