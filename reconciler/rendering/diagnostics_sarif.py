"""Diagnostics as SARIF 2.1.0, for code scanning and for editors that read it.

Only rules that fired are listed, each with its help page. Columns are counted in Unicode code points, as everywhere
in `ptctl`, and the run says so. This module refuses to print.
"""

import json
from typing import Any, Final

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts, Span
from reconciler.rendering import help_pages

__all__ = ["render"]

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(diagnostics: Diagnostics, texts: SourceTexts) -> str:
    """One run with one result per finding; ends with a newline."""
    codes = sorted({found.code for found in diagnostics})
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ptctl",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": _uri(file)}} for file in texts.files],
                "results": [_result(found, codes) for found in diagnostics],
            }
        ],
    }
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    page = help_pages.page(code)
    rule: dict[str, Any] = {"id": code}
    if page is not None:
        rule |= {
            "shortDescription": {"text": page.title},
            "fullDescription": {"text": page.what},
            "help": {"text": page.text, "markdown": page.text},
        }
    return rule


def _result(found: Diagnostic, codes: list[str]) -> dict[str, Any]:
    message = "; ".join(part for part in (found.summary, found.label, *found.hints) if part)
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": codes.index(found.code),
        "level": found.severity,
        "message": _message(message),
        "locations": [] if (span := found.told) is None else [{"physicalLocation": _physical(span)}],
    }
    related = [place for place in found.related if place.label]
    if related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _physical(place.span), "message": _message(place.label)}
            for number, place in enumerate(related, 1)
        ]
    if found.suggestions:
        result["fixes"] = [
            {
                "description": _message(f"write {change.text}"),
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": _uri(change.span.file)},
                        "replacements": [
                            {"deletedRegion": _region(change.span), "insertedContent": {"text": change.text}}
                        ],
                    }
                ],
            }
            for change in found.suggestions
        ]
    return result


def _message(text: str) -> dict[str, str]:
    """A message object. In its strings a brace is written twice, placeholders or not (SARIF 2.1.0, 3.11.5)."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _physical(span: Span) -> dict[str, Any]:
    return {"artifactLocation": {"uri": _uri(span.file)}, "region": _region(span)}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _uri(file: str) -> str:
    from urllib.parse import quote

    return f"file://{quote(file)}" if file.startswith("/") else quote(file)
