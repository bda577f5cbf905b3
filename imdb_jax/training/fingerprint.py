"""A fingerprint of each array of a tree: changed bits show, wherever the array lies."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, UInt32

# odd and far apart: neighbouring places must not look alike
GOLDEN, OTHER = np.uint32(0x9E3779B9), np.uint32(0x7F4A7C15)
STRETCH = 2**16  # words that are mixed together: with what is made of them they fit a core's cache


def fingerprints(tree: PyTree[Array]) -> dict[str, tuple[str, str]]:
    """Dtype with shape, such as `float32[3, 4]`, and 16 hexadecimal digits of each leaf, by its path.

    Leaves that other processes share are whole on each device, so that this process can read them alone.
    """
    leaves = jax.tree.leaves(tree)
    own = [leaf if leaf.is_fully_addressable else leaf.addressable_data(0) for leaf in leaves]
    return {path: (kind, _mark(leaf)) for (path, kind), leaf in zip(shapes(tree).items(), own, strict=True)}


def shapes(tree: PyTree[Array | jax.ShapeDtypeStruct]) -> dict[str, str]:
    """Dtype with shape of each leaf, by its path."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names that don't have the same value in both."""
    return [name for name in {**one, **other} if one.get(name) != other.get(name)]


def _mark(leaf: Array) -> str:
    """Two sums modulo 2^32 of mixed words, each word mixed with its place, in hexadecimal digits."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    numbers = np.asarray(leaf).reshape(-1)
    words = numbers.view(f"u{min(numbers.itemsize, 4)}")
    sums = np.zeros(2, np.uint32)
    for start in range(0, len(words), STRETCH):
        stretch = words[start : start + STRETCH].astype(np.uint32)
        places = np.arange(start, start + len(stretch), dtype=np.uint32)
        mixed = _mix(stretch + places * GOLDEN), _mix(stretch ^ _mix(places + OTHER))
        sums += np.array([each.sum(dtype=np.uint32) for each in mixed])
    return "{:08x}{:08x}".format(*sums)


def _mix(words: UInt32[np.ndarray, " N"]) -> UInt32[np.ndarray, " N"]:
    """The finaliser of MurmurHash3 (Appleby 2011): one changed bit changes half of all, and no two words become one."""
    words = (words ^ (words >> 16)) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * np.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
