"""The programs of training, evaluation and prediction, compiled for devices that need not be here."""

import dataclasses
import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Sharding
from jaxtyping import PyTree

from imdb_jax.config import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    LSTMConfig,
    PoolConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    TextConfig,
    load_file,
)
from imdb_jax.data.batches import Batch
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.parallel import MeshReplicas
from imdb_jax.training.step import Learner, TrainState
from scripts.measure.described import FAULTY, describe
from scripts.measure.hlo import Program

GLOVE_DIM = 100


class Expected(NamedTuple):
    """What the programs of an encoder may be.

    Attributes:
      loops: over time in a training step; evaluation and prediction have half of them.
      megabytes: on a device, arguments and results with it; a third above the most that was measured on any target.
    """

    loops: int
    megabytes: int


EXPECTED = {
    LSTMConfig: Expected(loops=2, megabytes=420),
    SimpleRNNConfig: Expected(loops=2, megabytes=16),
    Conv1DConfig: Expected(loops=0, megabytes=150),
    ConvStackConfig: Expected(loops=0, megabytes=750),
    PoolConfig: Expected(loops=0, megabytes=410),
}


class Compiled(NamedTuple):
    """Facts about a compiled program.

    Attributes:
      name: train, evaluate or predict.
      rows: of a batch.
      seconds: to compile it.
      megabytes: on a device.
      float64: whether there is any.
      collectives: (kind, bytes, loops around it) of each.
      products: matrix products in each innermost loop.
    """

    name: str
    rows: int
    seconds: float
    megabytes: float
    float64: bool
    collectives: list[tuple[str, int, int]]
    products: list[int]


def main(arguments: list[str]) -> int:
    target, *files = arguments
    devices, faulty = describe(target), 0
    parts = 2 if ":tpu7x:" in target else 1  # its compiler sends the largest arrays apart from the others
    for file in files:
        config = load_file(file)
        learner, state = learner_of(config)
        try:
            programs = [compile_(*named) for named in lower(learner, state, config, devices)]
        except jax.errors.JaxRuntimeError as error:  # too large for the device, say
            faulty = FAULTY
            print(f"FAULT {target} {file} {error}", flush=True)
            continue
        found = [each for program in programs for each in faults(program, config, state, len(devices), parts)]
        seconds = sum(program.seconds for program in programs)
        megabytes = ", ".join(f"{program.megabytes:.1f}" for program in programs)
        reduced = sum(size for _, size, _ in programs[0].collectives)
        products = ", ".join(str(program.products) for program in programs)
        print(f"| {target} | {file} | {seconds:.1f} | {megabytes} | {reduced:,} | {products} |", flush=True)
        for fault in found:
            faulty = FAULTY
            print(f"FAULT {target} {file} {fault}", flush=True)
    return faulty


def learner_of(config: Config) -> tuple[Learner, TrainState]:
    """The model of a config as an accelerator has it, with vectors of zeros where it wants pretrained ones."""
    size = config.data.vocabulary_size
    special = config.data.text.special_tokens
    words = tuple(f"word{number}".encode() for number in range(size))
    vocabulary = Vocabulary(words, TextConfig(special_tokens=special))
    pretrained = isinstance(config.model.embedding, PretrainedEmbedding)
    vectors = np.zeros((size, GLOVE_DIM), np.float32) if pretrained else None
    return build_learner(build_model(config, vocabulary, vectors), config, steps=1_000)


def lower(
    learner: Learner, state: TrainState, config: Config, devices: Sequence[Any]
) -> Iterator[tuple[str, int, jax.stages.Lowered]]:
    """Name, rows and program of what `python -m imdb_jax.train`, `evaluate` and `predict`, for one review, run."""
    replicas = MeshReplicas(dataclasses.replace(learner, frozen={}), devices)  # a description can't hold arrays
    reader = jax.eval_shape(
        lambda *weights: learner.eval_model(*weights, folded=False), state.eval_params, learner.frozen
    )

    def batch_of(size: int) -> Batch:
        rows = len(devices) * math.ceil(size / len(devices))
        arrays = np.zeros((rows, config.data.max_length), np.int32), np.zeros(rows, np.int32)
        return described(Batch(*arrays, *[np.zeros(rows, np.float32)] * 2), replicas.shared)

    batch = batch_of(config.training.batch_size)
    weights = described((state, learner.frozen), replicas.everywhere)
    yield "train", batch.labels.shape[0], replicas.train_step.lower(*weights, batch)
    reader = described(reader, replicas.everywhere)
    for name, size in (("evaluate", config.training.eval_batch_size), ("predict", 1)):
        batch = batch_of(size)
        yield name, batch.labels.shape[0], replicas.evaluate.lower(reader, batch.tokens, batch.lengths)


def described(tree: PyTree, sharding: Sharding) -> Any:
    """Shapes and types of arrays, in a place."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def compile_(name: str, rows: int, lowered: jax.stages.Lowered) -> Compiled:
    started = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - started
    text, memory = compiled.as_text(), compiled.memory_analysis()
    program = Program(text)
    taken = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    return Compiled(
        name=name,
        rows=rows,
        seconds=seconds,
        megabytes=(taken - memory.alias_size_in_bytes) / 2**20,
        float64="f64[" in text,
        collectives=program.collectives,
        products=[program.products(body) for body in program.innermost],
    )


def faults(program: Compiled, config: Config, state: TrainState, devices: int, parts: int = 1) -> list[str]:
    """What a program should not be, a line for each.

    Args:
      program: of the config.
      config: of the model.
      state: of the model.
      devices: that share a batch.
      parts: into which a compiler may cut the one collective of a program.
    """
    expected = EXPECTED[type(config.model.encoder)]
    training = program.name == "train"
    summed = sum(x.size for x in jax.tree.leaves((state.params, state.metrics)))
    wanted = 4 * (summed if training else program.rows) if devices > 1 else 0
    reduced = sum(size for _, size, _ in program.collectives)
    together = len(program.collectives) <= (parts if wanted else 0)
    outside = all(depth == 0 for *_, depth in program.collectives)
    loops = expected.loops if training else expected.loops // 2
    alone = program.rows == devices  # a row on each: a compiler may see no matrix in that
    checks = {
        "float64": not program.float64,
        f"collectives {program.collectives}, expected {wanted:,} bytes at once and outside of loops": (
            reduced == wanted and together and outside
        ),
        f"matrix products in loops {program.products}, expected {[1] * loops}": (
            program.products == [1] * loops or (alone and program.products == [0] * loops)
        ),
        f"{program.megabytes:.0f} MB on a device, expected at most {expected.megabytes}": (
            program.megabytes <= expected.megabytes
        ),
    }
    return [f"{program.name}: {text}" for text, passed in checks.items() if not passed]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
