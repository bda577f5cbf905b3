"""The maximum of word vectors.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/max_pool.py --workdir runs/max_pool-$seed --config.seed=$seed
    done
    scripts/summarize runs/max_pool-?

Test accuracy ?

@@
"""

from imdb_jax.config import (
    Config,
    DataConfig,
    LearnedEmbedding,
    ModelConfig,
    OptimizerConfig,
    PoolConfig,
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
        embedding=LearnedEmbedding(dim=16), encoder=PoolConfig(pooling="max"), hidden_dims=(8,), dropout=0.0
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    training=TrainingConfig(batch_size=512, epochs=20),
)
