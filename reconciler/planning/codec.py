"""Frozen values as JSON and back, by their type annotations, so that a document cannot forget a field.

Reading ignores fields it does not know (a newer minor version wrote them) and takes defaults for those that are missing;
a value of the wrong shape is refused with its path. Secrets never get this far: `Secret` has no JSON form. This module
refuses to know any type by name.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

__all__ = ["CodecError", "decode", "encode"]

T = TypeVar("T")


class CodecError(ValueError):
    """A value that does not fit its type. The message has the path inside the document."""


def encode(value: object) -> Any:  # Any: JSON
    """`value` as JSON values. Mappings are sorted by key; a tagged union member carries its class in `is`."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): encode(value[key]) for key in sorted(value, key=str)}
        case tuple() if hasattr(value, "_fields"):
            return {name: encode(item) for name, item in zip(value._fields, value, strict=True)}
        case tuple() | list():
            return [encode(item) for item in value]
        case frozenset():
            return sorted(encode(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"is": type(value).__name__, **found} if type(value).__name__ in _TAGGED else found
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise CodecError(f"{type(value).__name__} has no JSON form")


_TAGGED = frozenset({"Unknown"})
"""Classes that stand beside another one in a union and would be mistaken for it."""


def decode(kind: type[T], value: Any, *, path: str = "") -> T:  # Any: JSON
    """A value of this type out of JSON. Raises CodecError."""
    return typing.cast("T", _decode(kind, value, path or kind.__name__))


def _decode(kind: Any, value: Any, path: str) -> Any:  # Any: a type annotation, and JSON
    origin = get_origin(kind)
    if kind is type(None):
        return _expect(value is None, value, path, "null")
    if origin in {Union, types.UnionType}:
        return _union(get_args(kind), value, path)
    if origin is Literal:
        return _expect(value in get_args(kind), value, path, f"one of {', '.join(map(str, get_args(kind)))}")
    if origin is tuple:
        return _tuple(get_args(kind), value, path)
    if origin is frozenset:
        (inner,) = get_args(kind)
        return frozenset(_decode(inner, item, path) for item in _expect_list(value, path))
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(kind)[1]
        _expect(isinstance(value, dict), value, path, "an object")
        return {key: _decode(inner, item, f"{path}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        return _object(kind, value, path)
    if kind is float:
        return float(
            _expect(isinstance(value, int | float) and not isinstance(value, bool), value, path, "a number")
        )
    if kind in {str, bool}:
        return _expect(isinstance(value, kind), value, path, kind.__name__)
    if kind is int:
        return _expect(isinstance(value, int) and not isinstance(value, bool), value, path, "a whole number")
    if hasattr(kind, "fromisoformat"):
        return kind.fromisoformat(_expect(isinstance(value, str), value, path, "a date"))
    raise CodecError(f"{path}: {kind} cannot be read")


def _object(kind: Any, value: Any, path: str) -> Any:
    _expect(isinstance(value, dict), value, path, "an object")
    hints = _hints(kind)
    names = kind._fields if hasattr(kind, "_fields") else [field.name for field in dataclasses.fields(kind)]
    given = {name: _decode(hints[name], value[name], f"{path}.{name}") for name in names if name in value}
    try:
        return kind(**given)
    except TypeError:
        raise CodecError(f"{path}: a field is missing") from None


def _tuple(inner: tuple[Any, ...], value: Any, path: str) -> Any:
    items = _expect_list(value, path)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_decode(inner[0], item, f"{path}[{i}]") for i, item in enumerate(items))
    _expect(len(items) == len(inner), value, path, f"{len(inner)} items")
    return tuple(
        _decode(k, item, f"{path}[{i}]") for i, (k, item) in enumerate(zip(inner, items, strict=True))
    )


def _union(members: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None and type(None) in members:
        return None
    tag = value.get("is") if isinstance(value, dict) else None
    for member in members:
        if getattr(member, "__name__", "") in _TAGGED and tag != member.__name__:
            continue
        if tag is not None and getattr(member, "__name__", "") != tag:
            continue
        try:
            return _decode(member, value, path)
        except CodecError:
            continue
    raise CodecError(f"{path}: {_shown(value)} fits none of its forms")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _expect(good: bool, value: Any, path: str, wanted: str) -> Any:  # noqa: FBT001 - reads as a sentence
    if not good:
        raise CodecError(f"{path}: {_shown(value)} is not {wanted}")
    return value


def _expect_list(value: Any, path: str) -> list[Any]:
    return typing.cast("list[Any]", _expect(isinstance(value, list), value, path, "a list"))


def _shown(value: Any) -> str:
    return repr(value)[:40]
