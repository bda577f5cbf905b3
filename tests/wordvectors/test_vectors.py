"""Every format reads alike, every damage is one line with its place, and nothing else ever comes out."""

import gzip
import io
import logging
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.errors import BAD_DATA, MISSING_INPUT, UserError
from imdb_jax.storage import cache_dir
from imdb_jax.wordvectors import formats
from imdb_jax.wordvectors.table import Vectors, coverage, fill_missing, read_vectors, write_vectors

# No-break space, line separator and broken UTF-8 stand inside words; only a line feed ends a line.
WORDS = [b"the", b"film", b"2008", b"caf\xc3\xa9", b"a\xc2\xa0b", b"x\xe2\x80\xa8y", b"\xff\xfe\x85", b"\x0b\x1c"]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 10)).astype(np.float32)

GLOVE = sorted((cache_dir() / "vectors").glob("glove.6B.100d.*"))  # looked for before tests get a cache of their own


def text(words, table, end=b"\n"):
    return b"".join(
        b" ".join([word, *(b"%.9g" % x for x in row)]) + end for word, row in zip(words, table, strict=True)
    )


def headed(words, table, end=b"\n"):
    return b"%d %d\n" % table.shape + text(words, table, end)


def binary(words, table, end=b""):
    records = [word + b" " + row.tobytes() + end for word, row in zip(words, table.astype("<f4"), strict=True)]
    return b"%d %d\n" % table.shape + b"".join(records)


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.txt", content)
    return packed.getvalue()


FORMATS = {
    "glove": text(WORDS, TABLE),
    "glove_without_last_line_feed": text(WORDS, TABLE)[:-1],
    "glove_windows": text(WORDS, TABLE, b"\r\n"),
    "word2vec_text": headed(WORDS, TABLE),
    "word2vec_text_trailing_space": headed(WORDS, TABLE, b" \n"),
    "word2vec_binary": binary(WORDS, TABLE),
    "word2vec_binary_line_feeds": binary(WORDS, TABLE, b"\n"),
}
PACKINGS = {"plain": bytes, "gz": gzip.compress, "zip": lambda content: zipped(vectors=content)}


def read(tmp_path: Path, content: bytes, tokens, name="vectors") -> Vectors:
    (tmp_path / name).write_bytes(content)
    return read_vectors(tmp_path / name, [b"", *tokens])


def refuse(tmp_path: Path, content: bytes, tokens=(b"the",), name="glove.txt", code=BAD_DATA) -> str:
    """What a user is told about a file, without the folder it lies in."""
    with pytest.raises(UserError) as caught:
        read(tmp_path, content, tokens, name)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("block", [formats.BLOCK, 300], ids=["one_block", "many_blocks"])
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_told_by_content(tmp_path, monkeypatch, name, packing, block):
    monkeypatch.setattr(formats, "BLOCK", block)
    tokens = [b"[UNK]", *reversed(WORDS), b"nowhere"]
    table, found = read(tmp_path, PACKINGS[packing](FORMATS[name]), tokens)
    assert table.dtype == np.float32
    np.testing.assert_array_equal(found, [False, False, *[True] * len(WORDS), False])
    np.testing.assert_array_equal(table[2:-1], TABLE[::-1])
    assert not table[~found].any()


