"""conv1d_stack on pretrained vectors.

    for seed in 0 1 2; do
      python -m imdb_jax.train --config configs/word2vec_conv1d.py --workdir runs/word2vec_conv1d-$seed --config.seed=$seed
    done
    scripts/summarize runs/word2vec_conv1d-?

Test accuracy ?

@@
"""

from imdb_jax.config import (
    Config,
    ConvStackConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainedEmbedding,
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
        embedding=PretrainedEmbedding(vectors="glove.6B.100d", trainable=True, missing="normal"),
        encoder=ConvStackConfig(features=16, kernel_size=7, pool_size=5),
        hidden_dims=(8,),
        dropout=0.0,
    ),
    optimizer=OptimizerConfig(name="adam", learning_rate=1e-3),
    training=TrainingConfig(batch_size=512, epochs=20),
)
