"""A document: what is signed, stored or returned, as a frozen type with one JSON form."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from .errors import Tampered


class Document(BaseModel):
    """The base of every predicate, ledger entry, manifest, account and result.

    A field that was never given is not written; one that was given as None is written as null. So
    `D.read(d.to_dict(), where) == d`, and what an earlier version wrote keeps its form and its digest.
    Keys that a later version added are passed over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    @classmethod
    def read(cls, value: object, where: str) -> Self:
        """Return the document in `value`, parsed JSON found at `where`; raises Tampered naming the key."""
        return read_by(cls.model_validate, value, where)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with the keys in the order of the fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Result(Document):
    """What a verb returns; its JSON begins with the version of its form."""

    @model_serializer(mode="wrap")
    def _versioned(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"schema": 1, **written(self)}


class Predicate(Document):
    """What a statement says; its JSON has sorted keys, as what is signed has them."""

    @model_serializer(mode="wrap")
    def _sorted(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = sorted_keys(written(self))
        return found


class Plain:
    """The base of a frozen dataclass with a JSON form: of what is made by position, or by the thousand."""

    @classmethod
    def read(cls, value: object, where: str) -> Self:
        """Return what `to_dict` wrote into `value`, found at `where`; raises Tampered naming the key."""
        found: Self = read_by(_adapter(cls).validate_python, value, where)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with the keys in the order of the fields."""
        written: dict[str, Any] = _adapter(type(self)).dump_python(
            self, mode="json", by_alias=True, exclude_unset=True
        )
        return written


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


Read = TypeVar("Read")


def read_by(reader: Callable[[object], Read], value: object, where: str) -> Read:
    """Return what a pydantic `reader` makes of `value`; raises Tampered, naming `where` and the key."""
    try:
        return reader(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole document"
        raise Tampered(f"{where} is not valid ({key}: {first['msg']}).") from error


def sorted_keys(value: Any) -> Any:
    """Return JSON with the keys of every object in order."""
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(each) for each in value] if isinstance(value, list) else value
