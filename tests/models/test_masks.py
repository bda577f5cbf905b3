"""What a module promises to people who call it with masks, settings and meshes of their own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from imdb_jax.models import LSTM, Conv1D, ConvStack, Embedding, Pool, SimpleRNN

B, T, D = 3, 14, 6
LENGTHS = (9, 4, 1)
MODULES = {
    **{
        f"LSTM-{pooling}": LSTM(D, 4, bidirectional=True, pooling=pooling, rngs=nnx.Rngs(0))
        for pooling in ("last", "mean", "max", "attention")
    },
    "SimpleRNN": SimpleRNN(D, 4, bidirectional=False, rngs=nnx.Rngs(0)),
    "Conv1D": Conv1D(D, 5, 3, rngs=nnx.Rngs(0)),
    "ConvStack": ConvStack(D, 5, 2, 2, rngs=nnx.Rngs(0)),
    "Pool-mean": Pool(D, "mean", rngs=nnx.Rngs(0)),
    "Pool-max": Pool(D, "max", rngs=nnx.Rngs(0)),
}
module = pytest.mark.parametrize("encoder", [pytest.param(each, id=name) for name, each in MODULES.items()])


def at_places(places: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The same words at these places of each row, with noise elsewhere, and their mask."""
    x = np.random.default_rng(1).normal(size=(B, T, D)).astype(np.float32)
    mask = np.zeros((B, T), bool)
    for row, at in enumerate(places):
        x[row, at] = np.random.default_rng(2 + row).normal(size=(len(at), D))
        mask[row, at] = True
    return x, mask


RIGHT = at_places([np.arange(n) for n in LENGTHS])
LEFT = at_places([np.arange(T - n, T) for n in LENGTHS])
MIDDLE = at_places([np.arange(n) + 3 for n in LENGTHS])
GAPS = at_places([np.array([0, 1, 4, 5, 6, 9, 10, 12, 13]), np.array([2, 5, 6, 13]), np.array([7])])


@module
@pytest.mark.parametrize("where", [LEFT, MIDDLE, GAPS], ids=["left", "middle", "gaps"])
def test_words_count_wherever_they_stand(encoder, where) -> None:
    compiled = jax.jit(encoder)
    np.testing.assert_allclose(compiled(*where), compiled(*RIGHT), atol=1e-6)


@module
def test_no_gradient_reaches_what_the_mask_leaves_out(encoder) -> None:
    gradient = jax.jit(jax.grad(lambda x, mask: (encoder(x, mask) ** 2).sum()))
    found, there = (np.asarray(gradient(*each)) for each in (GAPS, RIGHT))
    assert not found[~GAPS[1]].any()
    np.testing.assert_allclose(found[GAPS[1]], there[RIGHT[1]], atol=1e-5)


@module
def test_masks_of_whole_numbers_are_masks(encoder) -> None:
    for x, mask in (RIGHT, LEFT):
        expected = encoder(jnp.asarray(x), jnp.asarray(mask))
        np.testing.assert_array_equal(encoder(x, mask.astype(np.int64)), expected)
        of_bytes = jax.jit(lambda x, mask: encoder(x, mask))(x, mask.astype(np.uint8))
        np.testing.assert_allclose(of_bytes, expected, atol=1e-6)


@module
def test_masks_of_fractions_are_refused(encoder) -> None:
    with pytest.raises(TypeError, match="mask: float32; must be of booleans, or of whole numbers"):
        encoder(jnp.asarray(RIGHT[0]), jnp.asarray(RIGHT[1], jnp.float32))


def test_words_of_an_embedding_count_wherever_they_stand() -> None:
    embedding = Embedding(jax.random.normal(jax.random.key(0), (20, D)))
    ids = np.arange(1, 5)[None]
    right, left = (jnp.asarray(np.pad(ids, ((0, 0), pad))) for pad in ((0, 3), (3, 0)))
    for encoder in MODULES.values():
        compiled = jax.jit(encoder)
        words = compiled(embedding(right), right > 0)
        np.testing.assert_allclose(compiled(embedding(left), left > 0), words, atol=1e-6)


@module
def test_ranks_are_spelt_out(encoder) -> None:
    with jax.numpy_rank_promotion("raise"):
        jax.make_jaxpr(jax.grad(lambda x: (encoder(x, RIGHT[1]) ** 2).sum()))(RIGHT[0])


@module
def test_rows_on_a_mesh_with_explicit_axes(encoder) -> None:
    x, mask = (np.concatenate([each, each[:1]]) for each in RIGHT)
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        shared = jax.device_put((x, mask), NamedSharding(mesh, PartitionSpec("rows")))
        read = jax.sharding.auto_axes(lambda x, mask: encoder(x, mask), out_sharding=PartitionSpec("rows"))
        features = jax.jit(read)(*shared)
    assert features.sharding.spec == PartitionSpec("rows", None)
    np.testing.assert_allclose(features, encoder(x, mask), atol=1e-6)
