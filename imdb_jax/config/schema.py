"""Every hyper-parameter of a run and its default: frozen dataclasses whose types and ranges pydantic checks.

A file in `configs/` builds one `Config` and names it `config`; a run directory keeps it as JSON.
"""

from dataclasses import field
from typing import Annotated, Literal

import tyro
from pydantic import Field, model_validator

from imdb_jax.config.checked import Positive, Rate, Text, section
from imdb_jax.config.data import DataConfig

Kind = tyro.conf.Suppress  # the tag that tells JSON which class to build; not an option to set


@section("model.embedding")
class LearnedEmbedding:
    """A table of word vectors learned from scratch."""

    kind: Kind[Literal["learned"]] = "learned"
    dim: Positive = 100
    """Numbers per word."""
    bigram_buckets: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Rows of a second table, for pairs of a word and the next by their hash; their vectors are added to the words'."""


@section("model.embedding")
class PretrainedEmbedding:
    """A table that starts from GloVe or word2vec vectors."""

    kind: Kind[Literal["pretrained"]] = "pretrained"
    vectors: Text = "glove.6B.100d"
    """A file (GloVe text, word2vec text or .bin; .gz and .zip too) or the name of a published set."""
    trainable: bool = False
    """Tune the vectors; otherwise they stay as they are (stop-gradient)."""
    folded: bool = False
    """Train the product of the vectors and the encoder's kernel in their place: the kernel of one-hot words."""
    missing: Literal["zeros", "normal"] = "zeros"
    """Vectors of words that the file lacks: zeros, or normal draws with the file's own standard deviation."""

    @model_validator(mode="after")
    def _check(self) -> "PretrainedEmbedding":
        if self.folded and not self.trainable:
            raise ValueError("folded: True; the product is trained, so trainable must be True too")
        return self


@section("model.embedding")
class LogCountRatioEmbedding:
    """One number per token: a weight, learned from 0, times how much more the positive training reviews have it.

    That is the log-count ratio of naive Bayes (Wang & Manning 2012); it stays as it is.
    """

    kind: Kind[Literal["log_count_ratio"]] = "log_count_ratio"
    smoothing: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    """Added to each token's count in the positive reviews, and in the negative ones."""


@section("model.embedding")
class OneHotEmbedding:
    """Words as unit vectors of the vocabulary's size, read as rows of the encoder's kernel."""

    kind: Kind[Literal["one_hot"]] = "one_hot"


@section("model.encoder")
class LSTMConfig:
    """Long short-term memory (Hochreiter & Schmidhuber 1997), one or two directions."""

    kind: Kind[Literal["lstm"]] = "lstm"
    hidden_dim: Positive = 32
    """Units of each direction."""
    bidirectional: bool = True
    """Read the review from both ends."""
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    """How states become features: the last of each direction, or a pool over all words."""


@section("model.encoder")
class SimpleRNNConfig:
    """A recurrence of one tanh layer (Elman 1990), one or two directions."""

    kind: Kind[Literal["simple_rnn"]] = "simple_rnn"
    hidden_dim: Positive = 8
    """Units of each direction."""
    bidirectional: bool = False
    """Read the review from both ends."""
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    """How states become features: the last of each direction, or a pool over all words."""
    recurrent_init: Literal["orthogonal", "identity"] = "orthogonal"
    """First recurrent kernel: an orthogonal draw as in Keras, or the identity, by which no seed forgets the words."""


@section("model.encoder")
class Conv1DConfig:
    """Convolution over windows of words, then the maximum over the review (Kim 2014)."""

    kind: Kind[Literal["conv1d"]] = "conv1d"
    features: Positive = 256
    """Filters."""
    kernel_size: Positive = 3
    """Words in a window."""


@section("model.encoder")
class ConvStackConfig:
    """Convolution, maxima over short stretches, a second convolution, then the maximum over the review."""

    kind: Kind[Literal["conv_stack"]] = "conv_stack"
    features: Positive = 16
    """Filters of each convolution."""
    kernel_size: Positive = 7
    """Words, then stretches, in a window."""
    pool_size: Positive = 5
    """Windows in a stretch."""


