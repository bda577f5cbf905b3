"""The main job on real reviews and vectors, cut short; skipped where they are not at hand."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import DataConfig, load_file
from imdb_jax.data.dataset import load_dataset, open_corpus
from imdb_jax.inference.predictor import Predictor
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.run import Run
from imdb_jax.storage import cache_dir
from tests.conftest import CONFIGS

REVIEWS = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
VECTORS = cache_dir() / "vectors"  # the user's, before tests get a cache of their own

pytestmark = [
    pytest.mark.usefixtures("compiled_as_for_users"),
    pytest.mark.skipif(
        not (REVIEWS / "imdb_reviews").is_dir(), reason="no imdb_reviews in $TFDS_DATA_DIR or ~/tensorflow_datasets"
    ),
    pytest.mark.skipif(
        not list(VECTORS.glob("glove.6B.100d.*")), reason="no glove.6B.100d.* in vectors/ of the cache folder"
    ),
]


POSITIVE = [
    "Loved every minute!",
    "One of the best films I have seen this year.",
    "A wonderful little film with brilliant acting and a beautiful score. Highly recommended.",
    "I didn't expect much, but this turned out to be a great surprise: funny, moving and superbly acted. "
    "The whole family enjoyed it and we will watch it again.",
    "I first saw this as a child and it has stayed with me ever since. The story of two brothers who keep a lighthouse "
    "is simple, but the director tells it with such warmth that you believe every word. The photography is beautiful, "
    "the performances are excellent, above all the old captain, and the ending is perfect. It is a touching and "
    "wonderful film that deserves a much larger audience. 10/10",
]
NEGATIVE = [
    "Dull and stupid!",
    "One of the worst films I have seen this year.",
    "A boring mess with terrible acting and an awful script. Avoid it.",
    "I expected much, but this turned out to be a complete waste of time: not funny, badly acted and far too long. "
    "Nobody in the family liked it and we stopped it before the end.",
    "I rented this because of the cover, which was a mistake. The story of two brothers who keep a lighthouse makes no "
    "sense, and the director seems to have lost interest after ten minutes. The photography is ugly, the dialogue is "
    "ridiculous, the acting is wooden, and the ending is the worst of all. It is a pointless and poorly made film, and "
    "I want my money back. 1/10",
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
    results = run_experiment(config, tmp_path / "run")
    assert results.test.examples == 2_000
    assert results.test.accuracy > 0.65
    assert "Converted" in (tmp_path / "run" / "train.log").read_text()

    test = open_corpus(config.data).test
    texts, labels = [*test.texts()], test.labels
    first = np.concatenate([np.flatnonzero(labels == label)[:1_000] for label in (0, 1)])
    predictor = Predictor(Run(tmp_path / "run"))
    found = predictor.predict([texts[i] for i in first])
    right = [
        prediction.label == ("positive" if labels[i] else "negative")
        for i, prediction in zip(first, found, strict=True)
    ]
    assert np.mean(right) == results.test.accuracy

    # So little training leaves some close to even: each is read rightly beside its opposite, and most alone.
    everyday = np.array([prediction.probability for prediction in predictor.predict([*POSITIVE, *NEGATIVE])])
    assert (everyday[:5] > everyday[5:]).all(), everyday
    assert (everyday[:5] > 0.5).sum() + (everyday[5:] < 0.5).sum() >= 8, everyday


def test_the_vocabulary_and_ids_of_imdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    dataset = load_dataset(DataConfig())
    assert len(dataset.vocabulary) == 20_000
    assert dataset.vocabulary.tokens[:6] == (b"", b"[UNK]", b"the", b"and", b"a", b"of")
    assert [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)] == [20_000, 5_000, 25_000]
    assert all(split.labels.mean() == 0.5 for split in (dataset.train, dataset.validation, dataset.test))
    lengths = np.concatenate([np.diff(split.offsets) for split in (dataset.train, dataset.validation)])
    assert (round(lengths.mean()), np.median(lengths), lengths.max()) == (233, 174, 2_469)  # as published for `train`
