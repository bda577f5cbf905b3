"""What is typed is what a config becomes."""

from dataclasses import replace
from pathlib import Path

import pytest

from imdb_jax import cli
from imdb_jax.audit import Args
from imdb_jax.config import OptimizerConfig, TrainingConfig, fields, load_file
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
