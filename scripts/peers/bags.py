"""Classifiers of a bag of words that train in seconds: what imdb_jax's time to accuracy stands beside.

Called as `python -m scripts.peers.bags NAME` it reads the same reviews as a run, trains on the same 20,000, and prints
its accuracies as JSON. Each is written as its documentation does; what validation chose is said there.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from imdb_jax.config import DataConfig
from imdb_jax.data.dataset import split_corpus
from imdb_jax.data.reviews import Reviews

Texts, Labels = list[str], np.ndarray
Predict = Callable[[Texts], Labels]


def tfidf(texts: Texts, labels: Labels, most: int) -> Predict:
    """scikit-learn: TF-IDF of up to `most` words in a row, then logistic regression; C = 10 of 1, 10, 100."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, most), sublinear_tf=True)
    return make_pipeline(vectorizer, LogisticRegression(C=10)).fit(texts, labels).predict


def nbsvm(texts: Texts, labels: Labels, most: int) -> Predict:
    """NBSVM of Wang & Manning 2012 by scikit-learn, on the words of configs/ngrams.py, with the C that LOG.md chose.

    Whether a review has an n-gram of up to `most` words, times its log-count ratio, then a linear SVM. n-grams that
    fewer than three reviews have are left out.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.svm import LinearSVC

    mark = r"[.,!?;:()\"\-/*]"
    vectorizer = CountVectorizer(
        ngram_range=(1, most), min_df=3, binary=True, token_pattern=rf"[^\s.,!?;:()\"\-/*]+|{mark}",
        preprocessor=lambda text: text.lower().replace("<br />", " "),
    )  # fmt: skip
    counts = vectorizer.fit_transform(texts)
    positive, negative = (np.asarray(counts[labels == label].sum(axis=0)) + 1 for label in (1, 0))
    ratios = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    model = LinearSVC(C=0.01).fit(counts.multiply(ratios).tocsr(), labels)
    return lambda texts: model.predict(vectorizer.transform(texts).multiply(ratios).tocsr())


def fasttext(texts: Texts, labels: Labels, most: int) -> Predict:
    """fastText as its authors classify sentiment: 10 numbers a word, 5 epochs; rate 0.5 of 0.1, 0.25, 0.5, 1."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.txt")
        lines = (f"__label__{label} {normal(text)}\n" for text, label in zip(texts, labels, strict=True))
        path.write_text("".join(lines))
        model = fasttext.train_supervised(
            str(path), dim=10, lr=0.5, epoch=5, wordNgrams=most, bucket=1 << 20, thread=2, verbose=0
        )
    return lambda texts: np.array([int(label[0][-1]) for label in model.predict([*map(normal, texts)])[0]])


def normal(text: str) -> str:
    """Lower case, and a space around each mark, as fastText's tutorial makes it; no tags."""
    return re.sub(r"([.!?,'/()])", r" \1 ", text.replace("<br />", " ")).lower().replace("\n", " ")


NAMES = {
    "scikit-learn, words": (tfidf, 1),
    "scikit-learn, words and pairs": (tfidf, 2),
    "scikit-learn, NBSVM of words, pairs and triples": (nbsvm, 3),
    "fastText, words and pairs": (fasttext, 2),
}


def read(reviews: Reviews) -> tuple[Texts, Labels]:
    return [text.decode("utf-8", "replace") for text in reviews.texts()], reviews.labels


def main(name: str) -> None:
    train, validation, test = map(read, split_corpus(DataConfig()))
    learn, most = NAMES[name]
    predict = learn(*train, most)
    scores = {
        split: {"accuracy": float((predict(texts) == labels).mean())}
        for split, (texts, labels) in (("validation", validation), ("test", test))
    }
    sys.stdout.write(json.dumps(scores) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
