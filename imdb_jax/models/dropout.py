"""Dropout with masks that cost next to nothing.

JAX's own generator is made to be hard to predict, which dropout does not need, and takes half of a training step of
the Conv1D model on a CPU (LOG.md). Here two words drawn by it seed a counter-based hash, which fuses into the product
that uses the mask.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key


def dropout(x: Array, rate: float, key: Key[Array, ""] | None) -> Array:
    """Zeroes a share of x and scales up the rest (Srivastava et al. 2014); without a key returns x."""
    if key is None or not rate:
        return x
    return jnp.where(bernoulli(key, rate, x.shape), 0, x / (1 - rate))


def bernoulli(key: Key[Array, ""], rate: float, shape: tuple[int, ...]) -> Bool[Array, "..."]:
    """True with probability `rate`, each place by itself; at most 2^32 places."""
    seed, stride = jax.random.bits(key, (2,), jnp.uint32)
    index = jnp.zeros(shape, jnp.uint32)
    size = 1
    for axis in reversed(range(len(shape))):
        index += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(size % 2**32)
        size *= shape[axis]
    return _mix(index * (stride | 1) + seed) < jnp.uint32(round(rate * 2**32))


def _mix(x: Array) -> Array:
    """A bijection of uint32 that changes half of the bits for any change of one (lowbias32, C. Wellons 2018)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
