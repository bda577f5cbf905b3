"""A config as JSON, and its fields by their names on the command line."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imdb_jax.config.checked import describe
from imdb_jax.config.schema import Config
from imdb_jax.errors import UserError

_ADAPTER = TypeAdapter(Config)


def to_json(config: Config) -> str:
    """Writes a config as indented JSON that `from_json` reads back to an equal config."""
    return _ADAPTER.dump_json(config, indent=2).decode() + "\n"


def from_json(text: str | bytes, where: str = "") -> Config:
    """Reads what `to_json` wrote; errors name the file `where` it came from.

    Raises:
      UserError: broken JSON, an unknown field, a wrong type or a value out of range.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}".removeprefix(": ")) from None


def fields(config: Config) -> dict[str, Any]:
    """Every field's value by its name on the command line, such as `model.encoder.hidden_dim`."""
    return dict(_leaves(_ADAPTER.dump_python(config, mode="json")))


def with_fields(config: Config, values: Mapping[str, Any]) -> Config:
    """A config with some fields set by their names on the command line.

    Raises:
      UserError: there is no such field, or a value does not fit.
    """
    known = fields(config)
    tree = _ADAPTER.dump_python(config, mode="json")
    for field_name, value in values.items():
        if field_name not in known:
            near = difflib.get_close_matches(field_name, known, n=1)
            raise UserError(f"{field_name}: no such field" + (f"; did you mean {near[0]}?" if near else ""))
        *path, name = field_name.split(".")
        functools.reduce(dict.__getitem__, path, tree)[name] = value
    return from_json(json.dumps(tree))


def differences(old: Config, new: Config) -> list[str]:
    """Lists the fields in which two configs differ, as `field: old -> new`."""
    before, after = fields(old), fields(new)
    return [
        f"{field}: {before.get(field, 'absent')!r} -> {after.get(field, 'absent')!r}"
        for field in {**before, **after}
        if before.get(field, "absent") != after.get(field, "absent")
    ]


def _leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
