"""The JSON Schema of `ptctl-plan/1`, made from the types of `planning.model`, so that the two cannot differ.

`schemas/plan-v1.schema.json` is its output, checked in and compared by a test. This module refuses to describe documents
of other formats.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from reconciler.planning.document import FORMAT
from reconciler.planning.model import Plan

__all__ = ["plan_schema", "schema_text"]


def plan_schema() -> dict[str, Any]:  # Any: JSON
    """The schema as JSON values."""
    definitions: dict[str, Any] = {}
    plan = _object(Plan, definitions)
    properties = {"format": {"const": FORMAT}, **plan["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ptctl:schema:plan-v1",
        "title": "A plan of ptctl",
        "type": "object",
        "properties": properties,
        "required": ["format", *plan["required"]],
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(plan_schema(), indent=1) + "\n"


def _object(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = kind._fields if hasattr(kind, "_fields") else [field.name for field in dataclasses.fields(kind)]
    return {
        "type": "object",
        "properties": {name: _schema(hints[name], definitions) for name in names},
        "required": list(names),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(kind)
    if kind is type(None):
        return {"type": "null"}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [_schema(member, definitions) for member in get_args(kind)]}
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is tuple:
        inner = get_args(kind)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return {"type": "array", "items": _schema(inner[0], definitions)}
        return {"type": "array", "prefixItems": [_schema(k, definitions) for k in inner], "items": False}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(get_args(kind)[1], definitions)}
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        name = typing.cast("type", kind).__name__
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{name}"}
    return {"type": {str: "string", bool: "boolean", int: "integer", float: "number"}[kind]}
