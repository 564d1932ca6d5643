"""Buckets and filters: each bucket can be reached, overflow leads forward, nothing is there for nothing.

Only what is certain is an error: matchers are compared by their form, not by what channels they would catch.
"""

from typing import Any, Final

from reconciler.diagnostics import Related
from reconciler.spec.checks.subject import Subject, inner, items
from reconciler.spec.nodes import Scalar
from reconciler.spec.shape import Val

__all__ = ["POLICIES", "check"]

POLICIES: Final = ("fail", "drop", "split")
_CASED: Final = ("is", "in", "regex", "for")
"""Under these keys case makes a difference: `\\S` is not `\\s`."""


def check(subject: Subject) -> None:
    """V101, V120, V140 (overflow), V141, V142, V148, V309, V310."""
    _names(subject)
    targets, lost = _overflow(subject)
    _reachable(subject, targets, lost)
    if "bucket" not in subject.silenced:
        _without_dvr(subject)
    _filters(subject)


def _names(subject: Subject) -> None:
    for section, noun in (("buckets", "bucket"), ("filters", "filter")):
        first: dict[str, Scalar] = {}
        for value in subject.listed(section):
            name = inner(value, "name")
            if name is None or not isinstance(name.node, Scalar):
                continue
            if noun == "bucket" and name.data in POLICIES:
                subject.findings.error(
                    "V120",
                    name.node,
                    f'a bucket cannot be called "{name.data}": that is a word of `overflow`',
                    hints=("choose another name",),
                )
            before = first.setdefault(name.data, name.node)
            if before is not name.node:
                subject.findings.error(
                    "V101",
                    name.node,
                    f'{noun} "{name.data}" is defined twice',
                    label="again here",
                    related=(Related(before.span, "first here"),),
                    hints=("give each its own name, or join the two",),
                )


def _overflow(subject: Subject) -> tuple[set[str], int]:
    """The buckets that something overflows into; and how many buckets stand before the first whose overflow leads
    nowhere or was refused, and itself: any of those behind it may be what it means.
    """
    places = subject.bucket_names()
    order = list(places)
    position = {name: index for index, name in enumerate(order)}
    parts = _parts({*order, *subject.keys("dvrs")})
    targets: set[str] = set()
    lost = len(order)
    for name, bucket in subject.buckets():
        overflow = inner(bucket, "overflow")
        if overflow is None:
            if "overflow" in bucket.data:
                lost = min(lost, position[name] + 1)
            continue
        target: str = overflow.data
        if target == "split" and name in parts:
            subject.findings.error(
                "V148",
                overflow.node,
                f'splitting "{name}" makes "{name}-2" and so on, and "{parts[name]}" is taken',
                hints=("rename one of the two",),
            )
        if target in POLICIES:
            continue
        if position.get(target, -1) > position[name]:
            targets.add(target)
            continue
        later = () if subject.findings.full else tuple(order[position[name] + 1 :])
        if target == name:
            subject.findings.error(
                "V142", overflow.node, f'bucket "{name}" overflows into itself', hints=(_ways_out(later),)
            )
        elif target not in places:
            lost = min(lost, position[name] + 1)
            if any(target.casefold() == word for word in POLICIES):
                words = {**places, **dict.fromkeys(POLICIES, overflow.node.span)}
                subject.dangling(overflow, "bucket", target, words, first=POLICIES)
            else:
                subject.refers(overflow, "bucket", places, first=later)
        else:
            subject.findings.error(
                "V142",
                overflow.node,
                f'bucket "{target}" comes before "{name}", so nothing can overflow into it',
                related=(Related(places[target], "defined here"),),
                hints=(_ways_out(later),),
            )
    return targets, lost


def _ways_out(later: tuple[str, ...]) -> str:
    names = f", or a later bucket: {', '.join(later)}" if later else ""
    return f"write fail, drop or split{names}"


def _parts(names: set[str]) -> dict[str, str]:
    """For each name that `split` could make parts of, the first name that one of them would have."""
    parts: dict[str, str] = {}
    for name in sorted(names):
        stem, _, number = name.rpartition("-")
        if stem and number.isdigit():
            parts.setdefault(stem, name)
    return parts


