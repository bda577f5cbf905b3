"""The recurrence against a plain masked scan with autodiff, in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from imdb_jax.models.recurrence import ACCELERATOR_LOOP, CPU_LOOP, LSTM_CELL, SIMPLE_RNN_CELL, Cell, recur

CHUNK = CPU_LOOP.chunk
TIME, BATCH, DIM, HIDDEN, ROWS = 2 * CHUNK + 7, 6, 3, 4, 11
CELLS = {"lstm": LSTM_CELL, "simple_rnn": SIMPLE_RNN_CELL}


def lstm_step(carry, z):
    """The equations as they stand in a textbook."""
    _, c = carry
    i, f, g, o = jnp.split(z, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


STEPS = {LSTM_CELL: lstm_step, SIMPLE_RNN_CELL: lambda carry, z: (jnp.tanh(z),)}


def plain(cell, ids, table, valid, kernel, recurrent_kernel, bias, all_states):
    """A scan in which padding leaves what is carried as it is."""
    x = jax.nn.one_hot(ids, len(kernel), dtype=kernel.dtype) if table is None else table[ids]

    def step(carry, at):
        x, valid = at
        after = STEPS[cell](carry, x @ kernel + carry[0] @ recurrent_kernel + bias)
        carry = tuple(jnp.where(valid[:, None], new, old) for new, old in zip(after, carry, strict=True))
        return carry, carry[0]

    zero = jnp.zeros((ids.shape[1], len(recurrent_kernel)), kernel.dtype)
    last, states = jax.lax.scan(step, (zero,) * cell.carried, (x, valid))
    return states if all_states else last[0]


@pytest.fixture(scope="module", params=CELLS)
def cell(request: pytest.FixtureRequest) -> Cell:
    return CELLS[request.param]


@pytest.fixture(scope="module")
def inputs(cell: Cell):
    """Padding comes first; the lengths leave chunks empty, full and cut."""
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        width = len(cell.bias) * HIDDEN
        shapes = {"table": (ROWS, DIM), "kernel": (DIM, width), "recurrent": (HIDDEN, width), "bias": (width,)}
        weights = {name: jnp.asarray(random.normal(size=shape)) for name, shape in shapes.items()}
        ids = jnp.asarray(random.integers(0, ROWS, (TIME, BATCH)), jnp.int32)
        lengths = np.array([1, 0, CHUNK, CHUNK + 9, 17, 2])
        valid = jnp.asarray(np.arange(TIME)[:, None] >= TIME - lengths)
        yield ids, valid, weights


@partial(jax.jit, static_argnums=(0, 1, 5))
def run(function, cell, ids, valid, weights, all_states: bool = False):
    names = "kernel", "recurrent", "bias"
    return function(cell, ids, weights["table"], valid, *(weights[name] for name in names), all_states=all_states)


def summed(function, cell, ids, valid, weights, all_states: bool):
    """A scalar that every output and weight has its own part in."""
    out = run(function, cell, ids, valid, weights, all_states)
    out = out * valid[:, :, None].astype(out.dtype) if all_states else out
    return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)), out


value_and_gradients = jax.jit(jax.value_and_grad(summed, argnums=4, has_aux=True), static_argnums=(0, 1, 5))


def equal(got, expected, atol: float = 1e-10) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), got, expected)


def equals_plain_scan(cell, ids, valid, weights, all_states: bool) -> jax.Array:
    """The same states and gradients as autodiff's of the plain scan; returns the states, zero at padding."""
    (_, out), gradients = value_and_gradients(recur, cell, ids, valid, weights, all_states)
    (_, expected), expected_gradients = value_and_gradients(plain, cell, ids, valid, weights, all_states)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    equal(gradients, expected_gradients)
    return expected


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("all_states", [False, True])
def test_equals_autodiff_of_the_plain_scan(cell, inputs, all_states: bool, one_hot: bool) -> None:
    ids, valid, weights = inputs
    if one_hot:
        weights = weights | {"kernel": jnp.resize(weights["kernel"], (ROWS, len(cell.bias) * HIDDEN)), "table": None}
    with jax.enable_x64(True):
        expected = equals_plain_scan(cell, ids, valid, weights, all_states)
        without_gradient = run(recur, cell, ids, valid, weights, all_states)
    np.testing.assert_allclose(without_gradient, expected, atol=1e-12)


