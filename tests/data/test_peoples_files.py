"""Files as people bring them: read as they were meant, by training and prediction alike, or refused with advice."""

import bz2
import codecs
import csv
import gzip
import io
import json
import logging
import lzma
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from imdb_jax.config import DataConfig
from imdb_jax.data.dataset import load_dataset, split_corpus
from imdb_jax.data.encoded import decoded, text_lines
from imdb_jax.data.files import open_files
from imdb_jax.data.inputs import read_inputs
from imdb_jax.data.places import Format
from imdb_jax.data.reviews import Reviews
from imdb_jax.data.rows import Table
from imdb_jax.errors import UserError

BASE = [(f"review {i} was {'fine' if i % 2 else 'dull'}", i % 2) for i in range(20)]
KOREAN = [(f"{'정말 훌륭한' if i % 2 else '너무 지루한'} 영화 {i}번째", i % 2) for i in range(20)]
STARS = [(text, star) for (text, _), star in zip(BASE, [1, 5, 2, 4, 3] * 4, strict=True)]


def table(rows: list[tuple[str, Any]] = BASE, header: str = "text,label", separator: str = ",") -> str:
    lines = [header, *(f"{text}{separator}{label}" for text, label in rows)]
    return "".join(line + "\n" for line in lines)


def objects(rows: list[tuple[str, Any]] = BASE) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in rows]


def lines(rows: list[tuple[str, Any]] = BASE) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects(rows))


def damaged() -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        for name in ("neg/0.txt", "pos/0.txt"):
            archive.writestr(name, "film")
    return packed.getvalue().replace(b"film", b"fill", 1)


