"""The IMDB reviews: prepared, from an archive or folder, downloaded, or not to be had."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from imdb_jax.config import DataConfig
from imdb_jax.data import aclimdb, imdb
from imdb_jax.data.audit import audit, refuse_unfit
from imdb_jax.data.dataset import open_corpus
from imdb_jax.data.reviews import Corpus, Reviews
from imdb_jax.errors import UserError
from imdb_jax.storage import cache_dir

PER_CLASS = 3
FOLDERS = (*aclimdb.CLASS_FOLDERS, "train/unsup")
MEMBERS = {f"aclImdb/{folder}/{i}_7.txt": f"{folder} {i}\xa0é".encode() for folder in FOLDERS for i in range(PER_CLASS)}
LABELLED = {text: int("pos" in name) for name, text in MEMBERS.items() if "unsup" not in name}


@pytest.fixture(autouse=True)
def _small_imdb(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real" not in request.node.name:
        monkeypatch.setattr(aclimdb, "REVIEWS_PER_CLASS", PER_CLASS)
        monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return path


def write_folder(root: Path, members: dict[str, bytes]) -> Path:
    for name, text in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text)
    return root


def read(reviews: Reviews) -> dict[bytes, int]:
    pairs = [*zip(reviews.texts(), reviews.labels.tolist(), strict=True)]
    assert len(dict(pairs)) == len(pairs) == len(reviews)
    return dict(pairs)


def open_imdb(data_dir: Path, path: Path | None = None) -> Corpus:
    return open_corpus(DataConfig(path=str(path) if path else None, data_dir=str(data_dir)))


def fingerprints(corpus: Corpus) -> list[str]:
    return [corpus.train.fingerprint, corpus.test.fingerprint]


def prepare(data_dir: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes] = MEMBERS) -> Corpus:
    """What a download of the archive gives."""
    data_dir.mkdir(parents=True, exist_ok=True)
    archive = write_archive(data_dir / "downloaded.tar.gz", members)
    with monkeypatch.context() as patch:
        patch.setattr(imdb, "_check_network", lambda _: None)
        patch.setattr(imdb, "_download", lambda *_: archive)
        return open_imdb(data_dir)


def assert_is_small_imdb(corpus: Corpus) -> None:
    train, test = read(corpus.train), read(corpus.test)
    assert train == {text: label for text, label in LABELLED.items() if text.startswith(b"train")}
    assert test == {text: label for text, label in LABELLED.items() if text.startswith(b"test")}


def assert_refused(data_dir: Path, path: Path | None, message: str, exit_code: int) -> None:
    with pytest.raises(UserError, match=message) as caught:
        fingerprints(open_imdb(data_dir, path))
    assert caught.value.exit_code == exit_code
    assert "\n" not in str(caught.value)


def refuse_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imdb.Builder, "url_infos", {"http://127.0.0.1:9/aclImdb_v1.tar.gz": None})


# Archives and folders


def test_archive_and_folder_give_the_same_reviews(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "aclImdb_v1.tar.gz", MEMBERS)
    parent = write_folder(tmp_path / "parent", MEMBERS)
    sources = (archive, parent, parent / "aclImdb")
    opened = [open_imdb(tmp_path / f"data{i}", source) for i, source in enumerate(sources)]
    for corpus in opened:
        assert_is_small_imdb(corpus)
    assert len({tuple(fingerprints(corpus)) for corpus in opened}) == 1
    assert opened[0].train.fingerprint != opened[0].test.fingerprint


def test_an_archive_gives_the_reviews_in_the_order_of_tfds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {f"aclImdb/{folder}/{i}_7.txt": f"{folder} {i}".encode() for folder in FOLDERS for i in range(30)}
    monkeypatch.setattr(aclimdb, "REVIEWS_PER_CLASS", 30)
    prepared = prepare(tmp_path / "data", monkeypatch, members)
    direct = open_imdb(tmp_path, write_archive(tmp_path / "a.tar.gz", members))
    assert [*direct.train.texts()] == [*prepared.train.texts()]
    assert direct.test.labels.tolist() == prepared.test.labels.tolist() != sorted(prepared.test.labels.tolist())
    assert fingerprints(direct) == fingerprints(prepared)


def test_what_is_prepared_is_what_tfds_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, monkeypatch)
    builder = tfds.builder("imdb_reviews", data_dir=tmp_path, file_format="array_record")
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 2 * PER_CLASS,
        "test": 2 * PER_CLASS,
        "unsupervised": PER_CLASS,
    }


def test_unsup_never_becomes_a_class_and_may_be_missing(tmp_path: Path) -> None:
    labelled = {name: text for name, text in MEMBERS.items() if "unsup" not in name}
    assert_is_small_imdb(open_imdb(tmp_path / "data", write_archive(tmp_path / "a.tar.gz", labelled)))


def test_other_files_and_prefixes_are_no_matter(tmp_path: Path) -> None:
    members = {f"./backup/{name}": text for name, text in MEMBERS.items()}
    others = ("README", "imdb.vocab", "train/labeledBow.feat", "train/pos/._0_7.txt", "train/pos/.DS_Store")
    members |= {f"./backup/aclImdb/{name}": b"noise" for name in others}
    assert_is_small_imdb(open_imdb(tmp_path / "data", write_archive(tmp_path / "a.tar.gz", members)))


def test_a_given_path_wins_over_a_preparation_and_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = prepare(tmp_path / "data", monkeypatch)
    changed = {name: text.replace(b"train", b"other") for name, text in MEMBERS.items()}
    new = open_imdb(tmp_path / "data", write_archive(tmp_path / "new.tar.gz", changed))
    assert all(text.startswith(b"other") for text in read(new.train))
    assert open_imdb(tmp_path / "data").train.fingerprint == old.train.fingerprint


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "source", MEMBERS)
    first = fingerprints(open_imdb(tmp_path, folder))
    (folder / "aclImdb/train/pos/0_7.txt").write_bytes(b"changed")
    changed = open_imdb(tmp_path, folder)
    assert fingerprints(changed) != first
    assert b"changed" in read(changed.train)


@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)), st.binary(max_size=2_000)))
def test_any_reviews_come_back_from_an_archive(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]
) -> None:
    archive = write_archive(tmp_path_factory.getbasetemp() / "any.tar.gz", members)
    assert {name: file.read() for name, file in aclimdb.read_reviews(archive)} == members


def without(part: str) -> dict[str, bytes]:
    return {name: text for name, text in MEMBERS.items() if part not in name}


@pytest.mark.parametrize("write", [write_archive, write_folder])
@pytest.mark.parametrize(
    ("members", "message", "exit_code"),
    [
        (without("train/pos"), "train/neg 3, train/pos 0, test/neg 3, test/pos 3; IMDB has 3 reviews in each", 66),
        (without("test/"), "test/neg 0, test/pos 0; IMDB has 3", 66),
        (without("train/neg/1_7"), "train/neg 2, train/pos 3, test/neg 3, test/pos 3; IMDB has 3 reviews in each", 65),
        (MEMBERS | {"aclImdb/test/pos/9_9.txt": b"extra"}, "test/pos 4; IMDB has 3", 65),
    ],
)
def test_missing_classes_and_wrong_counts(tmp_path: Path, write, members, message: str, exit_code: int) -> None:
    source = write(tmp_path / "source", members)
    assert_refused(tmp_path / "data", source, f"^{source}: .*{message}", exit_code)


@pytest.mark.parametrize("name", ["../evil.txt", "aclImdb/../../evil.txt", "/evil.txt", "../train/pos/../evil.txt"])
def test_unsafe_paths_are_left_out_and_written_nowhere(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    source = write_archive(inside / "a.tar.gz", {**MEMBERS, name: b"evil"})
    assert_is_small_imdb(open_imdb(inside / "data", source))
    assert not list(tmp_path.rglob("evil.txt"))
    assert not Path("/evil.txt").exists()


def test_a_review_with_an_unsafe_path_is_written_nowhere(tmp_path: Path) -> None:
    source = write_archive(tmp_path / "a.tar.gz", {**MEMBERS, "../train/pos/evil.txt": b"evil"})
    assert_refused(tmp_path / "data", source, "train/neg 3, train/pos 4", 65)
    assert not list(tmp_path.parent.rglob("evil.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_are_not_followed_and_devices_not_opened(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        link = tarfile.TarInfo("aclImdb/train/pos/link.txt")
        link.type, link.linkname = kind, str(tmp_path / "secret")
        archive.addfile(link)
        for name, text in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    assert_is_small_imdb(open_imdb(tmp_path / "data", tmp_path / "a.tar.gz"))


def damaged(kind: str) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, text in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    raw = whole.getvalue()
    flipped = raw[:300] + bytes([raw[300] ^ 0xFF]) + raw[301:]
    return {
        "empty": b"",
        "text": b"not an archive",
        "cut": raw[:-40],
        "flipped": flipped,
        "no tar": gzip.compress(b"x"),
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "flipped", "no tar"])
def test_damaged_archives(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.tar.gz").write_bytes(damaged(kind))
    assert_refused(tmp_path / "data", tmp_path / "a.tar.gz", r"a\.tar\.gz: not a whole \.tar\.gz", 65)


def test_missing_path(tmp_path: Path) -> None:
    assert_refused(
        tmp_path, tmp_path / "none.tar.gz", "none.tar.gz: no such file or folder; --config.data.path= is", 66
    )


def test_unwritable_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(imdb, "_check_network", lambda _: None)
    assert_refused(tmp_path / "file", None, "cannot be written .*; set data.data_dir or TFDS_DATA_DIR", 73)


# Prepared folders


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    prepare(tmp_path / "data", monkeypatch)
    return tmp_path / "data" / imdb.PREPARED


def as_tfrecord(folder: Path) -> None:
    """Rewrites a prepared folder as TFDS with TensorFlow would have written it, but for the checksums."""
    builder = tfds.builder_from_directory(folder)
    for split in ("train", "test"):
        source = builder.as_data_source(split).data_source
        (old,) = builder.info.splits[split].filepaths
        records = [struct.pack("<Q4x", len(record)) + record + bytes(4) for record in source.__getitems__(range(6))]
        Path(str(old).replace("array_record", "tfrecord")).write_bytes(b"".join(records))
        old.unlink()
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))


def test_tfrecord_gives_what_array_record_gives(prepared: Path) -> None:
    before = fingerprints(open_imdb(prepared.parents[2]))
    as_tfrecord(prepared)
    after = open_imdb(prepared.parents[2])
    assert_is_small_imdb(after)
    assert fingerprints(after) == before


@pytest.mark.parametrize("row", range(2 * PER_CLASS))
def test_an_edit_of_any_review_is_another_fingerprint(prepared: Path, row: int) -> None:
    """In place and of equal size, at the same time of the file: no count, length or date tells it."""
    as_tfrecord(prepared)
    before = open_imdb(prepared.parents[2])
    known = fingerprints(before)
    (file,) = prepared.glob("*-train.tfrecord*")
    text = [*before.train.texts()][row]
    status = file.stat()
    file.write_bytes(file.read_bytes().replace(text, text.swapcase()))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = open_imdb(prepared.parents[2])
    assert after.train.fingerprint != known[0]
    assert after.test.fingerprint == known[1]


def test_a_known_fingerprint_takes_no_decoding(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_imdb(prepared.parents[2]).train.fingerprint
    monkeypatch.setattr(tfds.features.FeaturesDict, "deserialize_example_np", None)
    assert open_imdb(prepared.parents[2]).train.fingerprint == first


def test_a_damaged_fingerprint_is_made_again(prepared: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = open_imdb(prepared.parents[2]).train.fingerprint
    for path in (cache_dir() / "fingerprints").glob("*/fingerprint.txt"):
        path.write_text("0" * 64)
    assert open_imdb(prepared.parents[2]).train.fingerprint == first
    assert "damaged; it is made again" in caplog.text


def test_a_flipped_byte_in_a_review_is_told_in_one_line(prepared: Path) -> None:
    (file,) = prepared.glob("*-train.array_record*")
    content = bytearray(file.read_bytes())
    content[110] ^= 1  # after the file's first header, of 64 bytes, and that of a block, of 40
    file.write_bytes(content)
    assert_refused(prepared.parents[2], None, f"^{prepared}: cannot be read .*delete it to prepare it again", 65)


def test_a_label_that_imdb_does_not_have_is_told_in_one_line(prepared: Path) -> None:
    """The checksums of a TFRecord file are not verified."""
    as_tfrecord(prepared)
    (file,) = prepared.glob("*-train.tfrecord*")
    before = file.read_bytes()
    label = b"\x0a\x05label\x12\x05\x1a\x03\x0a\x01"  # in a record: the name, and a list of one number
    file.write_bytes(before.replace(label + b"\x01", label + b"\x02"))
    assert file.read_bytes() != before
    assert_refused(prepared.parents[2], None, f"^{prepared}: cannot be read .a label other than 0 and 1 in train", 65)


def test_environment_names_the_data_dir(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared.parents[2]))
    assert_is_small_imdb(open_corpus(DataConfig()))


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "removed"])
def test_damaged_records(prepared: Path, file_format: str, damage: str) -> None:
    if file_format == "tfrecord":
        as_tfrecord(prepared)
    (file,) = prepared.glob(f"*-test.{file_format}*")
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: -20 if damage == "cut" else 0])
    assert_refused(prepared.parents[2], None, f"^{prepared}: .*delete .* to prepare it again", 65)


def test_incomplete_and_foreign_folders(prepared: Path) -> None:
    info = json.loads((prepared / "dataset_info.json").read_text())
    (prepared / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "parquet"}))
    assert_refused(prepared.parents[2], None, "cannot be read", 65)
    (prepared / "dataset_info.json").unlink()
    assert_refused(prepared.parents[2], None, "cannot be read", 65)


def test_fewer_reviews_than_imdb_has(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aclimdb, "REVIEWS_PER_CLASS", 12_500)
    assert_refused(prepared.parents[2], None, "6 and 6 reviews in train and test; IMDB has 25,000 in each", 65)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_preparation_does_not_block_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    def interrupted(self, archive, directory, labeled=True):
        for i, (name, _) in enumerate(archive):
            if i == 7:
                raise interruption
            yield name, {"text": "x", "label": 0}

    with monkeypatch.context() as patch:
        patch.setattr(imdb.Builder, "_generate_examples", interrupted)
        with pytest.raises(interruption):
            prepare(tmp_path / "data", monkeypatch)
    leftover = (tmp_path / "data" / imdb.PREPARED).with_name("1.0.0.incompleteABCDEF_1")  # as kill -9 leaves it
    leftover.mkdir(parents=True)
    assert_is_small_imdb(prepare(tmp_path / "data", monkeypatch))


# The network


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves `tmp_path`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None: ...

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, url: str, archive: Path, checksum: str | None = None) -> None:
    """Makes a URL the publisher's."""
    checksum = checksum or hashlib.sha256(archive.read_bytes()).hexdigest()
    info = tfds.download.checksums.UrlInfo(archive.stat().st_size, checksum, archive.name)
    monkeypatch.setattr(imdb.stock, "_DOWNLOAD_URL", url)
    monkeypatch.setattr(imdb.Builder, "url_infos", {url: info})


