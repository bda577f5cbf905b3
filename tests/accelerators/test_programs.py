"""Training, evaluation and prediction, compiled for TPUs and GPUs that are not here, and for two cores of this machine.

Nothing is run, so this says nothing about speed or about figures. scripts/check_accelerators names more targets and
configs, and prints the row of each: seconds to compile, MB on a device, bytes of the all-reduce, products in loops.
"""

import dataclasses
import importlib.util
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Sharding
from jaxtyping import PyTree

from imdb_jax.config import Config, TextConfig, load_file
from imdb_jax.data.batches import Batch
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.models.recurrence import ACCELERATOR_LOOP, CPU_LOOP
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.parallel import Replicas
from imdb_jax.training.step import Learner, TrainState
from tests.accelerators.hlo import Program
from tests.accelerators.targets import COMPILERS, ENVIRONMENT, describe

CONFIGS = Path(__file__).parents[2] / "configs"
TARGETS = os.environ.get("ACCELERATOR_TARGETS", "cpu:here:2 tpu:v5e:2x2").split()
NAMES = os.environ.get("ACCELERATOR_CONFIGS", "lstm max_pool").split()
GLOVE_DIM = 100
# kind of encoder -> loops over time in a training step, of which evaluation and prediction have half; and megabytes on
# a device, arguments and results with them: a third above the most that was measured on any target
EXPECTED = {"lstm": (2, 420), "simple_rnn": (2, 16), "conv1d": (0, 150), "conv_stack": (0, 750), "pool": (0, 410)}


def config_of(name: str, platform: str) -> Config:
    """A config as it is; a smaller one for this machine, which may have its own ways with large products."""
    config = load_file(CONFIGS / f"{name}.py")
    if platform != "cpu":
        return config
    data = dataclasses.replace(config.data, vocabulary_size=60, max_length=48)
    training = dataclasses.replace(config.training, batch_size=8, eval_batch_size=8)
    return dataclasses.replace(config, data=data, training=training)


def learner_of(config: Config) -> tuple[Learner, TrainState]:
    """The model of a config as an accelerator has it, with vectors of zeros where it wants pretrained ones."""
    size = config.data.vocabulary_size
    words = tuple(f"word{number}".encode() for number in range(size))
    vocabulary = Vocabulary(words, TextConfig(special_tokens=config.data.text.special_tokens))
    dims = {"pretrained": GLOVE_DIM, "log_count_ratio": 1}
    dim = dims.get(config.model.embedding.kind)
    vectors = None if dim is None else np.zeros((size, dim), np.float32)
    return build_learner(build_model(config, vocabulary, vectors), config, steps=1_000)


def lower(
    learner: Learner, state: TrainState, config: Config, devices: Sequence[Any]
) -> Iterator[tuple[str, int, jax.stages.Lowered]]:
    """Name, rows and program of what `python -m imdb_jax.train`, `evaluate` and `predict`, for one review, run."""
    replicas = Replicas(dataclasses.replace(learner, frozen={}), devices)  # a description can't hold arrays
    model = partial(learner.eval_model, folded=False)
    reader = described(jax.eval_shape(model, state.eval_params, learner.frozen), replicas.everywhere)
    weights = described((state, learner.frozen), replicas.everywhere)
    sizes = {"train": config.training.batch_size, "evaluate": config.training.eval_batch_size, "predict": 1}
    for name, size in sizes.items():
        rows = len(devices) * math.ceil(size / len(devices))
        tokens, lengths = np.zeros((rows, config.data.max_length), np.int32), np.zeros(rows, np.int32)
        batch = Batch(tokens, lengths, *[np.zeros(rows, np.float32)] * 2, np.float32(rows))
        batch = jax.tree.map(described, batch, replicas.of_batch)
        if name == "train":
            yield name, rows, replicas.train_step.lower(*weights, batch)
        else:
            yield name, rows, replicas.evaluate.lower(reader, batch.tokens, batch.lengths)


def described(tree: PyTree, sharding: Sharding) -> Any:
    """Shapes and types of arrays, in a place."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def megabytes_of(compiled: jax.stages.Compiled) -> float:
    """On a device, arguments and results with it."""
    memory = compiled.memory_analysis()
    taken = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    return (taken - memory.alias_size_in_bytes) / 2**20


def is_missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:  # of the package around it
        return True


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", TARGETS)
def test_programs(target: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = target.partition(":")[0]
    if is_missing(COMPILERS[platform]):
        pytest.skip(f"needs {COMPILERS[platform]}: pip install -e '.[aot]'")
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    config, devices = config_of(name, platform), describe(target)
    learner, state = learner_of(config)
    loops, most = EXPECTED[config.model.encoder.kind]
    parts = 2 if ":tpu7x:" in target else 1  # its compiler sends the largest arrays apart from the others
    started, megabytes, in_loops, reduced = time.perf_counter(), [], [], []
    for kind, rows, lowered in lower(learner, state, config, devices):
        compiled = lowered.compile()
        program = Program(compiled.as_text())
        assert "f64[" not in compiled.as_text()

        # all gradients and metrics at once, or all logits, and none of it in a loop
        summed = sum(x.size for x in jax.tree.leaves((state.params, state.metrics))) if kind == "train" else rows
        wanted = 4 * summed if len(devices) > 1 else 0
        reduced.append(sum(size for _, size, _ in program.collectives))
        assert reduced[-1] == wanted, (kind, program.collectives)
        assert len(program.collectives) <= (parts if wanted else 0), (kind, program.collectives)
        assert all(depth == 0 for *_, depth in program.collectives), (kind, program.collectives)

        # one product a step of each loop over time, several of which are a turn of the program's
        in_loops.append([program.products(body) for body in program.innermost])
        products = [(CPU_LOOP if platform == "cpu" else ACCELERATOR_LOOP).unroll] * (
            loops if kind == "train" else loops // 2
        )
        alone = rows == len(devices)  # a row on each: a compiler may see no matrix in that
        assert in_loops[-1] == products or (alone and in_loops[-1] == [0] * len(products)), kind

        megabytes.append(round(megabytes_of(compiled), 1))
        assert megabytes[-1] <= most, kind
    seconds = time.perf_counter() - started
    sys.stdout.write(f"| {target} | {name} | {seconds:.1f} | {megabytes} | {reduced[0]:,} | {in_loops} |\n")