def test_padding_is_never_looked_up(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_bytes(b"<PAD> 1 2\nthe 3 4\n")
    table, found = read_vectors(path, [b"<PAD>", b"the"])
    assert table.tolist() == [[0, 0], [3, 4]]
    assert found.tolist() == [False, True]


def test_words_with_spaces_are_whole_words(tmp_path):
    content = b"the 1 2\n. . . 3 4\nat name@domain.com 5 6\n. 7 8\n"
    table, found = read(tmp_path, content, [b".", b"at", b". . .", b"name@domain.com"])
    assert table.tolist() == [[0, 0], [7, 8], [0, 0], [3, 4], [0, 0]]
    assert found.tolist() == [False, True, False, True, False]


def test_first_of_repeated_words_wins_with_one_notice(tmp_path, caplog):
    content = b"the 1 2\nfilm 3 4\nthe 5 6\nthe 7 8\nother 9 9\nother 9 9\n"
    with caplog.at_level(logging.WARNING):
        table, _ = read(tmp_path, content, [b"the", b"film"])
    assert table.tolist() == [[0, 0], [1, 2], [3, 4]]
    assert [record.args[1:] for record in caplog.records] == [(2,)]


def test_blank_lines_hold_no_words(tmp_path):
    content = b"2 2\nthe 1 2\n\n\xc3\xa9 3 4\n\n"
    assert read(tmp_path, content, [b"\xc3\xa9"]).table.tolist() == [[0, 0], [3, 4]]


def test_numbers_are_words_too(tmp_path):
    assert read(tmp_path, b"1 0.5 6\n2 7 8\n", [b"2"]).table.tolist() == [[0, 0], [7, 8]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"the 1 2 3\nfilm 1 2 3\nwas 1 2\n", "glove.txt:3: 2 numbers, expected 3"),
        (b"film 1 2 3\nwas 1 2 3\n\nthe 1 2 3 4 5\nbad 1 2 3\n", "glove.txt:4: 5 numbers, expected 3"),
        (b"the 1 2 3\nfilm 1 2 3\nwas\nbad 1 2 3\n", "glove.txt:3: 0 numbers, expected 3"),
        (b"the 1 2 3\nfilm 1 2 3\nwas 1 2 ", "glove.txt:3: 2 numbers, expected 3"),
        (b"the 1 2 3\nfilm 1 2 3\nwas 1 2 -", "glove.txt:3: could not convert string to float: b'-'"),
        (b"film 1 2 3\nthe 1 two 3\nwas 1 2 3\n", "glove.txt:2: could not convert string to float: b'two'"),
        (b"film 1 2 3\nthe 1  3\nwas 1 2 3\n", "glove.txt:2: could not convert string to float: b''"),
        (b"film 1 2 3\nthe 1 nan 3\n", "glove.txt:2: nan or infinity, expected finite numbers"),
        (b"film 1 2 3\nthe 1 -inf 3\n", "glove.txt:2: nan or infinity, expected finite numbers"),
        (b"film 1 2 3\nthe 1 1e39 3\n", "glove.txt:2: nan or infinity, expected finite numbers"),
        (b"2 3\nthe 1 2 3\nfilm 1 2\n", "glove.txt:3: 2 numbers, expected 3"),
        (b"2 3\nthe 1 2\nfilm 1 2 3\n", "glove.txt:2: 2 numbers, expected 3"),
        (b"4 3\nthe 1 2 3\nfilm 1 2 3\n", "glove.txt: 2 words, its first line promises 4"),
        (b"1 3\nthe 1 2 3\nfilm 1 2 3\n", "glove.txt: 2 words, its first line promises 1"),
        (b"3 3\n", "glove.txt: 0 words, its first line promises 3"),
        (b"film 1 2 3\nwas 1 2 3\n", "glove.txt: holds none of the 1 words of the vocabulary"),
        (b"", "glove.txt: empty file, expected word vectors"),
        (b"\n\n", "glove.txt: no word vectors; GloVe text, word2vec text and word2vec .bin are read"),
        (
            b"A film of\nno 2 numbers\n",
            "glove.txt: no word vectors; GloVe text, word2vec text and word2vec .bin are read",
        ),
    ],
)
def test_damaged_text_is_refused_with_its_line(tmp_path, content, message):
    assert refuse(tmp_path, content) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (binary(WORDS, TABLE)[:-1], "v.bin: 7 whole words, its first line promises 8"),
        (binary(WORDS, TABLE) + b"more", "v.bin: 8 whole words, its first line promises 8"),
        (binary(WORDS, TABLE).replace(b"8 10\n", b"9 10\n"), "v.bin: 8 whole words, its first line promises 9"),
        (binary(WORDS, np.where(TABLE < 0, np.nan, TABLE)), "v.bin: word 1: nan or infinity, expected"),
    ],
)
def test_damaged_binary_is_refused_with_its_word(tmp_path, content, message):
    assert refuse(tmp_path, content, name="v.bin").startswith(message)


@pytest.mark.parametrize("content", [b"the 1 2\n", binary(WORDS, TABLE)], ids=["text", "binary"])
def test_endless_words_do_not_fill_the_memory(tmp_path, monkeypatch, content):
    monkeypatch.setattr(formats, "BLOCK", 100)
    assert re.search("more than 100 bytes|word 9: does not end", refuse(tmp_path, content + b"x" * 999))


