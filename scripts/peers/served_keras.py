"""Keras on TensorFlow: an end-to-end model of strings, as in keras.io's "Text classification from scratch".

Many reviews go to `predict`. For a single one its documentation recommends calling the model; `predict_on_batch` runs a
compiled function instead. The faster one is kept.
"""

import string
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from imdb_jax.config import load_file
from scripts.peers.keras_peer import MODELS, WEIGHTS
from scripts.peers.protocol import BATCH, Server, Task, serve, sigmoid

PUNCTUATION = "".join(f"\\{mark}" for mark in string.punctuation)


def tags_as_spaces(text: tf.Tensor) -> tf.Tensor:
    text = tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")
    return tf.strings.regex_replace(text, f"[{PUNCTUATION}]", "")


def text_model(task: Task) -> keras.Model:
    """The model of a task behind a TextVectorization layer."""
    rules = load_file(task.config).data.text
    words = layers.TextVectorization(
        standardize=tags_as_spaces if rules.break_tags_as_spaces else "lower_and_strip_punctuation",
        output_sequence_length=task.max_length,
        vocabulary=[token.decode() for token in task.vocabulary.tokens[2:]],
    )
    build, _ = MODELS[task.workload]
    model = keras.Sequential([keras.Input((None,), dtype="int64"), *build(len(task.vocabulary))])
    model.set_weights([task.weights[name] for name in WEIGHTS[task.workload]])
    text = keras.Input((1,), dtype="string")
    return keras.Model(text, model(words(text)))


def start(task: Task, _: str) -> Server:
    model = text_model(task)

    def many(reviews: list[bytes]) -> np.ndarray:
        return sigmoid(model.predict(tf.constant(reviews)[:, None], batch_size=BATCH, verbose=0)[:, 0])

    def one_by(way: Callable) -> Callable[[bytes], float]:
        return lambda review: float(sigmoid(np.asarray(way(tf.constant([[review]])))[0, 0]))

    few, ways = task._replace(single=3), (partial(model, training=False), model.predict_on_batch)
    servers = [Server(few, many, one_by(way)) for way in ways]
    for server in servers:
        server.single()  # compiles
    return Server(task, many, min(servers, key=lambda server: server.single().sum()).probability)


if __name__ == "__main__":
    serve(start)
