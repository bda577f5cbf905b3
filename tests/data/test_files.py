"""Labelled text of one's own: folders, CSV and JSONL."""

import csv
import gzip
import io
import json
import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import DataConfig
from imdb_jax.data.encoded import LONGEST_REVIEW
from imdb_jax.data.files import NEGATIVE, POSITIVE, open_files, read_files
from imdb_jax.data.reviews import Corpus, Reviews
from imdb_jax.errors import UserError

LABELS = dict.fromkeys(NEGATIVE, 0) | dict.fromkeys(POSITIVE, 1)

ANY_TEXT = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n",\0\u2028🎬é\\'), max_size=40
)
REVIEWS = st.lists(st.tuples(ANY_TEXT, st.sampled_from(sorted(LABELS))), min_size=1, max_size=6)


def read(reviews: Reviews) -> list[tuple[bytes, int]]:
    return [*zip(reviews.texts(), reviews.labels.tolist(), strict=True)]


def expected(reviews: list[tuple[str, str]]) -> list[tuple[bytes, int]]:
    return [(text.encode("utf-8", "surrogateescape"), LABELS[label]) for text, label in reviews]


def read_path(path: Path, **fields) -> list[tuple[bytes, int]]:
    config = DataConfig(source="files", path=str(path), **fields)
    return read(read_files(path, config, "test"))


def open_path(path: Path, **fields) -> Corpus:
    return open_files(DataConfig(source="files", path=str(path), **fields))


def write_folder(root: Path, **classes: list[bytes]) -> Path:
    for name, reviews in classes.items():
        (root / name).mkdir(parents=True)
        for i, text in enumerate(reviews):
            (root / name / f"{i:03}.txt").write_bytes(text)
    return root


@given(REVIEWS)
def test_csv_round_trip(reviews: list[tuple[str, str]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "label", "text"])
    writer.writerows((i, label, text) for i, (text, label) in enumerate(reviews))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reviews.csv")
        path.write_bytes(buffer.getvalue().encode("utf-8", "surrogateescape"))
        assert read_path(path, encoding="utf-8") == expected(reviews)


@given(REVIEWS)
def test_jsonl_round_trip(reviews: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in reviews]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reviews.jsonl")
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
        assert read_path(path, encoding="utf-8") == expected(reviews)


def test_csv_and_jsonl_of_the_same_reviews_have_one_fingerprint(tmp_path: Path) -> None:
    rows = [(f"film {i}", i % 2) for i in range(10)]
    table = "text,label\n" + "".join(f"{text},{label}\n" for text, label in rows)
    (tmp_path / "a.csv").write_text(table)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(table.encode("utf-8-sig")))
    lines = [json.dumps({"text": text, "label": bool(label)}) for text, label in rows]
    (tmp_path / "a.jsonl").write_text("\ufeff" + "\n\n".join(lines))
    (tmp_path / "b.csv").write_text(table.replace("film 9", "film 8"))
    names = ("a.csv", "a.csv.gz", "a.jsonl", "b.csv")
    prints = [open_path(tmp_path / name, test_path=str(tmp_path / "a.csv")).train.fingerprint for name in names]
    assert prints[0] == prints[1] == prints[2] != prints[3]


def test_reviews_are_read_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{i},{i % 2}\n" for i in range(10)))
    train = open_path(tmp_path / "a.csv", test_path=str(tmp_path / "a.csv")).train
    assert read(train) == read(train) == [(b"%d" % i, i % 2) for i in range(10)]
    assert train.labels.tolist() == [0, 1] * 5


def test_without_test_reviews_a_share_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{i},{i % 2}\n" for i in range(50)))
    train, test, _ = open_path(tmp_path / "a.csv", test_fraction=0.2)
    assert (len(train), len(test), int(test.labels.sum())) == (40, 10, 5)
    assert sorted(read(train) + read(test)) == sorted((b"%d" % i, i % 2) for i in range(50))
    assert open_path(tmp_path / "a.csv").test.fingerprint == test.fingerprint
    assert open_path(tmp_path / "a.csv", split_seed=1).test.fingerprint != test.fingerprint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            'text,label\nx,1\n"two\nlines",0\n\ny,maybe\n',
            r"a\.csv:6: label 'maybe'; allowed: negative is 0, neg, ",
        ),
        (
            "a.csv",
            "review,label\nx,1\n",
            r"a\.csv:1: no column 'text'; found: 'review', 'label'; name it with --config.data.text_column=",
        ),
        ("a.csv", "text,label\na film, a bad one,0\n", r"a\.csv:2: 3 fields, expected 2"),
        ("a.csv", "text,label\nlonely\n", r"a\.csv:2: 1 fields, expected 2"),
        ("a.csv", 'text,label\n"never closed,0\n', r"a\.csv:2: .*quotes must open and close a field"),
        ("a.csv", 'text,label\n"fine" film,0\n', r"a\.csv:2: .*quotes must open and close a field"),
        ("a.csv", "text,label,text\nx,1,y\n", r"a\.csv:1: the column 'text' stands there twice"),
        ("a.jsonl", '{"text": "x", "label": 1, "text": "y"}\n', r"a\.jsonl:1: the key 'text' stands there twice"),
        ("a.json", '[{"text": "x", "label": 1}, {"text": "y"}]', r"a\.json: item 2: no column 'label'; found: 'text'"),
        ("a.json", '[{"text": "x", "label": 1}', r"a\.json: .*must be a JSON array of objects"),
        ("a.json", '{"text": {"0": "x"}, "label": {"0": 1}}', r"a\.json:1: text is {'0': 'x'}; must be a string"),
        ("a.csv", "t\0e\0x\0t\0,\0l\0\n", r"a\.csv: not text; if it is UTF-16 without a byte-order mark"),
        ("a.csv", "", r"a\.csv: holds no review"),
        ("a.csv", "text,label\n", r"a\.csv: holds no review$"),
        ("a.jsonl", "", r"a\.jsonl: holds no review"),
        ("a.jsonl", '{"text": "x", "label": 1}\n{"text": "y"}\n', r"a\.jsonl:2: no column 'label'; found: 'text'"),
        (
            "a.jsonl",
            '{"text": "x", "label": 2}\n',
            r"a\.jsonl:1: label 2; allowed: .*; found '2' 1 times; say which are which",
        ),
        ("a.jsonl", '{"text": "x", "label": null}\n', r"a\.jsonl:1: label None; allowed"),
        ("a.jsonl", '{"text": 5, "label": 1}\n', r"a\.jsonl:1: text is 5; must be a string"),
        ("a.jsonl", '\n{"text": \n', r"a\.jsonl:2: .*one JSON object per line"),
        ("a.jsonl", "[1]\n", r"a\.jsonl: item 1: int; must be a JSON object"),
        ("a.jsonl", "[" * 200_000 + "\n", r"a\.jsonl: .*must be a JSON array of objects"),
        ("a.jsonl", '{"a":' * 200_000 + "\n", r"a\.jsonl:1: .*"),
        ("a.csv.gz", "not gzip", r"a\.csv\.gz:1: no column 'text'; found: 'not gzip'"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        open_path(tmp_path / name)
    assert caught.value.exit_code == 65


def test_a_lone_surrogate_of_json_is_kept_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "\\ud83d!", "label": 1}\n')
    assert read_path(tmp_path / "a.jsonl", encoding="utf-8") == [(b"\xed\xa0\xbd!", 1)]


