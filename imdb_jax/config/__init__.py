"""The config of a run: what it may hold, where it comes from, and how it is kept."""

from imdb_jax.config.checked import dump, load
from imdb_jax.config.data import DataConfig, MovedData, TextConfig, ValidationConfig
from imdb_jax.config.files import differences, fields, load_file, run_file, with_fields
from imdb_jax.config.schema import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    Embedding,
    Encoder,
    LearnedEmbedding,
    LogCountRatioEmbedding,
    LSTMConfig,
    ModelConfig,
    OneHotEmbedding,
    OptimizerConfig,
    OwnEncoderConfig,
    PoolConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    TrainingConfig,
)
