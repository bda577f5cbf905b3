"""The workloads: their data, initial weights, and the floating-point operations that training on them takes."""

import dataclasses
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from imdb_jax.config import Config, PretrainedEmbedding, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import load_dataset
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.training.build import batches, build_learner, build_model, padding
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.wordvectors.table import fill_missing, read_vectors
from scripts.peers.task import Task, lengths

PACKAGES = ("imdb_jax", "jax", "flax", "optax", "keras", "tensorflow", "torch", "numpy")
MATRIX = 4096  # rows and columns of the product that measures the peak


class Workload(NamedTuple):
    """A config, and the work that one epoch on reviews of some lengths takes at least."""

    config: str
    flops: Callable[[np.ndarray], float]


def bilstm_flops(lengths: np.ndarray, D: int = 100, H: int = 32) -> float:
    """Matrix products of W1, each 2mkn; D numbers per word, H units, G = 4H columns for the gates.

    For a word and a direction: x W and h U forward, 2G(D + H); their weights' gradients, as much again; and dz U^T to
    the step before, 2GH. The table is frozen, so nothing goes back to x. Padding and recomputed gates don't count.
    """
    G = 4 * H
    return 2 * lengths.sum() * (4 * G * (D + H) + 2 * G * H)


def conv1d_flops(lengths: np.ndarray, F: int = 256) -> float:
    """Matrix products of W2, each 2mkn; windows of K = 3 words of D = 256 numbers, F filters, 128 hidden units.

    Forward: 2KDF for each window. Backward the maximum lets one window per filter through, so that the gradients of
    kernel and words take 2KD each for each filter; the dense layers take twice their forward products.
    """
    K, D, hidden = 3, 256, 128
    windows = np.maximum(lengths - K + 1, 1).sum()
    return windows * 2 * K * D * F + len(lengths) * (4 * K * D * F + 6 * (F * hidden + hidden))


WORKLOADS = {
    "W1": Workload("configs/glove_bilstm.py", bilstm_flops),
    "W2": Workload("configs/conv1d.py", conv1d_flops),
}


def prepare(name: str, batch_size: int, reviews: int | None) -> tuple[Task, dict[str, Any]]:
    """Makes the task of a workload, and says what there is to know of it.

    Args:
      name: of the workload.
      batch_size: reviews per update.
      reviews: how many training and test reviews to take, evenly from all; None takes every one.
    """
    workload = WORKLOADS[name]
    config = load_file(workload.config)
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, batch_size=batch_size))
    dataset = load_dataset(config.data)
    train, test = (cut(split, config, reviews) for split in (dataset.train, dataset.test))
    vectors = None
    if isinstance(embedding := config.model.embedding, PretrainedEmbedding):
        read = read_vectors(find_vectors(embedding.vectors), dataset.vocabulary.tokens)
        vectors = fill_missing(read, embedding.missing, config.seed)
    task = Task(
        workload=name,
        config=workload.config,
        batch_size=batch_size,
        eval_batch_size=config.training.eval_batch_size,
        max_length=config.data.max_length,
        train=train,
        test=test,
        tokens=dataset.vocabulary.tokens,
        weights=initial_weights(config, dataset.vocabulary, vectors),
    )
    facts = {
        "config": workload.config,
        "batch_size": batch_size,
        "train_reviews": len(train.labels),
        "test_reviews": len(test.labels),
        "train_words": int(lengths(train).sum()),
        "padding": padding(batches(train, config, batch_size), config),
        "gflop_per_epoch": float(workload.flops(lengths(train))) / 1e9,
    }
    return task, facts


def cut(split: Split, config: Config, reviews: int | None) -> Split:
    """Takes some reviews, evenly from all, and of each what the config keeps of it."""
    count = len(split.labels)
    rows = np.linspace(0, count - 1, min(reviews or count, count)).astype(int)
    full = np.diff(split.offsets)[rows]
    kept = np.minimum(full, config.data.max_length)
    starts = split.offsets[rows] + (full - kept if config.data.keep == "tail" else 0)
    ids = np.concatenate([split.ids[start : start + length] for start, length in zip(starts, kept, strict=True)])
    return Split(ids, np.concatenate([[0], np.cumsum(kept)]), split.labels[rows])


def initial_weights(config: Config, vocabulary: Vocabulary, vectors: np.ndarray | None) -> dict[str, np.ndarray]:
    """The weights that imdb_jax starts from, by name."""
    learner, state = build_learner(build_model(config, vocabulary, vectors), config, steps=1)
    leaves = jax.tree_util.tree_leaves_with_path((state.params, learner.frozen))
    return {jax.tree_util.keystr(path[1:], simple=True, separator="."): np.asarray(leaf) for path, leaf in leaves}


def machine() -> dict[str, Any]:
    """What the figures depend on, and how busy it is: a load well above 0 makes them worthless."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "cpu": cpu.partition(": ")[2],
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "peak_gflops": peak_gflops(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def peak_gflops() -> float:
    """The best rate of five float32 products of two large matrices in JAX."""
    x = jnp.ones((MATRIX, MATRIX), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(x, x).block_until_ready()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        product(x, x).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX**3 / min(seconds) / 1e9
