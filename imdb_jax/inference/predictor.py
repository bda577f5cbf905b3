"""A trained run, or the ensemble of several, ready to read reviews."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from flax import nnx
from jaxtyping import Float, Float32

from imdb_jax.data.batches import Split
from imdb_jax.data.inputs import texts_of
from imdb_jax.data.text import SPACE, split_words
from imdb_jax.data.vocabulary import NGRAMS
from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.models import TextClassifier
from imdb_jax.runs.mixture import Mixture
from imdb_jax.runs.run import Run
from imdb_jax.runs.statistics import mean_logits
from imdb_jax.runtime import start_backend
from imdb_jax.training.build import batches, build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints
from imdb_jax.training.parallel import replicate
from imdb_jax.training.step import Learner, TrainState

log = logging.getLogger(__name__)


class Prediction(NamedTuple):
    """What the model thinks of one review.

    Attributes:
      label: "positive" or "negative".
      probability: of positive, from 0 to 1.
      flags: "empty" (no word in it), "all_unknown" (no known word), "truncated" (longer than what the model reads).
    """

    label: str
    probability: float
    flags: list[str]


def restore_best(run: Run) -> tuple[Learner, TrainState]:
    """The model of a run, and the evaluated weights of its best checkpoint."""
    start_backend()
    config = run.config()
    model = build_model(config, run.vocabulary(), run.load_vectors())
    learner, state = build_learner(model, config, steps=1)
    checkpoints = Checkpoints(run.checkpoints, run.origin(), read_only=True)
    if run.results() is not None and not checkpoints.steps():
        raise UserError(f"{run.checkpoints}: gone; put them back, or train again in another --workdir", BAD_DATA)
    best = checkpoints.restore_best(state.evaluated())
    if run.results() is None:
        log.warning(f"{run.folder}: training has not ended; this is the best epoch so far")
    return learner, best


def word_vectors(run: Run) -> Float32[np.ndarray, "V D"]:
    """The vectors that the best checkpoint of a run gives its tokens, by id; not those of pairs of words."""
    learner, state = restore_best(run)
    embedding = {**learner.frozen, **state.eval_params}.get("embedding", {})
    if "table" not in embedding:
        raise UserError(f"{run.folder}: has no word vectors, its embedding keeps none")
    return np.asarray(embedding["table"], np.float32)


class Ensemble:
    """Runs that are read as one: their mean logit decides, or the sum of their logits with weights.

    Each reads reviews in its own way; the config and the vocabulary of the first stand for all.
    """

    def __init__(self, members: "Sequence[Predictor]", weights: Sequence[float] | None = None) -> None:
        self.members = members
        self.weights = weights
        self.config = members[0].config
        self.vocabulary = members[0].vocabulary

    @overload
    def predict(self, reviews: str | bytes, batch_size: int | None = None) -> Prediction: ...

    @overload
    def predict(self, reviews: Iterable[str | bytes], batch_size: int | None = None) -> list[Prediction]: ...

    def predict(self, reviews: Any, batch_size: int | None = None) -> Prediction | list[Prediction]:
        """Reads reviews exactly as training did: one prediction for a single text, a list for several.

        Args:
          reviews: raw texts, or their UTF-8 bytes: a list, an array, a pandas Series.
          batch_size: rows per batch; each number is compiled once. Unless given it is that of evaluation, or for fewer
            reviews the next power of two: a single one then waits for no row that only fills the batch.

        Raises:
          UserError: a review is neither text nor bytes.
        """
        if isinstance(reviews, str | bytes):
            return self.predict([reviews], batch_size)[0]
        texts = texts_of(reviews)
        if not texts:
            return []
        if batch_size is None:
            batch_size = min(1 << (len(texts) - 1).bit_length(), self.config.training.eval_batch_size)
        different = {member.reading: member for member in self.members}
        read = {reading: member.read(texts) for reading, member in different.items()}
        logits = [member.logits(read[member.reading][1], batch_size) for member in self.members]
        probabilities = 1 / (1 + np.exp(-mean_logits(logits, self.weights)))
        words, split = read[self.members[0].reading]
        return [
            Prediction("positive" if p > 0.5 else "negative", float(p), self._flags(of_review, int(length)))
            for p, of_review, length in zip(probabilities, words, np.diff(split.offsets), strict=True)
        ]

    def _flags(self, words: list[bytes], length: int) -> list[str]:
        ids = self.vocabulary.ids([word for word in words if word != SPACE])
        flags = {
            "empty": not words,
            "all_unknown": bool(words and (ids == self.vocabulary.special.unknown).all()),
            "truncated": length > self.config.data.max_length,
        }
        return [flag for flag, raised in flags.items() if raised]


class Predictor(Ensemble):
    """The best checkpoint of a run, whose directory alone is read: an ensemble of one.

    Attributes:
      step: of the checkpoint.
      reading: what decides the ids of a review; members in which it is the same share them.
      model: the classifier with the weights that are evaluated, float32 whatever `model.dtype` says.

    Raises:
      UserError: no run there, or none of its epochs has ended yet.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run(run)
        self.config = self.run.config()
        self.vocabulary = self.run.vocabulary()
        super().__init__([self])
        origin = self.run.origin()
        self.reading = self.vocabulary.text, origin["vocabulary.txt"], origin.get(NGRAMS)
        learner, state = restore_best(self.run)
        self.step = int(state.step)
        self.model: TextClassifier = nnx.merge(learner.graph, state.eval_params, learner.frozen)
        self._replicas = replicate(learner, state.eval_params, self.config.training.eval_batch_size)
        self._models = self._replicas.eval_models(self._replicas.place(state))

    def read(self, texts: Sequence[bytes]) -> tuple[list[list[bytes]], Split]:
        """The words of reviews, and the reviews encoded."""
        words = [split_words(text, self.vocabulary.text) for text in texts]
        ids, offsets, _ = self.vocabulary.encode_words(words)
        return words, Split(ids, offsets, np.zeros(len(words), np.int8))

    def logits(self, split: Split, batch_size: int | None = None) -> Float[np.ndarray, " N"]:
        """Logits of encoded reviews, in their order."""
        split_batches = batches(split, self.config, batch_size or self.config.training.eval_batch_size)
        return self._replicas.logits(self._models, split_batches)


def open_classifier(mixture: Mixture) -> Ensemble:
    """Runs ready to read reviews.

    Raises:
      UserError: none of the epochs of a run has ended yet.
    """
    members = [Predictor(run) for run in mixture.runs]
    return members[0] if len(members) == 1 else Ensemble(members, mixture.weights)