def _form(value: Val, *, cased: bool = False) -> Any:
    """A matcher or condition without places and without the differences that make none. `cased`: case is one."""
    data = value.data
    if isinstance(data, dict):
        return tuple(sorted((key, _form(part, cased=key in _CASED)) for key, part in data.items()))
    if isinstance(data, list):
        parts = sorted({repr(_form(part, cased=cased)) for part in data})
        return parts[0] if len(parts) == 1 else tuple(parts)
    return repr(data.casefold()) if isinstance(data, str) and not cased else repr(data)


def _everything(matcher: Val) -> bool:
    """Whether a matcher certainly matches everything."""
    if not isinstance(matcher.data, dict):
        return False
    for key, value in matcher.data.items():
        if key == "all":
            if not all(_everything(part) for part in value.data):
                return False
        elif key == "any":
            if not any(_everything(part) for part in value.data):
                return False
        elif key not in ("name", "group", "source", "guide") or not _any_text(value, key):
            return False
    return True


def _any_text(condition: Val, field: str) -> bool:
    if isinstance(condition.data, list):
        return any(_any_text(part, field) for part in condition.data)
    if not isinstance(condition.data, str) or not condition.data:
        return False
    return condition.data == "any" if field == "guide" else not condition.data.strip("*")


def _sound(value: Val) -> bool:
    """Whether nothing inside was refused."""
    if isinstance(value.data, dict):
        return all(_sound(part) for part in value.data.values())
    if isinstance(value.data, list):
        return all(_sound(part) for part in value.data)
    return value.ok


def _reachable(subject: Subject, targets: set[str], lost: int) -> None:
    before: dict[Any, tuple[str, Val]] = {}
    catch_all: tuple[str, Val] | None = None
    for name, bucket in subject.buckets()[:lost]:
        match = inner(bucket, "match")
        at = bucket.data["name"].node
        if "match" not in bucket.data:
            if name not in targets:
                subject.findings.error(
                    "V141",
                    at,
                    f'nothing goes into bucket "{name}": it has no "match", and nothing overflows into it',
                    hints=(f"give it a match, or write overflow: {name} in an earlier bucket",),
                )
            continue
        if match is None or not _sound(match):
            continue
        form = _form(match)
        taker = catch_all or before.get(form)
        if taker and name not in targets:
            other, first = taker
            reason = "has the same match" if taker is not catch_all else "takes everything before it"
            subject.findings.error(
                "V141",
                match.node,
                f'nothing goes into bucket "{name}": "{other}" {reason}',
                label="never reached",
                related=(Related(first.node.span, other),),
                hints=(
                    f'move it before "{other}", change its match, or write overflow: {name} in "{other}"',
                ),
            )
        before.setdefault(form, (name, match))
        if catch_all is None and _everything(match):
            catch_all = (name, match)


def _without_dvr(subject: Subject) -> None:
    if "dvrs" in subject.root.data and not subject.known("dvrs"):
        return
    filled = set()
    for name, dvr in subject.named("dvrs").items():
        bucket = inner(dvr, "bucket")
        filled.add(bucket.data if bucket is not None else name)
    if len(filled) < len(subject.keys("dvrs")):
        filled |= set(subject.keys("dvrs"))
    for name, place in subject.bucket_names().items():
        if name not in filled:
            subject.findings.warning(
                "V309",
                place,
                f'bucket "{name}" has no DVR: it is exported as M3U only',
                hints=(f"add it to dvrs: {name}: {{}}",),
            )


def _filters(subject: Subject) -> None:
    before: dict[Any, Val] = {}
    for step in subject.listed("filters"):
        if not _sound(step):
            continue
        buckets = inner(step, "for")
        if buckets is not None and not items(buckets):
            subject.findings.warning(
                "V310",
                buckets.node,
                "this filter is for no bucket and does nothing",
                hints=("name buckets, or delete it",),
            )
        only, form = inner(step, "only"), None
        if only is not None and _everything(only):
            subject.findings.warning(
                "V310",
                only.node,
                "this filter keeps everything and does nothing",
                hints=("give it a matcher, or delete it",),
            )
        if only is not None or inner(step, "drop") is not None:
            form = tuple(pair for pair in _form(step) if pair[0] != "name")
        if form is None:
            before.clear()  # what is renamed, set or merged may match where it did not
            continue
        first = before.setdefault(form, step)
        if first is not step:
            subject.findings.warning(
                "V310",
                step.node,
                "this filter does what an earlier one did and has no effect",
                related=(Related(first.node.span, "the earlier one"),),
                hints=("delete one of the two",),
            )
