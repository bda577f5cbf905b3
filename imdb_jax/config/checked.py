"""Dataclasses that are checked when they are built or read from JSON; errors name the field as it is typed."""

import functools
import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from typing_extensions import dataclass_transform

from imdb_jax.errors import BAD_DATA, UserError

T = TypeVar("T")

_adapter = functools.cache(TypeAdapter)


def _utf8(text: str) -> str:
    """Refuses what JSON can't hold: bytes of an argument or a path that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("utf8", "must be UTF-8") from None
    return text


Text = Annotated[str, AfterValidator(_utf8)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
TAGS = {""}  # of the sections that choose a class by their `kind`; pydantic puts them into a field's path


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(path: str) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen, checked dataclass whose errors name the field as `path.field`."""

    def decorate(cls: type[T]) -> type[T]:
        TAGS.add(getattr(cls, "kind", ""))
        built: Any = dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))(cls)
        validate = built.__init__

        @functools.wraps(validate)
        def init(self: Any, **fields: Any) -> None:
            try:
                validate(self, **fields)
            except ValidationError as error:
                raise UserError(describe(error, path)) from None

        built.__init__ = init
        return built

    return decorate


def describe(error: ValidationError, path: str = "") -> str:
    """Says in one line which field is wrong, what was given and what is allowed; of several faults the first.

    The checked object stands in the config at a path such as `model.encoder`.
    """
    first = error.errors(include_url=False)[0]
    complaint = first["msg"][0].lower() + first["msg"][1:]
    where = ".".join(str(part) for part in (path, *first["loc"]) if part not in TAGS)
    if first["type"] == "value_error":  # a check of ours: it says itself what was given
        return f"{where}.{first['msg'].removeprefix('Value error, ')}".removeprefix(".")
    given = "" if first["type"] == "missing" else f" {first['input']!r};"  # of what is missing, the whole section
    return f"{where or 'config'}:{given} {complaint}"


def dump(record: Any) -> Any:
    """A dataclass as JSON holds it; a number that is none, such as the AUC of a single class, becomes null."""
    return json.loads(_adapter(type(record)).dump_json(record))


def load(kind: type[T], content: Any, where: str, exit_code: int = BAD_DATA) -> T:
    """What `dump` gave; keys that the class does not know are left alone, but those of a config are refused.

    Raises:
      UserError: a key is missing or holds something else; it names `where`, a file or a file and line.
    """
    try:
        return _adapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise UserError(f"{where}: {describe(error)}".removeprefix(": "), exit_code) from None
