"""A fingerprint of each array of a tree: changed bits show, wherever the array lies."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, UInt32

GOLDEN, OTHER = 0x9E3779B9, 0x7F4A7C15  # odd and far apart: neighbouring places must not look alike
STRETCH = 2**20  # words that are mixed together
UNSIGNED = {1: jnp.uint8, 2: jnp.uint16}  # by bytes of a number; others are one word or two


def fingerprints(tree: PyTree[Array]) -> dict[str, tuple[str, str]]:
    """Dtype with shape, such as `float32[3, 4]`, and 16 hexadecimal digits of each leaf, by its path.

    Leaves that other processes share are whole on each device, so that this process can read them alone.
    """
    leaves = jax.tree.leaves(tree)
    own = [leaf if leaf.is_fully_addressable else leaf.addressable_data(0) for leaf in leaves]
    marks = [f"{first:08x}{second:08x}" for first, second in jax.device_get([*map(_mark, own)])]
    return {path: (kind, mark) for (path, kind), mark in zip(shapes(tree).items(), marks, strict=True)}


def shapes(tree: PyTree[Array | jax.ShapeDtypeStruct]) -> dict[str, str]:
    """Dtype with shape of each leaf, by its path."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names that don't have the same value in both."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


@jax.jit  # of one leaf: others of its shape, such as what an optimizer keeps of it, take the same program
def _mark(leaf: Array) -> UInt32[Array, "2"]:
    """Two sums modulo 2^32 of mixed words, each word mixed with its place: in any order, on any devices.

    Stretch by stretch: on a CPU the mixed words of a whole array would lie in memory beside it.
    """
    words = _words(leaf)

    def add(start: Array, size: int, mark: Array) -> Array:
        stretch = jax.lax.dynamic_slice_in_dim(words, start, size)
        places = start.astype(jnp.uint32) + jax.lax.iota(jnp.uint32, size)
        first = _mix(stretch + places * jnp.uint32(GOLDEN))
        second = _mix(stretch ^ _mix(places + jnp.uint32(OTHER)))
        return mark + jnp.stack([first.sum(dtype=jnp.uint32), second.sum(dtype=jnp.uint32)])

    whole, rest = divmod(words.size, STRETCH)
    mark = add(jnp.int32(whole * STRETCH), rest, jnp.zeros(2, jnp.uint32))
    if not whole:  # else the loop is traced, with stretches that are too long
        return mark
    return jax.lax.fori_loop(0, whole, lambda k, mark: add(jnp.int32(k) * STRETCH, STRETCH, mark), mark)


def _words(leaf: Array) -> UInt32[Array, " N"]:
    """The bits of each number, as words of at most 32."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    if jnp.iscomplexobj(leaf):
        leaf = jnp.stack([leaf.real, leaf.imag])
    if leaf.dtype == jnp.bool_:
        leaf = leaf.astype(jnp.uint8)
    words = jax.lax.bitcast_convert_type(leaf, UNSIGNED.get(leaf.dtype.itemsize, jnp.uint32))
    return words.reshape(-1).astype(jnp.uint32)


def _mix(words: UInt32[Array, " N"]) -> UInt32[Array, " N"]:
    """The finaliser of MurmurHash3 (Appleby 2011): one changed bit changes half of all, and no two words become one."""
    words = (words ^ (words >> 16)) * jnp.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * jnp.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
