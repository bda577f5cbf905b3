"""Keras 3, on the backend that KERAS_BACKEND names.

documented: `fit` and `predict` on arrays of one length, as in keras.io's "Bidirectional LSTM on IMDB" and "Text
classification from scratch". bucketed: `fit` on tf.data's bucket_by_sequence_length; on TensorFlow also with the
faster setting of jit_compile. Metrics, which would cost time, are left out of both.
"""

import time

import keras
import numpy as np
from keras import layers

from scripts.peers.protocol import BUCKETS, Task, lengths, padded, serve

LSTM_WEIGHTS = ("kernel", "recurrent_kernel", "bias")
WEIGHTS = {  # names in imdb_jax, in the order of `set_weights`
    "W1": [
        "embedding.table",
        *(f"encoder.{direction}.{name}" for direction in ("forward", "backward") for name in LSTM_WEIGHTS),
        "output.kernel",
        "output.bias",
    ],
    "W2": [
        "embedding.table",
        *(f"{layer}.{name}" for layer in ("encoder", "hidden.0", "output") for name in ("kernel", "bias")),
    ],
}


def bilstm(vocabulary_size: int) -> list[layers.Layer]:
    return [
        layers.Embedding(vocabulary_size, 100, trainable=False, mask_zero=True),
        layers.Bidirectional(layers.LSTM(32)),
        layers.Dropout(0.5),
        layers.Dense(1),
    ]


def conv1d(vocabulary_size: int) -> list[layers.Layer]:
    return [
        layers.Embedding(vocabulary_size, 256),
        layers.Dropout(0.3),
        layers.Conv1D(256, 3, padding="valid", activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(1),
    ]


MODELS = {"W1": (bilstm, keras.optimizers.RMSprop), "W2": (conv1d, keras.optimizers.Adam)}


class Documented:
    """Arrays of one length."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.tokens, self.labels = padded(task.train, task.max_length), task.train.labels.astype(np.float32)
        self.test_tokens = padded(task.test, task.max_length)
        build, self.optimizer = MODELS[task.workload]
        vocabulary_size = len(task.weights["embedding.table"])
        self.model = keras.Sequential([keras.Input((None,), dtype="int32"), *build(vocabulary_size)])
        self.reset()
        self.compile()

    def compile(self, **settings: bool) -> None:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.model.compile(self.optimizer(1e-3), loss, **settings)

    def reset(self) -> None:
        self.model.set_weights([self.task.weights[name] for name in WEIGHTS[self.task.workload]])

    def step(self) -> None:
        count = self.task.batch_size
        self.model.fit(self.tokens[:count], self.labels[:count], batch_size=count, verbose=0)

    def train(self) -> None:
        self.model.fit(self.tokens, self.labels, batch_size=self.task.batch_size, verbose=0)

    def infer(self) -> np.ndarray:
        return self.model.predict(self.test_tokens, batch_size=self.task.eval_batch_size, verbose=0)[:, 0]


class Bucketed(Documented):
    """Batches of reviews of like length."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.widths = (*BUCKETS[task.workload], task.max_length)
        self.dataset = self.bucketed(len(self.labels))
        self.tuned = keras.backend.backend() != "tensorflow"  # without jit_compile, Keras on JAX runs line by line

    def bucketed(self, count: int):
        """A tf.data pipeline over the first reviews."""
        import tensorflow as tf  # here, so that Keras on JAX does without it where it can

        offsets = self.task.train.offsets[: count + 1]
        ids = tf.RaggedTensor.from_row_splits(self.task.train.ids[: offsets[-1]].astype(np.int32), offsets)
        return (
            tf.data.Dataset.from_tensor_slices((ids, self.labels[:count]))
            .shuffle(count)
            .map(lambda ids, label: (tf.identity(ids), label))  # a ragged row becomes a tensor
            .bucket_by_sequence_length(
                lambda ids, label: tf.shape(ids)[0],
                bucket_boundaries=[width + 1 for width in self.widths],
                bucket_batch_sizes=[self.task.batch_size] * (len(self.widths) + 1),
                pad_to_bucket_boundary=True,
            )
            .prefetch(tf.data.AUTOTUNE)
        )

    def tune(self) -> None:
        """Keeps the faster setting of jit_compile on a tenth of the reviews."""
        sample = self.bucketed(max(len(self.labels) // 10, self.task.batch_size))
        seconds = {}
        for jit in (False, True):
            self.compile(jit_compile=jit)
            self.model.fit(sample, verbose=0)  # compiles
            started = time.perf_counter()
            self.model.fit(sample, verbose=0)
            seconds[jit] = time.perf_counter() - started
        print(f"seconds by jit_compile: {seconds}")
        self.compile(jit_compile=min(seconds, key=seconds.get))
        self.tuned = True

    def step(self) -> None:
        self.model.fit(self.dataset.take(1), verbose=0)

    def train(self) -> None:
        if not self.tuned:  # in the first epoch, which only warms up
            self.tune()
        self.model.fit(self.dataset, verbose=0)

    def infer(self) -> np.ndarray:
        bucket = np.searchsorted(self.widths, lengths(self.task.test))
        logits = np.empty(len(bucket), np.float32)
        for index, width in enumerate(self.widths):
            if (rows := bucket == index).any():
                tokens = self.test_tokens[rows, :width]
                logits[rows] = self.model.predict(tokens, batch_size=self.task.eval_batch_size, verbose=0)[:, 0]
        return logits


VARIANTS = {"documented": Documented, "bucketed": Bucketed}

if __name__ == "__main__":
    serve(lambda task, variant: VARIANTS[variant](task))
