"""Compiles training steps for accelerators that are not here."""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from typing import Any
from unittest.mock import patch

QUIET = {  # libtpu then asks nobody where it runs, and lets a second process use it
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_ID": "0",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_LOG_DIR": "disabled",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
os.environ.update(QUIET)

import jax  # noqa: E402 - after what it reads from the environment
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.experimental import topologies  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402

from imdb_jax.config import Config, LSTMConfig, PretrainedEmbedding, TextConfig, load_file  # noqa: E402
from imdb_jax.data.batches import Batch  # noqa: E402
from imdb_jax.data.vocabulary import Vocabulary  # noqa: E402
from imdb_jax.experiment import build_learner, build_model  # noqa: E402
from imdb_jax.training.step import Learner, Shard, TrainState  # noqa: E402
from scripts.measure.hlo import Program  # noqa: E402

CONFIGS = ("configs/glove_bilstm.py", "configs/conv1d.py", "configs/quickstart.py")
TARGETS = ("tpu:v5e:1x1", "tpu:v5e:2x2", "tpu:v4:2x2x1", "tpu:v5p:2x2x1", "tpu:v6e:2x2", "tpu:tpu7x:2x2x1")
GLOVE_DIM = 100


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/check_accelerators")
    parser.add_argument("--config", nargs="+", default=CONFIGS)
    parser.add_argument("--target", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # the child: a compiler can crash
    args = parser.parse_args(arguments)
    if args.here:
        check(args.config[0], args.target[0])
        return 0
    print("| target | config | seconds | temporary MB | all-reduced bytes | loops over steps | products a step |")
    print("|---|---|---|---|---|---|---|", flush=True)
    failed = 0
    for target in args.target:
        for config in args.config:
            command = [sys.executable, "-m", "scripts.measure.accelerators", "--here"]
            failed |= subprocess.run([*command, "--target", target, "--config", config]).returncode
    return min(abs(failed), 1)


def check(file: str, target: str) -> None:
    """Compiles the step of one config for one target and prints a row of the table."""
    config = load_file(file)
    devices = describe(target)
    with patch("jax.default_backend", return_value="tpu"):  # models are built for where they are built
        learner, state = learner_of(config)
    started = time.perf_counter()
    compiled = lower(learner, state, config, Mesh(np.array(devices), ("rows",))).compile()
    seconds = time.perf_counter() - started
    text = compiled.as_text()
    program = Program(text)
    reduced = sum(size for size, _ in program.collectives)
    products = [program.products(body) for body in program.innermost]
    temporary = compiled.memory_analysis().temp_size_in_bytes / 2**20
    loops = f"{len(products)} | {products}"
    print(f"| {target} | {file} | {seconds:.1f} | {temporary:.1f} | {reduced:,} | {loops} |", flush=True)
    trained = 4 * sum(leaf.size for leaf in jax.tree.leaves(state.params))
    metrics = 4 * len(state.metrics)
    assert "f64[" not in text, "float64"
    assert all(depth == 0 for _, depth in program.collectives), "a collective inside a loop"
    if len(devices) > 1:
        assert trained <= reduced <= trained + metrics, f"all-reduced {reduced:,} bytes, {trained:,} are trained"
    if isinstance(config.model.encoder, LSTMConfig):
        assert [count for count in products if count] == [1, 1], f"products in the innermost loops: {products}"


def describe(target: str) -> list[Any]:
    """Descriptions of the chips of `tpu:v5e:2x2` and the like."""
    platform, _, name = target.partition(":")
    alone = {"chips_per_host_bounds": (1, 1, 1)} if name.endswith(":1x1") else {}
    return topologies.get_topology_desc(platform=platform, topology_name=name, **alone).devices


def learner_of(config: Config) -> tuple[Learner, TrainState]:
    """The model of a config, with vectors of zeros where it wants pretrained ones."""
    size = config.data.vocabulary_size
    special = config.data.text.special_tokens
    words = tuple(f"word{number}".encode() for number in range(size))
    vocabulary = Vocabulary(words, TextConfig(special_tokens=special))
    pretrained = isinstance(config.model.embedding, PretrainedEmbedding)
    vectors = np.zeros((size, GLOVE_DIM), np.float32) if pretrained else None
    return build_learner(build_model(config, vocabulary, vectors), config, steps=1_000)


def lower(learner: Learner, state: TrainState, config: Config, mesh: Mesh) -> jax.stages.Lowered:
    """The training step: rows shared out over the mesh, gradients added up once."""
    everywhere, rows = PartitionSpec(), PartitionSpec("rows")

    def step(state: TrainState, frozen: Any, batch: Batch) -> TrainState:
        size = jnp.asarray(batch.weights).shape[0]
        total = jnp.maximum(jax.lax.psum(jnp.asarray(batch.weights).sum(), "rows"), 1)
        shard = Shard(batch, size * jax.lax.axis_index("rows"), total)
        return learner.update(state, [jax.lax.psum(learner.gradients(state, frozen, shard), "rows")])

    sharded = jax.shard_map(
        step, mesh=mesh, in_specs=(everywhere, everywhere, rows), out_specs=everywhere, check_vma=False
    )
    size, length = config.training.batch_size, config.data.max_length
    on = partial(NamedSharding, mesh)
    batch = Batch(
        *(
            jax.ShapeDtypeStruct(shape, dtype, sharding=on(rows))
            for shape, dtype in (((size, length), np.int32), ((size,), np.int32), *[((size,), np.float32)] * 2)
        )
    )
    fixed = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=on(everywhere)), (state, learner.frozen)
    )
    return jax.jit(sharded, donate_argnums=0).lower(*fixed, batch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
