"""What is typed is what a config becomes."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from imdb_jax import cli
from imdb_jax.audit import Args
from imdb_jax.config import OptimizerConfig, TrainingConfig, fields, load_file
from imdb_jax.errors import IO_FAILED, UserError, run_command
from tests.conftest import CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_typed_field_reaches_the_config(path: Path) -> None:
    config = load_file(path)
    other = replace(config, seed=99, optimizer=OptimizerConfig(clip_norm=9.0), training=TrainingConfig(patience=9))
    typed = [
        f"--config.{name}={value}"
        for name, value in fields(config).items()
        if name.startswith(("seed", "optimizer.", "training."))
    ]
    assert cli.parse(Args, typed, "audit", Args(other)).config == config


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--config.optimizer.learning_rat=1"], "rat=1 (did you mean --config.optimizer.learning_rate?)"),
        (["--config.model.encoder.hidden=3", "-x"], "-x (did you mean --config.model.encoder.hidden_dim?)"),
        (["--nonsense"], "Unrecognized options: --nonsense"),
        (["--code", "nosuch.py"], "nosuch.py: no such file"),
    ],
)
def test_what_is_misspelt_is_one_short_line(typed: list[str], told: str) -> None:
    with pytest.raises(UserError) as error:
        cli.parse(Args, typed, "audit", Args(load_file("quickstart")))
    assert str(error.value).endswith(told)
    assert len(str(error.value)) < 120


def test_a_folder_of_somebody_else_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["predict"])

    def command(arguments: Sequence[str]) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "theirs/population.json")

    with pytest.raises(SystemExit) as ended:
        run_command(command)
    assert ended.value.code == IO_FAILED
    assert capfd.readouterr().err == "error: theirs/population.json: Permission denied\n"