def test_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, capfd) -> None:
    archive = write_archive(tmp_path / "aclImdb_v1.tar.gz", MEMBERS)
    publish(monkeypatch, f"{server}/{archive.name}", archive)
    assert_is_small_imdb(open_imdb(tmp_path / "data"))
    assert capfd.readouterr().out == ""


def test_a_download_with_another_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    archive = write_archive(tmp_path / "aclImdb_v1.tar.gz", MEMBERS)
    publish(monkeypatch, f"{server}/{archive.name}", archive, checksum="0" * 64)
    assert_refused(tmp_path / "data", None, "download failed .*; try again, or give --config.data.data_dir", 66)
    assert not (tmp_path / "data" / imdb.PREPARED).exists()


def test_no_network_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_network(monkeypatch)
    ways_out = "127.0.0.1 can't be reached .*data.data_dir=.*data.path=.*machine with network.*source=synthetic"
    assert_refused(tmp_path / "data", None, ways_out, 66)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imdb, "SERVER_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/aclImdb_v1.tar.gz"
        monkeypatch.setattr(imdb.Builder, "url_infos", {url: None})
        assert_refused(tmp_path / "data", None, r"can't be reached \((no answer|timed out)\)", 66)


# The real reviews

REAL = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
needs_real = pytest.mark.skipif(not (REAL / imdb.PREPARED).exists(), reason=f"{REAL} holds no prepared imdb_reviews")


@needs_real
def test_real_reviews() -> None:
    corpus = open_corpus(DataConfig(data_dir=str(REAL)))
    splits = {"train": corpus.train, "test": corpus.test}
    lengths = {name: np.array([len(text.split()) for text in split.texts()]) for name, split in splits.items()}
    report = audit(splits, lengths)
    refuse_unfit(report)
    for split in report.splits.values():
        assert split.reviews == 25_000
        assert split.classes == {"neg": 12_500, "pos": 12_500}
        assert (split.empty, split.invalid_utf8, split.nul, split.truncated) == (0, 0, 0, 0)
        assert split.longest_run < 20
    assert (report.splits["train"].duplicates, report.splits["test"].duplicates) == (96, 199)
    (overlap,) = report.overlaps
    assert (overlap.reviews, overlap.conflicting) == (123, 0)


@needs_real
def test_real_reviews_are_read_without_tensorflow_and_warnings() -> None:
    code = """if True:
        import sys
        from imdb_jax.config import DataConfig
        from imdb_jax.data.dataset import open_corpus
        print(len([*open_corpus(DataConfig()).train.texts()]), "tensorflow" in sys.modules)
    """
    environment = {**os.environ, "TFDS_DATA_DIR": str(REAL)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("25000 False\n", "")
