"""The generated corpus."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from imdb_jax.config import DataConfig
from imdb_jax.data import synthetic
from imdb_jax.data.dataset import open_corpus
from imdb_jax.data.reviews import Corpus, Reviews

STRENGTHS = {word: strength for strength, words in synthetic.OPINIONS.items() for word in words}
STRENGTHS |= {verdict.lower(): strength for strength, verdicts in synthetic.VERDICTS.items() for verdict in verdicts}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return open_corpus(DataConfig(source="synthetic"))


def read(reviews: Reviews) -> tuple[list[str], np.ndarray]:
    texts = [text.decode() for text in reviews.texts()]
    return texts, reviews.labels


def judge(text: str) -> int:
    """Reads a review in order, as the grammar means it."""
    score = 0
    for sentence in re.split(r"[.!]+(?: |$|<br /><br />)", text.lower()):
        said = re.split(r", but |^although .*?, ", sentence)[-1]
        verdict = STRENGTHS.get(said.partition(", ")[2])
        opinion = sum(STRENGTHS.get(word, 0) for word in said.split())
        negated = any(f" was {negation} " in said for negation in synthetic.NEGATIONS)
        score += verdict or (-opinion if negated else opinion)
    return int(score > 0)


def test_sizes_and_balance(corpus: Corpus) -> None:
    assert (len(corpus.train), len(corpus.test), corpus.validation) == (2_000, 1_000, None)
    for reviews in (corpus.train, corpus.test):
        assert 0.48 < reviews.labels.mean() < 0.52


def test_texts_vary_as_reviews_do(corpus: Corpus) -> None:
    texts, _ = read(corpus.train)
    lengths = np.array([len(text.split()) for text in texts])
    assert (lengths.min(), lengths.max()) == (8, 120)
    assert np.median(lengths) < lengths.mean()  # skewed: most are short
    joined = " ".join(texts)
    for part in ("<br />", "é", "🍿", " not ", ", but ", "All in all"):
        assert part in joined
    assert len(set(texts)) > 1_990


def test_reading_in_order_tells_the_label_but_for_the_noise(corpus: Corpus) -> None:
    texts, labels = read(corpus.train)
    correct = np.mean([judge(text) == label for text, label in zip(texts, labels, strict=True)])
    assert correct == pytest.approx(1 - synthetic.NOISE, abs=0.01)


def test_word_counts_tell_less(corpus: Corpus) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text", reason="scikit-learn measures the bag of words")
    from sklearn.linear_model import LogisticRegression

    (train, labels), (test, test_labels) = read(corpus.train), read(corpus.test)
    counts = text.CountVectorizer(min_df=2)
    model = LogisticRegression(C=0.3, max_iter=1_000).fit(counts.fit_transform(train), labels)
    assert model.score(counts.transform(test), test_labels) == pytest.approx(0.82, abs=0.01)


def test_texts_are_the_same_on_every_platform(corpus: Corpus) -> None:
    """All texts and labels in their order, as the first version of the corpus had them."""
    assert corpus.train.fingerprint == "7724f95c07afaba085152299d9da069336d9de42209a53ec09a9dea00bfbd6c2"
    assert corpus.test.fingerprint == "eebbb9d015396df9914a493482ee46fa4ead8577233536604a2f1c1d5032d537"


def test_it_takes_no_file_and_neither_tfds_nor_array_record(tmp_path: Path) -> None:
    code = """if True:
        import sys
        sys.modules["tensorflow_datasets"] = sys.modules["array_record"] = None
        from imdb_jax.config import DataConfig
        from imdb_jax.data.dataset import open_corpus
        print(len(open_corpus(DataConfig(source="synthetic")).train))
    """
    environment = {**os.environ, "IMDB_JAX_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("2000\n", "")
    assert not [*tmp_path.iterdir()]
