"""Which words a vocabulary keeps, and its file."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdb_jax.config import TextConfig
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import SPECIAL_TOKENS, Vocabulary
from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError

SCHEMES = list(SPECIAL_TOKENS)
KERAS = TextConfig()


def words_of(vocabulary: Vocabulary) -> list[bytes]:
    return list(vocabulary.tokens[len(vocabulary.special.tokens) :])


def test_frequent_words_come_first_and_ties_by_descending_bytes() -> None:
    counts = Counter({b"a": 2, b"b": 2, b"ab": 2, b"rare": 1, b"\xc3\xa9": 2, b"top": 3})
    assert words_of(Vocabulary.build(counts, 100, KERAS)) == [b"top", b"\xc3\xa9", b"b", b"ab", b"a", b"rare"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_size_counts_the_special_tokens(scheme: str) -> None:
    counts = Counter({b"%d" % i: i for i in range(1, 50)})
    vocabulary = Vocabulary.build(counts, 9, TextConfig(special_tokens=scheme))
    special = len(SPECIAL_TOKENS[scheme].tokens)
    assert len(vocabulary) == len(vocabulary.tokens) == 9
    assert words_of(vocabulary) == [b"%d" % i for i in range(49, 49 - (9 - special), -1)]


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
