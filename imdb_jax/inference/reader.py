"""Reads reviews with an exported model. It needs nothing of imdb_jax: copy this file to where the model goes.

    python reader.py model.zip "What a film!" "Not good, not funny."
    python reader.py --numpy model.zip < reviews.txt
    python reader.py --text_column review model.zip reviews.csv

`JaxReader` needs JAX, and flatbuffers, in which jax.export stores programs. `NumpyReader` needs NumPy alone, and the
file numpy_model.py beside this one. A model of n-grams takes ngrams.py of imdb_jax/data beside it, and reviews in
files, or in another encoding than UTF-8, take rows.py. Both readers give the probabilities of `python -m
imdb_jax.predict` to 1e-6, those of a simple_rnn to 1e-5: it makes rounding grow.

A model is a zip file of plain data, none of it compressed:

    manifest.json         how text is read, where the weights come from, size and SHA-256 of each file and of itself
    vocabulary.txt        a word per line, by id
    ngrams.npy            of some models: keys of words and n-grams, which ngrams.py explains
    weights/0/NAME.npy    the weights of each member; the logits of several members are averaged
    model.stablehlo       jax.export's (weights of members, tokens [B, T], lengths [B]) -> logits [B], T >= 64

A mixture of systems holds such files, 0.zip and so on, and a manifest with what the logit of each counts.

What has changed since it was written is refused. Nothing but the program is ever run, and that can only compute: one
which calls anything outside itself is refused too.
"""

import abc
import argparse
import codecs
import hashlib
import io
import itertools
import json
import os
import re
import runpy
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 2  # 1 has neither n-grams, nor punctuation as words, nor characters, nor mixtures, and is read too
MODEL_MANIFEST, MODEL_VOCABULARY, MODEL_PROGRAM = "manifest.json", "vocabulary.txt", "model.stablehlo"
MODEL_NGRAMS = "ngrams.npy"
SHORTEST = 64  # steps that the program takes at least
READ_TOGETHER = 64  # reviews
FILES_READ = {"text_column": "text", "encoding": None, "quotes": True}  # fields of older runs, unless they say
FILES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".txt", ".gz", ".zip", ".xlsx", ".xls", ".ods")
LONGEST_TEXT = 1_000_000  # bytes of one; longer ones are cut, as in training
FEW_INVALID = 0.01  # share of standard input that may be of another encoding without a word about it
NOT_A_MODEL, NO_SUCH_FILE = 65, 66  # exit codes, of sysexits.h
DELETED = b"!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
BREAK = re.compile(rb"<br\s*/?>", re.IGNORECASE)  # <br>, <br/>, <br />
LOWER = bytes(range(256)).lower()
MARKS = tuple(bytes([mark]) for mark in b'.,!?;:()"-/*')  # words, where punctuation is
CHARACTER = re.compile(  # of UTF-8; of other bytes each is one
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}|.", re.DOTALL
)


class ModelError(ValueError):
    """A file is no model that can be read here, said in one line of at most 2,000 characters."""

    def __init__(self, message: str, exit_code: int = NOT_A_MODEL) -> None:
        super().__init__(" ".join(message.split())[:2_000])
        self.exit_code = exit_code


class ReviewError(TypeError):
    """What was given to be read is no text, said in one line."""


