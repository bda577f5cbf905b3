"""Which words a vocabulary keeps, and its file."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdb_jax.config import TextConfig
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import SPECIAL_TOKENS, Vocabulary, write_word_index
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, USAGE, UserError

SCHEMES = list(SPECIAL_TOKENS)
KERAS = TextConfig()
KERAS_IMDB = TextConfig(special_tokens="keras_imdb", keep_apostrophes=True)


def test_frequent_words_come_first_and_ties_by_descending_bytes() -> None:
    counts = Counter({b"a": 2, b"b": 2, b"ab": 2, b"rare": 1, b"\xc3\xa9": 2, b"top": 3})
    assert Vocabulary.build(counts, 100, KERAS).words == (b"top", b"\xc3\xa9", b"b", b"ab", b"a", b"rare")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_size_counts_the_special_tokens(scheme: str) -> None:
    counts = Counter({b"%d" % i: i for i in range(1, 50)})
    vocabulary = Vocabulary.build(counts, 9, TextConfig(special_tokens=scheme))
    special = len(SPECIAL_TOKENS[scheme].tokens)
    assert len(vocabulary) == len(vocabulary.tokens) == 9
    assert vocabulary.words == tuple(b"%d" % i for i in range(49, 49 - (9 - special), -1))


def test_a_small_corpus_gives_a_smaller_vocabulary() -> None:
    assert len(Vocabulary.build(Counter({b"a": 1}), 20_000, KERAS)) == 3


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20)),
    st.builds(TextConfig, keep_apostrophes=st.booleans(), special_tokens=st.sampled_from(SCHEMES)),
)
def test_load_gives_back_what_was_saved(reviews: list[bytes], text: TextConfig) -> None:
    counts = Counter(word for review in reviews for word in split_words(review, text))
    saved = Vocabulary.build(counts, 1_000, text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocabulary.txt")
        saved.save(path)
        loaded = Vocabulary.load(path, text)
        assert path.read_bytes().count(b"\n") == len(saved)
    assert loaded.tokens == saved.tokens
    assert loaded.fingerprint() == saved.fingerprint()
    assert [loaded.encode(review) for review in reviews] == [saved.encode(review) for review in reviews]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: not a vocabulary whose special tokens are ', [UNK]'"),
        (b"the\nfilm\n", ":1: not a vocabulary"),
        (b"<PAD>\n<BOS>\n<UNK>\n<UNUSED>\nthe\n", ":1: not a vocabulary"),  # of the other scheme
        (b"\n[UNK]\nthe\nfilm\nthe\n", ": a token stands there twice"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        Vocabulary.load(path, KERAS)
    assert str(caught.value).startswith(f"{path}{message}")
    assert caught.value.exit_code == BAD_DATA


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary\.txt: no vocabulary there") as caught:
        Vocabulary.load(tmp_path / "vocabulary.txt", KERAS)
    assert caught.value.exit_code == MISSING_INPUT


def test_fingerprint_tells_tokens_order_and_rules() -> None:
    tokens = (b"", b"[UNK]", b"the", b"film")
    fingerprints = {
        Vocabulary(tokens, KERAS).fingerprint(),
        Vocabulary((*tokens[:2], *tokens[:1:-1]), KERAS).fingerprint(),
        Vocabulary(tokens[:3], KERAS).fingerprint(),
        Vocabulary(tokens, TextConfig(keep_apostrophes=True)).fingerprint(),
    }
    assert len(fingerprints) == 4
    assert Vocabulary(list(tokens), TextConfig()).fingerprint() in fingerprints


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.txt").write_bytes(b"\n[UNK]\nthe\nfil")
    with pytest.raises(UserError, match=r"vocabulary\.txt:4: the last line is cut off"):
        Vocabulary.load(tmp_path / "vocabulary.txt", TextConfig())


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(deadline=None)
@given(
    st.lists(
        st.text(max_size=20) | st.sampled_from(["Naïve 🙂", "фильм хорош", "映画 <br />", "É é", "don't"]), min_size=1
    )
)
def test_decoding_gives_back_the_words(scheme: str, reviews: list[str]) -> None:
    text = TextConfig(special_tokens=scheme)
    words = [split_words(review.encode(), text) for review in reviews]
    vocabulary = Vocabulary.build(Counter(word for review in words for word in review), 1_000, text)
    unknown = vocabulary.special.tokens[vocabulary.special.unknown].decode()
    for review, expected in zip(reviews, words, strict=True):
        ids = vocabulary.encode(review.encode())
        assert vocabulary.decode(ids) == (b" ".join(expected).decode() or unknown)
        assert vocabulary.decode(ids[len(vocabulary.special.start) :]) == vocabulary.decode([0, 0, *ids, 0])


@pytest.mark.parametrize("wrong", [-1, 4, 10**12])
def test_ids_of_no_token_are_refused(wrong: int) -> None:
    with pytest.raises(UserError, match=f"^id {wrong}; must be 0 to 3$") as caught:
        Vocabulary((b"", b"[UNK]", b"the", b"film"), KERAS).decode([2, wrong])
    assert caught.value.exit_code == USAGE


def test_ids_are_those_of_keras_imdb(tmp_path: Path) -> None:
    """The first words of Keras' first training review, as its data set has them with num_words=10_000 and 25."""
    ranks = {"this": 11, "film": 19, "was": 13, "just": 40, "brilliant": 527, "br": 7, "don't": 89}
    fillers = (f"filler{rank}" for rank in range(1, 1_000))
    (tmp_path / "imdb_word_index.json").write_text(
        json.dumps({next(fillers): rank for rank in range(1, 1_000) if rank not in ranks.values()} | ranks)
    )
    vocabulary = Vocabulary.from_word_index(tmp_path / "imdb_word_index.json", 10_000, KERAS_IMDB)
    assert vocabulary.encode(b"This film was just brilliant") == [1, 14, 22, 16, 43, 530]
    for ids in ([1, 14, 22, 16, 43, 530], [14, 22, 16, 43, 530], [0, 0, 1, 14, 22, 16, 43, 530]):
        assert vocabulary.decode(ids) == "this film was just brilliant"
    assert vocabulary.decode([1, 92, 2, 10, 3]) == "don't <UNK> br <UNUSED>"
    assert vocabulary.decode([11, 19]) != "this film"  # ranks are no ids
    few = Vocabulary.from_word_index(tmp_path / "imdb_word_index.json", 25, KERAS_IMDB)
    assert len(few) == 25
    assert few.encode(b"This film was just brilliant") == [1, 14, 22, 16, 2, 2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_exported_word_index_gives_the_same_vocabulary(scheme: str, tmp_path: Path) -> None:
    text = TextConfig(special_tokens=scheme)
    vocabulary = Vocabulary.build(Counter({"naïve".encode(): 3, b"film": 2, "🙂".encode(): 2, b"\xff": 1}), 7, text)
    write_word_index(tmp_path / "word_index.json", vocabulary.words)
    again = Vocabulary.from_word_index(tmp_path / "word_index.json", 7, text)
    assert again.tokens == vocabulary.tokens
    shift = len(vocabulary.special.tokens) - 1
    for word, rank in json.loads((tmp_path / "word_index.json").read_text()).items():
        assert again.ids([word.encode("utf-8", "surrogateescape")])[-1] == rank + shift


def test_special_tokens_are_no_words(tmp_path: Path) -> None:
    (tmp_path / "word_index.json").write_text('{"<PAD>": 1, "<BOS>": 2, "the": 3}')
    with pytest.raises(UserError, match=r"word_index\.json: '<BOS>' is a special token; word indices hold words alone"):
        Vocabulary.from_word_index(tmp_path / "word_index.json", 100, KERAS_IMDB)