def workbook() -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        for name in ("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            archive.writestr(name, "<xml/>")
    return packed.getvalue()


def zipped(name: str, content: str | bytes) -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr(name, content)
        archive.writestr(f"__MACOSX/._{name}", "noise")
    return packed.getvalue()


def pairs(reviews: Reviews) -> list[tuple[str, int]]:
    texts = [text.decode() for text in reviews.texts()]
    return [*zip(texts, reviews.labels.tolist(), strict=True)]


def read_all(config: DataConfig) -> list[tuple[str, int]]:
    """Training and test reviews together, in any order."""
    train, test, _ = open_files(config)
    return pairs(train) + pairs(test)


def config_of(path: Path, **fields: Any) -> DataConfig:
    return DataConfig(source="files", path=str(path), **fields)


# name, content, fields of the config, the reviews, what the log says
READ: list[tuple[str, bytes | str, dict[str, Any], list[tuple[str, int]], str]] = [
    ("plain.csv", table(), {}, BASE, "CSV with commas in UTF-8, texts in 'text', labels in 'label'"),
    ("upper.CSV", table(), {}, BASE, "CSV with commas"),
    ("semicolon.csv", table(header="text;label", separator=";"), {}, BASE, "CSV with semicolons"),
    ("tabs.tsv", table(header="text\tlabel", separator="\t"), {}, BASE, "CSV with tabs"),
    ("tabs.csv", table(header="text\tlabel", separator="\t"), {}, BASE, "CSV with tabs"),
    ("bars.txt", table(header="text|label", separator="|"), {}, BASE, "CSV with bars"),
    ("excel_hint.csv", "sep=;\n" + table(header="text;label", separator=";"), {}, BASE, "CSV with semicolons"),
    ("blank_first.csv", "\n\n" + table(), {}, BASE, "CSV with commas"),
    ("head_space.csv", table(header="text , label"), {}, BASE, "texts in 'text'"),
    ("quoted_head.csv", table(header='"text","label"'), {}, BASE, "texts in 'text'"),
    ("old_mac.csv", table().replace("\n", "\r"), {}, BASE, "20 reviews"),
    ("dos.csv", table().replace("\n", "\r\n"), {}, BASE, "20 reviews"),
    ("utf16.csv", table(KOREAN).encode("utf-16"), {}, KOREAN, "in UTF-16"),
    ("utf16be.csv", codecs.BOM_UTF16_BE + table(KOREAN).encode("utf-16-be"), {}, KOREAN, "in UTF-16"),
    ("utf32.csv", table(KOREAN).encode("utf-32"), {}, KOREAN, "in UTF-32"),
    ("mark.csv", table(KOREAN).encode("utf-8-sig"), {}, KOREAN, "in UTF-8"),
    ("cp949.csv", table(KOREAN).encode("cp949"), {"encoding": "cp949"}, KOREAN, "in CP949"),
    ("cp949_but_mark.csv", table(KOREAN).encode("utf-8-sig"), {"encoding": "cp949"}, KOREAN, "in UTF-8"),
    ("utf16_no_mark.csv", table(KOREAN).encode("utf-16-le"), {"encoding": "utf-16-le"}, KOREAN, "in UTF-16-LE"),
    ("lines.jsonl", lines(), {}, BASE, "JSON lines in UTF-8"),
    ("lines.json", lines(), {}, BASE, "JSON lines"),
    ("lines.ndjson", "\ufeff\n" + lines(KOREAN), {}, KOREAN, "JSON lines"),
    ("array.json", json.dumps(objects(), indent=2), {}, BASE, "a JSON array in UTF-8"),
    ("array.jsonl", json.dumps(objects()), {}, BASE, "a JSON array"),
    ("packed.csv.gz", gzip.compress(table().encode()), {}, BASE, "CSV with commas"),
    ("packed_without_saying.csv", gzip.compress(table().encode()), {}, BASE, "CSV with commas"),
    ("packed_twice.csv.gz", gzip.compress(gzip.compress(table().encode())), {}, BASE, "CSV with commas"),
    ("packed.csv.gz.zip", zipped("a.csv.gz", gzip.compress(table().encode())), {}, BASE, "CSV with commas"),
    ("packed.zip", zipped("reviews.csv", table()), {}, BASE, "CSV with commas"),
    ("packed.jsonl.zip", zipped("reviews.jsonl", lines()), {}, BASE, "JSON lines"),
    ("floats.csv", table([(text, float(label)) for text, label in BASE]), {}, BASE, "label '0' 10 negative"),
    (
        "bools.csv",
        table([(text, str(label == 1).upper()) for text, label in BASE]),
        {},
        BASE,
        "label 'true' 10 positive",
    ),
    (
        "spaces.csv",
        table([(text, (" Neg", "POS ")[label]) for text, label in BASE]),
        {},
        BASE,
        "label 'neg' 10 negative",
    ),
    ("json_float.jsonl", lines([(text, float(label)) for text, label in BASE]), {}, BASE, "label '1' 10 positive"),
    (
        "one_two.csv",
        table([(text, label + 1) for text, label in BASE]),
        {"negative_labels": ("1",), "positive_labels": ("2",)},
        BASE,
        "label '1' 10 negative; label '2' 10 positive",
    ),
    (
        "stars.csv",
        table(STARS),
        {"negative_labels": ("1", "2.0"), "positive_labels": ("4", "5"), "left_out_labels": ("3",)},
        [(text, int(star > 3)) for text, star in STARS if star != 3],
        "label '3' 4 left out",
    ),
    (
        "half_labelled.csv",
        table([*BASE, ("not yet labelled", "")]),
        {"left_out_labels": ("",)},
        BASE,
        "label '' 1 left out",
    ),
    (
        "hugging_face.csv",
        table([(text, f"LABEL_{label}") for text, label in BASE]),
        {"negative_labels": ("LABEL_0",), "positive_labels": ("LABEL_1",)},
        BASE,
        "label 'label_0' 10 negative",
    ),
    (
        "naver.txt",
        "id\tdocument\tlabel\n" + "".join(f"{i}\t{text}\t{label}\n" for i, (text, label) in enumerate(KOREAN)),
        {"text_column": "document"},
        KOREAN,
        "CSV with tabs in UTF-8, texts in 'document'",
    ),
    ("empty_text.csv", table([("", 0), *BASE]), {}, [("", 0), *BASE], "21 reviews"),
    ("null_text.jsonl", '{"text": null, "label": 0}\n' + lines(), {}, [("", 0), *BASE], "21 reviews"),
    (
        "spanning.csv",
        'text,label\n"two\nlines",1\n' + table(header="ignored,1")[len("ignored,1\n") :],
        {},
        [("two\nlines", 1), *BASE],
        "1 of several lines, the first",
    ),
    (
        "plain_quotes.tsv",
        table([('"great" film', 1), *BASE], header="text\tlabel", separator="\t"),
        {"quotes": False},
        [('"great" film', 1), *BASE],
        "21 reviews",
    ),
    ("more_columns.csv", "i,text,label,i\n" + "".join(f"7,{t},{n},8\n" for t, n in BASE), {}, BASE, "20 reviews"),
]


@pytest.mark.parametrize(("name", "content", "fields", "expected", "told"), READ, ids=[each[0] for each in READ])
def test_read_as_meant_by_training_and_prediction(
    tmp_path: Path,
    name: str,
    content: bytes | str,
    fields: dict[str, Any],
    expected: list[tuple[str, int]],
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    config = config_of(tmp_path / name, **fields)
    with caplog.at_level(logging.INFO):
        assert sorted(read_all(config)) == sorted(expected)
    assert told in caplog.text
    assert f"{tmp_path / name} (training reviews)" in caplog.text
    given = [*read_inputs([str(tmp_path / name)], Format.of(config))]
    left_out = [text for text, star in STARS if star == 3] if name == "stars.csv" else []
    left_out += ["not yet labelled"] if name == "half_labelled.csv" else []
    assert sorted(text.decode() for _, text in given) == sorted([text for text, _ in expected] + left_out)
    assert all(str(tmp_path / name) in where for where, _ in given)


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet is read where pyarrow is installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(objects(KOREAN)), tmp_path / "a.parquet")
    assert sorted(read_all(config_of(tmp_path / "a.parquet"))) == sorted(KOREAN)
    with pytest.raises(UserError, match=r"a\.parquet: no column 'review'; found: 'text', 'label'; name it with"):
        read_all(config_of(tmp_path / "a.parquet", text_column="review"))
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:-20])
    with pytest.raises(UserError, match=r"a\.parquet: cannot be read"):
        read_all(config_of(tmp_path / "a.parquet"))


