"""A step that takes only the numbers of a kernel that its batch reads, against one that takes all of them."""

import dataclasses

import jax
import numpy as np
import pytest

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Batches
from imdb_jax.training.build import build_learner
from imdb_jax.training.step import Learner, TrainState
from tests.conftest import VOCABULARY_SIZE, build_model, random_split, small

CONFIG = small(load_file("onehot_conv1d"))
LENGTHS = [*range(1, 23)] * 4  # the last batch is filled up with rows of weight 0


def after(learner: Learner, state: TrainState, epochs: int = 3) -> TrainState:
    step = jax.jit(learner.train_step)
    for epoch in range(epochs):
        for batch in Batches(random_split(LENGTHS), 10, 24).shuffled(seed=0, epoch=epoch):
            state = step(state, learner.frozen, batch)
    return state


def test_it_equals_the_dense_update() -> None:
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, hidden_dims=(4,)))
    learner, state = build_learner(build_model(config), config, steps=100)
    assert learner.sparse
    sparse, dense = (after(dataclasses.replace(learner, sparse=each), state) for each in (True, False))
    for found, wanted in zip(*map(jax.tree.leaves, (sparse, dense)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_words_that_no_review_has_stay_as_they_are() -> None:
    learner, state = build_learner(build_model(CONFIG), CONFIG, steps=100)
    split = random_split(LENGTHS)
    absent = np.setdiff1d(np.arange(VOCABULARY_SIZE), [1, *split.ids % 30])
    batch = next(Batches(split._replace(ids=split.ids % 30), 10, 24).shuffled(seed=0, epoch=0))
    moved = jax.jit(learner.train_step)(state, learner.frozen, batch)
    before, now = (np.asarray(each.params["encoder"]["kernel"]) for each in (state, moved))
    np.testing.assert_array_equal(now[:, absent], before[:, absent])
    assert not np.array_equal(now[:, 2:30], before[:, 2:30])


def test_no_copy_of_the_kernel_is_made() -> None:
    learner, state = build_learner(build_model(CONFIG), CONFIG, steps=100)
    size = 100_000

    def wide(x: jax.Array) -> jax.ShapeDtypeStruct:
        shape = (3, size, 8) if x.ndim == 3 else x.shape
        return jax.ShapeDtypeStruct(shape, x.dtype)

    batch = next(Batches(random_split(LENGTHS), 10, 24).shuffled(seed=0, epoch=0))
    step = jax.jit(learner.train_step, donate_argnums=0)
    shapes = jax.tree.map(wide, state)
    memory = step.lower(shapes, learner.frozen, batch).compile().memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < 3 * size * 8
    assert memory.output_size_in_bytes - memory.alias_size_in_bytes < 3 * size * 8


@pytest.mark.parametrize("change", [{"ema_decay": 0.9}, {"clip_norm": 1.0}, {"name": "adam"}])
def test_what_looks_at_every_weight_takes_dense_steps(change: dict) -> None:
    config: Config = dataclasses.replace(CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, **change))
    assert not build_learner(build_model(config), config, steps=100)[0].sparse
