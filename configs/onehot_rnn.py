"""One-hot words and a SimpleRNN over the last hundred words.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/onehot_rnn.py --workdir runs/onehot_rnn-$seed --config.seed=$seed
    done
    scripts/summarize runs/onehot_rnn-?

Test accuracy ?

@@
"""

from imdb_jax.config import (
    Config,
    DataConfig,
    ModelConfig,
    OneHotEmbedding,
    OptimizerConfig,
    SimpleRNNConfig,
    TextConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(
        vocabulary_size=500,
        max_length=100,
        keep="tail",
        text=TextConfig(special_tokens="keras_imdb", keep_apostrophes=True),
    ),
    model=ModelConfig(embedding=OneHotEmbedding(), encoder=SimpleRNNConfig(hidden_dim=8), dropout=0.0),
    optimizer=OptimizerConfig(name="rmsprop", learning_rate=1e-4),
    training=TrainingConfig(batch_size=64, epochs=100, monitor="loss", patience=3),
)