@pytest.mark.parametrize(
    ("name", "message", "exit_code"),
    [
        ("none.csv", "no such file or folder; give another --config.data.path=", 66),
        ("a.txt", "a.txt:1: no column 'text'", 65),
    ],
)
def test_paths_that_can_not_be_read(tmp_path: Path, name: str, message: str, exit_code: int) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=message) as caught:
        open_path(tmp_path / name)
    assert caught.value.exit_code == exit_code


def test_folder_with_train_and_test(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", pos=[b"good \xff\0"], neg=[b"bad", b""])
    write_folder(tmp_path / "test", pos=[b"fine"], neg=[b"poor"])
    train, test, _ = open_path(tmp_path, encoding="utf-8")
    assert read(train) == [(b"bad", 0), (b"", 0), (b"good \xff\0", 1)]
    assert read(test) == [(b"poor", 0), (b"fine", 1)]


def test_test_path_wins_over_the_test_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "data" / "train", pos=[b"good"], neg=[b"bad"])
    write_folder(tmp_path / "data" / "test", pos=[b"fine"], neg=[b"poor"])
    write_folder(tmp_path / "other", pos=[b"nice"], neg=[b"sad"])
    assert read(open_path(tmp_path / "data", test_path=str(tmp_path / "other")).test) == [(b"sad", 0), (b"nice", 1)]


def test_unsup_is_ignored_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(tmp_path, pos=[b"good"] * 5, neg=[b"bad"] * 5, unsup=[b"what"] * 5, neutral=[b"so so"] * 3)
    (tmp_path / "neutral" / "notes.md").touch()
    with caplog.at_level(logging.INFO):
        train, test, _ = open_path(tmp_path, left_out_labels=("neutral",))
    assert {text for text, _ in read(train) + read(test)} == {b"good", b"bad"}
    assert "left out 2 (neutral with 3 .txt files, unsup with 5 .txt files)" in caplog.text


@pytest.mark.parametrize(
    ("classes", "message", "exit_code"),
    [
        ({"pos": [b"x"]}, "no folder 0 or neg or negative or false; found 1", 66),
        ({"movies": [b"x"]}, r"no folder 0 or .* found 1 \(movies\); .* path of the folder that holds them", 66),
        (
            {"neg": [b"x"], "neutral": [b"y"], "pos": [b"z"]},
            "neutral: a third class; allowed: negative is 0, neg, ",
            65,
        ),
        ({"neg": [], "pos": []}, r"holds no review$", 65),
        ({"neg": [], "pos": [b"x"] * 9}, "no negative review among 9", 65),
    ],
)
def test_wrong_class_folders(tmp_path: Path, classes: dict[str, list[bytes]], message: str, exit_code: int) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_path(write_folder(tmp_path, **classes))
    assert caught.value.exit_code == exit_code


def test_long_texts_are_cut(tmp_path: Path) -> None:
    long = "x" * (LONGEST_REVIEW + 5)
    write_folder(tmp_path / "folder", pos=[long.encode()], neg=[b"bad"])
    (tmp_path / "a.csv").write_text(f"text,label\nbad,0\n{long},1\n")
    (tmp_path / "a.jsonl").write_text(f'{{"text": "bad", "label": 0}}\n{{"text": "{long}", "label": 1}}\n')
    prints = set()
    for name in ("folder", "a.csv", "a.jsonl"):
        train = open_path(tmp_path / name, test_path=str(tmp_path / name)).train
        assert [len(text) for text, _ in read(train)] == [3, LONGEST_REVIEW]
        prints.add(train.fingerprint)
    assert len(prints) == 1
