"""The workloads: their data, first weights, and the floating-point operations that training on them takes."""

import importlib.metadata
import os
import platform
import timeit
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import load_dataset
from imdb_jax.training.build import batches, build_learner, build_model, padding
from imdb_jax.training.step import Learner
from scripts.peers.protocol import Task, lengths

PACKAGES = ("imdb_jax", "jax", "flax", "optax", "keras", "tensorflow", "torch", "numpy")
MATRIX = 4096  # rows and columns of the product that measures the peak


def bilstm_flops(lengths: np.ndarray) -> float:
    """Matrix products of W1, each 2mkn; D numbers per word, H units, G = 4H columns for the gates.

    For a word and a direction: x W and h U forward, 2G(D + H); their weights' gradients, as much again; and dz U^T to
    the step before, 2GH. The table is frozen, so nothing goes back to x. Padding and recomputed gates don't count.
    """
    D, H, G = 100, 32, 4 * 32
    return 2 * lengths.sum() * (4 * G * (D + H) + 2 * G * H)


def conv1d_flops(lengths: np.ndarray) -> float:
    """Matrix products of W2, each 2mkn; windows of K = 3 words of D = 256 numbers, F filters, 128 hidden units.

    Forward: 2KDF for each window. Backward the maximum lets one window per filter through, so that the gradients of
    kernel and words take 2KD each for each filter; the dense layers take twice their forward products.
    """
    K, D, F, hidden = 3, 256, 256, 128
    windows = np.maximum(lengths - K + 1, 1).sum()
    return windows * 2 * K * D * F + len(lengths) * (4 * K * D * F + 6 * (F * hidden + hidden))


# config, and the matrix products that one epoch on reviews of some lengths takes at least
WORKLOADS = {
    "W1": ("configs/glove_bilstm.py", bilstm_flops),
    "W2": ("configs/conv1d.py", conv1d_flops),
    "W3": ("configs/ngrams.py", lambda _: 0.0),
}


def prepare(name: str, folder: Path, batch_size: int | None, reviews: int | None) -> Task:
    """Makes the task of a workload, of some training and test reviews taken evenly from all, or of every one.

    Updates take as many reviews as in the config unless `batch_size` says how many.
    """
    file, _ = WORKLOADS[name]
    config = load_file(file)
    dataset = load_dataset(config.data)
    learner, state = build_learner(build_model(config, dataset.vocabulary, dataset=dataset), config, steps=1)
    return Task(
        folder=folder,
        workload=name,
        config=file,
        batch_size=batch_size or config.training.batch_size,
        eval_batch_size=config.training.eval_batch_size,
        max_length=config.data.max_length,
        train=cut(dataset.train, config, reviews),
        test=cut(dataset.test, config, reviews),
        vocabulary=dataset.vocabulary,
        weights=by_name(learner, state.params),
    )


def facts(task: Task) -> dict[str, Any]:
    """What there is to know of a task."""
    config, (_, flops) = load_file(task.config), WORKLOADS[task.workload]
    return {
        "config": task.config,
        "batch_size": task.batch_size,
        "train_reviews": len(task.train.labels),
        "test_reviews": len(task.test.labels),
        "texts": len(task.texts),
        "train_words": int(lengths(task.train).sum()),
        "padding": padding(batches(task.train, config, task.batch_size), config),
        "gflop_per_epoch": float(flops(lengths(task.train))) / 1e9,
    }


def cut(split: Split, config: Config, reviews: int | None) -> Split:
    """Takes some reviews, evenly from all, and of each what the config keeps of it."""
    count = len(split.labels)
    rows = np.linspace(0, count - 1, min(reviews or count, count)).astype(int)
    full = np.diff(split.offsets)[rows]
    kept = np.minimum(full, config.data.max_length)
    starts = split.offsets[rows] + (full - kept if config.data.keep == "tail" else 0)
    ids = np.concatenate([split.ids[start : start + length] for start, length in zip(starts, kept, strict=True)])
    return Split(ids, np.concatenate([[0], np.cumsum(kept)]), split.labels[rows])


def by_name(learner: Learner, params: Any) -> dict[str, np.ndarray]:
    """Weights, frozen ones included."""
    leaves = jax.tree_util.tree_leaves_with_path((params, learner.frozen))
    return {jax.tree_util.keystr(path[1:], simple=True, separator="."): np.asarray(leaf) for path, leaf in leaves}


def machine() -> dict[str, Any]:
    """What the figures depend on, and how busy it is: a load well above 0 makes them worthless."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    found = reversed([*importlib.metadata.distributions()])  # of two with one name the first is imported
    installed = {each.name: each.version for each in found}
    return {
        "cpu": cpu.partition(": ")[2],
        "cores": len(os.sched_getaffinity(0)),
        "devices": [device.device_kind for device in jax.devices()],
        "load": os.getloadavg()[0],
        "peak_gflops": peak_gflops(),
        "versions": {"python": platform.python_version()}
        | {name: installed[name] for name in PACKAGES if name in installed},
    }


def peak_gflops() -> float:
    """The best rate of five float32 products of two large matrices in JAX."""
    x = jnp.ones((MATRIX, MATRIX), jnp.float32)
    product = jax.jit(jnp.matmul)
    _, *seconds = timeit.repeat(lambda: product(x, x).block_until_ready(), number=1, repeat=6)  # the first compiles
    return 2 * MATRIX**3 / min(seconds) / 1e9
