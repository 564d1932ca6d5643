"""Diagnostics for programs: format `ptctl-diagnostics/1`, described by `schemas/diagnostics-v1.schema.json`.

Nothing is in it that the text does not say. Fields may be added within version 1, never removed or renamed. This
module refuses to print.
"""

import json
from typing import Any, Final

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts, Span

__all__ = ["FORMAT", "document", "finding", "json_schema", "render"]

FORMAT: Final = "ptctl-diagnostics/1"


def render(diagnostics: Diagnostics, texts: SourceTexts) -> str:
    """The document as one line of JSON; ends with a newline."""
    return json.dumps(document(diagnostics, texts), ensure_ascii=False, separators=(",", ":")) + "\n"


def document(diagnostics: Diagnostics, texts: SourceTexts) -> dict[str, Any]:
    """The document: counts, the files that were read, and every finding in order."""
    return {
        "format": FORMAT,
        "valid": diagnostics.errors == 0,
        "errors": diagnostics.errors,
        "warnings": diagnostics.warnings,
        "files": list(texts.files),
        "diagnostics": [finding(found) for found in diagnostics],
    }


def finding(found: Diagnostic) -> dict[str, Any]:
    """One finding with its place, or with null where it has none."""
    return {
        "severity": found.severity,
        "code": found.code,
        "summary": found.summary,
        "detail": found.label,
        "hints": list(found.hints),
        "at": _range(found.told),
        "related": [
            {**(_range(place.span) or {}), "label": place.label} for place in found.related if place.label
        ],
        "suggestions": [
            {"text": change.text, "replace": _range(change.span)} for change in found.suggestions
        ],
        "path": list(found.path),
    }


def _range(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document."""
    count = {"type": "integer", "minimum": 0}
    place = {"type": "integer", "minimum": 1}
    fields = {
        "file": {"type": "string"},
        "line": {**place, "description": "From 1."},
        "column": {**place, "description": "From 1, in characters."},
        "end_line": place,
        "end_column": {**place, "description": "Exclusive."},
    }
    span = {"type": "object", "properties": fields, "required": list(fields)}
    text = {"type": "string"}
    finding = {
        "severity": {"enum": ["error", "warning"]},
        "code": {
            "type": "string",
            "pattern": "^[VWSP][0-9]{3}$",
            "description": "Stable; see `ptctl help CODE`.",
        },
        "summary": {**text, "description": "What is wrong, in one line."},
        "detail": {**text, "description": "What stands beside the caret; may be empty."},
        "hints": {"type": "array", "items": text, "description": "Next steps."},
        "at": {"anyOf": [{"$ref": "#/$defs/range"}, {"type": "null"}]},
        "related": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {**fields, "label": text},
                "required": [*fields, "label"],
            },
        },
        "suggestions": {
            "type": "array",
            "description": "Replacements an editor can apply.",
            "items": {
                "type": "object",
                "properties": {"text": text, "replace": {"$ref": "#/$defs/range"}},
                "required": ["text", "replace"],
            },
        },
        "path": {
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "description": "Where in the document: keys and indexes.",
        },
    }
    whole = {
        "format": {"const": FORMAT},
        "valid": {"type": "boolean", "description": "No errors; warnings may remain."},
        "errors": count,
        "warnings": count,
        "files": {"type": "array", "items": text},
        "diagnostics": {"type": "array", "items": {"$ref": "#/$defs/diagnostic"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ptctl diagnostics, version 1",
        "description": "What `ptctl validate -f json` prints.",
        "type": "object",
        "properties": whole,
        "required": list(whole),
        "$defs": {
            "diagnostic": {"type": "object", "properties": finding, "required": list(finding)},
            "range": span,
        },
    }
