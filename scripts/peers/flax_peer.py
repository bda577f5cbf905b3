"""Flax NNX.

documented: nnx.RNN and nnx.Bidirectional with `seq_lengths` on batches of one length. bucketed: the same model on
batches of reviews of like length, padded to one of six lengths. In both the cell is the optimized one, and steps are
plain jax.jit over `nnx.split`, which Flax's guide to performance recommends over nnx.jit.
"""

import itertools
from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from imdb_jax.data.batches import Batch, Batches
from scripts.peers.protocol import BUCKETS, Task, serve


class BiLSTM(nnx.Module):
    """The model of W1."""

    def __init__(self, weights: dict[str, np.ndarray], rngs: nnx.Rngs) -> None:
        self.table = nnx.Variable(jnp.asarray(weights["embedding.table"]))  # no nnx.Param: it is frozen
        directions = [nnx.RNN(nnx.OptimizedLSTMCell(100, 32, rngs=rngs)) for _ in range(2)]
        self.lstm = nnx.Bidirectional(*directions, return_carry=True)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.output = nnx.Linear(64, 1, rngs=rngs)
        for name, direction in zip(("forward", "backward"), directions, strict=True):
            direction.cell.dense_i.kernel.set_value(jnp.asarray(weights[f"encoder.{name}.kernel"]))
            direction.cell.dense_h.kernel.set_value(jnp.asarray(weights[f"encoder.{name}.recurrent_kernel"]))
            direction.cell.dense_h.bias.set_value(jnp.asarray(weights[f"encoder.{name}.bias"]))
        set_linear(self.output, weights, "output")

    def __call__(self, tokens, lengths):
        ((_, forward), (_, backward)), _ = self.lstm(self.table[...][tokens], seq_lengths=lengths)
        x = jnp.concatenate([forward, backward], axis=-1)
        return self.output(self.dropout(x))[:, 0]


class Conv1D(nnx.Module):
    """The model of W2."""

    def __init__(self, weights: dict[str, np.ndarray], rngs: nnx.Rngs) -> None:
        table = weights["embedding.table"]
        self.embedding = nnx.Embed(*table.shape, rngs=rngs)
        self.conv = nnx.Conv(256, 256, kernel_size=3, padding="VALID", rngs=rngs)
        self.hidden = nnx.Linear(256, 128, rngs=rngs)
        self.output = nnx.Linear(128, 1, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.embedding.embedding.set_value(jnp.asarray(table))
        set_linear(self.conv, weights, "encoder")
        set_linear(self.hidden, weights, "hidden.0")
        set_linear(self.output, weights, "output")

    def __call__(self, tokens, _):
        x = self.dropout(self.embedding(tokens))
        x = nnx.relu(self.conv(x)).max(axis=1)
        x = nnx.relu(self.hidden(x))
        return self.output(self.dropout(x))[:, 0]


class Ngrams(nnx.Module):
    """The model of W3."""

    def __init__(self, weights: dict[str, np.ndarray], rngs: nnx.Rngs) -> None:
        self.ratios = nnx.Variable(jnp.asarray(weights["embedding.table"]))
        self.weights = nnx.Param(jnp.asarray(weights["embedding.weights"]))
        self.output = nnx.Linear(1, 1, rngs=rngs)
        set_linear(self.output, weights, "output")

    def __call__(self, tokens, lengths):
        valid = jnp.arange(tokens.shape[1]) < lengths[:, None]
        scores = (self.ratios[...][tokens] * self.weights[...][tokens])[..., 0]
        sums = jnp.where(valid, scores, 0).sum(axis=1)
        return self.output((sums / jnp.sqrt(lengths))[:, None])[:, 0]


def set_linear(layer: nnx.Linear | nnx.Conv, weights: dict[str, np.ndarray], name: str) -> None:
    layer.kernel.set_value(jnp.asarray(weights[f"{name}.kernel"]))
    layer.bias.set_value(jnp.asarray(weights[f"{name}.bias"]))


MODELS = {
    "W1": (BiLSTM, optax.rmsprop(1e-3, decay=0.9, eps=1e-7)),
    "W2": (Conv1D, optax.adam(1e-3, eps=1e-7)),
    "W3": (Ngrams, optax.adam(4e-3, eps=1e-7)),
}


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_step(graph, state, batch: Batch):
    model, optimizer = nnx.merge(graph, state)

    def loss(model):
        losses = optax.sigmoid_binary_cross_entropy(model(batch.tokens, batch.lengths), batch.labels)
        return (losses * batch.weights).sum() / batch.weights.sum()

    optimizer.update(model, nnx.grad(loss)(model))
    return nnx.state((model, optimizer))


@partial(jax.jit, static_argnums=0)
def predict_step(graph, state, tokens, lengths):
    model, _ = nnx.merge(graph, state)
    model.eval()
    return model(tokens, lengths)


class Flax:
    """Trains one of the models on batches of a variant."""

    def __init__(self, task: Task, variant: str) -> None:
        self.task = task
        buckets = BUCKETS[task.workload] if variant == "bucketed" else ()
        self.batches = Batches(task.train, task.batch_size, task.max_length, buckets=buckets)
        self.test_batches = Batches(task.test, task.eval_batch_size, task.max_length, buckets=buckets)
        self.epochs = itertools.count()
        self.reset()

    def reset(self) -> None:
        build, update = MODELS[self.task.workload]
        model = build(self.task.weights, nnx.Rngs(0))
        self.graph, self.state = nnx.split((model, nnx.Optimizer(model, update, wrt=nnx.Param)))

    def step(self) -> None:
        self._train(itertools.islice(self.batches.shuffled(0, 0), 1))

    def train(self) -> None:
        self._train(self.batches.shuffled(0, next(self.epochs)))

    def _train(self, epoch: Iterable[Batch]) -> None:
        for batch in epoch:
            self.state = train_step(self.graph, self.state, batch)
        jax.block_until_ready(self.state)

    def infer(self) -> np.ndarray:
        logits = np.empty(len(self.task.test.labels), np.float32)
        outputs = [
            (rows, predict_step(self.graph, self.state, batch.tokens, batch.lengths))
            for rows, batch in self.test_batches.sorted()
        ]
        for rows, output in outputs:
            logits[rows] = output[: len(rows)]
        return logits


if __name__ == "__main__":
    serve(Flax)
