"""The mean of learned word vectors: word order does not matter.

    scripts/reproduce mean_pool

Test accuracy 88.29 ± 0.03 %, validation 89.95 ± 0.04 % (seeds 0, 1, 2, best in epochs 2, 2, 3 of up to 3); 2 ± 0 s a
run, 1 ± 0 of them training, on 2 CPU cores with jax 0.10.2 and flax 0.12.8.

The fastest way here to a good classifier: an epoch takes a quarter of a second. Sizes, rates and epochs were chosen on
validation. Of a text of few words it is far too sure (LOG.md).
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
)

config = Config(
    data=DataConfig(vocabulary_size=30_000, max_length=1_000, text=TextConfig(break_tags_as_spaces=True)),
    model=ModelConfig(embedding=LearnedEmbedding(dim=8), encoder=PoolConfig(pooling="mean"), dropout=0.0),
    optimizer=OptimizerConfig(name="adam", learning_rate=5e-2, schedule="cosine"),
    training=TrainingConfig(batch_size=256, epochs=3),
)
