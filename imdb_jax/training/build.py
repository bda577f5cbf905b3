"""What a config builds: model, learner, batches; and whether what somebody else has built is that."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float32

from imdb_jax.config import (
    Config,
    LogCountRatioEmbedding,
    LSTMConfig,
    OwnEncoderConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    differences,
)
from imdb_jax.data.batches import Batches, Split
from imdb_jax.data.dataset import Dataset
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.errors import UserError
from imdb_jax.models import Conv1D, OneHot, TextClassifier
from imdb_jax.models.recurrence import CPU_LOOP
from imdb_jax.training.fingerprint import differing, fingerprints
from imdb_jax.training.optimizer import build_optimizer
from imdb_jax.training.step import PRNG, Learner, TrainState
from imdb_jax.training.tables import parameter_table
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.wordvectors.table import Coverage, Vectors, coverage, fill_missing, read_vectors


def batches(split: Split, config: Config, batch_size: int) -> Batches:
    """A split's batches under a config."""
    data = config.data
    buckets = data.buckets
    if buckets is None:
        buckets = () if _skips_padding(config) else [256 << k for k in range(data.max_length.bit_length())]
    shorter = tuple(width for width in buckets if width < data.max_length)
    return Batches(split, batch_size, data.max_length, data.keep, shorter)


def padding(train: Batches, config: Config) -> float:
    """Share of padding among the words that the first epoch computes."""
    return train.padding(config.seed, 0, CPU_LOOP.chunk if _skips_padding(config) else None)


def _skips_padding(config: Config) -> bool:
    return isinstance(config.model.encoder, LSTMConfig | SimpleRNNConfig)


def initial_vectors(embedding: PretrainedEmbedding, vocabulary: Vocabulary, seed: int) -> Vectors:
    """The vectors that a pretrained embedding starts from, those of missing words filled in."""
    vectors = read_vectors(find_vectors(embedding.vectors), vocabulary.tokens)
    return vectors._replace(table=fill_missing(vectors, embedding.missing, seed))


def log_count_ratios(dataset: Dataset, smoothing: float) -> Float32[np.ndarray, "V 1"]:
    """The log of how often each token is one of the positive training reviews' tokens, over the same for the negative.

    All are times the square root of how many tokens a training review has, so that a pool that divides by that of a
    review leaves the sum over one of usual length as it is.

    Example: a token that 3 positive reviews and no negative one have gets log(4 / 1) with smoothing 1, if both classes
    have as many tokens, before that factor.
    """
    ids, offsets, labels = dataset.train
    of_token = np.repeat(labels, np.diff(offsets))
    positive, negative = (
        np.bincount(ids[of_token == label], minlength=len(dataset.vocabulary)) + smoothing for label in (1, 0)
    )
    ratios = np.log(positive / positive.sum()) - np.log(negative / negative.sum())
    return (ratios * np.sqrt(len(ids) / len(labels)))[:, None].astype(np.float32)


def build_model(
    config: Config, vocabulary: Vocabulary, vectors: np.ndarray | None = None, dataset: Dataset | None = None
) -> TextClassifier:
    """The model of a config before its first step, a Flax NNX module.

    Args:
      vectors: float32 [V, D], that a pretrained embedding starts from; found and read unless given.
      dataset: whose training labels give log-count ratios, unless those are the vectors.
    """
    embedding = config.model.embedding
    if vectors is None and isinstance(embedding, PretrainedEmbedding):
        vectors = initial_vectors(embedding, vocabulary, config.seed).table
    if vectors is None and isinstance(embedding, LogCountRatioEmbedding):
        if dataset is None:
            raise UserError("model.embedding: log_count_ratio; build_model needs the dataset, for its training labels")
        vectors = log_count_ratios(dataset, embedding.smoothing)
    rngs = nnx.Rngs(jax.random.key(config.seed, impl=PRNG))
    unknown = vocabulary.special.unknown
    model = TextClassifier(config.model, len(vocabulary), unknown=unknown, vectors=vectors, rngs=rngs)
    if isinstance(config.model.encoder, OwnEncoderConfig):
        _check_own_encoder(model, config.model.encoder.name)
    return model


