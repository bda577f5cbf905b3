"""A small BiLSTM on the generated reviews that come along: seconds from start to end, no download."""

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(source="synthetic", vocabulary_size=2_000, max_length=128),
    model=ModelConfig(
        embedding=LearnedEmbedding(dim=32),
        encoder=LSTMConfig(hidden_dim=32, pooling="max"),
        dropout=0.3,
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=5e-3),
    training=TrainingConfig(batch_size=32, epochs=15, patience=5),
)
