"""Reads reviews with an exported model, by NumPy and a few files of imdb_jax, which `export --reader` packs into one.

    python -m imdb_jax.export --workdir runs/conv1d --out model.zip --reader reader.pyz
    python reader.pyz model.zip "What a film!" "Not good, not funny." reviews.csv
    python reader.pyz --numpy model.zip < reviews.txt

`JaxReader` needs JAX, and flatbuffers, in which jax.export stores programs; `NumpyReader` needs NumPy alone. Both give
the probabilities of `python -m imdb_jax.predict` to 1e-6, those of a simple_rnn to 1e-5: it makes rounding grow.

A model is a zip file of plain data, none of it compressed:

    manifest.json         how text is read, where the weights come from, size and SHA-256 of each file and of itself
    vocabulary.txt        a word per line, by id
    ngrams.npy            of some models: keys of words and n-grams, which data/ngrams.py explains
    weights/0/NAME.npy    the weights of each member; the logits of several members are averaged
    model.stablehlo       jax.export's (weights of members, tokens [B, T], lengths [B]) -> logits [B], T >= 64

A mixture of systems holds such files, 0.zip and so on, and a manifest with what the logit of each counts.

What has changed since it was written is refused. Nothing but the program is ever run, and that can only compute: one
which calls anything outside itself is refused too.
"""

import abc
import argparse
import hashlib
import io
import itertools
import json
import re
import sys
import types
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imdb_jax.data.inputs import as_asked, name_files, read_inputs, texts_of
from imdb_jax.data.ngrams import ngram_tokens
from imdb_jax.data.places import Format
from imdb_jax.data.text import split_words
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError, run_command
from imdb_jax.inference import numpy_model

FORMAT = 2  # 1 has neither n-grams, nor punctuation as words, nor characters, nor mixtures, and is read too
MODEL_MANIFEST, MODEL_VOCABULARY, MODEL_PROGRAM = "manifest.json", "vocabulary.txt", "model.stablehlo"
MODEL_NGRAMS = "ngrams.npy"
SHORTEST = 64  # steps that the program takes at least
READ_TOGETHER = 64  # reviews
TEXT = {"punctuation": "delete", "unit": "words"}  # what older versions did


class ModelReader(abc.ABC):
    """An exported model, ready to read reviews: a `JaxReader` or a `NumpyReader`.

    Attributes:
      manifest: what `imdb_jax.inference.artefact` wrote of text, encoder, config and versions.
      members: the weights of each, float32, by name; a mixture has none.
      mixed: of a mixture what each model counts, and the model.

    Raises:
      UserError: there is no such file (66), or it isn't what `python -m imdb_jax.export` wrote (65).
    """

    def __init__(self, path: Path | str, content: bytes | None = None) -> None:
        self.path = path
        if content is None and not Path(path).is_file():
            raise UserError(f"{path}: no such file", MISSING_INPUT)
        try:
            with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as archive:
                self._read(archive)
        except UserError:
            raise
        except Exception as error:  # of zipfile, json and NumPy: a dozen types
            raise UserError(f"{path}: not a model of imdb_jax ({type(error).__name__}: {error})", BAD_DATA) from None
        if self.mixed:
            return
        special = self.manifest["special_tokens"]
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= special["count"]}
        self._unknown, self._start = special["unknown"], special["start"]
        self._text: Any = types.SimpleNamespace(**TEXT | self.manifest["text"])
        self._open()

    def _read(self, archive: zipfile.ZipFile) -> None:
        """Reads the file, each part compared with its checksum."""
        self.manifest = json.loads(archive.read(MODEL_MANIFEST))
        checksum = self.manifest.pop("seal")
        if not 1 <= (found := self.manifest["format"]) <= FORMAT:
            message = f"format {found}, this reader knows format {FORMAT}; take the reader of the version that wrote it"
            raise UserError(f"{self.path}: {MODEL_MANIFEST}: {message}", BAD_DATA)
        if checksum != checksum_of(self.manifest):
            raise UserError(f"{self.path}: {MODEL_MANIFEST}: has changed since it was written", BAD_DATA)
        self.members = [{} for _ in self.manifest.get("steps", [])]
        self.mixed = []
        self.ngrams = None
        for name, file in self.manifest["files"].items():
            content = archive.read(name)
            if hashlib.sha256(content).hexdigest() != file["sha256"]:
                raise UserError(f"{self.path}: {name}: has changed since it was written", BAD_DATA)
            if name == MODEL_VOCABULARY:
                *self.tokens, _ = content.split(b"\n")
            elif name == MODEL_PROGRAM:
                self.program = content
            elif name in (weights := self.manifest.get("models", {})):
                self.mixed.append((weights[name], type(self)(f"{self.path}: {name}", content)))
            elif name == MODEL_NGRAMS:
                self.ngrams = np.load(io.BytesIO(content), allow_pickle=False)
            else:
                _, member, weight = name.removesuffix(".npy").split("/")
                array = np.load(io.BytesIO(content), allow_pickle=False)
                self.members[int(member)][weight] = array.astype(np.float32, copy=False)

    @property
    def form(self) -> Format:
        """How the run, of a mixture the first one, was trained to read files."""
        if self.mixed:
            return self.mixed[0][1].form
        data = self.manifest["configs"][0]["data"]
        return Format(**{name: data[name] for name in Format._fields if name in data})

    def probabilities(self, reviews: Any) -> Any:
        """The probability that each review is positive, float64 [N]; of a single text the number alone.

        Args:
          reviews: raw texts or their UTF-8 bytes, in any number and of any length: a list, an array, a pandas Series.

        Raises:
          UserError: one of them is neither text nor bytes.
        """
        if isinstance(reviews, str | bytes):
            return float(self.probabilities([reviews])[0])
        return 0.5 + 0.5 * np.tanh(0.5 * self.logits(texts_of(reviews)))

    def logits(self, reviews: list[bytes]) -> Any:
        """The logit of each review, float64 [N]: of a mixture the sum of its models' with their weights."""
        if self.mixed:
            return sum(weight * model.logits(reviews) for weight, model in self.mixed)
        encoded = [self.encode(review) for review in reviews]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]), reverse=True)
        logits = np.empty(len(encoded))
        for start in range(0, len(order), READ_TOGETHER):
            rows = order[start : start + READ_TOGETHER]
            logits[rows] = self._logits([encoded[i] for i in rows])
        return logits

    def encode(self, review: bytes) -> list[int]:
        """Ids of what the model reads of a review, at least one."""
        words = split_words(review, self._text)
        found = [*map(self._ids.get, words, itertools.repeat(self._unknown))]
        ids, most = [*self._start, *(found or [self._unknown])], self.manifest["max_length"]
        if self.ngrams is not None:
            ids = ngram_tokens(np.array(ids), np.array([0, len(ids)]), len(self.tokens), self.ngrams).ids.tolist()
        return ids[-most:] if self.manifest["keep"] == "tail" else ids[:most]

    @abc.abstractmethod
    def _open(self) -> None:
        """Makes ready what computes."""

    @abc.abstractmethod
    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        """Logits [B] of encoded reviews, from the longest to the shortest."""


