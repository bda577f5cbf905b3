"""Neighbours and analogies are gensim's, from a file or a table, and odd questions get one line."""

from pathlib import Path

import numpy as np
import pytest

from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.wordvectors import neighbours
from imdb_jax.wordvectors.neighbours import WordVectors
from imdb_jax.wordvectors.table import write_vectors

WORDS = [b"good", b"great", b"bad", "naïve".encode(), "🙂".encode(), *(b"w%d" % i for i in range(295))]
TABLE = np.random.default_rng(0).normal(0.1, 1.0, (len(WORDS), 8)).astype(np.float32)


@pytest.fixture(params=["table", "vectors.txt", "vectors.bin"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WordVectors:
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    if request.param == "table":
        return WordVectors.of_table("table", WORDS, TABLE)
    write_vectors(tmp_path / request.param, WORDS, TABLE)
    return WordVectors.of_file(tmp_path / request.param)


def gensims():
    keyed_vectors = pytest.importorskip("gensim.models.keyedvectors").KeyedVectors(TABLE.shape[1])
    keyed_vectors.add_vectors([word.decode() for word in WORDS], TABLE)
    return keyed_vectors


def same(found: list[neighbours.Neighbour], expected: list[tuple[str, float]]) -> None:
    assert [neighbour.word.decode() for neighbour in found] == [word for word, _ in expected]
    np.testing.assert_allclose([n.cosine for n in found], [cosine for _, cosine in expected], atol=1e-6)


def test_neighbours_are_gensims(vectors: WordVectors) -> None:
    words = [b"good", "naïve".encode(), "🙂".encode(), b"w200"]
    for word, found in zip(words, vectors.neighbours(words, 20), strict=True):
        same(found, gensims().most_similar(word.decode(), topn=20))


def test_analogies_are_gensims(vectors: WordVectors) -> None:
    expected = gensims().most_similar(positive=["good", "w7"], negative=["bad"], topn=300)
    same(vectors.analogy(b"good", b"bad", b"w7", 300), expected)
    assert len(expected) == len(WORDS) - 3


def test_a_small_plane() -> None:
    plane = {b"east": [1, 0], b"north": [0, 2], b"northeast": [3, 3], b"west": [-1, 0], b"nowhere": [0, 0]}
    vectors = WordVectors.of_table("plane", [*plane], np.array([*plane.values()], np.float32))
    (found,) = vectors.neighbours([b"east"], 10)
    assert [word for word, _ in found] == [b"northeast", b"north", b"west"]  # a zero vector is near none
    assert [cosine for _, cosine in found] == pytest.approx([0.5**0.5, 0, -1])
    assert vectors.analogy(b"north", b"northeast", b"east", 1) == [(b"west", pytest.approx(-(0.5**0.5)))]
    with pytest.raises(UserError, match="plane: the vector of 'nowhere' is zero; it points nowhere"):
        vectors.neighbours([b"nowhere"], 1)


def test_of_words_that_repeat_in_a_file_the_first_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "twice.txt").write_bytes(b"a 1 0\na 0 1\nb 1 1e-3\nc 0 1\n")
    ((first, *_),) = WordVectors.of_file(tmp_path / "twice.txt").neighbours([b"a"], 3)
    assert first.word == b"b"


def test_an_unknown_word_brings_close_ones(vectors: WordVectors) -> None:
    with pytest.raises(UserError, match=r": no word 'Goood'; did you mean good\?$"):
        vectors.neighbours([b"bad", b"Goood"], 1)
    with pytest.raises(UserError, match=r": no word 'qqqqqqqq'$"):
        vectors.analogy(b"good", b"bad", b"qqqqqqqq", 1)


def test_damage_far_from_the_words_asked_for_is_found(tmp_path: Path) -> None:
    for content, message in (
        (b"a 1 0\nb 0 1\nc nan 1\n", "v.txt:3: nan or infinity"),
        (b"a 1 0\nb 0 1\nc 1\n", "v.txt:3: 1 numbers"),
        (b"a 1 0\nb 0 1\nc 1 2 3\n", "v.txt:3: 3 numbers"),
        (b"a 1 0\nb 0 1\nc 1 x\n", "v.txt:3: could not convert"),
    ):
        (tmp_path / "v.txt").write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            WordVectors.of_file(tmp_path / "v.txt").neighbours([b"a"], 1)
        assert caught.value.exit_code == BAD_DATA
