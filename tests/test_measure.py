"""The measuring scripts: what they read from programs and traces, and how they grow a config."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from imdb_jax.config import Config, Conv1DConfig, ModelConfig
from scripts.environment import ROOT
from scripts.measure.hlo import Program
from scripts.measure.scaling import points
from scripts.measure.trainer import repeated
from tests.conftest import random_split


def compiled(function, *arguments) -> Program:
    return Program(jax.jit(function).lower(*arguments).compile().as_text())


def test_products_of_the_innermost_loop() -> None:
    square = jnp.ones((64, 64))

    def nested(x):
        def chunk(_, x):
            return jax.lax.scan(lambda x, _: (jnp.tanh(x @ square), None), x, length=100)[0] @ square

        return jax.lax.fori_loop(0, x.shape[0], chunk, x)

    program = compiled(nested, square)
    assert [program.products(body) for body in program.innermost] == [1]
    assert program.collectives == []


def test_collectives_inside_and_outside_of_loops() -> None:
    mesh = Mesh(np.array(jax.devices()[:2]), ("rows",))

    def sharded(function):
        rows, everywhere = PartitionSpec("rows"), PartitionSpec()
        return jax.shard_map(function, mesh=mesh, in_specs=rows, out_specs=everywhere, check_vma=False)

    def once(x):
        return jax.lax.psum(x.sum(axis=0), "rows")

    def often(x):
        return jax.lax.scan(lambda total, row: (total + jax.lax.psum(row, "rows"), None), jnp.zeros(8), x)[0]

    x = jnp.ones((4, 8))
    assert compiled(sharded(once), x).collectives == [(32, 0)]
    assert compiled(sharded(often), x).collectives == [(32, 1)]


def test_repeated_reviews() -> None:
    split = random_split([3, 1, 2])
    more = repeated(split, 5)
    np.testing.assert_array_equal(more.ids[:6], split.ids)
    np.testing.assert_array_equal(more.ids[6:], split.ids[:4])
    np.testing.assert_array_equal(more.offsets, [0, 3, 4, 6, 9, 10])
    np.testing.assert_array_equal(more.labels, split.labels[[0, 1, 2, 0, 1]])


def test_one_size_grows_at_a_time() -> None:
    base = Config(model=ModelConfig(encoder=Conv1DConfig()))
    grown = list(points(base))
    assert [name for *_, name, first in grown if first] == [
        "max_length 100",
        "batch_size 16",
        "features 8",
        "1 x the reviews",
    ]
    for config, times, *_ in grown:
        changed = [f.name for f in dataclasses.fields(base) if getattr(config, f.name) != getattr(base, f.name)]
        assert len(changed) + (times > 1) <= 1


def test_profile_names_operations(tmp_path) -> None:
    command = [sys.executable, "-m", "scripts.measure.profile", "--config", "configs/quickstart.py", "--steps", "3"]
    small = ["--config.data.limit=60", "--config.data.vocabulary_size=200", "--config.data.max_length=24"]
    done = subprocess.run([*command, *small, "--trace", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ms a step" in done.stdout
    assert "while" in done.stdout
    assert list(tmp_path.rglob("*.xplane.pb"))
