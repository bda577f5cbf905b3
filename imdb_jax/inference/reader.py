"""Reads reviews with an exported model. This file needs nothing of imdb_jax: copy it to where the model goes.

    python reader.py model.zip "What a film!" "Not good, not funny."
    python reader.py --numpy model.zip < reviews.txt

It needs NumPy, and for `JaxReader` also JAX and flatbuffers, in which jax.export stores programs. Both readers give
the probabilities of `python -m imdb_jax.predict`, to 1e-6.

A model is a zip file of plain data, none of it compressed:

    manifest.json         how text is read, where the weights come from, size and SHA-256 of each file; sealed itself
    vocabulary.txt        a token per line, by id
    weights/0/NAME.npy    the weights of each member; the logits of several members are averaged
    model.stablehlo       jax.export's (weights of members, tokens [B, T], lengths [B]) -> logits [B], T >= 64

What has changed since it was written is refused. Nothing but the program is ever run, and that can only compute: one
which calls anything outside itself is refused too.
"""

import abc
import argparse
import hashlib
import io
import itertools
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
MANIFEST, VOCABULARY, PROGRAM = "manifest.json", "vocabulary.txt", "model.stablehlo"
MAX_MANIFEST = 16 << 20  # bytes
MAX_BYTES = 8 << 30  # of all other files together
SHORTEST = 64  # steps that the program takes at least
ROWS = 64  # reviews read together
BAD_DATA, MISSING_INPUT = 65, 66  # exit codes, of sysexits.h
LONGEST = 2_000  # characters of a message
PUNCTUATION = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
LOWER = bytes(range(256)).lower()


class ModelError(ValueError):
    """A file is no model that can be read here, said in one line of at most 2,000 characters.

    Args:
      message: which file, what is wrong with it.
      exit_code: what the command line exits with.
    """

    def __init__(self, message: str, exit_code: int = BAD_DATA) -> None:
        super().__init__(" ".join(message.split())[:LONGEST])
        self.exit_code = exit_code


class ModelFile:
    """An exported model as it lies on disk, each part compared with its checksum.

    Args:
      path: of the zip file.

    Attributes:
      manifest: what `imdb_jax.inference.artefact` wrote of text, encoder, config and versions.
      tokens: by id.
      members: weights in float32 by their names, of each member.
      program: as jax.export stored it.

    Raises:
      ModelError: there is no such file (66), or it isn't what `python -m imdb_jax.export` wrote (65).
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        if not Path(path).is_file():
            raise ModelError(f"{path}: no such file", MISSING_INPUT)
        try:
            with zipfile.ZipFile(path) as archive:
                self._read(archive)
        except ModelError:
            raise
        except Exception as error:  # of zipfile, json and NumPy: a dozen types
            raise ModelError(f"{path}: not a model of imdb_jax ({type(error).__name__}: {error})") from None

    def _read(self, archive: zipfile.ZipFile) -> None:
        self.manifest = json.loads(self._content(archive, MANIFEST, MAX_MANIFEST))
        seal = self.manifest.pop("seal")
        if self.manifest["format"] != FORMAT:
            written = f"format {self.manifest['format']}, this reader knows format {FORMAT}"
            raise ModelError(f"{self.path}: {MANIFEST}: {written}; take the reader of the version that wrote it")
        if seal != seal_of(self.manifest):
            raise ModelError(f"{self.path}: {MANIFEST}: has changed since it was written")
        files = self.manifest["files"]
        if (total := sum(file["bytes"] for file in files.values())) > MAX_BYTES:
            raise ModelError(f"{self.path}: {total:,} bytes; must be at most {MAX_BYTES:,}")
        self.members = [{} for _ in self.manifest["steps"]]
        for name, file in files.items():
            content = self._content(archive, name, file["bytes"])
            if hashlib.sha256(content).hexdigest() != file["sha256"]:
                raise ModelError(f"{self.path}: {name}: has changed since it was written")
            if name == VOCABULARY:
                *self.tokens, _ = content.split(b"\n")
            elif name == PROGRAM:
                self.program = content
            else:
                _, member, weight = name.removesuffix(".npy").split("/")
                array = np.load(io.BytesIO(content), allow_pickle=False)
                self.members[int(member)][weight] = array.astype(np.float32, copy=False)

    def _content(self, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
        """A part of the file, which can't be larger than the file since it isn't compressed."""
        try:
            info = archive.getinfo(name)
        except KeyError:
            raise ModelError(f"{self.path}: has no {name}; `python -m imdb_jax.export` writes models") from None
        if info.compress_type != zipfile.ZIP_STORED:
            raise ModelError(f"{self.path}: {name}: is compressed, a model's files are not")
        if info.file_size > limit:
            raise ModelError(f"{self.path}: {name}: {info.file_size:,} bytes; must be at most {limit:,}")
        try:
            return archive.read(info)
        except Exception as error:  # another CRC, a password, cut off
            raise ModelError(f"{self.path}: {name}: has changed since it was written ({error})") from None


def seal_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its seal."""
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


