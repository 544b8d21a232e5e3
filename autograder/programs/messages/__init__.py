"""Messages between the project's own processes: one dataclass for each, which both sides of a pipe use.

On the wire a message is one JSON object: its ``kind`` and its fields. `encode` and `decode` check every field against its
annotation, so a field that is missing, unknown or of the wrong type raises `MessageError` on either side.

Each module has the messages of one pair of processes, so that a process imports no more than it needs: `reports`, `races`,
`upstream`, `sandbox`, `grading`. Durations are in seconds. Moments are values of ``time.perf_counter()``, a clock that all
processes of a machine share.
"""

from __future__ import annotations

import json
import types
import typing
from dataclasses import fields as fields_of
from typing import Any, ClassVar, Literal, Self, TypeVar

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Any, str], Any]  # (value, name of the field) -> the value; raises MessageError


class MessageError(ValueError):
    """Invalid data for a message. The text names the message, the field and what is wrong with it."""


class Message:
    """A message, or a part of one. ``kind`` identifies it on the wire; it's "" for a part."""

    kind: ClassVar[str] = ""

    def to_wire(self) -> dict[str, Any]:
        """Return the fields by name, for JSON. Raises `MessageError` if one doesn't match its annotation."""
        values = vars(self)
        return {name: write(values[name], name) for name, (_, write) in _checks_of(type(self)).items()}

    @classmethod
    def from_wire(cls, fields: object) -> Self:
        """Return the message with these ``fields``. Raises `MessageError` unless all are there and match their annotations."""
        known = _checks_of(cls)
        if type(fields) is not dict or fields.keys() != known.keys():
            raise MessageError(f"{cls.__name__}: {_difference(fields, known)}")
        message = cls.__new__(cls)  # without __init__, which takes longer than all checks for a frozen class
        try:
            vars(message).update({name: read(fields[name], name) for name, (read, _) in known.items()})
            message.check()
        except MessageError as problem:
            raise MessageError(f"{cls.__name__}: {problem}") from None
        return message

    def check(self) -> None:
        """Raise `MessageError` if valid fields don't fit together."""


M = TypeVar("M", bound=Message)
NUMBER_LIMIT = 1e15  # more than any time or count; the comparison also excludes infinities and NaN


def encode(message: Message) -> str:
    """Return a message as one line of JSON, without the newline. Raises `MessageError`."""
    return json.dumps({"kind": message.kind, **message.to_wire()})


def decode(line: str | bytes, *classes: type[M]) -> M:
    """Return the message in a line, which must be of one of these classes. Raises `MessageError`."""
    try:
        fields = json.loads(line)
        kind = fields.pop("kind")
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as problem:
        raise MessageError(f"not a message: {type(problem).__name__}") from None
    for known in classes:
        if known.kind == kind:
            return known.from_wire(fields)
    raise MessageError(f"{str(kind)[:50]!r} is none of {', '.join(known.kind for known in classes)}")


# The checks of each class, made from its annotations on first use.
_known: dict[type[Message], dict[str, tuple[Check, Check]]] = {}


def _checks_of(cls: type[Message]) -> dict[str, tuple[Check, Check]]:
    """Return {name: (function that reads, function that writes)} for the fields of a class."""
    if cls not in _known:
        # look up names in the globals of the class's module, which is no longer in sys.modules where an app is served
        hints = typing.get_type_hints(cls, vars(cls)["__init__"].__globals__)
        _known[cls] = {field.name: _checks(hints[field.name]) for field in fields_of(cls)}  # type: ignore[arg-type]
    return _known[cls]


def _difference(fields: object, known: dict[str, tuple[Check, Check]]) -> str:
    if type(fields) is not dict:
        return "not an object"
    missing, unknown = sorted(known.keys() - fields.keys()), sorted(map(str, fields.keys() - known.keys()))
    return f"lacks {missing[0]}" if missing else f"has the unknown field {unknown[0][:50]}"


def _checks(hint: Any) -> tuple[Check, Check]:
    """Return (function that reads, function that writes) for a type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint], _PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        (some,) = (part for part in inner if part is not type(None))
        read, write = _checks(some)
        return _optional(read), _optional(write)
    if origin is list:
        read, write = _checks(inner[0])
        return _list_of(read), _list_of(write)
    if origin is dict:
        read, write = _checks(inner[1])
        return _object_of(read), _object_of(write)
    if origin is Literal:
        return (check := _one_of(inner)), check
    return _part(hint)


def _number(value: Any, name: str) -> Any:
    if type(value) not in (float, int) or not -NUMBER_LIMIT < value < NUMBER_LIMIT:
        raise MessageError(f"{name} is not a number")
    return value


def _integer(value: Any, name: str) -> Any:
    if type(value) is not int or not -NUMBER_LIMIT < value < NUMBER_LIMIT:  # a larger one can't be made a float
        raise MessageError(f"{name} is not an integer")
    return value


def _text(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise MessageError(f"{name} is not a text")
    return value


def _boolean(value: Any, name: str) -> Any:
    if type(value) is not bool:
        raise MessageError(f"{name} is neither true nor false")
    return value


_PLAIN: dict[Any, Check] = {
    float: _number,
    int: _integer,
    str: _text,
    bool: _boolean,
    Any: lambda value, name: value,
}


def _optional(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _list_of(check: Check) -> Check:
    def checked(value: Any, name: str) -> Any:
        if type(value) is not list:
            raise MessageError(f"{name} is not a list")
        return [check(each, name) for each in value]

    return checked


def _object_of(check: Check) -> Check:
    def checked(value: Any, name: str) -> Any:
        if type(value) is not dict:
            raise MessageError(f"{name} is not an object")
        return {_text(key, name): check(each, name) for key, each in value.items()}

    return checked


def _one_of(words: tuple[str, ...]) -> Check:
    def checked(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in words:
            raise MessageError(f"{name} is not one of the known words")
        return value

    return checked


def _part(cls: type[Message]) -> tuple[Check, Check]:
    def write(value: Any, name: str) -> Any:
        if type(value) is not cls:
            raise MessageError(f"{name} is not of the type {cls.__name__}")
        return value.to_wire()

    return lambda value, name: cls.from_wire(value), write
