"""Files and folders are whole or not there, whoever else writes beside them."""

import threading
from pathlib import Path

import pytest

from imdb_jax.errors import LOCKED, UserError
from imdb_jax.storage import atomic_file, atomic_folder, cached_folder, output_file


def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_the_old_file_and_no_draft(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted_file() -> None:
        with atomic_file(path) as file:
            file.write(b"new")
            raise error

    def interrupted_folder() -> None:
        with atomic_folder(tmp_path / "folder") as draft:
            (draft / "half").touch()
            raise error

    for write in (interrupted_file, interrupted_folder):
        with pytest.raises(error):
            write()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_new_files_have_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_file(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writers_of_one_pid_do_not_meet(tmp_path: Path) -> None:
    """As two containers on one disk, whose processes have the same number."""
    path, started = tmp_path / "a.txt", threading.Barrier(8)

    def write(number: int) -> None:
        with atomic_file(path) as file:
            file.write(b"%d" % number * 100_000)
            started.wait(60)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    content = path.read_bytes()
    assert content == content[:1] * 100_000
    assert [*tmp_path.iterdir()] == [path]


def test_the_slower_of_two_keeps_the_folder_of_the_faster(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "parent" / "folder") as slower:
        (slower / "name").write_text("slower")
        with atomic_folder(tmp_path / "parent" / "folder") as faster:
            (faster / "name").write_text("faster")
    assert (tmp_path / "parent" / "folder" / "name").read_text() == "faster"
    assert len([*(tmp_path / "parent").iterdir()]) == 1


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(OSError, match=r"Not a directory|exists"), atomic_folder(tmp_path / "folder"):
        pass
    assert [*tmp_path.iterdir()] == [tmp_path / "folder"]


def test_a_place_that_a_user_named_wrongly_is_one_clear_error(tmp_path: Path) -> None:
    said = r"nowhere/a\.txt: No such file or directory; choose another --out"
    with pytest.raises(UserError, match=said) as caught, output_file(tmp_path / "nowhere" / "a.txt"):
        pass
    assert caught.value.exit_code == LOCKED


@pytest.mark.parametrize("damaged", [False, True])
def test_several_that_want_one_cached_folder_all_get_it_whole(tmp_path: Path, damaged: bool) -> None:
    """As two containers on one disk, on an entry that is not there or damaged."""
    path, made, started = tmp_path / "tokens" / "entry", [], threading.Barrier(8)

    def write(draft: Path) -> None:
        made.append(draft)
        (draft / "ids").write_bytes(b"1" * 1_000_000)

    if damaged:
        cached_folder(path, write)
        (path / "ids").write_bytes(b"2")
        made.clear()

    def read(found: list[bytes]) -> None:
        started.wait(60)
        found.append((cached_folder(path, write) / "ids").read_bytes())

    found: list[bytes] = []
    readers = [threading.Thread(target=read, args=(found,)) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert 1 <= len(made) <= 8
    assert found == [b"1" * 1_000_000] * 8
    assert [each.name for each in path.parent.iterdir()] == ["entry"]
