"""A run of seconds that has every file a run can have; the rig writes its vectors. Two cores share a batch."""

from imdb_jax.config import (
    Config,
    DataConfig,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainedEmbedding,
    TrainingConfig,
)

config = Config(
    data=DataConfig(source="synthetic", limit=200, vocabulary_size=200, max_length=24),
    model=ModelConfig(
        embedding=PretrainedEmbedding(trainable=True, missing="normal"),
        encoder=LSTMConfig(hidden_dim=4, pooling="max"),
        embedding_dropout=0.1,
    ),
    optimizer=OptimizerConfig(learning_rate=2e-2, schedule="cosine", clip_norm=1.0, ema_decay=0.9),
    training=TrainingConfig(batch_size=32, epochs=24),
)
