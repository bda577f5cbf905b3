"""A fingerprint tells any change of bits, in any dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imdb_jax.training.fingerprint import fingerprints

DTYPES = ["bool", "int8", "uint8", "float16", "bfloat16", "float8_e4m3fn", "int32", "float32", "complex64"]


@pytest.mark.parametrize("where", range(0, 96, 7))
def test_every_flipped_bit_changes_a_fingerprint(where: int) -> None:
    values = np.random.default_rng(0).normal(size=(3, 1)).astype(np.float32)
    tree = {"a": jnp.asarray(values), "b": jnp.zeros(4), "key": jax.random.key(0)}
    before = fingerprints(tree)
    bits = values.view(np.uint32).copy()
    bits[where // 32] ^= np.uint32(1 << where % 32)
    after = fingerprints({**tree, "a": jnp.asarray(bits.view(np.float32))})
    assert [name for name in before if before[name] != after[name]] == ["a"]
    assert before["a"][0] == "float32[3, 1]"


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_has_one(dtype: str) -> None:
    """Such as the bfloat16 of a frozen table."""
    values = [1, 0, 1, 1, 0]
    flipped = [[value ^ (at == place) for at, value in enumerate(values)] for place in range(5)]
    found = [fingerprints({"x": jnp.asarray(row).astype(dtype)})["x"] for row in (values, values, *flipped)]
    assert found[0] == found[1]
    assert found[0][0] == f"{dtype}[5]"
    assert len({mark for _, mark in found}) == 6


def test_fingerprints_stay_what_they_were() -> None:
    """They stand in checkpoints of earlier versions."""
    assert fingerprints({"x": jnp.arange(6, dtype=jnp.float32).reshape(2, 3)})["x"] == (
        "float32[2, 3]",
        "ddeeb6808075eca8",
    )
    assert fingerprints({"x": jax.random.key(7)})["x"] == ("key<fry>[]", "2316a32901879c82")


def test_order_and_moved_zeros_change_a_fingerprint() -> None:
    marks = {fingerprints({"x": jnp.asarray(x)})["x"][1] for x in ([0.0, 0, 1], [0.0, 1, 0], [1.0, 0, 0], [0.0, 0, 0])}
    assert len(marks) == 4
