"""A hash of 32 bits, for dropout and for pairs of words."""

import jax.numpy as jnp
from jaxtyping import Array, UInt32


def mix(x: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """A bijection of uint32 that changes half of the bits for any change of one (lowbias32, C. Wellons 2018)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
