"""Fixtures that build models of configs."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from imdb_jax.config import Config, PretrainedEmbedding, load_file
from imdb_jax.data.batches import Split
from imdb_jax.models import TextClassifier

jax.config.update("jax_num_cpu_devices", 8)

CONFIGS = sorted(Path(__file__).parents[1].glob("configs/*.py"))
VOCABULARY_SIZE = 60


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache per test process, never the user's."""
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request: pytest.FixtureRequest) -> Config:
    """Each of configs/, at a length that tests can afford."""
    config = load_file(request.param)
    data = dataclasses.replace(config.data, vocabulary_size=VOCABULARY_SIZE, max_length=24, buckets=(8, 16))
    return dataclasses.replace(config, data=data)


def build_model(config: Config, seed: int = 0) -> TextClassifier:
    """The classifier of a config with random vectors where it wants pretrained ones."""
    vectors = None
    if isinstance(config.model.embedding, PretrainedEmbedding):
        vectors = np.random.default_rng(0).normal(size=(VOCABULARY_SIZE, 100)).astype(np.float32)
    return TextClassifier(config.model, VOCABULARY_SIZE, vectors=vectors, rngs=nnx.Rngs(seed))


def random_split(lengths: list[int], seed: int = 0) -> Split:
    """Encoded reviews of random words and labels."""
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    ids = random.integers(2, VOCABULARY_SIZE, offsets[-1]).astype(np.uint16)
    return Split(ids, offsets, random.integers(0, 2, len(lengths)).astype(np.int8))
