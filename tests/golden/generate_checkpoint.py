"""Write checkpoint/ and checkpoint.json: a checkpoint that every later version must restore bit for bit.

checkpoint_older/ holds the same state, once written by a version that kept what a checkpoint says of itself in Orbax's
own file; nothing writes that any more.

Regenerate, only when the format is meant to change, with

    python -m tests.golden.generate_checkpoint    # orbax-checkpoint 0.12.8, jax 0.10.2, flax 0.12.8, optax 0.2.8

The state has the leaves of a small LSTM under RMSprop with a schedule, clipping and a moving average, filled with
numbers by NumPy, so that nothing else decides what they are.  checkpoint.json holds the fingerprint of each leaf.
"""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from imdb_jax.config import Config, DataConfig, LearnedEmbedding, LSTMConfig, ModelConfig, OptimizerConfig, TextConfig
from imdb_jax.data.vocabulary import Vocabulary
from imdb_jax.training.build import build_learner, build_model
from imdb_jax.training.checkpoint import Checkpoints, read_metadata, write_metadata
from imdb_jax.training.fingerprint import fingerprints
from imdb_jax.training.step import TrainState

FOLDER = Path(__file__).with_name("checkpoint")
OLDER = FOLDER.with_name("checkpoint_older")
MARKS = FOLDER.with_suffix(".json")
ORIGIN = {"vocabulary.txt": "golden"}
HISTORY = [{"epoch": 1, "step": 7, "validation": {"accuracy": 0.75}}]
CONFIG = Config(
    data=DataConfig(source="synthetic", vocabulary_size=24, max_length=8),
    model=ModelConfig(embedding=LearnedEmbedding(dim=16), encoder=LSTMConfig(hidden_dim=4)),
    optimizer=OptimizerConfig(name="rmsprop", schedule="cosine", clip_norm=1.0, ema_decay=0.9),
)


def blank() -> TrainState:
    """The state before the first step: its leaves are those of the golden one, its numbers are not."""
    tokens = [b"", b"[UNK]", *(b"word%d" % i for i in range(22))]
    vocabulary = Vocabulary(tokens, TextConfig())
    return build_learner(build_model(CONFIG, vocabulary), CONFIG, steps=10)[1]


def filled() -> TrainState:
    """The golden state."""
    draw = np.random.Generator(np.random.Philox(key=20240229))

    def fill(leaf: jax.Array) -> jax.Array:
        if leaf.dtype == jnp.uint32:  # a key
            return jnp.asarray(draw.integers(2**32, size=leaf.shape, dtype=np.uint32))
        bits = draw.integers(2**23, size=leaf.shape, dtype=np.uint32)
        if jnp.issubdtype(leaf.dtype, jnp.integer):
            return jnp.asarray(bits.astype(leaf.dtype))
        return jnp.asarray((bits.astype(np.float64) / 2**23 - 0.5).astype(np.float32))

    return jax.tree.map(fill, blank())._replace(step=jnp.int32(7))


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    state = filled()
    with Checkpoints(FOLDER, ORIGIN) as checkpoints:
        checkpoints.save(state, HISTORY, 0.75)
    for file in FOLDER.rglob("commit_success.txt"):  # holds nothing but where the checkpoint was written
        file.unlink()
    write_metadata(FOLDER / "7", read_metadata(FOLDER / "7"))
    MARKS.write_text(json.dumps(fingerprints(state), indent=2) + "\n")


if __name__ == "__main__":
    main()