def test_packed_files_are_checked_to_their_end(tmp_path):
    content = FORMATS["glove"]
    assert "cannot be read" in refuse(tmp_path, gzip.compress(content)[:-12], name="v.gz")
    flipped = bytearray(gzip.compress(content, compresslevel=0))
    flipped[40] ^= 1  # in a number of the first line: without the checksum it would go unseen
    assert "CRC" in refuse(tmp_path, bytes(flipped), name="v.gz")
    assert "cannot be read" in refuse(tmp_path, zipped(vectors=content)[:-30], name="v.zip")


def test_a_member_of_an_archive_is_a_path_inside_it(tmp_path):
    path = tmp_path / "glove.zip"
    path.write_bytes(zipped(small=b"the 1 2\n", large=b"the 1 2 3\n"))
    assert read_vectors(path / "large.txt", [b"", b"the"]).table.shape == (2, 3)
    for given_path in (path, path / "middle.txt"):
        with pytest.raises(UserError, match=r"glove\.zip holds small\.txt, large\.txt; give .*glove\.zip/NAME"):
            read_vectors(given_path, [b"", b"the"])


def test_a_missing_file_is_missing_input(tmp_path):
    (tmp_path / "glove.txt").write_bytes(FORMATS["glove"])
    for path in (tmp_path / "nowhere.txt", tmp_path, tmp_path / "glove.txt" / "member.txt"):
        with pytest.raises(UserError, match=r": (no such file|glove\.txt is no zip archive)$") as caught:
            read_vectors(path, [b"", b"the"])
        assert caught.value.exit_code == MISSING_INPUT


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_unpickled(tmp_path, protocol):
    bomb = tmp_path / "exploded"
    message = refuse(tmp_path, pickle.dumps([Bomb(bomb)], protocol), name="glove.pkl")
    assert message == "glove.pkl: no word vectors; GloVe text, word2vec text and word2vec .bin are read"
    saved = io.BytesIO()
    np.save(saved, np.array([Bomb(bomb)], dtype=object), allow_pickle=True)
    assert "no word vectors" in refuse(tmp_path, saved.getvalue(), name="glove.npy")
    assert not bomb.exists()


def entries(forbidden: bytes):
    """Words without some bytes, each with ten float32 numbers."""
    word = st.binary(min_size=1, max_size=12).filter(lambda word: not set(word) & set(forbidden))
    row = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=10, max_size=10)
    return st.dictionaries(word, row, min_size=1, max_size=8)


@pytest.mark.parametrize("write", [headed, binary])
@given(entries=entries(b" \n"))
def test_word2vec_comes_back_bit_for_bit(tmp_path_factory, write, entries):
    table = np.array([*entries.values()], np.float32)
    read_back = read(tmp_path_factory.getbasetemp(), write([*entries], table), [*entries]).table[1:]
    np.testing.assert_array_equal(read_back.view(np.uint32), table.view(np.uint32))


@given(entries=entries(b"\n"))
def test_glove_comes_back_bit_for_bit(tmp_path_factory, entries):
    usual = {b"usual%d" % i: [0.0] * 10 for i in range(10)}  # most words of a file hold no spaces
    table = np.array([*usual.values(), *entries.values()], np.float32)
    read_back = read(tmp_path_factory.getbasetemp(), text([*usual, *entries], table), [*entries]).table[1:]
    np.testing.assert_array_equal(read_back.view(np.uint32), table[len(usual) :].view(np.uint32))


@given(
    content=st.sampled_from([b"", *(pack(content) for pack in PACKINGS.values() for content in FORMATS.values())]),
    cut=st.integers(min_value=0),
    inserted=st.binary(max_size=40),
    skipped=st.integers(min_value=0, max_value=40),
)
def test_garbage_is_refused_or_read_but_never_crashes(tmp_path_factory, content, cut, inserted, skipped):
    cut %= len(content) + 1
    try:
        vectors = read(tmp_path_factory.getbasetemp(), content[:cut] + inserted + content[cut + skipped :], WORDS)
    except UserError:
        return
    assert vectors.found.any()
    assert np.isfinite(vectors.table).all()
    assert not vectors.table[~vectors.found].any()


def keyed_vectors(path, **options):
    """A word2vec file as gensim reads it."""
    gensim = pytest.importorskip("gensim.models.keyedvectors")
    return gensim.KeyedVectors.load_word2vec_format(str(path), binary=path.suffix == ".bin", **options)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