# name, content, fields of the config, the message
REFUSED: list[tuple[str, bytes | str, dict[str, Any], str]] = [
    (
        "cp949.csv",
        table(KOREAN).encode("cp949"),
        {},
        r"cp949\.csv:2: not UTF-8, as 20 of 20 .*data\.encoding=cp949 \(a guess\)$",
    ),
    (
        "latin.csv",
        table([("déjà vu", 0), *BASE]).encode("latin-1"),
        {},
        r"latin\.csv:2: not UTF-8, as 1 of 21 reviews.*encoding=cp1252 \(a guess\)$",
    ),
    ("not_cp949.csv", table([("é", 0)]).encode("utf-16"), {"encoding": "cp949"}, r"no negative|no positive"),
    ("cut_utf16.csv", table(KOREAN).encode("utf-16")[:-1], {}, r"cut_utf16\.csv: not utf-16"),
    (
        "one_two.csv",
        table([(t, n + 1) for t, n in BASE]),
        {},
        r"one_two\.csv:3: label '2'; .*found '1' 10 .*'2' 10 times",
    ),
    (
        "stars.csv",
        table(STARS),
        {},
        r"stars\.csv:3: label '5'; allowed: .*negative_labels, positive_labels, left_out_labels, spaces between$",
    ),
    (
        "no_label.csv",
        table([*BASE, ("x", "")]),
        {},
        r"no_label\.csv:22: label ''; .*left_out_labels, spaces between; '' is what has no label$",
    ),
    ("both.csv", table(), {"positive_labels": ("0",)}, r"the label '0' has two meanings"),
    ("upper_head.csv", table(header="Text,Label"), {}, r"no column 'text'; found: 'Text', 'Label'; name it with"),
    (
        "no_head.csv",
        table()[len("text,label\n") :],
        {},
        r"no_head\.csv:1: no column 'text'; found: 'review 0 was dull'",
    ),
    (
        "two.zip",
        zipped("a/b/c.csv", table())[:50],
        {},
        r"two\.zip: cannot be read \(File is not a zip file\)",
    ),
    (
        "folders.zip",
        damaged(),
        {},
        r"neg/0\.txt: cannot be read \(Bad CRC-32 for file .*neg/0\.txt.\)",
    ),
    (
        "no_list.zip",
        damaged().replace(b"PK\1\2", b"PK\1\3"),
        {},
        r"no_list\.zip: cannot be read \(Bad magic number for central directory\)",
    ),
    ("book.xlsx", zipped("xl/workbook.xml", "<xml/>"), {}, r"book\.xlsx: a workbook of a spreadsheet; save it as CSV"),
    ("book.xls", b"\xd0\xcf\x11\xe0" + bytes(600), {}, r"book\.xls: a workbook of a spreadsheet"),
    ("real.xlsx", workbook(), {}, r"real\.xlsx: a workbook of a spreadsheet; save it as CSV"),
    ("packed.bz2", bz2.compress(table().encode()), {}, r"packed\.bz2: packed by bzip2; \.gz and \.zip are read"),
    ("packed.xz", lzma.compress(table().encode()), {}, r"packed\.xz: packed by xz"),
    ("empty.zip", b"PK\5\6" + bytes(18), {}, r"empty\.zip: holds 0 files; must hold one table, or, if it is"),
    ("utf16be.csv", table().encode("utf-16-be"), {}, r"utf16be\.csv: not text; .*its encoding is utf-16-be"),
    (
        "no_name_for_index.csv",
        '"text","label"\n"0","fine","1"\n',
        {},
        r":2: 3 fields, expected 2; name all columns, and",
    ),
    ("lines.csv", table(), {"lines_are_reviews": True}, r"lines_are_reviews: True; only for folders, .*lines\.csv"),
    ("cut.csv.gz", gzip.compress(table().encode())[:-30], {}, r"cut\.csv\.gz: cannot be read"),
    ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(300), {}, r"picture\.csv:"),
    ("nothing.csv", b"", {}, r"nothing\.csv: holds no review"),
]


