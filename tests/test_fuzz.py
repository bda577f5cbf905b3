"""Every parser gives something valid or the user's error, and a search finds what breaks one."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imdb_jax.errors import UserError
from scripts.measure.fuzz import Parser, main, mutated, parsers, verdict

NAMES = (
    "vectors", "neighbours", "csv", "jsonl", "predict_csv", "predict_jsonl", "archive", "tar", "overrides", "config",
    "vocabulary", "word_index", "results", "history",
)  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parser]:
    return parsers(tmp_path_factory.mktemp("samples"))


def test_every_parser_is_here(known: dict[str, Parser]) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_accepted(name: str, known: dict[str, Parser], tmp_path: Path) -> None:
    for sample in known[name].samples:
        assert verdict(known[name], sample, tmp_path / "input")


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)  # files are written
@given(st.randoms(), st.none() | st.binary(max_size=60))
def test_damage_is_refused_or_read_but_never_crashes(
    name: str,
    known: dict[str, Parser],
    tmp_path_factory: pytest.TempPathFactory,
    draw: random.Random,
    other: bytes | None,
) -> None:
    data = mutated(known[name].samples, draw) if other is None else other
    verdict(known[name], data, tmp_path_factory.getbasetemp() / "input")


def breaks(path: Path) -> None:
    content = path.read_bytes()
    if b"\xff" in content:
        raise ValueError("a bug")
    if b"a" not in content:
        raise UserError("no a")


def test_what_breaks_a_parser_is_kept_and_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def known(_: Path) -> dict[str, Parser]:
        return {"fragile": Parser((b"an a",), breaks)}

    arguments = ["--inputs", "300", "--out", str(tmp_path), "fragile"]
    assert main(arguments, known) == 1
    first, *broke = capsys.readouterr().out.splitlines()
    accepted, refused = (int(part.split()[0]) for part in first.split(", ")[1:3])
    assert 0 < accepted < 300
    assert refused
    assert accepted + refused + len(broke) == 300
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == len(broke)
    assert all(b"\xff" in path.read_bytes() for path in kept)
    assert f"--repeat {tmp_path / 'fragile-0-0'} fragile" in broke[0]
    with pytest.raises(ValueError, match="a bug"):
        main(["--repeat", str(tmp_path / "fragile-0-0"), "fragile"], known)