def checksum_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own checksum, which stands there as "seal"."""
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def padded(reviews: list[list[int]], rows: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [rows, width] and lengths [rows], int32. Rows that only fill the batch hold one token of padding."""
    tokens, lengths = np.zeros((rows, width), np.int32), np.ones(rows, np.int32)
    for row, ids in enumerate(reviews):
        tokens[row, : len(ids)], lengths[row] = ids, len(ids)
    return tokens, lengths


class JaxReader(ModelReader):
    """Computes with JAX, on the device that JAX chooses.

    Each shape compiles once: lengths are padded to 64, 128, 256 and so on, numbers of reviews to powers of two.
    """

    def _open(self) -> None:
        import jax
        import jax.export

        where = f"{self.path}: {MODEL_PROGRAM}"
        try:
            program = jax.export.deserialize(bytearray(self.program))
            outside = calls_outside(program.mlir_module())
        except ImportError:
            raise UserError(f"{where}: reading it takes flatbuffers; install that package", BAD_DATA) from None
        except Exception as error:  # whatever JAX's own parsers raise
            raise UserError(f"{where}: can't be read by JAX {jax.__version__} ({error})", BAD_DATA) from None
        if outside:
            raise UserError(f"{where}: calls what is outside of it ({outside[0]})", BAD_DATA)
        self._call: Callable[..., Any] = jax.jit(program.call)
        self.members = jax.device_put(self.members)

    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        rows, width = (1 << (size - 1).bit_length() for size in (len(reviews), len(reviews[0])))
        width = max(SHORTEST, min(width, self.manifest["max_length"]))
        return np.asarray(self._call(self.members, *padded(reviews, rows, width)))[: len(reviews)]


def calls_outside(program: str) -> list[str]:
    """What a program's text calls that is none of its own operations, apart from checks of its arguments' shapes."""
    calls = re.findall(r"custom_call.{0,40}", program)
    return [call for call in calls if not call.startswith("custom_call @shape_assertion(")]


class NumpyReader(ModelReader):
    """Computes with NumPy, where there is no JAX. It knows the encoders that come with imdb_jax."""

    def _open(self) -> None:
        if (kind := self.manifest["encoder"]["kind"]) not in numpy_model.FEATURES:
            raise UserError(f"{self.path}: encoder {kind!r} is unknown to NumpyReader; JaxReader reads it", BAD_DATA)

    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        width = max(len(reviews[0]), SHORTEST, numpy_model.steps_needed(self.manifest["encoder"]))
        batch = padded(reviews, len(reviews), width)
        return np.mean([numpy_model.logits(member, self.manifest, *batch) for member in self.members], axis=0)


def main(arguments: Sequence[str]) -> None:
    """The command line: a line for each review, its probability and how it begins."""
    parser = argparse.ArgumentParser(description="Writes the probability that a review is positive, a line for each.")
    parser.add_argument("model", help="file that `python -m imdb_jax.export` wrote")
    parser.add_argument("reviews", nargs="*", help="texts or files; without any, standard input: lines, or a table")
    parser.add_argument("--input", choices=("lines", "csv", "jsonl"), help="what standard input or a file holds")
    parser.add_argument("--text_column", help="of a table, on standard input too: the column or JSON key of the review")
    parser.add_argument("--encoding", help="of text without a byte-order mark; as the run was trained with")
    parser.add_argument("--numpy", action="store_true", help="compute with NumPy, without JAX")
    args = parser.parse_intermixed_args(arguments)
    options = {"input": args.input, "text_column": args.text_column, "encoding": args.encoding}
    name_files(args.reviews, options)
    reader = (NumpyReader if args.numpy else JaxReader)(args.model)
    reviews = read_inputs(args.reviews, *as_asked(reader.form, options))
    while chunk := [text for _, text in itertools.islice(reviews, 16 * READ_TOGETHER)]:
        for review, probability in zip(chunk, reader.probabilities(chunk), strict=True):
            start = " ".join(review[:400].decode("utf-8", "replace").split())[:60]
            sys.stdout.write(f"{probability:.6f}  {start}\n")


if __name__ == "__main__":
    run_command(main)
