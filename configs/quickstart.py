"""A small BiLSTM on the generated reviews that come along: nothing to download.

    python -m imdb_jax.train --config configs/quickstart.py --workdir runs/quickstart

Test accuracy 87.70 % (seed 0) in 7 s on 2 CPU cores with jax 0.10.2. The reviews are easy in words and less so in
order: a bag of words gets 82 % of them (tests/data/test_synthetic.py), and 3 % of their labels are wrong on purpose.
These figures say nothing about IMDB.
"""

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