def test_a_single_chunk(cell, inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        equals_plain_scan(cell, ids[-CHUNK:], valid[-CHUNK:], weights, all_states=True)


def test_how_the_loop_is_cut_never_matters(cell, inputs) -> None:
    ids, valid, weights = inputs
    cut = partial(recur, loop=ACCELERATOR_LOOP)
    with jax.enable_x64(True):
        (_, expected), gradients = value_and_gradients(recur, cell, ids, valid, weights, True)
        (_, out), others = value_and_gradients(cut, cell, ids, valid, weights, True)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    equal(others, gradients)


def test_padding_after_the_last_word(cell, inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        equals_plain_scan(cell, ids, valid[::-1], weights, all_states=True)


def test_frozen_table_costs_no_gradient(cell, inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):

        def loss(kernel):
            return run(recur, cell, ids, valid, weights | {"kernel": kernel}).sum()

        jaxpr = str(jax.make_jaxpr(jax.grad(loss))(weights["kernel"]))
    assert "scatter-add" not in jaxpr


def test_vmap_over_weights_equals_each_alone(cell, inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        population = jax.tree.map(lambda w: jnp.stack([w, 0.5 * w]), weights)
        grad = jax.jit(jax.grad(lambda w: summed(recur, cell, ids, valid, w, False)[0]))
        together = jax.jit(jax.vmap(grad))(population)
        for member in range(2):
            alone = grad(jax.tree.map(lambda w, m=member: w[m], population))
            equal(jax.tree.map(lambda w, m=member: w[m], together), alone, atol=1e-12)


@pytest.mark.parametrize("all_states", [False, True])
def test_shard_map_over_rows_equals_one_device(cell, inputs, all_states: bool) -> None:
    ids, valid, weights = inputs
    rows = PartitionSpec(None, "rows")
    out = rows if all_states else PartitionSpec("rows")
    with jax.enable_x64(True):

        def loss(weights, sharded: bool):
            def states(ids, valid, weights):
                return run(recur, cell, ids, valid, weights, all_states)

            if sharded:
                mesh = Mesh(np.array(jax.devices()[:2]), ("rows",))
                specs = rows, rows, PartitionSpec()
                states = jax.shard_map(states, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)
            return (states(ids, valid, weights) ** 2).sum()

        together, apart = (jax.jit(jax.value_and_grad(loss), static_argnums=1)(weights, s) for s in (False, True))
    equal(apart, together)


def test_exported_program_with_symbolic_shapes(cell, inputs) -> None:
    ids, valid, weights = inputs
    with jax.enable_x64(True):
        time, batch = jax.export.symbolic_shape("t, b")
        arguments = jax.ShapeDtypeStruct((time, batch), jnp.int32), jax.ShapeDtypeStruct((time, batch), bool)

        def states(ids, valid):
            return run(recur, cell, ids, valid, weights)

        exported = jax.export.deserialize(jax.export.export(jax.jit(states))(*arguments).serialize())
        np.testing.assert_allclose(exported.call(ids, valid), states(ids, valid), atol=1e-12)


def test_bfloat16_weights_keep_float32_between_steps(cell, inputs) -> None:
    ids, valid, weights = inputs
    small = {name: jnp.asarray(0.5 * weight, jnp.bfloat16) for name, weight in weights.items()}
    with jax.enable_x64(True):
        expected = run(plain, cell, ids, valid, {name: jnp.asarray(w, jnp.float64) for name, w in small.items()})
    out = run(recur, cell, ids, valid, small)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(np.float32), expected, atol=0.02)
