"""Neighbours are gensim's, and odd questions get one line."""

from pathlib import Path

import numpy as np
import pytest

from imdb_jax.errors import BAD_DATA, UserError
from imdb_jax.wordvectors.formats import read_word_vectors
from imdb_jax.wordvectors.table import neighbours, write_vectors

WORDS = [b"good", b"great", b"bad", "naïve".encode(), "🙂".encode(), *(b"w%d" % i for i in range(295))]
TABLE = np.random.default_rng(0).normal(0.1, 1.0, (len(WORDS), 8)).astype(np.float32)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_all_vectors_of_a_file_come_back(tmp_path: Path, name: str) -> None:
    write_vectors(tmp_path / name, WORDS, TABLE)
    vectors = read_word_vectors(tmp_path / name, None)
    assert [*vectors] == WORDS
    np.testing.assert_array_equal(np.array([*vectors.values()]), TABLE, strict=True)


def test_neighbours_are_gensims() -> None:
    gensims = pytest.importorskip("gensim.models.keyedvectors").KeyedVectors(TABLE.shape[1])
    gensims.add_vectors([word.decode() for word in WORDS], TABLE)
    asked = [b"good", "naïve".encode(), "🙂".encode(), b"w200"]
    for word in asked:
        found = neighbours("table", WORDS, TABLE, word, 20)
        expected = gensims.most_similar(word.decode(), topn=20)
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose([cosine for _, cosine in found], [cosine for _, cosine in expected], atol=1e-6)


def test_a_small_plane() -> None:
    plane = {b"east": [1, 0], b"north": [0, 2], b"northeast": [3, 3], b"west": [-1, 0], b"nowhere": [0, 0]}
    words, table = [*plane], np.array([*plane.values()], np.float32)
    found = neighbours("plane", words, table, b"east", 10)
    assert [word for word, _ in found] == ["northeast", "north", "west"]  # a zero vector is near none
    assert [cosine for _, cosine in found] == pytest.approx([0.5**0.5, 0, -1])
    with pytest.raises(UserError, match="plane: the vector of 'nowhere' is zero; it points nowhere"):
        neighbours("plane", words, table, b"nowhere", 1)


def test_of_words_that_repeat_in_a_file_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "twice.txt").write_bytes(b"a 1 0\na 0 1\nb 1 1e-3\nc 0 1\n")
    vectors = read_word_vectors(tmp_path / "twice.txt", None)
    assert [*vectors] == [b"a", b"b", b"c"]
    assert vectors[b"a"].tolist() == [1, 0]


def test_an_unknown_word_brings_close_ones() -> None:
    with pytest.raises(UserError, match=r"^table: no word 'Goood'; did you mean good\?$"):
        neighbours("table", WORDS, TABLE, b"Goood", 1)
    with pytest.raises(UserError, match=r"^table: no word 'qqqqqqqq'$"):
        neighbours("table", WORDS, TABLE, b"qqqqqqqq", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1 0\nb 0 1\nc nan 1\n", "v.txt:3: nan or infinity"),
        (b"a 1 0\nb 0 1\nc 1\n", "v.txt:3: 1 numbers"),
        (b"a 1 0\nb 0 1\nc 1 2 3\n", "v.txt:3: 3 numbers"),
        (b"a 1 0\nb 0 1\nc 1 x\n", "v.txt:3: could not convert"),
    ],
)
def test_damage_anywhere_in_a_file_is_found(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_word_vectors(tmp_path / "v.txt", None)
    assert caught.value.exit_code == BAD_DATA
