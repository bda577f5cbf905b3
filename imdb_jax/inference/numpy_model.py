"""The models of imdb_jax in NumPy alone, for `NumpyReader` of reader.py.

A review is a row; tokens are ids [B, T], and lengths the words of each review, from the longest to the shortest.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


def steps_needed(encoder: dict[str, Any]) -> int:
    """Steps that convolutions of these sizes take at least; shorter reviews are padded."""
    return encoder.get("kernel_size", 1) * (encoder.get("pool_size", 0) + 1)


def logits(weights: Weights, manifest: dict[str, Any], tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Logits [B] of encoded reviews by the weights of one member, of the encoder and layers that the manifest names."""
    table = weights.get("embedding.table")
    if "embedding.weights" in weights and table is not None:
        table = table * weights["embedding.weights"]
    words = NumpyWords(table, weights.get("embedding.pairs"), tokens, lengths)
    encoder = manifest["encoder"]
    x = FEATURES[encoder["kind"]](words, weights, encoder)
    for k in range(manifest["hidden_layers"]):
        x = np.maximum(x @ weights[f"hidden.{k}.kernel"] + weights[f"hidden.{k}.bias"], 0)
    return (x @ weights["output.kernel"] + weights["output.bias"])[:, 0]


class NumpyWords:
    """The words of a batch.

    Args:
      table: their vectors [V, D], or None for one-hot words, which are never spelt out.
      pairs: vectors [H, D] of pairs of a word and the next by their hash, or None.
    """

    def __init__(
        self, table: np.ndarray | None, pairs: np.ndarray | None, tokens: np.ndarray, lengths: np.ndarray
    ) -> None:
        self.tokens, self.lengths = tokens, lengths
        self.mask = (np.arange(tokens.shape[1]) < lengths[:, None])[:, :, None]
        if table is None:
            self.vectors = None
            return
        vectors = table[tokens]
        if pairs is not None:
            vectors += pairs[bigram_buckets(tokens, len(pairs))]
        self.vectors = np.where(self.mask, vectors, 0)

    def times(self, kernel: np.ndarray) -> np.ndarray:
        """The product [B, T, F] with a kernel [D, F], zero at padding."""
        return np.where(self.mask, kernel[self.tokens], 0) if self.vectors is None else product(self.vectors, kernel)


def bigram_buckets(tokens: np.ndarray, size: int) -> np.ndarray:
    """The row of each pair of a word and the next, or padding: `imdb_jax.models.embedding.bigram_buckets`."""
    ids = tokens.astype(np.uint32)
    x = ids * np.uint32(0x9E3779B1) + np.pad(ids[:, 1:], ((0, 0), (0, 1)))
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return (x ^ (x >> 16)) % np.uint32(size)


