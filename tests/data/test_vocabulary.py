"""Which words a vocabulary keeps, its file, and word indices, which come back whole or are refused in one line."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import TextConfig
from imdb_jax.data.text import split_words
from imdb_jax.data.vocabulary import SPECIAL_TOKENS, Vocabulary, read_word_index, write_word_index
from imdb_jax.errors import BAD_DATA, LOCKED, MISSING_INPUT, USAGE, UserError

SCHEMES = list(SPECIAL_TOKENS)
KERAS = TextConfig()
KERAS_IMDB = TextConfig(special_tokens="keras_imdb", keep_apostrophes=True)
WORDS = st.binary(min_size=1, max_size=12).filter(lambda word: word.split() == [word])


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


@pytest.mark.parametrize("scheme", SCHEMES)
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


def refuse(path: Path, code: int = BAD_DATA) -> str:
    with pytest.raises(UserError) as caught:
        read_word_index(path)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


@given(st.lists(WORDS | st.sampled_from(["🙂".encode(), "naïve".encode(), b"\xff"]), min_size=1, unique=True))
def test_any_words_come_back_in_their_order(tmp_path_factory: pytest.TempPathFactory, words: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "word_index.json"
    write_word_index(path, words)
    assert read_word_index(path) == words
    ranks = json.loads(path.read_text("ascii"))  # as Keras reads its own
    assert sorted(ranks.values()) == [*range(1, len(words) + 1)]


def test_ranks_and_not_places_give_the_order(tmp_path: Path) -> None:
    path = tmp_path / "word_index.json"
    path.write_text('{"film": 2, "the": 1, "caf\\u00e9": 3}')
    assert read_word_index(path) == [b"the", b"film", "café".encode()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "i.json: Expecting value: line 1 column 1 (char 0); must be a JSON object of words and their ranks"),
        ('{"the": 1,\n "film": }', "i.json: Expecting value: line 2 column 10 (char 20); must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
        ('["the", "film"]', "i.json: must be a JSON object of words and their ranks"),
        ("{}", "i.json: must be a JSON object of words and their ranks"),
        ('{"the": 0, "film": 1}', "i.json: 'the' has the rank 0; must be 1 to 2, a rank for each word"),
        ('{"the": 1, "film": 3}', "i.json: 'film' has the rank 3; must be 1 to 2, a rank for each word"),
        ('{"the": 1, "film": 1}', "i.json: 'film' has the rank 1; must be 1 to 2, a rank for each word"),
        ('{"the": 1, "film": 2.0}', "i.json: 'film' has the rank 2.0; must be 1 to 2"),
        ('{"the": true}', "i.json: 'the' has the rank True; must be"),
        ('{"the": "1"}', "i.json: 'the' has the rank '1'; must be"),
        ('{"the": {"a": 1}}', "i.json: 'the' has the rank (('a', 1),); must be"),
        ('{"the": 1, "the": 2}', "i.json: a word stands there twice; each has one rank"),
        ('{"": 1}', "i.json: '' is no word; words are not empty and hold no white space"),
        ('{"the film": 1}', "i.json: 'the film' is no word; words are not empty and hold no white space"),
        ('{"film\\n": 1}', "i.json: 'film\\n' is no word; words are not empty and hold no white space"),
        ('{"\\ud800": 1}', "i.json: '\\ud800' is not Unicode"),
    ],
)
def test_what_is_no_word_index_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "i.json").write_text(content)
    assert message in refuse(tmp_path / "i.json")


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers(-1, 4) | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    ).map(lambda tree: json.dumps(tree).encode())
)
def test_garbage_is_refused_or_read_but_never_crashes(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.json"
    path.write_bytes(content)
    try:
        found = read_word_index(path)
    except UserError:
        return
    assert {word.decode("utf-8", "surrogateescape"): i for i, word in enumerate(found, 1)} == json.loads(content)


def test_missing_and_unwritable_files_are_named(tmp_path: Path) -> None:
    assert refuse(tmp_path / "nowhere.json", MISSING_INPUT) == "nowhere.json: no such file"
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere" / "i.json", tmp_path / "file" / "i.json", tmp_path):
        with pytest.raises(UserError, match="choose another --out") as caught:
            write_word_index(path, [b"the"])
        assert caught.value.exit_code == LOCKED
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]
