"""Dataclasses as JSON: each record of a run is written and read by its own definition."""

import functools
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from imdb_jax.config import describe
from imdb_jax.errors import BAD_DATA, UserError

R = TypeVar("R")

_adapter = functools.cache(TypeAdapter)


def dump(record: Any) -> Any:
    """A record as JSON holds it; a number that is none, such as the AUC of a single class, becomes null."""
    return json.loads(_adapter(type(record)).dump_json(record))


def load(kind: type[R], content: Any, where: str) -> R:
    """What `dump` gave; keys that the class does not know are left alone.

    Raises:
      UserError: a key is missing or holds something else; it names `where`, a file or a file and line (65).
    """
    try:
        return _adapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}", BAD_DATA) from None
