"""What `ptctl doctor` found, as text: the bad first, each with the command that helps. Refuses to judge."""

from collections.abc import Sequence
from typing import Final

from reconciler.planning.diagnosis import Finding
from reconciler.rendering.ink import Role, pad, paint
from reconciler.wording import plural

__all__ = ["render"]

_MARKS: Final[dict[str, tuple[str, Role | None]]] = {
    "bad": ("BAD", "danger"),
    "warn": ("WARN", "change"),
    "hint": ("hint", None),
    "good": ("ok", "good"),
}


def render(findings: Sequence[Finding], *, color: bool) -> str:
    """A line each, in the order bad, warn, hint, ok, and as they were looked at within."""
    order = list(_MARKS)
    lines = []
    for finding in sorted(findings, key=lambda f: order.index(f.level)):
        mark, role = _MARKS[finding.level]
        lines.append(f"{paint(pad(mark, 5), role, color=color)} {pad(finding.check, 13)} {finding.text}")
        if finding.next_step:
            lines.append(f"{'':19} Next:  {finding.next_step}")
    bad = sum(finding.level == "bad" for finding in findings)
    warned = sum(finding.level == "warn" for finding in findings)
    end = f"{plural(len(findings), 'check')}: {bad} bad, {plural(warned, 'warning')}"
    return "\n".join([*lines, "", paint(end, "danger" if bad else "good", color=color)]) + "\n"
