"""A learned embedding of 500 words and a SimpleRNN over the last hundred of them.

    scripts/reproduce embedding_rnn_small

Test accuracy median 78.03, lowest 51.34 %, validation median 78.64, lowest 51.10 % (seeds 0 to 23, best in epochs 5 to
41 of up to 100); 21 ± 7 s a run, 16 ± 6 of them training, on 2 CPU cores with jax 0.10.2 and flax 0.12.8.

The tutorial's sizes, optimizer and patience are kept; padding is skipped, where its recurrence ran over it. Seven of
24 seeds stall, six of them below 55 %: their orthogonal start keeps little of a hundred words (LOG.md).
`embedding_rnn_small_tuned` starts from the identity.
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
    data=DataConfig(
        vocabulary_size=500,
        max_length=100,
        keep="tail",
        text=TextConfig(special_tokens="keras_imdb", keep_apostrophes=True),
    ),
    model=ModelConfig(embedding=LearnedEmbedding(dim=16), encoder=SimpleRNNConfig(hidden_dim=8), dropout=0.0),
    optimizer=OptimizerConfig(name="rmsprop", learning_rate=1e-4),
    training=TrainingConfig(batch_size=64, epochs=100, monitor="loss", patience=3),
)
