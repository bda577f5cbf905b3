"""The mistakes that a model is surest of, with the words that decided them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words, split_written
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Prediction, Predictor
from imdb_jax.reporting.attribution import integrated_gradients

FAINT = 0.05  # of the strongest word: weaker ones are not worth a colour
STRONGEST = 5  # words named in the headline


class Word(NamedTuple):
    """A word, or punctuation that stands by itself."""

    written: str  # as the review has it
    read: str  # as the model read it; empty for punctuation
    known: bool = True  # whether the vocabulary has it
    attribution: float = 0.0  # what it adds to the logit
    strength: float = (
        0.0  # |attribution| beside that of the review's strongest word, from 0 to 1; below `FAINT` it is 0
    )


class Mistake(NamedTuple):
    """A wrong prediction."""

    prediction: Prediction
    words: list[Word]  # the part of the review that the model read
    unread: tuple[int, int]  # how many words before and after it were not read
    convergence_delta: float  # by how much the attributions miss the difference of the two logits

    @property
    def strongest(self) -> list[str]:
        """The different words that count most towards the mistake, the strongest first."""
        towards = 1 if self.prediction.label == "positive" else -1
        ranked = sorted(self.words, key=lambda word: -towards * word.attribution)
        return list(dict.fromkeys(word.read for word in ranked if towards * word.attribution > 0))[:STRONGEST]


def surest_mistakes(
    logits: Float[np.ndarray, " N"], labels: np.ndarray, label: int, count: int
) -> Int[np.ndarray, " n"]:
    """Indices of the wrong predictions for a label, the surest first.

    Example: logits [-1, 3, 2, -4] with labels [0, 0, 0, 1] give [1, 2] for label 0.
    """
    wrong = np.flatnonzero((labels == label) & ((logits > 0) != label))
    return wrong[np.argsort(-np.abs(logits[wrong]), kind="stable")][:count]


def explain(predictor: Predictor, reviews: Reviews, rows: Sequence[int]) -> list[Mistake]:
    """The wrong predictions of some rows of reviews, with the words that decided them.

    The words of an n-gram share what it adds to the logit.
    """
    wanted = set(rows)
    found = {row: text for row, text in enumerate(reviews.texts()) if row in wanted}
    texts = [found[row] for row in rows]
    data, vocabulary = predictor.config.data, predictor.vocabulary
    kept = slice(-data.max_length, None) if data.keep == "tail" else slice(data.max_length)
    split = [split_words(text, vocabulary.text) for text in texts]
    encoded = [vocabulary.encode_words([words]) for words in split]
    attributions = integrated_gradients(predictor.model, [tokens.ids[kept].tolist() for tokens in encoded])
    mistakes = []
    for text, words, tokens, prediction, attribution in zip(
        texts, split, encoded, predictor.predict(texts), attributions, strict=True
    ):
        of_words = attribution.words
        if vocabulary.ngrams is not None:
            of_words = np.zeros(len(vocabulary.special.start) + max(1, len(words)))
            for token, place, share in zip(
                tokens.ids[kept].tolist(), tokens.places[kept], attribution.words, strict=True
            ):
                size = len(vocabulary.words_of(token))  # an n-gram that the review repeats counts where it stands first
                of_words[place : place + size] += share / size
        words, unread = attributed(text, of_words, vocabulary, data.keep)
        mistakes.append(Mistake(prediction, words, unread, attribution.convergence_delta))
    return mistakes


def attributed(
    text: bytes, attributions: Float[np.ndarray, " T"], vocabulary: Vocabulary, keep: str
) -> tuple[list[Word], tuple[int, int]]:
    """Puts the attributions of the words that were read at their places in a raw review.

    Returns:
      The part that was read, and how many words before and after it were not.
    """
    special = vocabulary.special
    tokens = [token.decode("utf-8", "replace") for token in vocabulary.tokens[: len(special.tokens)]]
    words = [Word(tokens[i], tokens[i]) for i in special.start]
    for written, read in split_written(text, vocabulary.text):
        known = not read or vocabulary.ids([read])[-1] != special.unknown
        words.append(Word(written.decode("utf-8", "replace"), read.decode("utf-8", "replace"), known))
    if sum(bool(word.read) for word in words) == len(special.start):
        words.append(Word(tokens[special.unknown], tokens[special.unknown], known=False))
    places = [place for place, word in enumerate(words) if word.read]
    unread = len(places) - len(attributions)
    first = unread if keep == "tail" else 0
    places = places[first : first + len(attributions)]
    largest = float(np.abs(attributions).max()) or 1.0
    for place, attribution in zip(places, attributions.tolist(), strict=True):
        share = abs(attribution) / largest
        strength = round(share, 2) if share >= FAINT else 0.0
        words[place] = words[place]._replace(attribution=attribution, strength=strength)
    return words[places[0] : places[-1] + 1], (first, unread - first)
