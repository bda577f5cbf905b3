"""Naive Bayes over n-grams whose weights are learned by Adam: after NBSVM (Wang & Manning 2012)."""

from imdb_jax.config import (
    Config,
    DataConfig,
    LogCountRatioEmbedding,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
    TextConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(
        text=TextConfig(break_tags_as_spaces=True, keep_apostrophes=True, punctuation="words"),
        vocabulary_size=30_000,
        ngrams=3,
        max_length=8_192,
    ),
    model=ModelConfig(embedding=LogCountRatioEmbedding(), encoder=PoolConfig(pooling="sqrt"), dropout=0.0),
    optimizer=OptimizerConfig(name="adam", learning_rate=6e-3, schedule="cosine"),
    training=TrainingConfig(batch_size=256, epochs=3),
)