@pytest.mark.parametrize(("name", "content", "fields", "message"), REFUSED, ids=[each[0] for each in REFUSED])
def test_refused_with_advice(
    tmp_path: Path, name: str, content: bytes | str, fields: dict[str, Any], message: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_all(config_of(tmp_path / name, **fields))
    assert "\n" not in str(caught.value)


def write_classes(root: Path, rows: list[tuple[str, int]], names: tuple[str, str] = ("neg", "pos")) -> Path:
    for i, (text, label) in enumerate(rows):
        path = root / names[label] / f"{i:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_nested_folders_are_read_whole(tmp_path: Path) -> None:
    write_classes(tmp_path, BASE[:4])
    for i, (text, label) in enumerate(BASE[4:]):
        path = tmp_path / ("neg", "pos")[label] / f"batch {i % 3}" / "deeper" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert sorted(read_all(config_of(tmp_path))) == sorted(BASE)


def test_what_is_no_review_is_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_classes(tmp_path, BASE)
    strays = [
        "README.md",
        "pos/Thumbs.db",
        "pos/desktop.ini",
        "neg/urls.csv",
        "neg/005.txt~",
        "pos/003.bak",
        "pos/._1.txt",
    ]
    for name in strays:
        (tmp_path / name).write_text("noise")
    with caplog.at_level(logging.INFO):
        assert sorted(read_all(config_of(tmp_path))) == sorted(BASE)
    assert "left out 7 (README.md" in caplog.text
    assert all(Path(name).name in caplog.text for name in strays)


@pytest.mark.parametrize("names", [("neg", "pos"), ("Negative", "POSITIVE"), ("0", "1"), ("negative", "pos")])
def test_folders_are_labels_too(tmp_path: Path, names: tuple[str, str]) -> None:
    assert sorted(read_all(config_of(write_classes(tmp_path, BASE, names)))) == sorted(BASE)


def test_a_hidden_folder_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    write_classes(tmp_path / ".data", BASE)
    write_classes(tmp_path / ".data" / "pos" / ".ipynb_checkpoints", [BASE[1]])
    config = config_of(tmp_path / ".data")
    assert sorted(read_all(config)) == sorted(BASE)
    assert len([*read_inputs([str(tmp_path / ".data")], Format())]) == len(BASE)


def test_links_and_pipes_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_classes(tmp_path, BASE)
    (tmp_path / "pos" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "neg" / "pipe.txt")
    with caplog.at_level(logging.INFO):
        assert sorted(read_all(config_of(tmp_path))) == sorted(BASE)
    assert "left out 2 (pipe.txt, loop)" in caplog.text


def test_a_folder_around_the_folders_is_entered(tmp_path: Path) -> None:
    write_classes(tmp_path / "unpacked" / "reviews", BASE)
    assert sorted(read_all(config_of(tmp_path / "unpacked"))) == sorted(BASE)


def test_folders_of_other_names_are_mapped(tmp_path: Path) -> None:
    write_classes(tmp_path, BASE, ("bad", "good"))
    write_classes(tmp_path / "meh", BASE)
    with pytest.raises(UserError, match=r"no folder 0 .* found 3 \(bad, good, meh\); name classes with --config"):
        read_all(config_of(tmp_path))
    mapped = config_of(tmp_path, negative_labels=("bad",), positive_labels=("good",), left_out_labels=("meh",))
    assert sorted(read_all(mapped)) == sorted(BASE)


def write_lines(root: Path) -> None:
    for label, name in enumerate(("neg", "pos")):
        (root / name).mkdir(parents=True)
        texts = [text for text, each in BASE if each == label]
        for i in range(0, len(texts), 2):
            (root / name / f"{i}.txt").write_text("\n".join(texts[i : i + 2]) + "\n\n")


def test_files_of_several_lines_are_one_review_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_lines(tmp_path)
    assert len(read_all(config_of(tmp_path))) == 10
    assert "every file has lines, 2 in the median; if each line is a review" in caplog.text
    assert "set --config.data.lines_are_reviews=True" in caplog.text
    assert sorted(read_all(config_of(tmp_path, lines_are_reviews=True))) == sorted(BASE)


def test_a_file_of_lines_for_each_class(tmp_path: Path) -> None:
    for label, name in enumerate(("neg", "pos")):
        (tmp_path / f"{name}.txt").write_text("\n".join(text for text, each in BASE if each == label))
    assert sorted(read_all(config_of(tmp_path, lines_are_reviews=True))) == sorted(BASE)
    form = Format.of(config_of(tmp_path, lines_are_reviews=True))
    predicted = [text.decode() for _, text in read_inputs([str(tmp_path)], form)]
    assert sorted(predicted) == sorted(text for text, _ in BASE)
    with pytest.raises(
        UserError, match=r"if each line of these files is a review, set --config\.data\.lines_are_reviews"
    ):
        read_all(config_of(tmp_path))


def test_a_folder_of_a_folder_and_a_stray_file_says_what_to_give(tmp_path: Path) -> None:
    write_lines(tmp_path)
    (tmp_path / "r").mkdir()
    for name in ("neg", "pos"):
        (tmp_path / name).rename(tmp_path / "r" / name)
    (tmp_path / "readme.md").touch()
    with pytest.raises(UserError, match=r"found 2 \(r, readme.md\); .* give the path of the folder that holds them"):
        read_all(config_of(tmp_path))


def test_a_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    write_classes(tmp_path, KOREAN)
    (tmp_path / "neg" / "000.txt").write_bytes(KOREAN[0][0].encode("utf-8-sig"))
    (tmp_path / "pos" / "001.txt").write_bytes(KOREAN[1][0].encode("utf-16"))
    assert sorted(read_all(config_of(tmp_path))) == sorted(KOREAN)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "dev", "testing"), ("training", "valid", "test")]
)
@pytest.mark.parametrize("write", ["folders", "tables", "zip"])
def test_three_splits(
    tmp_path: Path, names: tuple[str, str, str], write: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = BASE[:12], BASE[12:16], BASE[16:]
    for name, rows in zip(names, parts, strict=True):
        if write == "tables":
            (tmp_path / f"{name}.csv").write_text(table(rows))
        else:
            write_classes(tmp_path / "data" / name, rows)
    path = tmp_path if write == "tables" else tmp_path / "data"
    if write == "zip":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for file in sorted(path.rglob("*.txt")):
                archive.write(file, file.relative_to(tmp_path))
        path = tmp_path / "a.zip"
    config = config_of(path)
    with caplog.at_level(logging.INFO):
        splits = split_corpus(config)
    assert tuple(sorted(pairs(split)) for split in splits) == tuple(map(sorted, parts))
    for name, purpose in zip(names, ("training", "validation", "test"), strict=True):
        assert any(f"{name}" in line and f"({purpose} reviews)" in line for line in caplog.text.splitlines())
    dataset = load_dataset(config)
    assert len(dataset.validation.labels) == 4


def test_a_damaged_zip_of_lzma_is_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", table())
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[30 + len("a.csv") + 4] = 0xFF  # of the options of the packer
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.zip: cannot be read \(") as caught:
        read_all(config_of(tmp_path / "a.zip"))
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("name", ["neg\\0.txt", "/neg/0.txt", "//neg/0.txt", "neg//0.txt"])
def test_a_zip_of_odd_names_is_one_line(name: str, tmp_path: Path) -> None:
    """Old tools on Windows wrote backslashes, of which Python makes no folders; among empty names it may search on."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "bad")
        archive.writestr("pos/1.txt", "fine")
    with pytest.raises(UserError, match=re.escape(f"a.zip: names a file {name!r}; unpack it")) as caught:
        split_corpus(config_of(tmp_path / "a.zip"))
    assert caught.value.exit_code == 65


def test_validation_reviews_have_a_path_of_their_own(tmp_path: Path) -> None:
    for name, rows in (("a", BASE[:12]), ("b", BASE[12:16]), ("c", BASE[16:])):
        (tmp_path / f"{name}.csv").write_text(table(rows))
    config = config_of(tmp_path / "a.csv", validation_path=str(tmp_path / "b.csv"), test_path=str(tmp_path / "c.csv"))
    train, validation, test = split_corpus(config)
    assert [*map(len, (train, validation, test))] == [12, 4, 4]
    first = load_dataset(config).fingerprint
    (tmp_path / "b.csv").write_text(table(BASE[12:14]))
    assert load_dataset(config).fingerprint != first


def test_two_validation_sets_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "dev"):
        write_classes(tmp_path / name, BASE)
    with pytest.raises(UserError, match=r"holds .* and .*; keep one of them"):
        open_files(config_of(tmp_path))


def test_the_log_of_a_cached_run_tells_as_much(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text(table([*BASE, ("review 0 was dull", 1), ("one only", 0), ("one only", 1)]))
    told = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            load_dataset(config_of(tmp_path / "a.csv"))
        told.append([record.getMessage() for record in caplog.records if record.name.startswith("imdb_jax")])
    assert told[0] == told[1]
    text = "\n".join(told[0])
    for part in (
        "23 reviews; CSV with commas",
        "label '0' 11 negative",
        "held out",
        "conflicting",
        "validation reviews:",
    ):
        assert part in text


def test_reviews_without_a_word_are_refused(tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_text("text,label\n" + "?!,0\n..,1\n" * 10)
    with pytest.raises(UserError, match=r"^data: no training review has a word$") as caught:
        load_dataset(config_of(tmp_path / "marks.csv"))
    assert caught.value.exit_code == 65


def test_a_vocabulary_that_knows_no_word_is_refused_and_one_that_knows_few_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.csv").write_text(table())
    (tmp_path / "cased.json").write_text(json.dumps({"Review": 1, "Was": 2, "Fine": 3}))
    with pytest.raises(UserError, match=r"cased\.json: none of the training words is in it"):
        load_dataset(config_of(tmp_path / "a.csv", word_index=str(tmp_path / "cased.json")))
    (tmp_path / "few.json").write_text(json.dumps({"review": 1}))
    load_dataset(config_of(tmp_path / "a.csv", word_index=str(tmp_path / "few.json")))
    assert "25.0% of the validation words are in the vocabulary" in caplog.text


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<br />", "<BR>", "<br  />"])
def test_breaks_are_spaces(tmp_path: Path, tag: str) -> None:
    from imdb_jax.config import TextConfig
    from imdb_jax.data.text import split_words, split_written

    rule = TextConfig(break_tags_as_spaces=True)
    text = f"one{tag}two".encode()
    assert split_words(text, rule) == [part for part, _ in split_written(text, rule)] == [b"one", b"two"]


@pytest.mark.parametrize("write", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_what_pandas_writes_is_read(tmp_path: Path, write: int) -> None:
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=write)  # pyright: ignore
        writer.writerow(["", "text", "label"])  # the index has no name
        writer.writerows((i, text, label) for i, (text, label) in enumerate(KOREAN))
    assert sorted(read_all(config_of(tmp_path / "a.csv"))) == sorted(KOREAN)


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_an_encoding_that_is_none_is_refused(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UserError, match=rf"data\.encoding: '{encoding}'; must be one that Python knows"):
        config_of(tmp_path / "a.csv", encoding=encoding)


def test_a_parquet_column_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet is read where pyarrow is installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    twice = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    parquet.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="the column 'text' stands there twice"):
        [*read_inputs([str(tmp_path / "a.parquet")], Format())]


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_an_exported_models_rows_refuse_it_as_well(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text(table())
    with pytest.raises(UserError, match=encoding):
        decoded(b"text", "a.txt", encoding)
    with pytest.raises(UserError, match=encoding), (tmp_path / "a.csv").open("rb") as file:
        Table(file, "a.csv", {"text": ""}, encoding)
    with pytest.raises(UserError, match=encoding), (tmp_path / "a.csv").open("rb") as file:
        list(text_lines(file, "a.csv", encoding))
