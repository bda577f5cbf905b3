"""What a config sets has its default in the config alone."""

import dataclasses
import inspect

import pytest

from imdb_jax.models.classifier import ENCODERS


@pytest.mark.parametrize(("config", "encoder"), ENCODERS.items(), ids=lambda cls: cls.__name__)
def test_encoders_take_what_their_config_sets_and_have_no_other_default(config: type, encoder: type) -> None:
    parameters = inspect.signature(encoder.__init__).parameters
    fields = {field.name: field.default for field in dataclasses.fields(config)} | {"kind": None}
    assert {*parameters} - {"self", "input_dim", "rngs"} == {*fields} - {"kind"}
    for name in {*fields} - {"kind"}:
        assert parameters[name].default in (inspect.Parameter.empty, fields[name])