@section("model.encoder")
class PoolConfig:
    """No more than a pool over the word vectors: word order does not matter."""

    kind: Kind[Literal["pool"]] = "pool"
    pooling: Literal["mean", "max", "sqrt"] = "max"
    """The mean or the maximum of each number over the review, or the sum over the square root of its length."""


@section("model.encoder")
class OwnEncoderConfig:
    """An encoder of yours: a class that your config file has put into `imdb_jax.models.OWN_ENCODERS`."""

    kind: Kind[Literal["own"]] = "own"
    name: Text
    """What it is called there."""
    options: dict[str, int | float | bool | str] = field(default_factory=dict)
    """Further arguments of the class."""


Embedding = Annotated[
    LearnedEmbedding | PretrainedEmbedding | LogCountRatioEmbedding | OneHotEmbedding, Field(discriminator="kind")
]
Encoder = Annotated[
    LSTMConfig | SimpleRNNConfig | Conv1DConfig | ConvStackConfig | PoolConfig | OwnEncoderConfig,
    Field(discriminator="kind"),
]


@section("model")
class ModelConfig:
    """embedding -> dropout -> encoder -> hidden layers -> dropout -> one logit."""

    embedding: Embedding = LearnedEmbedding()
    encoder: Encoder = LSTMConfig()
    word_dropout: Rate = 0.0
    """Share of words replaced by the unknown word while training."""
    embedding_dropout: Rate = 0.0
    """Share of embedding numbers dropped while training."""
    hidden_dims: tuple[Positive, ...] = ()
    """Sizes of the ReLU layers between the encoder and the output."""
    dropout: Rate = 0.5
    """Share of the output layer's inputs dropped while training."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of activations and matrix products; parameters and the loss stay float32."""

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        kind = "folded" if getattr(self.embedding, "folded", False) else self.embedding.kind
        if kind in ("folded", "one_hot") and self.embedding_dropout:
            raise ValueError(f"embedding_dropout: {self.embedding_dropout}; one-hot words take word_dropout only")
        if kind in ("folded", "one_hot") and isinstance(self.encoder, ConvStackConfig | PoolConfig):
            raise ValueError(f"embedding: {kind}; the encoder {self.encoder.kind} reads word vectors, so learn some")
        return self


@section("optimizer")
class OptimizerConfig:
    """The optax update. Defaults and epsilons are Keras', so that results compare."""

    name: Literal["rmsprop", "adam", "adamw", "adagrad"] = "adam"
    """Update rule."""
    learning_rate: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1e-3
    """Step size; the peak of a schedule."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    """Course of the learning rate over all epochs."""
    weight_decay: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    """Decoupled weight decay; adamw only."""
    clip_norm: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """Largest global norm of the gradient."""
    ema_decay: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Evaluate an exponential moving average of the weights with this decay per step."""

    @model_validator(mode="after")
    def _check(self) -> "OptimizerConfig":
        if self.weight_decay and self.name != "adamw":
            raise ValueError(f"weight_decay: {self.weight_decay}; only optimizer.name 'adamw' decays weights")
        return self


@section("training")
class TrainingConfig:
    """How long to train and which epoch to keep."""

    batch_size: Positive = 32
    """Reviews per update, over all devices."""
    epochs: Positive = 15
    """Most passes over the training reviews; a run that has begun can't be given more."""
    monitor: Literal["accuracy", "loss", "auc", "f1"] = "accuracy"
    """Validation metric that picks the best epoch."""
    patience: Positive | None = None
    """Stop after this many epochs without a better one; None trains all epochs."""
    eval_batch_size: Positive = 256
    """Reviews per batch in evaluation and prediction."""


@section("")
class Config:
    """One training run."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initialisation, batch order and dropout."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        encoder, most = self.model.encoder, self.data.max_length
        if isinstance(encoder, Conv1DConfig) and encoder.kernel_size > most:
            raise ValueError(f"model.encoder.kernel_size: {encoder.kernel_size}; at most data.max_length, {most}")
        if self.data.ngrams and not isinstance(encoder, PoolConfig | OwnEncoderConfig):
            raise ValueError(f"data.ngrams: {self.data.ngrams}; must be 0, the encoder {encoder.kind} reads words")
        return self