def _check_own_encoder(model: TextClassifier, name: str) -> None:
    """Refuses an encoder that is no function of weights and words: each step would draw and change the same again."""
    if not jax.tree.leaves(nnx.state(model.encoder, nnx.Not(nnx.Param))):
        return
    copy, words = nnx.clone(model), (jnp.arange(128, dtype=jnp.int32).reshape(2, 64) % 5, jnp.array([64, 64]))
    same = np.array_equal(copy(*words), copy(*words), equal_nan=True)
    if changed := differing(_marks(model)[0], _marks(copy)[0]) or ([] if same else ["random numbers of its own"]):
        message = f"uses or changes {changed[0]} while it reads, which training does not keep; see model.dropout"
        raise UserError(f"model.encoder.name: {name!r}; {message}")


def check_dataset(dataset: Dataset, config: Config) -> None:
    """Refuses reviews that were opened with other fields than the config's, apart from those that make batches."""
    batching = {name: getattr(config.data, name) for name in ("max_length", "keep", "buckets")}
    opened = dataclasses.replace(config, data=dataclasses.replace(dataset.config, **batching))
    if changes := differences(opened, config):
        raise UserError(f"dataset: not opened with this config ({'; '.join(changes)}); use load_dataset(config.data)")


def check_model(model: TextClassifier, config: Config, vocabulary: Vocabulary, vectors: np.ndarray | None) -> bool:
    """Whether a model has the weights that the config's seed draws.

    Raises:
      UserError: it has another config, weights of other shapes, or others that training leaves as they are: what reads
        the run builds its model by the config and those vectors.
    """
    if changes := differences(dataclasses.replace(config, model=model.config), config):
        raise UserError(f"model: not built by this config ({'; '.join(changes)}); use build_model(config, vocabulary)")
    (there, weights), (here, drawn) = map(_marks, (model, build_model(config, vocabulary, vectors)))
    for name in differing(there, here):
        message = f"{name} is {there.get(name, 'absent')} there, but {here.get(name, 'absent')}"
        raise UserError(f"model: {message} by the config, vocabulary and vectors of this run")
    return weights == drawn


def _marks(model: TextClassifier) -> tuple[dict[str, str], Any]:
    """What training never changes, by name: shapes, and fingerprints of frozen weights; then those of the others."""
    _, *parts, _ = nnx.split(model, nnx.Param, nnx.Not(nnx.RngState), ...)
    trained, frozen = (fingerprints(nnx.to_pure_dict(part)) for part in parts)
    fixed = {name: kind for name, (kind, _) in trained.items()} | {name: " ".join(of) for name, of in frozen.items()}
    return fixed, trained


def summary(model: TextClassifier, config: Config) -> str:
    """A table of a model's weights: name, shape, count, and whether training changes them."""
    learner, state = build_learner(model, config, steps=1)
    return parameter_table(state.params, learner.frozen)


def vector_coverage(vectors: str, dataset: Dataset) -> Coverage:
    """How many of the words of a data set a file of vectors, or a published set such as glove.6B.100d, has."""
    vocabulary = dataset.vocabulary
    found = read_vectors(find_vectors(vectors), vocabulary.tokens).found
    return coverage(found, dataset.counts, len(vocabulary.special.tokens))


def build_learner(model: TextClassifier, config: Config, steps: int) -> tuple[Learner, TrainState]:
    """How a model learns under a config, and its state before the first of `steps` updates over all epochs."""
    rule, dtype = config.optimizer, config.model.dtype
    by_itself = rule.name == "adagrad" and rule.clip_norm is None and rule.ema_decay is None  # each weight
    sparse = by_itself and isinstance(model.embedding, OneHot) and isinstance(model.encoder, Conv1D)
    optimizer = build_optimizer(rule, steps)
    return Learner.create(model, optimizer, config.seed, dtype=dtype, ema_decay=rule.ema_decay, sparse=sparse)
