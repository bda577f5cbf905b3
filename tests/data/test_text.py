"""Words and ids are Keras' own (tests/golden/generate_text.py)."""

import json
import string
from base64 import b64decode
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import TextConfig
from imdb_jax.data.text import SPACE, split_words, split_written
from imdb_jax.data.vocabulary import Vocabulary

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "text_vectorization.json").read_text())
TEXTS = [b64decode(text) for text in GOLDEN["texts"]]
KERAS = TextConfig()
MARKUP = st.sampled_from([b"<br />", b"<BR />", b"<br", b"'", b"Don't", b" ", b"\n", b"\0", b"\xc3\x89", b"[UNK]"])
reviews = st.lists(st.binary(max_size=8) | MARKUP, max_size=8).map(b"".join)
rules = st.builds(
    TextConfig,
    break_tags_as_spaces=st.booleans(),
    keep_apostrophes=st.booleans(),
    punctuation=st.sampled_from(["delete", "words"]),
    unit=st.sampled_from(["words", "characters"]),
)


def build(texts: list[bytes], size: int, text: TextConfig = KERAS) -> Vocabulary:
    return Vocabulary.build(Counter(word for review in texts for word in split_words(review, text)), size, text)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"max_tokens={case['max_tokens']}")
def test_vocabulary_and_ids_are_those_of_keras(case: dict) -> None:
    vocabulary = build(TEXTS, case["max_tokens"] or 1_000_000)
    assert vocabulary.tokens == tuple(map(b64decode, case["vocabulary"]))
    # A review without any word has no id in Keras; here it has one, the unknown word's.
    assert [vocabulary.encode(text) for text in TEXTS] == [ids or [1] for ids in case["ids"]]
    assert [] in case["ids"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, b"dontbr its goodbr"),
        ({"break_tags_as_spaces": True}, b"dont its good"),
        ({"keep_apostrophes": True}, b"don'tbr it's goodbr"),
        ({"break_tags_as_spaces": True, "keep_apostrophes": True}, b"don't it's good"),
        ({"break_tags_as_spaces": True, "punctuation": "words"}, b"dont ! its good ."),
        (
            {"break_tags_as_spaces": True, "keep_apostrophes": True, "punctuation": "words"},
            b"don't ! it's good .",
        ),
    ],
)
def test_rules_for_tags_and_apostrophes(fields: dict, words: bytes) -> None:
    assert split_words(b"Don't!<br />It's GOOD.<BR />", TextConfig(**fields)) == words.split()


def test_keras_imdb_ids_start_at_4_behind_the_start_token() -> None:
    vocabulary = build([b"the the the film film good"], 6, TextConfig(special_tokens="keras_imdb"))
    assert vocabulary.tokens == (b"<PAD>", b"<BOS>", b"<UNK>", b"<UNUSED>", b"the", b"film")
    assert vocabulary.encode(b"The good film") == [1, 4, 2, 5]
    assert vocabulary.encode(b"") == [1, 2]


def test_no_word_is_read_as_a_special_token() -> None:
    for scheme, unknown in (("text_vectorization", 1), ("keras_imdb", 2)):
        vocabulary = build([b"film"], 10, TextConfig(special_tokens=scheme))
        ids = vocabulary.encode(b"[UNK] <PAD> <bos> unused pad")
        assert ids[-5:] == [unknown] * 5


@given(reviews, rules)
def test_words_of_any_bytes_hold_no_capital_punctuation_or_white_space(review: bytes, text: TextConfig) -> None:
    removed = set(string.ascii_uppercase + string.whitespace)
    if text.punctuation == "delete":
        removed |= set(string.punctuation)
    if text.keep_apostrophes:
        removed.discard("'")
    words = split_words(review, text)
    assert not [word for word in words if len(word) > 1 and set(word) & set(b'.,!?;:()"-/*')]
    assert all(words)
    assert not set(b"".join(words)) & set(map(ord, removed))


@given(reviews, rules)
def test_parts_as_written_hold_the_words_one_by_one(review: bytes, text: TextConfig) -> None:
    if text.unit == "characters":  # where punctuation is deleted inside of broken ones, parts may be more
        review = review.decode("utf-8", "ignore").encode()
    assert [word for _, word in split_written(review, text) if word] == split_words(review, text)


@pytest.mark.parametrize(
    ("review", "characters", "fields"),
    [
        ("정말  좋은\n영화!", "▁정말▁좋은▁영화", {}),
        (
            "好看。\u3000太好了<br />!!",
            "▁好看。\u3000太好了▁!!",
            {"punctuation": "words", "break_tags_as_spaces": True},
        ),
        ("It's - GOOD 🍿", "▁it's▁good▁🍿", {"keep_apostrophes": True}),
        (" \n- ", "", {}),
    ],
)
def test_characters_are_code_points(review: str, characters: str, fields: dict) -> None:
    text = TextConfig(unit="characters", **fields)
    assert [each.decode() for each in split_words(review.encode(), text)] == [*characters]
    vocabulary = build([review.encode()], 100, text)
    assert vocabulary.decode(vocabulary.encode(review.encode())) == (characters.replace("▁", " ")[1:] or "[UNK]")


def test_bytes_that_are_not_utf8_are_characters_of_their_own() -> None:
    found = split_words(b"\xff\xec\x98 \xb0\xec\x98\x81", TextConfig(unit="characters"))
    assert found == [SPACE, b"\xff", b"\xec", b"\x98", SPACE, b"\xb0", "영".encode()]


@given(reviews, rules)
def test_letters_of_other_alphabets_are_left_alone(review: bytes, text: TextConfig) -> None:
    words = b"".join(split_words(review, text)).replace(SPACE, b"")
    review = review.replace(SPACE, b"")
    assert bytes(byte for byte in words if byte > 127) == bytes(byte for byte in review if byte > 127)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), rules)
def test_known_words_survive_decoding(texts: list[str], text: TextConfig) -> None:
    encoded = [review.encode() for review in texts if split_words(review.encode(), text)]
    vocabulary = build(encoded, 1_000, text)
    for review in encoded:
        ids = vocabulary.encode(review)
        assert vocabulary.encode(vocabulary.decode(ids).encode()) == ids
        assert vocabulary.decode([*ids, 0, 0]) == vocabulary.decode(ids)
