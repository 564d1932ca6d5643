"""Regular expressions: they compile, their replacement fits, and they end in reasonable time; globs: what they say is meant.

Refuses to run a pattern on anything: which ones are slow is told by their form.
"""

import re
import warnings
from re import _parser as parser  # type: ignore[attr-defined]  # not in typeshed; it reads replacements for `re` too
from typing import Final

from reconciler.patterns import explosive
from reconciler.spec.checks.subject import Subject, inner
from reconciler.spec.nodes import Scalar
from reconciler.spec.places import inside
from reconciler.spec.shape import Val

__all__ = ["check"]

LONGEST: Final = 2000
# a text, because few globs have brackets
_BRACKETS: Final = r"(?<![^*\s])(?P<word>\[[A-Za-z]{2,}[A-Za-z0-9 ]*\])(?![^*\s])"


def check(subject: Subject) -> None:
    """V125 and V307 for every pattern, V312 for globs."""
    for _, condition in subject.conditions():
        if (pattern := inner(condition, "regex")) is not None:
            _pattern(subject, pattern)
        elif isinstance(condition.data, str) and "[" in condition.data:
            _brackets(subject, condition)
    for step in subject.listed("filters"):
        pattern, to = inner(step, "rename", "regex"), inner(step, "rename", "to")
        compiled = _pattern(subject, pattern) if pattern is not None else None
        if compiled is not None and to is not None:
            _replacement(subject, compiled, to)


def _brackets(subject: Subject, glob: Val) -> None:
    """A whole word in brackets is a group's name as providers write it, and not a choice of signs."""
    found = re.search(_BRACKETS, glob.data)
    if found is None:
        return
    assert isinstance(glob.node, Scalar)
    line = subject.lines.line(glob.node.file, glob.node.line)
    subject.findings.warning(
        "V312",
        inside(glob.node, line, *found.span("word")),
        f'"{found["word"]}" in a glob stands for one of the signs in it, not for the word',
        hints=(f"write [{found['word'].replace('[', '[]', 1)} for the brackets themselves, or a regex",),
    )


def _pattern(subject: Subject, pattern: Val) -> re.Pattern[str] | None:
    text: str = pattern.data
    node = pattern.node
    assert isinstance(node, Scalar)
    if len(text) > LONGEST:
        subject.findings.error(
            "V125", node, f"this pattern is longer than {LONGEST} characters", hints=("split it into a list",)
        )
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(text)
            slow = explosive(text)
    except re.error as error:
        at = error.pos if error.pos is not None else 0
        reason, label, hint, whole = _reason(error.msg, text, at)
        end = len(text) if whole else min(len(text), at + 1)
        subject.findings.error(
            "V125",
            inside(node, subject.lines.line(node.file, node.line), at, max(end, at + 1)),
            f"this pattern is not a valid regular expression: {reason}",
            label=label,
            hints=(hint,),
        )
        return None
    except (RecursionError, OverflowError, MemoryError):
        subject.findings.error(
            "V125", node, "this pattern is nested or repeated too far", hints=("split it into a list",)
        )
        return None
    if slow:
        subject.findings.warning(
            "V307",
            node,
            "this pattern can take very long: a repetition repeats a repetition",
            hints=("make the inner one possessive (a++), or write the parts as a list",),
        )
    return compiled


def _reason(message: str, text: str, at: int) -> tuple[str, str, str, bool]:
    """Python's words in ours: the reason, the label, a hint, and whether the rest of the pattern is marked."""
    if message.startswith("missing )"):
        return 'missing ")"', "opened here", r"to match a bracket itself write \(", True
    if message.startswith("unbalanced parenthesis"):
        return 'a ")" too many', "", r"to match a bracket itself write \)", False
    if message.startswith("unterminated character set"):
        return 'missing "]"', "opened here", r"to match a bracket itself write \[", True
    if message.startswith("nothing to repeat"):
        sign = text[at : at + 1]
        return (
            f'nothing before "{sign}" to repeat',
            "",
            f"for any text write .*; to match the sign itself write \\{sign}",
            False,
        )
    if message.startswith("multiple repeat"):
        return "a repetition of a repetition", "", "to match the sign itself put a backslash before it", False
    if message.startswith("bad escape (end"):
        return "it ends with a backslash", "", "to match a backslash write two", False
    return message, "", "patterns are Python's; a backslash takes a sign's meaning away", False


def _replacement(subject: Subject, compiled: re.Pattern[str], to: Val) -> None:
    try:
        parser.parse_template(to.data, compiled)
    except (re.error, IndexError) as error:
        assert isinstance(to.node, Scalar)
        at = getattr(error, "pos", None) or 0
        at -= at > 0 and to.data[at - 1] == "\\"
        reason = str(getattr(error, "msg", error))
        if "invalid group reference" in reason:
            count = compiled.groups
            reason = f"the pattern has {count or 'no'} group{'' if count == 1 else 's'}"
        subject.findings.error(
            "V125",
            inside(to.node, subject.lines.line(to.node.file, to.node.line), at, min(len(to.data), at + 2)),
            f"this replacement does not fit its pattern: {reason}",
            hints=(r"\1 is what the first ( ) found; write \\ for a backslash",),
        )
