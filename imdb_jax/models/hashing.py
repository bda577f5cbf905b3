"""A hash of 32 bits, for pairs of words and for dropout with masks that cost next to nothing.

JAX's own generator is made to be hard to predict, which dropout does not need: it takes 6.0 ms for one mask of the
Conv1D model on a CPU, the hash below 0.32 (LOG.md). Two words drawn by JAX for each row seed this counter-based hash,
which fuses into the product that uses the mask.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32


def mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijection of uint32 that changes half of the bits for any change of one (lowbias32, C. Wellons 2018)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def dropout(x: Float[Array, "B ..."], rate: float, seeds: UInt32[Array, "B 2"] | None) -> Float[Array, "B ..."]:
    """Zeroes a share of x and scales up the rest (Srivastava et al. 2014).

    The seeds are two random words for each row; rows draw apart, so a row's mask does not depend on the rows beside it.
    Without seeds x is returned as it is.
    """
    if seeds is None or not rate:
        return x
    return jnp.where(bernoulli(seeds, rate, x.shape[1:]), 0, x / (1 - rate))


def bernoulli(seeds: UInt32[Array, "B 2"], rate: float, shape: tuple[int, ...]) -> Bool[Array, "B ..."]:
    """True with probability `rate`, each place of each row [B, *shape] by itself."""
    index = jnp.arange(math.prod(shape), dtype=jnp.uint32)[None]
    start, stride = seeds[:, :1], seeds[:, 1:] | 1
    return (mix(index * stride + start) < jnp.uint32(min(round(rate * 2**32), 2**32 - 1))).reshape(-1, *shape)
