"""A learned embedding and a convolution over windows of three words.

    scripts/reproduce conv1d

Test accuracy 88.98 ± 0.17 %, validation 89.17 ± 0.10 % (seeds 0, 1, 2, best in epochs 3, 2, 2 of up to 10); 37 ± 3 s a
run, 35 ± 3 of them training, on 2 CPU cores with jax 0.10.2 and flax 0.12.8.

The tutorial's 88.3 % was chosen on the test split; here validation chooses the epoch, and chose `<br />` read as a
space and a moving average of the weights (LOG.md).
"""

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
    data=DataConfig(
        vocabulary_size=10_000,
        max_length=200,
        keep="tail",
        buckets=(128, 160),
        text=TextConfig(break_tags_as_spaces=True),
    ),
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
