"""The main job on real reviews and vectors, cut short; skipped where they are not at hand."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import DataConfig, load_file
from imdb_jax.data.cache import cache_dir
from imdb_jax.data.reviews import open_corpus
from imdb_jax.data.tokens import load_dataset
from imdb_jax.experiment import run_experiment
from imdb_jax.predictor import Predictor
from imdb_jax.run import Run
from tests.conftest import CONFIGS

REVIEWS = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
VECTORS = cache_dir() / "vectors"  # the user's, before tests get a cache of their own

pytestmark = [
    pytest.mark.skipif(
        not (REVIEWS / "imdb_reviews").is_dir(), reason="no imdb_reviews in $TFDS_DATA_DIR or ~/tensorflow_datasets"
    ),
    pytest.mark.skipif(
        not list(VECTORS.glob("glove.6B.100d.*")), reason="no glove.6B.100d.* in vectors/ of the cache folder"
    ),
]


def test_glove_bilstm_learns_and_predicts_what_it_evaluates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "vectors").symlink_to(VECTORS)
    config = load_file(next(path for path in CONFIGS if path.stem == "glove_bilstm"))
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, limit=1_000, max_length=200),
        optimizer=dataclasses.replace(config.optimizer, learning_rate=5e-3),
        training=dataclasses.replace(config.training, epochs=4),
    )
    run_experiment(config, str(tmp_path / "run"), started=0.0)
    results = Run(tmp_path / "run").results()
    assert results["test"]["examples"] == 2_000
    assert results["test"]["accuracy"] > 0.65
    assert "Converted" in (tmp_path / "run" / "train.log").read_text()

    test = open_corpus(config.data).test
    texts, labels = zip(
        *((text, label) for chunk in test.chunks() for text, label in zip(*chunk, strict=True)), strict=True
    )
    first = np.concatenate([np.flatnonzero(np.array(labels) == label)[:1_000] for label in (0, 1)])
    found = Predictor(Run(tmp_path / "run")).predict([texts[i] for i in first])
    right = [
        prediction.label == ("positive" if labels[i] else "negative")
        for i, prediction in zip(first, found, strict=True)
    ]
    assert np.mean(right) == results["test"]["accuracy"]


def test_the_vocabulary_and_ids_of_imdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    dataset = load_dataset(DataConfig())
    assert len(dataset.vocabulary) == 20_000
    assert dataset.vocabulary.tokens[:6] == (b"", b"[UNK]", b"the", b"and", b"a", b"of")
    assert [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)] == [20_000, 5_000, 25_000]
    assert all(split.labels.mean() == 0.5 for split in (dataset.train, dataset.validation, dataset.test))
    lengths = np.concatenate([np.diff(split.offsets) for split in (dataset.train, dataset.validation)])
    assert (round(lengths.mean()), np.median(lengths), lengths.max()) == (233, 174, 2_469)  # as published for `train`
