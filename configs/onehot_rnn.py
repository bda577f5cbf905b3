"""One-hot words and a SimpleRNN over the last hundred of them.

    scripts/reproduce onehot_rnn

Test accuracy median 78.11, lowest 53.05 %, validation median 79.15, lowest 52.74 % (seeds 0 to 23, best in epochs 16 to
57 of up to 100); 30 ± 19 s a run, 25 ± 16 of them training, on 2 CPU cores with jax 0.10.2 and flax 0.12.8.

The tutorial's sizes, optimizer and patience are kept; padding is skipped, where its recurrence ran over it. It built
the one-hot vectors, 500 numbers a word; here a word's product with the kernel is a row of the kernel, and nothing is
built. One of 24 seeds stalls: its orthogonal start keeps little of a hundred words (LOG.md). `onehot_rnn_tuned` starts
from the identity.
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
