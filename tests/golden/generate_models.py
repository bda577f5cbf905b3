"""Write models.npz: tiny Keras models with random weights, and what they compute.

Regenerate with

    pip install tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6    # Python 3.11, CPU
    python tests/golden/generate_models.py

Keras computes in float64 from weights that are exact in float32; the results are rounded to float32
once, at the end.  Every key is "case/name".  V = 50 tokens, D = 7 (embedding), H = 5 (hidden),
batch 6, T = 11; `tokens` are int32, left-aligned, real ones in 1..49, 0 as padding at the end;
`lengths` counts the real ones.  Kernels are stored as Keras has them: gates along the last axis,
in the order i, f, c, o for LSTM (each 4H) and z, r, h for GRU (3H; its bias is [2, 3H]: input row,
then recurrent row, as reset_after=True needs); Conv1D kernels are [width, in, out].

    bilstm            Embedding(mask) -> Bidirectional(LSTM), last states, concat -> Dense(1)
    bilstm_sequence   outputs [6, 11, 2H] of the same layer (weights and tokens of bilstm) with
                      return_sequences=True, 0 past the length.  The backward half is aligned with
                      the input's time: at position t it has read the tokens length-1, ..., t, so
                      its last state is at position 0.
    bilstm_gradients  d loss / d weight for the weights and tokens of bilstm, where loss is the mean
                      binary cross-entropy of the logits with `labels`
    lstm              Embedding(mask) -> LSTM -> Dense(1)
    simple_rnn        Embedding(mask) -> SimpleRNN(tanh) -> Dense(1)
    gru               Embedding(mask) -> GRU(reset_after=True) -> Dense(1)
    conv1d            Embedding -> Conv1D(6, 3, relu) -> GlobalMaxPooling1D -> Dense(8, relu)
                      -> Dense(1), each row alone and without its padding; a row of fewer than 3
                      tokens is filled up with all-zero vectors after the embedding
    conv1d_stack      Embedding -> Conv1D(4, 3, relu) -> MaxPooling1D(2) -> Conv1D(4, 3, relu)
                      -> GlobalMaxPooling1D -> Dense(3, relu) -> Dense(1), each row as in conv1d, one of fewer
                      than 8 tokens filled up to 8
    optimizers        `rmsprop` and `adam` [10, 5]: the parameters after each of 10 steps from
                      `initial` [5] along `gradients` [10, 5], learning rate 1e-3, Keras' defaults
                      otherwise (RMSprop: rho 0.9, momentum 0, epsilon 1e-7, inside the root; Adam:
                      beta_1 0.9, beta_2 0.999, epsilon 1e-7, added to the root of the second
                      moment before its bias is corrected).  The gradients of the last parameters
                      are so small that this shows.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

OUTPUT = Path(__file__).with_name("models.npz")
SEED = 20240229
VOCABULARY, EMBED_DIM, HIDDEN, STEPS = 50, 7, 5, 11
LENGTHS = np.array([11, 7, 1, 4, 9, 2], np.int32)
LABELS = np.array([1, 0, 1, 1, 0, 0], np.float32)

CELL = ("kernel", "recurrent_kernel", "bias")
HEAD = ("head_kernel", "head_bias")
RECURRENT_NAMES = ("embedding", *CELL, *HEAD)
BILSTM_NAMES = ("embedding", *(f"{d}_{n}" for d in ("forward", "backward") for n in CELL), *HEAD)
CONV_NAMES = ("embedding", "conv_kernel", "conv_bias", "dense_kernel", "dense_bias", *HEAD)
STACK_NAMES = (
    "embedding",
    *(f"conv{i}_{n}" for i in (1, 2) for n in ("kernel", "bias")),
    *("dense_kernel", "dense_bias"),
    *HEAD,
)


def float32(rng: np.random.Generator, shape, scale: float | np.ndarray = 0.5) -> np.ndarray:
    return rng.normal(0.0, scale, shape).astype(np.float32)


def random_tokens(rng: np.random.Generator, lengths: np.ndarray) -> np.ndarray:
    tokens = rng.integers(1, VOCABULARY, (len(lengths), STEPS), dtype=np.int32)
    return np.where(np.arange(STEPS) < lengths[:, None], tokens, 0).astype(np.int32)


def build(rng: np.random.Generator, body: list[layers.Layer], mask: bool) -> keras.Sequential:
    """Embedding, then the given layers, then one logit; every weight random, biases too."""
    embedding = layers.Embedding(VOCABULARY, EMBED_DIM, mask_zero=mask)
    model = keras.Sequential([embedding, *body, layers.Dense(1)])
    model.build((None, STEPS))
    model.set_weights([float32(rng, weight.shape) for weight in model.weights])
    return model


def named(names: tuple[str, ...], values) -> dict[str, np.ndarray]:
    return dict(zip(names, map(np.asarray, values), strict=True))


def recurrent(rng: np.random.Generator, layer: layers.Layer) -> dict[str, np.ndarray]:
    model = build(rng, [layer], mask=True)
    tokens = random_tokens(rng, LENGTHS)
    weights = named(RECURRENT_NAMES, model.get_weights())
    return weights | {"tokens": tokens, "lengths": LENGTHS, "logits": model(tokens)[:, 0]}


def bilstm(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """The three cases of one model: logits, outputs in time, gradients."""
    model = build(rng, [layers.Bidirectional(layers.LSTM(HIDDEN))], mask=True)
    tokens = random_tokens(rng, LENGTHS)

    with tf.GradientTape() as tape:
        logits = model(tokens)[:, 0]
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(LABELS, logits)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]

    in_time = layers.Bidirectional(layers.LSTM(HIDDEN, return_sequences=True))
    in_time.build((None, STEPS, EMBED_DIM))
    in_time.set_weights(model.layers[1].get_weights())
    real = np.arange(STEPS) < LENGTHS[:, None]
    outputs = np.asarray(in_time(model.layers[0](tokens), mask=tf.constant(real)))

    weights = named(BILSTM_NAMES, model.get_weights())
    return {
        "bilstm": weights | {"tokens": tokens, "lengths": LENGTHS, "logits": logits},
        "bilstm_sequence": {"outputs": np.where(real[..., None], outputs, 0.0)},
        "bilstm_gradients": named(BILSTM_NAMES, gradients) | {"labels": LABELS, "loss": loss},
    }


def alone(model: keras.Sequential, tokens: np.ndarray, shortest: int) -> list[float]:
    """Logits of rows, each by itself without its padding, filled up with zero vectors to `shortest` steps."""

    def logit(row: np.ndarray) -> float:
        vectors = np.asarray(model.layers[0](row[None]))
        outputs = np.pad(vectors, ((0, 0), (0, max(0, shortest - len(row))), (0, 0)))
        for layer in model.layers[1:]:
            outputs = layer(outputs)
        return float(outputs[0, 0])

    return [logit(row[:length]) for row, length in zip(tokens, LENGTHS, strict=True)]


def conv1d(rng: np.random.Generator) -> dict[str, np.ndarray]:
    body = [
        layers.Conv1D(6, 3, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(8, activation="relu"),
    ]
    model = build(rng, body, mask=False)
    tokens = random_tokens(rng, LENGTHS)
    weights = named(CONV_NAMES, model.get_weights())
    return weights | {"tokens": tokens, "lengths": LENGTHS, "logits": alone(model, tokens, shortest=3)}


def conv1d_stack(rng: np.random.Generator) -> dict[str, np.ndarray]:
    body = [
        layers.Conv1D(4, 3, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(4, 3, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(3, activation="relu"),
    ]
    model = build(rng, body, mask=False)
    tokens = random_tokens(rng, LENGTHS)
    weights = named(STACK_NAMES, model.get_weights())
    # 3 stretches of 2 windows of 3 steps: 8 steps fill one window of the second convolution
    return weights | {"tokens": tokens, "lengths": LENGTHS, "logits": alone(model, tokens, shortest=8)}


def optimizers(rng: np.random.Generator) -> dict[str, np.ndarray]:
    initial = float32(rng, 5, 0.01)
    gradients = float32(rng, (10, 5), np.array([1.0, 1e-1, 1e-3, 1e-6, 1e-7]))

    def trajectory(optimizer: keras.optimizers.Optimizer) -> np.ndarray:
        parameters = keras.Variable(initial, dtype="float64")
        points = []
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient, parameters.dtype)], [parameters])
            points.append(parameters.numpy().copy())
        print(optimizer.name, optimizer.get_config())  # noqa: T201 the defaults
        return np.stack(points)

    return {
        "initial": initial,
        "gradients": gradients,
        "rmsprop": trajectory(keras.optimizers.RMSprop(1e-3)),
        "adam": trajectory(keras.optimizers.Adam(1e-3)),
    }


def main() -> None:
    keras.config.set_floatx("float64")
    rng = np.random.default_rng(SEED)
    cases = bilstm(rng) | {
        "lstm": recurrent(rng, layers.LSTM(HIDDEN)),
        "simple_rnn": recurrent(rng, layers.SimpleRNN(HIDDEN)),
        "gru": recurrent(rng, layers.GRU(HIDDEN)),
        "conv1d": conv1d(rng),
        "conv1d_stack": conv1d_stack(rng),
        "optimizers": optimizers(rng),
    }
    arrays = {}
    for case, values in cases.items():
        for name, value in values.items():
            value = np.asarray(value)
            dtype = np.int32 if np.issubdtype(value.dtype, np.integer) else np.float32
            arrays[f"{case}/{name}"] = value.astype(dtype)
    np.savez_compressed(OUTPUT, **arrays)


if __name__ == "__main__":
    main()
