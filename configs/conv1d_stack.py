"""Two convolutions with a pool between them.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/conv1d_stack.py --workdir runs/conv1d_stack-$seed --config.seed=$seed
    done
    scripts/summarize runs/conv1d_stack-?

Test accuracy ?

@@
"""

from imdb_jax.config import (
    Config,
    ConvStackConfig,
    DataConfig,
    LearnedEmbedding,
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
        encoder=ConvStackConfig(features=16, kernel_size=7, pool_size=5),
        hidden_dims=(8,),
        dropout=0.0,
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    training=TrainingConfig(batch_size=512, epochs=20),
)
