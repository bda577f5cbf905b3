"""The text classifier: embedding -> dropout -> encoder -> hidden layers -> dropout -> logit."""

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, Key, UInt32

from imdb_jax.config import (
    LearnedEmbedding,
    LogCountRatioEmbedding,
    ModelConfig,
    OneHotEmbedding,
    OwnEncoderConfig,
)
from imdb_jax.config.schema import Encoder as EncoderConfig
from imdb_jax.errors import UserError
from imdb_jax.models.convolution import Conv1D, ConvStack
from imdb_jax.models.embedding import BigramEmbedding, Embedding, OneHot, WeightedEmbedding, Words
from imdb_jax.models.hashing import bernoulli, dropout
from imdb_jax.models.pooling import Pool
from imdb_jax.models.recurrent import LSTM, SimpleRNN


@runtime_checkable
class Encoder(Protocol):
    """What turns words into the F features of a review."""

    features: int

    def __call__(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Reads the words where the mask is true and no others; `words.vectors()` gives them as [B, T, D]."""
        ...


# Each is called with (input_dim, rngs=..., **fields of its config); a new encoder needs its config and its kind here.
ENCODERS: dict[str, Callable[..., Encoder]] = {
    "lstm": LSTM,
    "simple_rnn": SimpleRNN,
    "conv1d": Conv1D,
    "conv_stack": ConvStack,
    "pool": Pool,
}
# Encoders that a config file brings along, by name; called with (input_dim, rngs=..., **options).
OWN_ENCODERS: dict[str, Callable[..., Encoder]] = {}


class TextClassifier(nnx.Module):
    """Scores reviews: the logit of "positive".

    Args:
      unknown: the id that word dropout puts in a word's place.
      vectors: for a pretrained embedding, or one of log-count ratios.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary_size: int,
        *,
        unknown: int = 1,
        vectors: Float[np.ndarray, "V D"] | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.unknown = unknown
        self.embedding = _build_embedding(config, vocabulary_size, vectors, rngs)
        self.encoder = _build_encoder(config.encoder, self.embedding.dim, rngs)
        widths = [self.encoder.features, *config.hidden_dims]
        linear = partial(nnx.Linear, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs)
        if getattr(config.embedding, "folded", False):
            self._fold(jnp.float32)
        self.hidden = nnx.List([linear(*sizes) for sizes in itertools.pairwise(widths)])
        if widths[-1] == 1:  # what is left is a logit already
            linear = partial(nnx.Linear, kernel_init=nnx.initializers.ones, rngs=rngs)
        self.output = linear(widths[-1], 1)

    def __call__(
        self, tokens: Int[Array, "B T"], lengths: Int[Array, " B"], keys: Key[Array, " B"] | None = None
    ) -> Float[Array, " B"]:
        """Logits in float32.

        Args:
          tokens: ids, padded at the end with anything.
          lengths: tokens per review, 1 <= length <= T.
          keys: draw the dropout of each row; without them nothing is dropped.
        """
        mask = jnp.arange(tokens.shape[1])[None] < lengths[:, None]
        if keys is None:
            return self.of_words(self.words(tokens, mask), mask)
        tokens, of_numbers, of_features = self._dropped(tokens, keys)
        words = self.words(tokens, mask)
        if self.config.embedding_dropout:
            words = Words.of(dropout(words.vectors(), self.config.embedding_dropout, of_numbers))
        return self.of_words(words, mask, of_features)

    def _dropped(self, tokens: Int[Array, "B T"], keys: Key[Array, " B"]) -> tuple[Array, Array, Array]:
        """Tokens with some dropped, and the seeds of both other dropouts."""
        seeds = jax.vmap(lambda key: jax.random.bits(key, (3, 2), jnp.uint32))(keys)
        of_words, of_numbers, of_features = jnp.unstack(seeds, axis=1)
        if self.config.word_dropout:
            dropped = bernoulli(of_words, self.config.word_dropout, tokens.shape[1:])
            tokens = jnp.where(dropped, self.unknown, tokens)
        return tokens, of_numbers, of_features

    def winners(
        self, tokens: Int[Array, "B T"], lengths: Int[Array, " B"], keys: Key[Array, " B"]
    ) -> tuple[Int[Array, "K B F"], Callable[["TextClassifier"], Float[Array, " B"]]]:
        """`Conv1D.winners` of reviews under dropout, and the logits by a model whose kernel [K, B, F] is just those.

        To such a model review b is the word b, as often as a window has words.
        """
        assert isinstance(self.encoder, Conv1D)
        tokens, _, seeds = self._dropped(tokens, keys)
        words = self.encoder.winners(tokens, jnp.arange(tokens.shape[1])[None] < lengths[:, None])
        size, batch, _ = words.shape
        reviews = jnp.broadcast_to(jnp.arange(batch, dtype=jnp.int32)[:, None], (batch, size))
        return words, lambda model: model.of_words(Words(reviews, None), jnp.ones((batch, size), bool), seeds)

    def words(self, tokens: Int[Array, "B T"], mask: Bool[Array, "B T"]) -> Words:
        """What the encoder gets of tokens; those at padding count as id 0, whatever stands there."""
        words, dtype = self.embedding(jnp.where(mask, tokens, 0)), self.output.kernel[...].dtype
        if words.table is None or words.table.dtype == dtype:
            return words
        return words._replace(known=words.vectors().astype(dtype))

    def of_words(
        self, words: Words, mask: Bool[Array, "B T"], seeds: UInt32[Array, "B 2"] | None = None
    ) -> Float[Array, " B"]:
        """Logits in float32 of words that are embedded already; the seeds draw the last layer's dropout."""
        read = getattr(self.encoder, "of_padded", self.encoder)  # without a search for words after padding
        x = read(words, mask)
        for layer in self.hidden:
            x = jax.nn.relu(layer(x))
        x = dropout(x, self.config.dropout, seeds)
        return self.output(x)[:, 0].astype(jnp.float32)

    def folded(self) -> "TextClassifier":
        """The same function of tokens for prediction, with the product of table and input kernel taken once.

        A word then costs a row of that product and no multiplication; worth it from as many words as the table has.
        """
        model = nnx.clone(self)
        if hasattr(model.encoder, "fold") and isinstance(self.embedding, Embedding):  # not every one has a product
            model._fold(self.output.kernel[...].dtype)
        return model

    def _fold(self, dtype: Any) -> None:
        embedding, encoder = cast(Embedding, self.embedding), cast(Any, self.encoder)
        encoder.fold(embedding.table[...].astype(dtype))
        self.embedding = OneHot(len(embedding.table))


def _build_encoder(config: EncoderConfig, input_dim: int, rngs: nnx.Rngs) -> Encoder:
    if not isinstance(config, OwnEncoderConfig):
        options = dataclasses.asdict(config)
        return ENCODERS[options.pop("kind")](input_dim, rngs=rngs, **options)
    if config.name not in OWN_ENCODERS:
        raise UserError(
            f"model.encoder.name: {config.name!r}; not in OWN_ENCODERS; --code FILE runs the file that puts it there"
        )
    try:
        return OWN_ENCODERS[config.name](input_dim, rngs=rngs, **config.options)
    except TypeError as error:
        raise UserError(f"model.encoder.options: {config.options}; {error}") from error


def _build_embedding(
    config: ModelConfig, vocabulary_size: int, vectors: np.ndarray | None, rngs: nnx.Rngs
) -> BigramEmbedding | Embedding | OneHot | WeightedEmbedding:
    embedding = config.embedding
    if isinstance(embedding, OneHotEmbedding):
        return OneHot(vocabulary_size)
    if isinstance(embedding, LearnedEmbedding):  # U(-0.05, 0.05), as in Keras
        table, *pairs = (
            jax.random.uniform(rngs.params(), (rows, embedding.dim), jnp.float32, -0.05, 0.05)
            for rows in (vocabulary_size, embedding.bigram_buckets)
            if rows
        )
        return BigramEmbedding(table, *pairs) if pairs else Embedding(table)
    if vectors is None or vectors.shape[0] != vocabulary_size:
        shape = None if vectors is None else vectors.shape
        raise ValueError(f"vectors: {shape}; the embedding needs one row for each of {vocabulary_size} tokens")
    if isinstance(embedding, LogCountRatioEmbedding):
        return WeightedEmbedding(jnp.asarray(vectors))
    return Embedding(jnp.asarray(vectors), trainable=embedding.trainable)
