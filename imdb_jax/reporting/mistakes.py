"""The mistakes that a model is surest of, with the words that decided them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words, split_written
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Predictor
from imdb_jax.reporting.attribution import integrated_gradients

FAINT = 0.05  # of the strongest word: weaker ones are not worth a colour
STRONGEST = 5  # words named in the headline


class Word(NamedTuple):
    """A word, or punctuation that stands by itself.

    Attributes:
      written: as the review has it.
      read: as the model read it; empty for punctuation.
      known: whether the vocabulary has it.
      attribution: what it adds to the logit.
      strength: |attribution| beside that of the review's strongest word, from 0 to 1; below `FAINT` it is 0.
    """

    written: str
    read: str
    known: bool = True
    attribution: float = 0.0
    strength: float = 0.0


def surest_mistakes(
    logits: Float[np.ndarray, " N"], labels: np.ndarray, label: int, count: int
) -> Int[np.ndarray, " n"]:
    """Indices of the wrong predictions for a label, the surest first.

    Example: logits [-1, 3, 2, -4] with labels [0, 0, 0, 1] give [1, 2] for label 0.
    """
    wrong = np.flatnonzero((labels == label) & ((logits > 0) != label))
    return wrong[np.argsort(-np.abs(logits[wrong]), kind="stable")][:count]


def explain(predictor: Predictor, reviews: Reviews, rows: Sequence[int]) -> list[dict[str, Any]]:
    """What the page shows of the wrong predictions of some rows: the prediction, and its attribution to the words.

    `words` is the part that the model read, `unread` counts the words before and after that it did not, and `strongest`
    are the words that count most towards the mistake.
    """
    wanted = set(rows)
    found = {row: text for row, text in enumerate(reviews.texts()) if row in wanted}
    texts = [found[row] for row in rows]
    data, vocabulary = predictor.config.data, predictor.vocabulary
    kept = slice(-data.max_length, None) if data.keep == "tail" else slice(data.max_length)
    attributions = integrated_gradients(predictor.model, [vocabulary.encode(text)[kept] for text in texts])
    mistakes = []
    for text, prediction, attribution in zip(texts, predictor.predict(texts), attributions, strict=True):
        words, unread = attributed(text, attribution.words, vocabulary, data.keep)
        strongest = strongest_words(words, towards=1 if prediction.label == "positive" else -1)
        delta = attribution.convergence_delta
        shown = {"words": words, "unread": unread, "strongest": strongest, "convergence_delta": delta}
        mistakes.append(prediction._asdict() | shown)
    return mistakes


def attributed(
    text: bytes, attributions: Float[np.ndarray, " T"], vocabulary: Vocabulary, keep: str
) -> tuple[list[Word], tuple[int, int]]:
    """Puts the attributions of the words that were read at their places in a raw review.

    Returns:
      The part that was read, and how many words before and after it were not.
    """
    words = _spelt(text, vocabulary)
    places = [place for place, word in enumerate(words) if word.read]
    unread = len(places) - len(attributions)
    first = unread if keep == "tail" else 0
    read = places[first : first + len(attributions)]
    largest = float(np.abs(attributions).max()) or 1.0
    for place, attribution in zip(read, attributions.tolist(), strict=True):
        share = abs(attribution) / largest
        strength = round(share, 2) if share >= FAINT else 0.0
        words[place] = words[place]._replace(attribution=attribution, strength=strength)
    return words[read[0] : read[-1] + 1], (first, unread - first)


def strongest_words(words: Iterable[Word], towards: int) -> list[str]:
    """The different words that count most in one direction, the strongest first."""
    ranked = sorted((word for word in words if word.attribution * towards > 0), key=lambda word: -abs(word.attribution))
    return list(dict.fromkeys(word.read for word in ranked))[:STRONGEST]


def _spelt(text: bytes, vocabulary: Vocabulary) -> list[Word]:
    """A review as it was written, and what `Vocabulary.encode` makes of it: a word with `read` for each id."""
    special = vocabulary.special
    words = [Word(_decoded(vocabulary.tokens[i]), _decoded(vocabulary.tokens[i])) for i in special.start]
    for written in split_written(text, vocabulary.text):
        word = split_words(written, vocabulary.text)
        known = vocabulary.ids(word)[-1] != special.unknown
        words.append(Word(_decoded(written), _decoded(word[0]), known) if word else Word(_decoded(written), ""))
    if sum(bool(word.read) for word in words) == len(special.start):
        unknown = _decoded(vocabulary.tokens[special.unknown])
        words.append(Word(unknown, unknown, known=False))
    return words


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")
