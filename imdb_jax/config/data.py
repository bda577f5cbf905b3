"""Where reviews come from and how they become token ids: fields of `data`, checked as those of `schema` are."""

import itertools
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from imdb_jax.config.checked import Positive, Text, section

# Fields of `data` that say how files of one's own are read; other sources refuse them.
OF_FILES = (
    *("test_path", "validation_path", "text_column", "label_column", "encoding", "quotes", "lines_are_reviews"),
    *("negative_labels", "positive_labels", "left_out_labels"),
)
# These fields say where reviews lie and how they are read. What they are is decided by their content.
READING = ("path", "data_dir", *OF_FILES)


@section("data.text")
class TextConfig:
    """How a review becomes words. The defaults are those of Keras' TextVectorization."""

    unit: Literal["words", "characters"] = field(default="words", repr=False)
    """characters: each Unicode character is read as a word is, and ▁ before each word stands for white space; for
    languages that put no spaces between words, or join much to them, such as Korean."""
    break_tags_as_spaces: bool = False
    """Read the HTML tags <br>, <br/> and <br /> as white space; otherwise they become the word "br", as in Keras."""
    keep_apostrophes: bool = False
    """Keep ' inside words ("don't"), as the Keras `imdb` data set does; otherwise "dont"."""
    punctuation: Literal["delete", "words"] = field(default="delete", repr=False)
    """delete: as in Keras; words: each of . , ! ? ; : ( ) " - / * is a word of its own, other marks stay in words;
    of characters all stay."""
    special_tokens: Literal["text_vectorization", "keras_imdb"] = "text_vectorization"
    """Ids 0, 1 = padding, unknown; or 0..3 = <PAD> <BOS> <UNK> <UNUSED>, each review led by <BOS>."""


@section("data.validation")
class ValidationConfig:
    """Which training reviews are held out to choose the epoch and the hyper-parameters on."""

    method: Literal["stratified", "random", "first", "last"] = "stratified"
    """stratified or random: drawn by data.split_seed; first, last: in file order (Keras validation_split = last)."""
    size: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.2
    """A fraction of the training reviews when below 1, a number of reviews otherwise."""

    @model_validator(mode="after")
    def _check(self) -> "ValidationConfig":
        if self.size >= 1 and self.size != int(self.size):
            raise ValueError(f"size: {self.size}; a fraction below 1 or a whole number of reviews")
        return self


@section("data")
class DataConfig:
    """Where reviews come from and how they become token ids."""

    source: Literal["imdb", "synthetic", "files"] = "imdb"
    """imdb: the IMDB reviews; synthetic: a small generated corpus; files: your own labelled text at data.path."""
    path: Text | None = None
    """imdb: a local aclImdb_v1.tar.gz or aclImdb folder; files: a folder with pos and neg, or a table: CSV, TSV, JSON
    or parquet, also as .gz or .zip."""
    test_path: Text | None = None
    """files: test reviews, like data.path; without it those in a test folder beside train, or else data.test_fraction
    of the reviews."""
    validation_path: Text | None = None
    """files: validation reviews, like data.path; without it those in a val folder beside train, or else
    data.validation."""
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """files: the stratified share held out for testing when there are no test reviews."""
    data_dir: Text | None = None
    """Where TFDS keeps prepared data sets; default $TFDS_DATA_DIR, then ~/tensorflow_datasets."""
    text_column: Text = "text"
    """files: the column or JSON key with the review."""
    label_column: Text = "label"
    """files: the column or JSON key with the label."""
    negative_labels: tuple[Text, ...] = ()
    """files: which labels, or folders, are negative; none named: 0, neg, negative, false."""
    positive_labels: tuple[Text, ...] = ()
    """files: which labels, or folders, are positive; none named: 1, pos, positive, true."""
    left_out_labels: tuple[Text, ...] = ()
    """files: the labels of reviews that are left out."""
    encoding: Text | None = None
    """files: the encoding of text that no byte-order mark begins, such as cp949; None: UTF-8."""
    quotes: bool = True
    """files: in CSV and TSV quotes may enclose a text that holds separators or line breaks; False: they are
    characters like others."""
    lines_are_reviews: bool = False
    """files: each line of a .txt file is a review; otherwise the file is one."""
    limit: Positive | None = None
    """Keep only the first N reviews of each class in every split, for quick looks."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Draws the held-out reviews; apart from `seed`, so that runs with many seeds share one split."""
    validation: ValidationConfig = ValidationConfig()
    text: TextConfig = TextConfig()
    vocabulary_size: Annotated[int, Field(ge=5)] = 20_000
    """Most frequent training words kept, special tokens included."""
    ngrams: Annotated[int, Field(ge=0, le=8)] = 0
    """N: tokens are the words, or characters, and the n-grams of 2 to N of them, each once in a review; 0: the words in
    their order."""
    ngram_min_count: Positive = 3
    """Training reviews that must have an n-gram of several words for it to be a token."""
    word_index: Text | None = None
    """A JSON file of words and their ranks, such as Keras' imdb_word_index.json, to take the words from instead."""
    max_length: Positive = 600
    """Tokens kept of each review."""
    keep: Literal["head", "tail"] = "head"
    """Which end of a longer review is kept."""
    buckets: tuple[Positive, ...] | None = None
    """Padded lengths that batches may have beside max_length, as far as they are below it; each costs one compilation
    and saves padding. None: as the encoder needs; recurrences skip padding and have none, others 256, 512 and so on."""

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.source == "files" and self.path is None:
            raise ValueError("path: None; data.source is 'files', so give the folder or the table to read")
        if self.source == "files" and self.text_column == self.label_column:
            raise ValueError(f"text_column: {self.text_column!r}; is data.label_column too, name another")
        if self.source == "synthetic" and self.path is not None:
            raise ValueError(f"path: {self.path!r}; data.source is 'synthetic', which is generated and has no path")
        for each in fields(self) if self.source != "files" else ():
            if each.name in OF_FILES and (value := getattr(self, each.name)) != each.default:
                raise ValueError(f"{each.name}: {value!r}; only data.source 'files' reads it, so set that too")
        try:
            "text".encode(self.encoding or "utf-8")  # refuses codecs of no text, such as base64, as well
        except LookupError:
            raise ValueError(f"encoding: {self.encoding!r}; must be one that Python knows, such as cp949") from None
        if self.buckets and any(low >= high for low, high in itertools.pairwise(self.buckets)):
            raise ValueError(f"buckets: {self.buckets}; must ascend")
        return self


@dataclass(frozen=True)
class MovedData:
    """Where the run's reviews lie now, unless that is where training read them; their content must be the same."""

    path: str | None = None
    test_path: str | None = None
    validation_path: str | None = None
    data_dir: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None

    def applied_to(self, config: DataConfig) -> DataConfig:
        """The config that reads them there."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(config, **given)
