"""The recurrence against a plain masked scan with autodiff, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imdb_jax.models import lstm
from imdb_jax.models.lstm import CHUNK

TIME, BATCH, DIM, HIDDEN, ROWS = 2 * CHUNK + 7, 5, 3, 4, 11


def plain(ids, table, valid, kernel, recurrent_kernel, bias, all_states):
    """The equations as they stand in a textbook; padding leaves state and cell as they are."""
    x = jax.nn.one_hot(ids, len(kernel), dtype=kernel.dtype) if table is None else table[ids]

    def step(carry, at):
        h, c = carry
        x, valid = at
        i, f, g, o = jnp.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        new_c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        new_h = jax.nn.sigmoid(o) * jnp.tanh(new_c)
        carry = jnp.where(valid[:, None], new_h, h), jnp.where(valid[:, None], new_c, c)
        return carry, carry[0]

    zero = jnp.zeros((ids.shape[1], len(recurrent_kernel)), kernel.dtype)
    (last, _), states = jax.lax.scan(step, (zero, zero), (x, valid))
    return states if all_states else last


@pytest.fixture(scope="module")
def inputs():
    """Padding comes first; the lengths leave chunks empty, full and cut."""
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        shapes = {"table": (ROWS, DIM), "kernel": (DIM, 4 * HIDDEN), "recurrent": (HIDDEN, 4 * HIDDEN)}
        weights = {name: jnp.asarray(random.normal(size=shape)) for name, shape in shapes.items()}
        weights["bias"] = jnp.asarray(random.normal(size=4 * HIDDEN))
        ids = jnp.asarray(random.integers(0, ROWS, (TIME, BATCH)), jnp.int32)
        lengths = np.array([1, 0, CHUNK, CHUNK + 9, 17])
        valid = jnp.asarray(np.arange(TIME)[:, None] >= TIME - lengths)
        yield ids, valid, weights


def summed(function, ids, valid, weights, all_states: bool, one_hot: bool):
    """A scalar that every output and weight has its own part in."""
    table = None if one_hot else weights["table"]
    out = function(ids, table, valid, weights["kernel"], weights["recurrent"], weights["bias"], all_states=all_states)
    out = out * valid[:, :, None].astype(out.dtype) if all_states else out
    return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)), out


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("all_states", [False, True])
@pytest.mark.parametrize("keep", [slice(None), slice(-CHUNK, None)], ids=["whole", "one chunk"])
def test_equals_autodiff_of_the_plain_scan(inputs, all_states: bool, one_hot: bool, keep: slice) -> None:
    ids, valid, weights = inputs
    ids, valid = ids[keep], valid[keep]
    if one_hot:
        weights = weights | {"kernel": jnp.resize(weights["kernel"], (ROWS, 4 * HIDDEN)), "table": None}
    with jax.enable_x64(True):
        (_, out), gradients = jax.jit(jax.value_and_grad(summed, argnums=3, has_aux=True), static_argnums=(0, 4, 5))(
            lstm, ids, valid, weights, all_states, one_hot
        )
        (_, expected), expected_gradients = jax.value_and_grad(summed, argnums=3, has_aux=True)(
            plain, ids, valid, weights, all_states, one_hot
        )
    np.testing.assert_allclose(out, expected, atol=1e-12)
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, atol=1e-10), gradients, expected_gradients)


def test_padding_after_the_last_word(inputs) -> None:
    ids, valid, weights = inputs
    valid = valid[::-1]
    with jax.enable_x64(True):
        for function in (lstm, plain):
            value = jax.value_and_grad(summed, argnums=3, has_aux=True)(function, ids, valid, weights, True, False)
            if function is lstm:
                (_, out), gradients = value
            else:
                (_, expected), expected_gradients = value
    np.testing.assert_allclose(out, expected, atol=1e-12)
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, atol=1e-10), gradients, expected_gradients)


def test_frozen_table_costs_no_gradient(inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):

        def loss(kernel):
            return lstm(
                ids, weights["table"], valid, kernel, weights["recurrent"], weights["bias"], all_states=False
            ).sum()

        jaxpr = str(jax.make_jaxpr(jax.grad(loss))(weights["kernel"]))
    assert "scatter-add" not in jaxpr


def test_vmap_over_weights_equals_each_alone(inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        population = jax.tree.map(lambda w: jnp.stack([w, 0.5 * w]), weights)
        grad = jax.grad(lambda w: summed(lstm, ids, valid, w, False, False)[0])
        together = jax.vmap(grad)(population)
        for member in range(2):
            alone = grad(jax.tree.map(lambda w, m=member: w[m], population))
            jax.tree.map(lambda a, b, m=member: np.testing.assert_allclose(a[m], b, atol=1e-12), together, alone)


def test_exported_program_with_symbolic_shapes(inputs) -> None:
    pytest.importorskip("flatbuffers", reason="jax.export needs flatbuffers to serialise")
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        time, batch = jax.export.symbolic_shape("t, b")
        arguments = jax.ShapeDtypeStruct((time, batch), jnp.int32), jax.ShapeDtypeStruct((time, batch), bool)

        def run(ids, valid):
            return lstm(
                ids, weights["table"], valid, weights["kernel"], weights["recurrent"], weights["bias"], all_states=False
            )

        exported = jax.export.deserialize(jax.export.export(jax.jit(run))(*arguments).serialize())
        np.testing.assert_allclose(exported.call(ids, valid), run(ids, valid), atol=1e-12)


def test_bfloat16_weights_keep_float32_between_steps(inputs) -> None:
    ids, valid, weights = inputs
    small = {name: jnp.asarray(weight, jnp.bfloat16) for name, weight in weights.items()}
    with jax.enable_x64(True):
        exact = {name: jnp.asarray(weight, jnp.float64) for name, weight in small.items()}
        _, expected = summed(plain, ids, valid, exact, False, False)
    _, out = summed(lstm, ids, valid, small, False, False)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(np.float32), expected, atol=0.02)
