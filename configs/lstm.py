"""A learned embedding and an LSTM of 8 units.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/lstm.py --workdir runs/lstm-$seed --config.seed=$seed
    done
    scripts/summarize runs/lstm-?

Test accuracy ?

@@
"""

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
    TrainingConfig,
    ValidationConfig,
)

config = Config(
    data=DataConfig(
        vocabulary_size=10_000,
        max_length=580,
        validation=ValidationConfig(method="first", size=10_000),
        text=TextConfig(special_tokens="keras_imdb", keep_apostrophes=True),
    ),
    model=ModelConfig(
        embedding=LearnedEmbedding(dim=16),
        encoder=LSTMConfig(hidden_dim=8, bidirectional=False),
        hidden_dims=(8,),
        dropout=0.0,
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    training=TrainingConfig(batch_size=512, epochs=20),
)
