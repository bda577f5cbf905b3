"""The config of a run: what it may hold, where it comes from, and how it is kept."""

from imdb_jax.config.checked import describe
from imdb_jax.config.files import load_file, run_file
from imdb_jax.config.schema import (
    Config,
    Conv1DConfig,
    ConvStackConfig,
    DataConfig,
    Embedding,
    Encoder,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OneHotEmbedding,
    OptimizerConfig,
    OwnEncoderConfig,
    PoolConfig,
    PretrainedEmbedding,
    SimpleRNNConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
)
from imdb_jax.config.tree import differences, fields, from_json, to_json, with_fields
