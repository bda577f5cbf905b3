"""A learned embedding and a SimpleRNN over the last hundred words.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/embedding_rnn.py --workdir runs/embedding_rnn-$seed --config.seed=$seed
    done
    scripts/summarize runs/embedding_rnn-?

@@RNN@@

The tutorial's sizes, optimizer and patience are kept; padding is skipped here, where the tutorial's recurrence runs
over it.
"""

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    OptimizerConfig,
    SimpleRNNConfig,
    TextConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(vocabulary_size=10_000, max_length=100, keep="tail", text=TextConfig(break_tags_as_spaces=True)),
    model=ModelConfig(embedding=LearnedEmbedding(dim=16), encoder=SimpleRNNConfig(hidden_dim=8), dropout=0.0),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    training=TrainingConfig(batch_size=64, epochs=20, patience=3),
)
