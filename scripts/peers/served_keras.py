"""Keras on TensorFlow: an end-to-end model of strings, as in keras.io's "Text classification from scratch".

Many reviews go to `predict`. For a single one its documentation recommends calling the model; `predict_on_batch` runs a
compiled function instead. The faster one is kept.
"""

import string
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from imdb_jax.config import load_file
from scripts.peers.keras_peer import MODELS, WEIGHTS
from scripts.peers.served import BATCH, Folder, serve, sigmoid

PUNCTUATION = "".join(f"\\{mark}" for mark in string.punctuation)


def tags_as_spaces(text: tf.Tensor) -> tf.Tensor:
    text = tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")
    return tf.strings.regex_replace(text, f"[{PUNCTUATION}]", "")


class Keras:
    """One of the models behind a TextVectorization layer."""

    def __init__(self, folder: Folder) -> None:
        task = folder.task
        rules = load_file(task.config).data.text
        words = layers.TextVectorization(
            standardize=tags_as_spaces if rules.break_tags_as_spaces else "lower_and_strip_punctuation",
            output_sequence_length=task.max_length,
            vocabulary=[token.decode() for token in task.tokens[2:]],
        )
        build, _ = MODELS[task.workload]
        model = keras.Sequential([keras.Input((None,), dtype="int64"), *build(len(task.tokens))])
        model.set_weights([task.weights[name] for name in WEIGHTS[task.workload]])
        text = keras.Input((1,), dtype="string")
        self.model = keras.Model(text, model(words(text)))
        sample = folder.reviews()[:3]
        ways = [lambda text: self.model(text, training=False), self.model.predict_on_batch]
        self.way = min(ways, key=lambda way: self.seconds(way, sample))

    def seconds(self, way, reviews: list[bytes]) -> float:
        self.way = way
        self.single(reviews[0])  # compiles
        started = time.perf_counter()
        for review in reviews:
            self.single(review)
        return time.perf_counter() - started

    def many(self, reviews: list[bytes]) -> np.ndarray:
        return sigmoid(self.model.predict(tf.constant(reviews)[:, None], batch_size=BATCH, verbose=0)[:, 0])

    def single(self, review: bytes) -> float:
        return float(sigmoid(np.asarray(self.way(tf.constant([[review]])))[0, 0]))


if __name__ == "__main__":
    serve(lambda folder, _: Keras(folder))