def product(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The product of [B, T, D] with [D, F] as one of two matrices, several times as fast as one for each review."""
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], -1)


def recurrent(words: NumpyWords, weights: Weights, encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.LSTM` and `SimpleRNN`."""
    time, lengths = np.arange(words.tokens.shape[1]), words.lengths[:, None]
    backward = np.where(time < lengths, lengths - 1 - time, time)[:, :, None]  # turns each review round in its place
    states, last = [], []
    for name in ("forward", "backward") if encoder["bidirectional"] else ("forward",):
        z = words.times(weights[f"encoder.{name}.kernel"]) + weights[f"encoder.{name}.bias"]
        z = np.take_along_axis(z, backward, axis=1) if name == "backward" else z
        h = recur(encoder["kind"], z, weights[f"encoder.{name}.recurrent_kernel"], words.lengths)
        last.append(h[np.arange(len(h)), words.lengths - 1])
        states.append(np.take_along_axis(h, backward, axis=1) if name == "backward" else h)
    if encoder["pooling"] == "last":
        return np.concatenate(last, axis=1)
    return pooled(encoder["pooling"], np.concatenate(states, axis=2), words.mask, weights.get("encoder.query"))


def recur(kind: str, z: np.ndarray, recurrent_kernel: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """States [B, T, H] of a recurrence, from what its words add to the pre-activations, [B, T, G]."""
    states = np.zeros((z.shape[1], len(z), len(recurrent_kernel)), np.float32)
    h, c = np.zeros((2, *states.shape[1:]), np.float32)
    shift = np.repeat(np.array([0.5, 0.5, 0, 0.5], np.float32), h.shape[1])  # sigmoid(z) = tanh(z / 2) / 2 + 1 / 2
    scale = np.where(shift == 0, np.float32(1), shift)
    for t, rows in enumerate((np.arange(lengths[0])[:, None] < lengths).sum(axis=1)):  # the first rows still have words
        gates = z[:rows, t] + h[:rows] @ recurrent_kernel
        if kind == "lstm":
            i, f, g, o = np.split(np.tanh(gates * scale) * scale + shift, 4, axis=1)
            c[:rows] = f * c[:rows] + i * g
            h[:rows] = o * np.tanh(c[:rows])
        else:
            h[:rows] = np.tanh(gates)
        states[t] = h
    return states.swapaxes(0, 1)


def conv1d(words: NumpyWords, weights: Weights, encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.Conv1D`."""
    kernel = weights["encoder.kernel"]
    highest = windows_max(convolved(words.times, kernel), words.lengths - len(kernel) + 1)
    return np.maximum(highest + weights["encoder.bias"], 0)


def conv_stack(words: NumpyWords, weights: Weights, encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.ConvStack`."""
    kernel, second, size = weights["encoder.kernel"], weights["encoder.second_kernel"], encoder["pool_size"]
    x = convolved(words.times, kernel)
    stretches = x.shape[1] // size
    x = x[:, : stretches * size].reshape(len(x), stretches, size, -1).max(axis=2)
    x = np.maximum(x + weights["encoder.bias"], 0)
    whole = (words.lengths - len(kernel) + 1) // size
    highest = windows_max(convolved(lambda kernel: product(x, kernel), second), whole - len(second) + 1)
    return np.maximum(highest + weights["encoder.second_bias"], 0)


def convolved(times: Callable[[np.ndarray], np.ndarray], kernel: np.ndarray) -> np.ndarray:
    """Windows [B, W, F] of a valid convolution, from a function that multiplies each step with [D, F]."""
    first, *others = (times(of_word) for of_word in kernel)
    outputs = first[:, : first.shape[1] - len(others)]
    for k, later in enumerate(others, start=1):
        outputs = outputs + later[:, k : k + outputs.shape[1]]
    return outputs


def windows_max(outputs: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """The maximum of each filter over the first windows of each row, one at least."""
    inside = np.arange(outputs.shape[1]) < np.maximum(windows, 1)[:, None]
    return np.where(inside[:, :, None], outputs, -np.inf).max(axis=1)


def pool(words: NumpyWords, weights: Weights, encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.Pool`."""
    assert words.vectors is not None  # one-hot words are not pooled
    return pooled(encoder["pooling"], words.vectors, words.mask)


def pooled(kind: str, states: np.ndarray, mask: np.ndarray, query: np.ndarray | None = None) -> np.ndarray:
    """A pool [B, F] of the states [B, T, F] at words; the last kind is their mean weighted by attention."""
    if kind == "max":
        return np.where(mask, states, -np.inf).max(axis=1)
    if kind in ("mean", "sqrt"):
        sums, count = np.where(mask, states, 0).sum(axis=1), mask.sum(axis=1, dtype=np.float32)
        return sums / (np.sqrt(count) if kind == "sqrt" else count)
    scores = np.where(mask, np.tanh(states) @ query, -np.inf)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))  # without the maximum exp overflows from 89 on
    return (shares / shares.sum(axis=1, keepdims=True) * states).sum(axis=1)


FEATURES = {"lstm": recurrent, "simple_rnn": recurrent, "conv1d": conv1d, "conv_stack": conv_stack, "pool": pool}