class ModelReader(abc.ABC):
    """An exported model, ready to read reviews: a `JaxReader` or a `NumpyReader`.

    Attributes:
      manifest: what `imdb_jax.inference.artefact` wrote of text, encoder, config and versions.
      members: the weights of each, float32, by name; a mixture has none.
      mixed: of a mixture what each model counts, and the model.

    Raises:
      ModelError: there is no such file (66), or it isn't what `python -m imdb_jax.export` wrote (65).
    """

    def __init__(self, path: Path | str, content: bytes | None = None) -> None:
        self.path = path
        if content is None and not Path(path).is_file():
            raise ModelError(f"{path}: no such file", NO_SUCH_FILE)
        try:
            with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as archive:
                self._read(archive)
        except ModelError:
            raise
        except Exception as error:  # of zipfile, json and NumPy: a dozen types
            raise ModelError(f"{path}: not a model of imdb_jax ({type(error).__name__}: {error})") from None
        if self.mixed:
            return
        special = self.manifest["special_tokens"]
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= special["count"]}
        self._unknown, self._start = special["unknown"], special["start"]
        self._ngram_tokens = None if self.ngrams is None else companion("ngrams.py")["ngram_tokens"]

    def _read(self, archive: zipfile.ZipFile) -> None:
        """Reads the file, each part compared with its checksum."""
        self.manifest = json.loads(self._content(archive, MODEL_MANIFEST))
        checksum = self.manifest.pop("seal")
        if not 1 <= (found := self.manifest["format"]) <= FORMAT:
            message = f"format {found}, this reader knows format {FORMAT}; take the reader of the version that wrote it"
            raise ModelError(f"{self.path}: {MODEL_MANIFEST}: {message}")
        if checksum != checksum_of(self.manifest):
            raise ModelError(f"{self.path}: {MODEL_MANIFEST}: has changed since it was written")
        self.members = [{} for _ in self.manifest.get("steps", [])]
        self.mixed = []
        self.ngrams = None
        for name, file in self.manifest["files"].items():
            content = self._content(archive, name)
            if hashlib.sha256(content).hexdigest() != file["sha256"]:
                raise ModelError(f"{self.path}: {name}: has changed since it was written")
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

    def _content(self, archive: zipfile.ZipFile, name: str) -> bytes:
        if name not in archive.namelist():
            raise ModelError(f"{self.path}: has no {name}; `python -m imdb_jax.export` writes models")
        return archive.read(name)

    @property
    def data(self) -> dict[str, Any]:
        """How the run, of a mixture the first one, was trained to read files: `data` of its config."""
        return self.mixed[0][1].data if self.mixed else FILES_READ | self.manifest["configs"][0]["data"]

    def probabilities(self, reviews: Any) -> Any:
        """The probability that each review is positive, float64 [N]; of a single text the number alone.

        Args:
          reviews: raw texts or their UTF-8 bytes, in any number and of any length: a list, an array, a pandas Series.

        Raises:
          ReviewError: one of them is neither text nor bytes.
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
        words = split_words(review, **self.manifest["text"])
        found = [*map(self._ids.get, words, itertools.repeat(self._unknown))]
        ids, most = [*self._start, *(found or [self._unknown])], self.manifest["max_length"]
        if self._ngram_tokens is not None:
            ids = self._ngram_tokens(np.array(ids), np.array([0, len(ids)]), len(self.tokens), self.ngrams).ids.tolist()
        return ids[-most:] if self.manifest["keep"] == "tail" else ids[:most]

    @abc.abstractmethod
    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        """Logits [B] of encoded reviews, from the longest to the shortest."""


def texts_of(reviews: Any) -> list[bytes]:
    """The bytes of several reviews, each str or bytes: in a list, an array, a pandas Series, whatever has an order."""
    unordered = isinstance(reviews, str | bytes | Mapping | set | frozenset) or getattr(reviews, "ndim", 1) != 1
    if unordered or not isinstance(reviews, Iterable):
        raise ReviewError(f"reviews: {reviews!r}; must be a text, or texts in a list or in one column")
    texts = []
    for number, text in enumerate(reviews):
        if not isinstance(text, str | bytes):
            raise ReviewError(f"reviews[{number}]: {text!r}; must be a text (str, or UTF-8 bytes)")
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        texts.append(content[:LONGEST_TEXT])
    return texts


def checksum_of(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own checksum, which stands there as "seal"."""
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def split_words(
    review: bytes,
    *,
    break_tags_as_spaces: bool,
    keep_apostrophes: bool,
    punctuation: str = "delete",
    unit: str = "words",
) -> list[bytes]:
    """Lowers ASCII letters, deletes ASCII punctuation or makes words of it, splits on white space, as in training.

    Where the unit is characters these are the words, each word led by ▁.
    """
    if break_tags_as_spaces:
        review = BREAK.sub(b" ", review)
    if punctuation == "words" and unit == "words":
        for mark in MARKS:
            review = review.replace(mark, b" " + mark + b" ")
    deleted = DELETED if punctuation == "delete" else b"'"
    words = review.translate(LOWER, deleted.rstrip(b"'") if keep_apostrophes else deleted).split()
    return words if unit == "words" else CHARACTER.findall(b"".join("▁".encode() + word for word in words))


def steps_needed(encoder: dict[str, Any]) -> int:
    """Steps that convolutions of these sizes take at least; shorter reviews are padded."""
    return encoder.get("kernel_size", 1) * (encoder.get("pool_size", 0) + 1)


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

    def __init__(self, path: Path | str, content: bytes | None = None) -> None:
        super().__init__(path, content)
        if self.mixed:
            return
        import jax
        import jax.export

        try:
            program = jax.export.deserialize(bytearray(self.program))
            outside = calls_outside(program.mlir_module())
        except ImportError:
            raise ModelError(f"{path}: {MODEL_PROGRAM}: reading it takes flatbuffers; install that package") from None
        except Exception as error:  # whatever JAX's own parsers raise
            raise ModelError(f"{path}: {MODEL_PROGRAM}: can't be read by JAX {jax.__version__} ({error})") from None
        if outside:
            raise ModelError(f"{path}: {MODEL_PROGRAM}: calls what is outside of it ({outside[0]})")
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

    def __init__(self, path: Path | str, content: bytes | None = None) -> None:
        super().__init__(path, content)
        if self.mixed:
            return
        model = companion("numpy_model.py")
        if (kind := self.manifest["encoder"]["kind"]) not in model["FEATURES"]:
            raise ModelError(f"{path}: encoder {kind!r} is unknown to NumpyReader; JaxReader reads it")
        self._of_member: Callable[..., np.ndarray] = model["logits"]

    def _logits(self, reviews: list[list[int]]) -> np.ndarray:
        width = max(len(reviews[0]), SHORTEST, steps_needed(self.manifest["encoder"]))
        batch = padded(reviews, len(reviews), width)
        return np.mean([self._of_member(member, self.manifest, *batch) for member in self.members], axis=0)