class Reader(abc.ABC):
    """A model, ready to read reviews: a `JaxReader` or a `NumpyReader`.

    Args:
      path: of the exported model.

    Raises:
      ModelError: it can't be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.file = ModelFile(path)
        self.manifest = self.file.manifest
        special = self.manifest["special_tokens"]
        self._ids = {token: i for i, token in enumerate(self.file.tokens) if i >= special["count"]}
        self._unknown, self._start = special["unknown"], special["start"]

    def probabilities(self, reviews: Sequence[str | bytes]) -> np.ndarray:
        """Reads reviews, in any number and of any length.

        Args:
          reviews: raw text, or its UTF-8 bytes.

        Returns:
          The probability that each is positive, float64 [N].
        """
        encoded = [self.encode(review.encode() if isinstance(review, str) else review) for review in reviews]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]), reverse=True)
        logits = np.empty(len(encoded))
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            logits[rows] = self._logits([encoded[i] for i in rows])
        return 0.5 + 0.5 * np.tanh(0.5 * logits)

    def encode(self, review: bytes) -> list[int]:
        """Ids of what the model reads of a review, at least one."""
        words = split_words(review, **self.manifest["text"])
        found = [*map(self._ids.get, words, itertools.repeat(self._unknown))]
        ids, most = [*self._start, *(found or [self._unknown])], self.manifest["max_length"]
        return ids[-most:] if self.manifest["keep"] == "tail" else ids[:most]

    @abc.abstractmethod
    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        """Logits [B] of encoded reviews, which come from the longest to the shortest."""


def split_words(review: bytes, *, break_tags_as_spaces: bool, keep_apostrophes: bool) -> list[bytes]:
    """Lowers ASCII letters, deletes ASCII punctuation and splits on ASCII white space, as in training."""
    if break_tags_as_spaces:
        review = review.translate(LOWER).replace(b"<br />", b" ")
    return review.translate(LOWER, PUNCTUATION.rstrip(b"'") if keep_apostrophes else PUNCTUATION).split()


def padded(reviews: list[list[int]], rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [rows, width] and lengths [rows], int32. Rows that only fill the batch hold one token of padding."""
    tokens, lengths = np.zeros((rows, width), np.int32), np.ones(rows, np.int32)
    for row, ids in enumerate(reviews):
        tokens[row, : len(ids)], lengths[row] = ids, len(ids)
    return tokens, lengths


