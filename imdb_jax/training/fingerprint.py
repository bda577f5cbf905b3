"""A fingerprint of each array of a tree: changed bits show, wherever the array lies."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

GOLDEN, OTHER = 0x9E3779B9, 0x7F4A7C15  # odd and far apart: neighbouring places must not look alike


def fingerprints(tree: PyTree[Array]) -> dict[str, tuple[str, str]]:
    """Dtype with shape, such as `float32[3, 4]`, and 16 hexadecimal digits of each leaf, by its path.

    Each device has all leaves whole. They have 32 bits a number, as all of a `TrainState` have, or are keys.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    own = [leaf.addressable_data(0) for _, leaf in leaves]  # other processes need not take part
    marks = jax.device_get(_marks(own))
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): (describe(leaf), f"{first:08x}{second:08x}")
        for (path, leaf), (first, second) in zip(leaves, marks, strict=True)
    }


def describe(leaf: Array | jax.ShapeDtypeStruct) -> str:
    """Dtype and shape."""
    return f"{leaf.dtype}{list(leaf.shape)}"


@jax.jit
def _marks(leaves: list[Array]) -> list[UInt32[Array, "2"]]:
    return [_mark(leaf) for leaf in leaves]


def _mark(leaf: Array) -> UInt32[Array, "2"]:
    """Two sums modulo 2^32 of mixed words, each word mixed with its place: in any order, on any devices."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    words = jax.lax.bitcast_convert_type(leaf, jnp.uint32).reshape(-1)
    places = jax.lax.iota(jnp.uint32, words.size)
    first = _mix(words + places * jnp.uint32(GOLDEN))
    second = _mix(words ^ _mix(places + jnp.uint32(OTHER)))
    return jnp.stack([first.sum(dtype=jnp.uint32), second.sum(dtype=jnp.uint32)])


def _mix(words: UInt32[Array, " N"]) -> UInt32[Array, " N"]:
    """The finaliser of MurmurHash3 (Appleby 2011): one changed bit changes half of all, and no two words become one."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
