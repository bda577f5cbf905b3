"""A module's defaults are those of its config."""

import dataclasses
import inspect
import typing

import pytest

from imdb_jax.config import Encoder, OwnEncoderConfig
from imdb_jax.models.classifier import ENCODERS

CONFIGS = {*typing.get_args(typing.get_args(Encoder)[0])} - {OwnEncoderConfig}


@pytest.mark.parametrize("config", sorted(CONFIGS, key=str), ids=lambda cls: cls.__name__)
def test_encoders_take_what_their_config_sets_and_have_its_defaults(config: typing.Any) -> None:
    encoder: typing.Any = ENCODERS[config.kind]
    parameters = inspect.signature(encoder.__init__).parameters
    fields = {field.name: field.default for field in dataclasses.fields(config)} | {"kind": None}
    assert {*parameters} - {"self", "input_dim", "rngs"} == {*fields} - {"kind"}
    for name in {*fields} - {"kind"}:
        assert parameters[name].default in (inspect.Parameter.empty, fields[name])