def companion(name: str) -> dict[str, Any]:
    """The names of a file beside this one, or where imdb_jax has it."""
    here = Path(__file__).parent
    for path in (here / name, here.parent / "data" / name):
        if path.exists():
            return runpy.run_path(str(path))
    raise ModelError(f"{name}: no such file; copy it to where reader.py lies", NO_SUCH_FILE)


def names_file(argument: str) -> bool:
    """Whether an argument is the path of a file or a folder, and no review.

    Raises:
      ModelError: it looks like one, but there is none (66).
    """
    if os.path.exists(argument):
        return True
    named = argument.lower().endswith(FILES)
    looks = named or argument.startswith(("./", "../", "/", "~")) or argument.endswith("/")
    is_path = len(argument.split()) == 1 or (named and "/" in argument)  # folders may have spaces
    if looks and is_path and not argument[:1].isspace():
        raise ModelError(f"{argument}: no such file; put a space before it if it is a review", NO_SUCH_FILE)
    return False


def read_file(path: str, data: dict[str, Any], is_table: bool, stream: Any = None) -> list[bytes]:
    """The reviews of a table, the lines of another file, or the .txt files of a folder; or those in a stream.

    Data are fields of a run's config: text_column, encoding and quotes. A file with that column is a table.
    """
    rows, column, encoding = companion("rows.py"), data["text_column"], data["encoding"]
    try:
        if not stream and os.path.isdir(path):
            files = sorted(file for file in Path(path).rglob("*.[tT][xX][tT]") if not rows["is_hidden"](file.name))
            found = [(str(file), rows["decoded"](file.read_bytes(), str(file), encoding)) for file in files]
        else:
            with stream or open(path, "rb") as file:
                if is_table or (not stream and rows["holds_table"](path, column, encoding)):
                    table = rows["Table"](file, path, (column,), encoding, data["quotes"])
                    found = [(where, rows["text_of"](row, column, where)) for where, row in table]
                else:
                    found = [(path, line) for line in rows["text_lines"](file, path, encoding)]
        if encoding is None:
            invalid = [(where, text) for where, text in found if not rows["is_utf8"](text)]
            rows["refuse_undecoded"](invalid, len(found), "--")
    except rows["FileError"] as error:
        raise ModelError(str(error)) from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}", NO_SUCH_FILE) from None
    if not found:
        raise ModelError(f"{path}: holds no review")
    return [text for _, text in found]


def main(arguments: Sequence[str]) -> None:
    """The command line: a line for each review, its probability and how it begins."""
    parser = argparse.ArgumentParser(description="Writes the probability that a review is positive, a line for each.")
    parser.add_argument("model", help="file that `python -m imdb_jax.export` wrote")
    parser.add_argument(
        "reviews", nargs="*", help="reviews, or files; without any, standard input: its lines, or a table"
    )
    parser.add_argument("--text_column", help="of a table: the column or JSON key of the review")
    parser.add_argument("--encoding", help="of text without a byte-order mark; as the run was trained with")
    parser.add_argument("--numpy", action="store_true", help="compute with NumPy, without JAX")
    args = parser.parse_intermixed_args(arguments)
    reader = (NumpyReader if args.numpy else JaxReader)(args.model)
    given = {"text_column": args.text_column, "encoding": args.encoding}
    data, is_table = reader.data | {name: value for name, value in given.items() if value}, bool(args.text_column)
    odd = sys.getfilesystemencodeerrors()  # what isn't text passes through
    reviews: Iterator[bytes] = itertools.chain.from_iterable(
        read_file(each, data, is_table) if names_file(each) else [each.encode("utf-8", odd)] for each in args.reviews
    )
    if not args.reviews and (is_table or data["encoding"]):
        reviews = iter(read_file("stdin", data, is_table, sys.stdin.buffer))
    elif not args.reviews:
        first = sys.stdin.buffer.readline().removeprefix(codecs.BOM_UTF8)
        reviews = itertools.chain([first] if first else [], sys.stdin.buffer)
    count = invalid = 0
    while chunk := list(itertools.islice(reviews, 16 * READ_TOGETHER)):
        for review, probability in zip(chunk, reader.probabilities(chunk), strict=True):
            start = " ".join(review[:400].decode("utf-8", "replace").split())[:60]
            sys.stdout.write(f"{probability:.6f}  {start}\n")
        count += len(chunk)
        invalid += sum(review.decode("utf-8", "ignore").encode() != review for review in chunk)
    if not args.reviews and invalid > FEW_INVALID * count:
        encoding = (data["encoding"] or "UTF-8").upper()
        sys.stderr.write(f"stdin: {invalid:,} of {count:,} reviews are not {encoding}; name their --encoding\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore  (of a terminal that knows few letters)
    try:
        main(sys.argv[1:])
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ModelError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except PermissionError as error:  # a folder of somebody else
        sys.stderr.write(f"error: {error.filename}: {error.strerror}\n")
        sys.exit(74)
