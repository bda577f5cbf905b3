"""A learned embedding and a convolution over windows of three words."""

from imdb_jax.config import (
    Config,
    Conv1DConfig,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(vocabulary_size=10_000, max_length=200, keep="tail", text=TextConfig(break_tags_as_spaces=True)),
    model=ModelConfig(
        embedding=LearnedEmbedding(dim=256),
        embedding_dropout=0.3,
        encoder=Conv1DConfig(features=256, kernel_size=3),
        hidden_dims=(128,),
        dropout=0.3,
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3, ema_decay=0.999),
    training=TrainingConfig(batch_size=32, epochs=10, patience=3),
)
