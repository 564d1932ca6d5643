"""Diagnostics as JUnit XML, for CI systems that show tests.

Each file is a suite. An error is a failed case; a warning is a passed case that says so in its output, because a
warning never changes the exit code; a file without findings is one passed case. This module refuses to print.
"""

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts
from reconciler.rendering import diagnostics_text

__all__ = ["render"]

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(diagnostics: Diagnostics, texts: SourceTexts) -> str:
    """The document; ends with a newline."""
    files = list(texts.files)
    files += sorted({found.span.file for found in diagnostics if found.span} - set(files))
    suites = [_suite(file, [f for f in diagnostics if _file(f, files) == file], texts) for file in files]
    total = sum(max(1, sum(_file(f, files) == file for f in diagnostics)) for file in files)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="ptctl validate" tests="{total}" failures="{diagnostics.errors}" errors="0">',
            *suites,
            "</testsuites>\n",
        ]
    )


def _file(found: Diagnostic, files: list[str]) -> str:
    return found.span.file if found.span else files[0] if files else ""


def _suite(file: str, found: list[Diagnostic], texts: SourceTexts) -> str:
    failures = sum(finding.severity == "error" for finding in found)
    cases = [_case(file, finding, texts) for finding in found]
    cases = cases or [f'    <testcase classname={_attribute(file)} name="no findings"/>']
    head = f'  <testsuite name={_attribute(file)} tests="{len(cases)}" failures="{failures}" errors="0">'
    return "\n".join([head, *cases, "  </testsuite>"])


def _case(file: str, found: Diagnostic, texts: SourceTexts) -> str:
    where = f":{found.span.line}:{found.span.column}" if found.span else ""
    name = _attribute(f"{found.code}{where} {found.summary}")
    whole = diagnostics_text.render(Diagnostics([found]), texts, color=False).rsplit("\n\n", 1)[0]
    text = escape(_clean(whole))
    head = f"    <testcase classname={_attribute(file)} name={name}"
    if found.severity == "error":
        return f"{head}><failure type={_attribute(found.code)} message={_attribute(found.summary)}>{text}</failure></testcase>"
    return f"{head}><system-out>{text}</system-out></testcase>"


def _clean(text: str) -> str:
    return _NOT_XML.sub("�", text)


def _attribute(text: str) -> str:
    return quoteattr(_clean(text).replace("\n", " "))