@given(
    entries=st.dictionaries(
        st.text(min_size=1, max_size=12).filter(lambda word: word.encode().split() == [word.encode()]),
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=10, max_size=10),
        min_size=1,
        max_size=8,
    )
)
def test_gensim_and_read_vectors_read_what_was_written_bit_for_bit(tmp_path_factory, name, entries):
    path = tmp_path_factory.getbasetemp() / name
    words, table = [*entries], np.array([*entries.values()], np.float32)
    write_vectors(path, [word.encode() for word in words], table)
    read_back = read_vectors(path, [b"", *(word.encode() for word in words)]).table[1:]
    np.testing.assert_array_equal(read_back.view(np.uint32), table.view(np.uint32))
    gensims = keyed_vectors(path)
    assert gensims.index_to_key == words
    np.testing.assert_array_equal(gensims.vectors.view(np.uint32), table.view(np.uint32))


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_words_that_are_no_utf8_are_written_as_they_are(tmp_path, name):
    words, table = WORDS[:-1], TABLE[:-1]  # the last is white space
    write_vectors(tmp_path / name, words, table)
    np.testing.assert_array_equal(read_vectors(tmp_path / name, [b"", *words]).table[1:], table)
    gensims = keyed_vectors(tmp_path / name, unicode_errors="replace")
    np.testing.assert_array_equal(gensims["café"], table[words.index("café".encode())])


@pytest.mark.parametrize("word", [b"", b"the film", b"film\n", b"\t"])
def test_words_that_a_file_can_not_hold_are_refused(tmp_path, word):
    with pytest.raises(UserError, match="can't hold the word"):
        write_vectors(tmp_path / "vectors.txt", [b"the", word], TABLE[:2])
    assert not [*tmp_path.iterdir()]


def test_missing_words_are_zero_or_drawn_like_the_others():
    draws = np.random.default_rng(0).normal(3.0, 0.5, (4_000, 10)).astype(np.float32)
    found = np.arange(4_000) % 2 == 1
    vectors = Vectors(np.where(found[:, None], draws, 0), found)
    assert np.array_equal(fill_missing(vectors, "zeros", seed=1), vectors.table)
    filled = fill_missing(vectors, "normal", seed=1)
    assert filled.dtype == np.float32
    assert not filled[0].any()
    np.testing.assert_array_equal(filled[found], draws[found])
    assert filled[~found].std() == pytest.approx(draws[found].std(), rel=0.02)
    assert filled[~found].mean() == pytest.approx(0.0, abs=0.02)
    np.testing.assert_array_equal(filled, fill_missing(vectors, "normal", seed=1))
    assert not np.array_equal(filled, fill_missing(vectors, "normal", seed=2))


def test_coverage_counts_words_and_running_words_without_special_tokens():
    found = np.array([True, False, True, True, False, True])
    covered = coverage(found, np.array([500, 70, 60, 25, 10, 5]), special=2)
    assert covered == (3, 1, 0.9)
    assert str(covered) == "Converted 3 words (1 misses): 75.0 % of the vocabulary, 90.0 % of the training text"


@pytest.mark.skipif(not GLOVE, reason="no glove.6B.100d.* in $IMDB_JAX_CACHE/vectors")
def test_published_glove_has_its_published_numbers():
    tokens = [b"", b"[UNK]", b"the", b"movie", b"awful", b"not-a-word-of-glove"]
    table, found = read_vectors(GLOVE[0], tokens)
    assert table.shape == (6, 100)
    assert found.tolist() == [False, False, True, True, True, False]
    np.testing.assert_array_equal(table[2, :4], np.float32([-0.038194, -0.24487, 0.72812, -0.39961]))


def test_a_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_bytes(b"\xef\xbb\xbfthe 1 2 3\nfilm 4 5 6\n")
    (tmp_path / "word2vec.txt").write_bytes(b"\xef\xbb\xbf2 3\nthe 1 2 3\nfilm 4 5 6\n")
    for name in ("glove.txt", "word2vec.txt"):
        table, found = read_vectors(tmp_path / name, [b"", b"the", b"film"])
        assert (table[1:].tolist(), found.tolist()) == ([[1, 2, 3], [4, 5, 6]], [False, True, True])


def test_a_header_may_promise_one_word_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As published files of fastText do."""
    (tmp_path / "wiki.vec").write_bytes(b"3 3\nthe 1 2 3\nfilm 4 5 6\n")
    assert read_vectors(tmp_path / "wiki.vec", [b"", b"the", b"film"])[1][1:].all()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'wiki.vec'}: 2 words, one less than its first line promises"
    ]
