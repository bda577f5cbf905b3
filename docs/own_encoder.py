"""An encoder of one's own and the config that trains it, in one file.

python -m imdb_jax.train --config docs/own_encoder.py --workdir runs/own
python -m imdb_jax.predict --code docs/own_encoder.py --workdir runs/own "What a wonderful film!"
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from imdb_jax.config import Config, DataConfig, LearnedEmbedding, ModelConfig, OptimizerConfig, OwnEncoderConfig
from imdb_jax.models import OWN_ENCODERS, Words


class TurnedWords(nnx.Module):
    """Features of each word, turned by the word before it ("not good"), then their maximum over the review.

    An encoder says how many `features` it gives, and reads `words` where the `mask` is true.
    """

    def __init__(self, input_dim: int, *, features: int, rngs: nnx.Rngs) -> None:
        self.read = nnx.Linear(input_dim, features, rngs=rngs)
        self.turn = nnx.Linear(input_dim, features, rngs=rngs)
        self.features = features

    def __call__(self, words: Words, mask: Bool[Array, "B T"]) -> Float[Array, "B F"]:
        """Features of the reviews."""
        x = words.vectors()
        before = jnp.pad(x[:, :-1], ((0, 0), (1, 0), (0, 0)))
        turned = self.read(x) * (1 - self.turn(before))
        return jnp.where(mask[:, :, None], turned, -jnp.inf).max(axis=1)


OWN_ENCODERS["turned_words"] = TurnedWords

config = Config(
    data=DataConfig(source="synthetic", vocabulary_size=2_000, max_length=128),
    model=ModelConfig(
        embedding=LearnedEmbedding(dim=32),
        encoder=OwnEncoderConfig(name="turned_words", options={"features": 32}),
    ),
    optimizer=OptimizerConfig(learning_rate=5e-3),
)
