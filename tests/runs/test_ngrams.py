"""A run whose tokens are n-grams: from reviews to mistakes, by its directory alone."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import Config, load_file
from imdb_jax.data.batches import Split
from imdb_jax.data.dataset import Dataset, load_dataset, split_corpus
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import UserError
from imdb_jax.inference.predictor import Predictor, word_vectors
from imdb_jax.reporting.mistakes import explain
from imdb_jax.runs.experiment import run_experiment
from imdb_jax.runs.run import Run
from imdb_jax.training.build import batches, build_model, log_count_ratios

WHOLE = load_file("ngrams")
SMALL = dataclasses.replace(
    WHOLE, data=dataclasses.replace(WHOLE.data, source="synthetic", limit=300, vocabulary_size=200, max_length=256)
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("ngrams") / "run")
    results = run_experiment(SMALL, run.folder)
    assert results.test.accuracy > 0.7
    return run


def test_tokens_are_the_ngrams_of_the_training_reviews() -> None:
    dataset, splits = load_dataset(SMALL.data), split_corpus(SMALL.data)
    vocabulary, text = dataset.vocabulary, SMALL.data.text
    size = len(vocabulary.tokens)
    assert len(vocabulary) > size
    for split, reviews in zip(dataset[:3], splits, strict=True):
        rows = np.split(split.ids, split.offsets[1:-1])
        for row, review in zip(rows[:20], reviews.texts(), strict=False):
            assert row.tolist() == vocabulary.encode(review)
            assert len(set(row)) == len(row)
            words = [vocabulary.tokens[word] for word in vocabulary.ids(split_words(review, text))]
            spelt = [vocabulary.spelt(token).encode() for token in row.tolist()]
            several = {b"_".join(words[i : i + n]) for n in (2, 3) for i in range(len(words) - n + 1)}
            assert {token for token in spelt if b"_" in token} <= several
            assert {token for token in spelt if b"_" not in token} == set(words)
    reviews_with = np.bincount(dataset.train.ids, minlength=len(vocabulary))
    assert reviews_with[size:].min() == 3


@pytest.mark.parametrize(
    ("buckets", "max_length", "widths"),
    [
        ((512, 2_048), 8_192, [512, 2_048, 8_192]),
        ((512, 2_048), 600, [512, 600]),
        ((512, 2_048), 512, [512]),
        (None, 600, [256, 512, 600]),
    ],
)
def test_widths_of_batches(buckets: tuple[int, ...] | None, max_length: int, widths: list[int]) -> None:
    """Who reads less of each review need not know the buckets of a config."""
    data = dataclasses.replace(WHOLE.data, buckets=buckets, max_length=max_length)
    split = Split(np.array([2]), np.array([0, 1]), np.array([1], np.int8))
    assert batches(split, dataclasses.replace(WHOLE, data=data), 8).widths.tolist() == widths


def test_ratios_come_from_the_training_labels() -> None:
    split = Split(np.array([2, 3, 2, 2, 4]), np.array([0, 2, 3, 5]), np.array([1, 1, 0], np.int8))
    dataset = Dataset(
        split, split, split, Vocabulary([b"", b"[UNK]", b"a", b"b", b"c"], WHOLE.data.text), {}, "", "", WHOLE.data
    )
    positive, negative = np.array([1, 1, 3, 2, 1]) / 8, np.array([1, 1, 2, 1, 2]) / 7
    expected = np.log(positive / negative) * np.sqrt(5 / 3)
    np.testing.assert_allclose(log_count_ratios(dataset, 1.0)[:, 0], expected, rtol=1e-6)


def test_an_ngram_run_is_read_from_its_directory_alone(run: Run) -> None:
    dataset = load_dataset(SMALL.data)
    predictor = Predictor(run)
    assert predictor.vocabulary.ngrams is not None
    np.testing.assert_array_equal(predictor.vocabulary.ngrams, dataset.vocabulary.ngrams)
    logits = predictor.logits(dataset.test)
    np.testing.assert_allclose(logits, run.predictions("test").logits, atol=1e-6)
    texts = [*split_corpus(SMALL.data).test.texts()]
    probabilities = [prediction.probability for prediction in predictor.predict([*texts, b""])]
    np.testing.assert_allclose(probabilities[:-1], 1 / (1 + np.exp(-logits)), atol=1e-6)
    assert predictor.predict("").flags == ["empty"]


def test_logit_is_that_of_the_paper_with_a_learned_scale(run: Run) -> None:
    predictor, text = Predictor(run), "a wonderful film, a wonderful cast!"
    tokens = predictor.vocabulary.encode(text.encode())
    table, weights = (
        np.asarray(x[...])[:, 0] for x in (predictor.model.embedding.table, predictor.model.embedding.weights)
    )
    scale, bias = float(predictor.model.output.kernel[0, 0]), float(predictor.model.output.bias[0])
    logit = scale * (table * weights)[tokens].sum() / np.sqrt(len(tokens)) + bias
    assert predictor.predict(text).probability == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)


def test_words_of_a_mistake_add_up_to_its_logit(run: Run) -> None:
    predictor = Predictor(run)
    reviews = split_corpus(SMALL.data).test
    baseline = float(predictor.model.output.bias[0])
    logits = run.predictions("test").logits
    for row, mistake in zip((0, 1), explain(predictor, reviews, (0, 1)), strict=True):
        assert mistake.convergence_delta < 1e-4
        assert sum(word.attribution for word in mistake.words) == pytest.approx(logits[row] - baseline, abs=1e-3)
        assert mistake.unread == (0, 0)


def test_changed_ngrams_are_refused(run: Run) -> None:
    path = run.folder / "ngrams.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    try:
        with pytest.raises(UserError, match=r"ngrams.npy: has changed since the run wrote it"):
            Predictor(run)
    finally:
        path.write_bytes(whole)


def test_what_ngrams_cannot_do_is_said(run: Run) -> None:
    with pytest.raises(UserError, match=r"has no word vectors, its embedding keeps none"):
        word_vectors(run)
    with pytest.raises(UserError, match=r"log_count_ratio; build_model needs the dataset"):
        build_model(SMALL, run.vocabulary())
    with pytest.raises(UserError, match=r"data.ngrams: 3; must be 0, the encoder lstm reads words"):
        Config(data=SMALL.data)


def test_ngrams_have_tokens_of_their_own_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    data = dataclasses.replace(SMALL.data, limit=20)
    different = [
        load_dataset(dataclasses.replace(data, **change)).fingerprint
        for change in ({}, {"ngrams": 0}, {"ngrams": 2}, {"ngram_min_count": 2})
    ]
    assert len(set(different)) == 4
    assert load_dataset(dataclasses.replace(data, ngrams=0, ngram_min_count=9)).fingerprint == different[1]
