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
from imdb_jax.errors import UserError

STRENGTHS = {word: strength for strength, words in synthetic.OPINIONS.items() for word in words}
STRENGTHS |= {verdict.lower(): strength for strength, verdicts in synthetic.VERDICTS.items() for verdict in verdicts}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    return open_corpus(DataConfig(source="synthetic"))


def read(reviews: Reviews) -> tuple[list[str], np.ndarray]:
    texts = [text.decode() for chunk, _ in reviews.chunks() for text in chunk]
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


def test_sizes_names_and_balance(corpus: Corpus) -> None:
    assert [len(reviews) for reviews in corpus] == [2_000, 1_000]
    assert corpus.train.name == "synthetic_reviews/1.0.0 train"
    for reviews in corpus:
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
    """A change of the grammar must raise `Builder.VERSION`: caches hold the old texts."""
    assert corpus.train.fingerprint == "6f3dd64ed07ad4c8f94c9e5ee4d568e3744a296acb40290959ad0b00cbc7b48c"
    assert corpus.test.fingerprint == "e04a05fb750778f942ed41f8c6d31c38f8eadf9ab23c947eb7e9fb369d0b9da3"


def test_prepared_once(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(synthetic, "prepare")
    assert synthetic.open_synthetic().train.fingerprint == corpus.train.fingerprint


def test_two_processes_may_prepare_at_once(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from imdb_jax.data.synthetic import open_synthetic
        print(*(reviews.fingerprint for reviews in open_synthetic()))
        assert "tensorflow" not in sys.modules
    """
    environment = {**os.environ, "IMDB_JAX_CACHE": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", code]
    racers = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    outputs = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    assert [path.name for path in (tmp_path / "synthetic" / "synthetic_reviews").iterdir()] == ["1.0.0"]


def test_the_slower_process_takes_what_the_faster_one_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    write = synthetic.Builder._split_generators

    def overtaken(self, dl_manager):
        monkeypatch.setattr(synthetic.Builder, "_split_generators", write)
        synthetic.open_synthetic()
        return write(self, dl_manager)

    monkeypatch.setattr(synthetic.Builder, "_split_generators", overtaken)
    assert len(synthetic.open_synthetic().train) == 2_000


def test_unwritable_cache_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be written \(.*\); set IMDB_JAX_CACHE") as caught:
        synthetic.open_synthetic()
    assert caught.value.exit_code == 73
