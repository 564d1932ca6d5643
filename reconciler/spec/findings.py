"""Where the phases of a validation note what they find.

A finding is noted once, however many aliases lead to it, and at most `MOST` are kept: a spec that is wrong in a
million places helps nobody by saying so a million times. This module refuses to decide what is wrong.
"""

from collections.abc import Iterable
from typing import Final

from reconciler.diagnostics import Diagnostic, Related, Severity, Span, Suggestion
from reconciler.spec.nodes import Node

__all__ = ["MOST", "Findings"]

MOST: Final = 1000
"""So many findings are kept of one validation; the rest are counted."""


LONGEST: Final = 400
"""Longer sentences are cut: a key may be a megabyte of garbage."""


def _cut(text: str) -> str:
    # A key can be written with escapes: what moves a terminal's cursor or ends a line never gets into a message.
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 60]}…{text[-50:]}"


class Findings:
    """A list of diagnostics in the making."""

    __slots__ = ("_noted", "_seen", "_via", "beyond")

    def __init__(self) -> None:
        self._noted: list[Diagnostic] = []
        self._seen: set[tuple[str, Span | None, str]] = set()
        self._via: list[Span] = []
        self.beyond = 0

    @property
    def noted(self) -> tuple[Diagnostic, ...]:
        """What was found so far, in the order of finding."""
        return tuple(self._noted)

    @property
    def errors(self) -> int:
        """How many of them are errors."""
        return sum(finding.severity == "error" for finding in self._noted)

    @property
    def full(self) -> bool:
        """Whether the next one is only counted: nobody will read what it costs to say."""
        return len(self._noted) >= MOST

    def enter(self, via: Span) -> None:
        """From here on values come through the alias or merge key at `via`."""
        self._via.append(via)

    def leave(self) -> None:
        """Back to what stood before the last `enter`."""
        self._via.pop()

    def error(
        self,
        code: str,
        at: Node | Span | None,
        summary: str,
        *,
        label: str = "",
        hints: Iterable[str] = (),
        related: Iterable[Related] = (),
        suggest: str | None = None,
        path: tuple[str | int, ...] = (),
        secret: bool = False,
    ) -> None:
        """Note an error. `suggest` is what to write instead of what stands at `at`."""
        self._note(
            "error",
            code,
            at,
            summary,
            label=label,
            hints=hints,
            related=related,
            suggest=suggest,
            path=path,
            secret=secret,
        )

    def warning(
        self,
        code: str,
        at: Node | Span | None,
        summary: str,
        *,
        label: str = "",
        hints: Iterable[str] = (),
        related: Iterable[Related] = (),
        suggest: str | None = None,
        path: tuple[str | int, ...] = (),
    ) -> None:
        """Note something that will work and should be known."""
        self._note(
            "warning",
            code,
            at,
            summary,
            label=label,
            hints=hints,
            related=related,
            suggest=suggest,
            path=path,
        )

    def _note(
        self,
        severity: Severity,
        code: str,
        at: Node | Span | None,
        summary: str,
        *,
        label: str,
        hints: Iterable[str],
        related: Iterable[Related],
        suggest: str | None,
        path: tuple[str | int, ...],
        secret: bool = False,
    ) -> None:
        span = at.span if isinstance(at, Node) else at
        summary = _cut(summary)
        if (code, span, summary) in self._seen:
            return
        if len(self._noted) >= MOST:
            self.beyond += 1
            return
        self._seen.add((code, span, summary))
        places = tuple(related)
        if self._via and span is not None:
            places = (*places, Related(self._via[-1], "used here"))
        suggestions = (Suggestion(_cut(suggest), span),) if suggest is not None and span is not None else ()
        self._noted.append(
            Diagnostic(
                code=code,
                severity=severity,
                summary=summary,
                span=span,
                label=_cut(label),
                hints=tuple(_cut(hint) for hint in hints),
                related=places,
                suggestions=suggestions,
                path=path,
                secret=secret,
            )
        )
