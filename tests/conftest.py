"""One cache for all tests of a process, and small models of each kind to try the laws on."""

import ctypes
import dataclasses
import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import HealthCheck, settings

from imdb_jax.config import Config, LogCountRatioEmbedding, PretrainedEmbedding, load_file
from imdb_jax.data.batches import Split
from imdb_jax.models import TextClassifier

jax.config.update("jax_num_cpu_devices", 8)
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # no test fails because the machine has other work

CONFIGS = sorted(Path(__file__).parents[1].glob("configs/*.py"))
# Between them they have each encoder, pool and embedding, and dropout at each place (a law of test_laws.py).
ONE_OF_EACH_KIND = (
    "bigrams",
    "conv1d",
    "embedding_rnn_tuned",
    "glove_bilstm",
    "max_pool_tuned",
    "ngrams",
    "onehot_conv1d",
    "onehot_rnn_tuned",
    "quickstart",
    "word2vec_conv1d_tuned",
)
ONE_OF_EACH_ENCODER = ("bigrams", "conv1d", "embedding_rnn_tuned", "glove_bilstm", "word2vec_conv1d_tuned")
VOCABULARY_SIZE = 60
SMALL = {"dim": 8, "bigram_buckets": 64, "hidden_dim": 8, "features": 8, "kernel_size": 3, "pool_size": 2}

Section = TypeVar("Section")


QUICK = "jax_disable_most_optimizations"  # setting: machine code is made quickly, from the same operations

LONGEST_FILES = ("test_faults.py", "test_laws.py", "test_artefact.py")


def pytest_configure(config: pytest.Config) -> None:
    """Tests, and the commands that they start, compile quickly; --slow: as for users."""
    if config.option.markexpr:
        os.environ[QUICK.upper()] = "1"
        jax.config.update(QUICK, True)


@pytest.fixture(scope="module")
def compiled_as_for_users() -> Iterator[None]:
    """Whatever a module compiles is what users get."""
    before = jax.config.values[QUICK]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(QUICK.upper(), raising=False)
        jax.config.update(QUICK, False)
        yield
    jax.config.update(QUICK, before)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expensive laws are tried on one config of each encoder, unless --slow asks for all.

    The files that take longest come first, so that no worker waits long for another at the end.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)
    for item in items:
        if item.get_closest_marker("expensive") and not item.name.endswith(
            tuple(f"[{n}]" for n in ONE_OF_EACH_ENCODER)
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of all tests of this process and of the commands that they start, never the user's.

    A program that was compiled once, by whichever of them or by the tests of another worker, is read from it.
    """
    folder = tmp_path_factory.mktemp("cache")
    base = tmp_path_factory.getbasetemp()  # of this worker; that of all workers holds it
    programs = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compilation"
    programs.mkdir(exist_ok=True)
    (folder / "compilation").symlink_to(programs)
    jax.config.update("jax_compilation_cache_dir", str(folder / "compilation"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMDB_JAX_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _package_log() -> Iterator[None]:
    """Each test finds the package's log as an import leaves it, whatever commands ran in this process before."""
    log = logging.getLogger("imdb_jax")
    before = log.level, log.propagate, [*log.handlers]
    log.setLevel(logging.NOTSET)
    log.propagate, log.handlers = True, []
    yield
    log.setLevel(before[0])
    log.propagate, log.handlers = before[1:]


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    """Each module drops the programs it has loaded, and gives back what compiling them has left free in between."""
    yield
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # of glibc alone
        trim(0)


def shrunk(section: Section) -> Section:
    """A section of a config with few units, filters and numbers per word."""
    sizes = {name: min(getattr(section, name), most) for name, most in SMALL.items() if hasattr(section, name)}
    return dataclasses.replace(section, **sizes)


def small(config: Config) -> Config:
    """A config's model with small layers."""
    model = dataclasses.replace(
        config.model,
        embedding=shrunk(config.model.embedding),
        encoder=shrunk(config.model.encoder),
        hidden_dims=tuple(min(size, 8) for size in config.model.hidden_dims),
    )
    return dataclasses.replace(config, model=model)


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param((path, small), id=path.stem) for path in CONFIGS if path.stem in ONE_OF_EACH_KIND),
        *(pytest.param((path, None), id=f"whole-{path.stem}", marks=pytest.mark.slow) for path in CONFIGS),
    ],
)
def config(request: pytest.FixtureRequest) -> Config:
    """A config of each kind, with small layers; with --slow each of configs/ as it is, too. Reviews are short."""
    path, change = request.param
    config = load_file(path)
    data = dataclasses.replace(config.data, vocabulary_size=VOCABULARY_SIZE, max_length=24, buckets=(8, 16))
    config = dataclasses.replace(config, data=data)
    return change(config) if change else config


def build_model(config: Config, seed: int = 0) -> TextClassifier:
    """The classifier of a config with random vectors where it wants pretrained ones, or log-count ratios."""
    vectors = None
    random = np.random.default_rng(0)
    if isinstance(config.model.embedding, PretrainedEmbedding):
        vectors = random.normal(size=(VOCABULARY_SIZE, 8)).astype(np.float32)
    elif isinstance(config.model.embedding, LogCountRatioEmbedding):  # they grow by the square root of 8 tokens
        vectors = random.normal(scale=8**0.5, size=(VOCABULARY_SIZE, 1)).astype(np.float32)
    return TextClassifier(config.model, VOCABULARY_SIZE, vectors=vectors, rngs=nnx.Rngs(seed))


def random_split(lengths: list[int], seed: int = 0) -> Split:
    """Encoded reviews of random words and labels."""
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    ids = random.integers(2, VOCABULARY_SIZE, offsets[-1]).astype(np.uint16)
    return Split(ids, offsets, random.integers(0, 2, len(lengths)).astype(np.int8))
