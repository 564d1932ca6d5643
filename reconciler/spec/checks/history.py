"""Overrides, moves, removals, approvals: what is said about things that exist elsewhere or existed before.

Whether an overridden channel exists, only the catalogue knows. Refuses to look at the ledger.
"""

from datetime import timedelta
from typing import Final, TypeVar

from reconciler.diagnostics import Related, Span
from reconciler.spec.checks.subject import Subject, inner
from reconciler.spec.nodes import Scalar
from reconciler.spec.places import inside
from reconciler.spec.shape import Val
from reconciler.spec.suggest import closest

__all__ = ["check"]

_K = TypeVar("_K", str, int)

LONGEST_APPROVAL: Final = timedelta(days=7)
_FOR_SOURCES: Final = ("rematch", "stale")


def check(subject: Subject) -> None:
    """V140, V146, V147, V155, V160, V304."""
    _overrides(subject)
    _moved(subject)
    _removed(subject)
    _approvals(subject)


def _overrides(subject: Subject) -> None:
    sources = subject.keys("sources")
    old = {name.data for move in subject.listed("moved") if (name := inner(move, "source")) is not None}
    channels: dict[str, Val] = {}
    numbers: dict[int, Val] = {}
    ranges = [inner(dvr, "numbers") for dvr in subject.named("dvrs").values()]
    fixed = [numbers.data for numbers in ranges if numbers is not None]
    sure = bool(ranges) and len(fixed) == len(ranges) == len(subject.keys("dvrs"))
    for override in subject.listed("overrides"):
        channel, number = inner(override, "channel"), inner(override, "number")
        if channel is not None:
            source = channel.data.partition("/")[0]
            if subject.known("sources") and source not in sources and source not in old:
                subject.dangling(
                    channel, "source", source, sources, at=_part(subject, channel, 0, len(source))
                )
            _once(subject, channels, channel.data, channel, f'channel "{channel.data}" is overridden twice')
        dropped = inner(override, "drop")
        if dropped is not None and dropped.data and len(override.data) > 2:
            extra = next(value for key, value in override.data.items() if key not in ("channel", "drop"))
            subject.findings.error(
                "V146",
                extra.key or extra.node,
                "a dropped channel cannot have anything else",
                related=(Related(dropped.node.span, "dropped here"),),
                hints=("keep one of the two",),
            )
        if number is not None:
            _once(subject, numbers, number.data, number, f"number {number.data} is given to two channels")
            if sure and not any(first <= number.data <= last for first, last in fixed):
                spans = ", ".join(f"{first}-{last}" for first, last in sorted(fixed))
                subject.findings.error(
                    "V155",
                    number.node,
                    f"number {number.data} is in no DVR's range",
                    hints=(f"ranges: {spans}",),
                )


def _once(subject: Subject, seen: dict[_K, Val], key: _K, value: Val, summary: str) -> None:
    first = seen.setdefault(key, value)
    if first is not value:
        subject.findings.error(
            "V146",
            value.node,
            summary,
            label="again here",
            related=(Related(first.node.span, "first here"),),
            hints=("keep one of the two",),
        )


def _part(subject: Subject, value: Val, start: int, end: int) -> Span:
    assert isinstance(value.node, Scalar)
    return inside(value.node, subject.lines.line(value.node.file, value.node.line), start, end)


def _moved(subject: Subject) -> None:
    targets: dict[tuple[str, str], Val] = {}
    for move in subject.listed("moved"):
        for noun, section in (("dvr", "dvrs"), ("source", "sources")):
            old, new = inner(move, noun), inner(move, "to")
            names = subject.keys(section)
            if old is None:
                continue
            if old.data in names:
                subject.findings.error(
                    "V147",
                    old.node,
                    f'{noun} "{old.data}" is moved away and still defined',
                    related=(Related(names[old.data], "defined here"),),
                    hints=(f"delete the {noun}, or the move",),
                )
            if new is not None and (subject.known(section) or section not in subject.root.data):
                subject.refers(new, noun, names)
                first = targets.setdefault((noun, new.data), new)
                if first is not new and noun == "dvr":
                    subject.findings.error(
                        "V147",
                        new.node,
                        f'two DVRs are moved to "{new.data}"',
                        related=(Related(first.node.span, "first here"),),
                        hints=("one device cannot become of two; let the other go with removed:",),
                    )
        match = inner(move, "match")
        if match is not None and inner(move, "dvr") is not None and match.key is not None:
            subject.findings.error(
                "V147",
                match.key,
                'a moved DVR needs no "match": its channels keep their ids',
                hints=("delete it",),
            )


def _removed(subject: Subject) -> None:
    names = subject.keys("dvrs")
    for removal in subject.listed("removed"):
        name = inner(removal, "dvr")
        if name is not None and name.data in names:
            subject.findings.error(
                "V147",
                name.node,
                f'dvr "{name.data}" is removed and still defined',
                related=(Related(names[name.data], "defined here"),),
                hints=("delete one of the two",),
            )


def _split_off(subject: Subject, target: str) -> dict[str, Span]:
    """The DVR `NAME-2` and so on, where NAME is one whose bucket may split."""
    name, _, number = target.rpartition("-")
    dvr = subject.named("dvrs").get(name)
    if dvr is None or not number.isdigit():
        return {}
    filled = inner(dvr, "bucket")
    bucket = dict(subject.buckets()).get(filled.data if filled is not None else name)
    overflow = inner(bucket, "overflow")
    return {target: dvr.node.span} if overflow is not None and overflow.data == "split" else {}


def _approvals(subject: Subject) -> None:
    today = subject.given.today
    for approval in subject.listed("approvals"):
        allow, until = inner(approval, "allow"), inner(approval, "until")
        if allow is not None:
            word, _, target = allow.data.partition(":")
            section, noun = ("sources", "source") if word in _FOR_SOURCES else ("dvrs", "dvr")
            gone = word == "delete" or (word == "shrink" and target == "all")
            names = {**subject.keys(section), **_split_off(subject, target)}
            if not gone and target not in names and subject.known(section):
                better = closest(target, names)
                subject.findings.warning(
                    "V304",
                    _part(subject, allow, len(word) + 1, len(allow.data)),
                    f'this approval lifts nothing: there is no {noun} "{target}"',
                    label=f'did you mean "{better}"?' if better else "",
                    suggest=better,
                    hints=("delete it, or name what is there",),
                )
        if until is None:
            continue
        if until.data > today + LONGEST_APPROVAL:
            latest = today + LONGEST_APPROVAL
            subject.findings.error(
                "V160",
                until.node,
                "an approval lasts 7 days at most",
                label=f"today the latest is {latest}",
                suggest=str(latest),
                hints=("an approval is for one change that was looked at; it is spent on use",),
            )
        elif until.data < today:
            subject.findings.warning(
                "V304",
                until.node,
                f"this approval ended on {until.data}",
                hints=("delete it, or give a new day",),
            )
