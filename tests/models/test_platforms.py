"""A program is made for the platform that it is compiled for, wherever that is done."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from imdb_jax.models import LSTM

MASK = jnp.arange(30) < jnp.array([[30], [7], [1]])
X = jnp.asarray(np.random.default_rng(0).normal(size=(3, 30, 6)), jnp.float32)


def encoder(pooling, *, bidirectional: bool = True) -> LSTM:
    return LSTM(6, 4, bidirectional=bidirectional, pooling=pooling, rngs=nnx.Rngs(0))


def loops(model: LSTM, *platforms: str, gradient: bool = False) -> int:
    """Loops over time: a loop over chunks holds one over steps."""

    def total(x: jax.Array) -> jax.Array:
        return model(x, MASK).sum()

    program = jax.export.export(jax.jit(jax.grad(total) if gradient else total), platforms=platforms)(X)
    return program.mlir_module().count("stablehlo.while")


def test_one_loop_for_both_directions_on_accelerators_and_two_on_a_cpu() -> None:
    one = loops(encoder("last", bidirectional=False), "cpu")
    assert one > 0
    for platform, expected in (("tpu", one), ("cuda", one), ("cpu", 2 * one)):
        assert loops(encoder("last"), platform) == expected
    assert loops(encoder("last"), "cpu", "tpu") == 3 * one  # a branch for each
    assert loops(encoder("last"), "tpu", gradient=True) == loops(encoder("last"), "cpu", gradient=True) / 2


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_one_loop_for_both_directions_equals_two(pooling, monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(x: jax.Array, weights: nnx.State) -> jax.Array:
        return (nnx.merge(graph, weights)(x, MASK) ** 2).sum()

    graph, weights = nnx.split(encoder(pooling))
    gradient = jax.value_and_grad(loss, (0, 1))
    apart = gradient(X, weights)
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    together = gradient(X, weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together, apart)
