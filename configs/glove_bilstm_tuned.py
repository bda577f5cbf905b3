"""The system of `glove_bilstm` with the maximum over all states where that has the last: what validation chose.

    scripts/reproduce glove_bilstm_tuned

Test accuracy ? (to come).

Everything else, and the number of parameters, is as in `glove_bilstm` (LOG.md has what else was tried).
"""

from imdb_jax.config import (
    Config,
    DataConfig,
    LSTMConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainedEmbedding,
    TextConfig,
    TrainingConfig,
)

config = Config(
    data=DataConfig(vocabulary_size=20_000, max_length=600, text=TextConfig(break_tags_as_spaces=True)),
    model=ModelConfig(
        embedding=PretrainedEmbedding(vectors="glove.6B.100d", trainable=False),
        encoder=LSTMConfig(hidden_dim=32, bidirectional=True, pooling="max"),
        dropout=0.5,
    ),
    optimizer=OptimizerConfig(name="rmsprop", learning_rate=1e-3, ema_decay=0.999),
    training=TrainingConfig(batch_size=32, epochs=15, monitor="accuracy"),
)
