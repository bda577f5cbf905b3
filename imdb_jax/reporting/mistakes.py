"""The mistakes that a model is surest of, with the words that decided them."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float, Int

from imdb_jax.data.batches import Split
from imdb_jax.data.reviews import Reviews
from imdb_jax.data.text import split_words, split_written
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.inference.predictor import Predictor
from imdb_jax.reporting.attribution import integrated_gradients
from imdb_jax.training.build import batches

FAINT = 0.05  # of the strongest word: weaker ones are not worth a colour
STRONGEST = 5  # words named in the headline


class Word(NamedTuple):
    """A word, or punctuation that stands by itself.

    Attributes:
      written: as the review has it.
      read: as the model read it; empty for punctuation.
      known: whether the vocabulary has it.
      pull: its attribution: what it adds to the logit.
      strength: |pull| beside that of the review's strongest word, from 0 to 1; below `FAINT` it is 0.
    """

    written: str
    read: str
    known: bool = True
    pull: float = 0.0
    strength: float = 0.0


class Mistake(NamedTuple):
    """A review that the model got wrong.

    Attributes:
      label: "negative" or "positive", by the data.
      probability: of positive, by the model.
      flags: as in `Prediction`.
      words: the part that the model read.
      unread: words before and after those that it did not read.
      strongest: the words that pulled most towards the mistake.
      gap: by how much all pulls miss the difference of the logit to that of the baseline.
    """

    label: str
    probability: float
    flags: list[str]
    words: list[Word]
    unread: tuple[int, int]
    strongest: list[str]
    gap: float


def surest_mistakes(
    logits: Float[np.ndarray, " N"], labels: np.ndarray, label: int, count: int
) -> Int[np.ndarray, " n"]:
    """Indices of the wrong predictions for a label, the surest first.

    Example: logits [-1, 3, 2, -4] with labels [0, 0, 0, 1] give [1, 2] for label 0.
    """
    wrong = np.flatnonzero((labels == label) & ((logits > 0) != label))
    return wrong[np.argsort(-np.abs(logits[wrong]), kind="stable")][:count]


def explain(predictor: Predictor, split: Split, reviews: Reviews, rows: Sequence[int]) -> list[Mistake]:
    """Attributes predictions to words.

    Args:
      predictor: the model.
      split: encoded reviews.
      reviews: the same ones as text.
      rows: which to explain.
    """
    if not rows:
        return []
    texts = _texts(reviews, rows)
    chosen = _select(split, rows)
    model, numbers = nnx.split(predictor.model)
    attribute = jax.jit(lambda numbers, *batch: integrated_gradients(nnx.merge(model, numbers), *batch))
    ((order, batch),) = batches(chosen, predictor.config, len(rows)).sorted()
    found = jax.device_get(attribute(numbers, batch.tokens, batch.lengths))
    gaps = np.abs(found.words.sum(axis=1) - (found.logits - found.baselines))
    predictions = predictor.predict(texts)
    mistakes: dict[int, Mistake] = {}
    for i, length, pulls, gap in zip(order, batch.lengths, found.words, gaps, strict=True):
        _, probability, flags = predictions[i]
        label = "positive" if chosen.labels[i] else "negative"
        words, unread = pulled(texts[i], pulls[:length], predictor.vocabulary, predictor.config.data.keep)
        strongest = strongest_words(words, towards=-1 if chosen.labels[i] else 1)
        mistakes[i] = Mistake(label, probability, flags, words, unread, strongest, float(gap))
    return [mistakes[i] for i in range(len(rows))]


def _texts(reviews: Reviews, rows: Sequence[int]) -> list[bytes]:
    """The texts of some reviews, read in one pass."""
    wanted, found, start = set(rows), {}, 0
    for texts, _ in reviews.chunks():
        found.update({start + i: text for i, text in enumerate(texts) if start + i in wanted})
        start += len(texts)
    return [found[row] for row in rows]


def _select(split: Split, rows: Sequence[int]) -> Split:
    """Some reviews of a split, in the order of `rows`."""
    parts = [split.ids[split.offsets[row] : split.offsets[row + 1]] for row in rows]
    return Split(np.concatenate(parts), np.cumsum([0, *map(len, parts)]), split.labels[np.asarray(rows)])


def pulled(
    text: bytes, pulls: Float[np.ndarray, " T"], vocabulary: Vocabulary, keep: Literal["head", "tail"]
) -> tuple[list[Word], tuple[int, int]]:
    """Puts pulls at the words they belong to.

    Args:
      text: a raw review.
      pulls: of each word that was read.
      vocabulary: turns the review into ids.
      keep: which end of the review was read.

    Returns:
      The part that was read, and how many words before and after it were not.
    """
    words = _spelt(text, vocabulary)
    places = [place for place, word in enumerate(words) if word.read]
    unread = len(places) - len(pulls)
    first = unread if keep == "tail" else 0
    largest = float(np.abs(pulls).max()) or 1.0
    for place, pull in zip(places[first:], pulls.tolist(), strict=False):
        share = abs(pull) / largest
        words[place] = words[place]._replace(pull=pull, strength=round(share, 2) if share >= FAINT else 0.0)
    read = places[first : first + len(pulls)]
    return words[read[0] : read[-1] + 1], (first, unread - first)


def strongest_words(words: Iterable[Word], towards: int) -> list[str]:
    """The different words that pulled most in one direction, the strongest first."""
    ranked = sorted((word for word in words if word.pull * towards > 0), key=lambda word: -abs(word.pull))
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
