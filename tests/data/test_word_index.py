"""Word indices come back whole, and what is no word index is told in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdb_jax.data.vocabulary import read_word_index, write_word_index
from imdb_jax.errors import BAD_DATA, LOCKED, MISSING_INPUT, UserError

words = st.binary(min_size=1, max_size=12).filter(lambda word: word.split() == [word])


def refuse(path: Path, code: int = BAD_DATA) -> str:
    with pytest.raises(UserError) as caught:
        read_word_index(path)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


@settings(deadline=None)  # files are written
@given(st.lists(words | st.sampled_from(["🙂".encode(), "naïve".encode(), b"\xff"]), min_size=1, unique=True))
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
        ('{"the": 1, "film": 1}', "i.json: 'film' has the rank 1 of another word; each has its own"),
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


@settings(deadline=None)  # files are written
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
        with pytest.raises(UserError, match="cannot be written") as caught:
            write_word_index(path, [b"the"])
        assert caught.value.exit_code == LOCKED
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]