class JaxReader(Reader):
    """Computes with JAX, on the device that JAX chooses.

    Each shape compiles once: lengths are padded to 64, 128, 256 and so on, numbers of reviews to powers of two.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        import jax
        import jax.export

        try:
            program = jax.export.deserialize(bytearray(self.file.program))
            outside = calls_outside(program.mlir_module())
        except ImportError:
            raise ModelError(f"{path}: {PROGRAM}: reading it takes the package flatbuffers; install that") from None
        except Exception as error:  # whatever JAX's own parsers raise
            raise ModelError(f"{path}: {PROGRAM}: can't be read by JAX {jax.__version__} ({error})") from None
        if outside:
            raise ModelError(f"{path}: {PROGRAM}: calls what is outside of it ({outside[0]})")
        self._call: Callable[..., Any] = jax.jit(program.call)
        self._members = jax.device_put(self.file.members)
        most = max(self.manifest["max_length"], SHORTEST)
        doubling = (SHORTEST << k for k in itertools.count())
        self._widths = [*itertools.takewhile(lambda width: width < most, doubling), most]

    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        rows = 1 << (len(reviews) - 1).bit_length()
        width = next(width for width in self._widths if width >= len(reviews[0]))
        return np.asarray(self._call(self._members, *padded(reviews, rows, width)))[: len(reviews)]


def calls_outside(program: str) -> list[str]:
    """What a program's text calls that is none of its own operations, apart from checks of its arguments' shapes."""
    calls = re.findall(r"custom_call.{0,40}", program)
    return [call for call in calls if not call.startswith("custom_call @shape_assertion(")]


class NumpyReader(Reader):
    """Computes with NumPy, where there is no JAX. It knows the encoders that come with imdb_jax."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._encoder = self.manifest["encoder"]
        if self._encoder["kind"] not in ENCODERS:
            raise ModelError(f"{path}: encoder {self._encoder['kind']!r} is unknown to NumpyReader; JaxReader reads it")

    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        tokens, lengths = padded(reviews, len(reviews), max(len(reviews[0]), SHORTEST))
        return np.mean([self._of_member(weights, tokens, lengths) for weights in self.file.members], axis=0)

    def _of_member(self, weights: dict[str, np.ndarray], tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        words = Words(weights.get("embedding.table"), weights.get("embedding.pairs"), tokens, lengths)
        x = ENCODERS[self._encoder["kind"]](words, weights, self._encoder)
        for k in range(self.manifest["hidden_layers"]):
            x = np.maximum(x @ weights[f"hidden.{k}.kernel"] + weights[f"hidden.{k}.bias"], 0)
        return (x @ weights["output.kernel"] + weights["output.bias"])[:, 0]


class Words:
    """The words of a batch.

    Args:
      table: their vectors [V, D], or None for one-hot words, which are never spelt out.
      pairs: vectors [H, D] of pairs of a word and the next by their hash, or None.
      tokens: ids [B, T].
      lengths: words per review [B], from the longest to the shortest.
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


def recurrent(words: Words, weights: dict[str, np.ndarray], encoder: dict[str, Any]) -> np.ndarray:
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


def conv1d(words: Words, weights: dict[str, np.ndarray], encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.Conv1D`."""
    kernel = weights["encoder.kernel"]
    highest = windows_max(convolved(words.times, kernel), words.lengths - len(kernel) + 1)
    return np.maximum(highest + weights["encoder.bias"], 0)


def conv_stack(words: Words, weights: dict[str, np.ndarray], encoder: dict[str, Any]) -> np.ndarray:
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


def pool(words: Words, weights: dict[str, np.ndarray], encoder: dict[str, Any]) -> np.ndarray:
    """Features of `imdb_jax.models.Pool`."""
    assert words.vectors is not None  # one-hot words are not pooled
    return pooled(encoder["pooling"], words.vectors, words.mask)


def pooled(kind: str, states: np.ndarray, mask: np.ndarray, query: np.ndarray | None = None) -> np.ndarray:
    """The maximum [B, F], the mean, or the mean weighted by attention of the states [B, T, F] at words."""
    if kind == "max":
        return np.where(mask, states, -np.inf).max(axis=1)
    if kind == "mean":
        return np.where(mask, states, 0).sum(axis=1) / mask.sum(axis=1, dtype=np.float32)
    scores = np.exp(np.where(mask, np.tanh(states) @ query, -np.inf))
    return (scores / scores.sum(axis=1, keepdims=True) * states).sum(axis=1)


ENCODERS = {"lstm": recurrent, "simple_rnn": recurrent, "conv1d": conv1d, "conv_stack": conv_stack, "pool": pool}


def main(arguments: Sequence[str]) -> None:
    """The command line: a line for each review, its probability and how it begins."""
    parser = argparse.ArgumentParser(description="Writes the probability that a review is positive, a line for each.")
    parser.add_argument("model", help="file that `python -m imdb_jax.export` wrote")
    parser.add_argument("reviews", nargs="*", help="reviews; without any, the lines of standard input")
    parser.add_argument("--numpy", action="store_true", help="compute with NumPy, without JAX")
    args = parser.parse_args(arguments)
    reader = (NumpyReader if args.numpy else JaxReader)(args.model)
    reviews = iter([os.fsencode(review) for review in args.reviews]) if args.reviews else sys.stdin.buffer
    while chunk := list(itertools.islice(reviews, 16 * ROWS)):
        for review, probability in zip(chunk, reader.probabilities(chunk), strict=True):
            start = " ".join(review[:400].decode("utf-8", "replace").split())[:60]
            sys.stdout.write(f"{probability:.6f}  {start}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModelError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
