"""A matcher alone, as on the command line: the same shapes and checks as in a spec, with places in the one text.

This module refuses to hold a rule: it puts the text where a bucket's `match` would stand and asks the others.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts, Span
from reconciler.spec import text
from reconciler.spec.checks import patterns
from reconciler.spec.checks.subject import Given, Subject
from reconciler.spec.findings import Findings
from reconciler.spec.language.matchers import MATCHER
from reconciler.spec.shape import Val, Walk, Where

if TYPE_CHECKING:
    from reconciler.spec.model import Matcher

__all__ = ["read_matcher"]


def read_matcher(written: str, *, file: str) -> "tuple[Matcher | None, Diagnostics, SourceTexts]":
    """The matcher that `written` spells (`{group: "US|*"}`, the braces may be left out), with all findings.

    None when there is any error. `file` is what the text is called in messages. Never raises.
    """
    findings = Findings()
    texts = {file: written}
    tree = text.parse(file, written, findings)
    if tree is None:
        noted = findings.noted
        if (noted and noted[0].code == "V110") or not written.strip():
            # the reader's own words are about whole specs
            noted = (
                Diagnostic(
                    "V110",
                    "error",
                    "a matcher is a mapping of fields",
                    Span(file, 1, 1, 1, max(len(written.partition("\n")[0]), 1) + 1),
                    hints=('write {name: "…"} or {group: "…"}; {} matches everything',),
                ),
            )
        return None, Diagnostics(list(noted)), SourceTexts(texts)
    value = MATCHER.walk(Walk(findings, frozenset()), tree, Where("matcher", "the matcher", ()))
    bucket = Val(tree, {"match": value})
    given = Given(
        allow_exec=False,
        today=date.min,
        base=Path(),
        texts=texts,
        mode_of=lambda _: None,
        newest=lambda _base, _glob: None,
    )
    patterns.check(Subject(Val(tree, {"buckets": Val(tree, [bucket])}), given, findings))
    found: Matcher | None = None
    if not findings.errors:
        from reconciler.spec.build import matcher

        found = matcher(value)
    return found, Diagnostics(list(findings.noted)), SourceTexts(texts)
