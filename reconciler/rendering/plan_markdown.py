"""The plan as a comment on a pull request: headline, one table, warnings, what is blocked, details that fold.

GitHub refuses comments above 65,536 characters, so the budget is 60,000: channel lists are left out from the largest
DVR down, and a line says so. A hidden marker lets a job update its own comment. Refuses to compute; names are escaped,
because a provider writes them.
"""

import html
import re
from collections.abc import Sequence
from typing import Final

from reconciler.planning.model import Change, NamedChannel, Plan
from reconciler.rendering.plan_seen import since
from reconciler.rendering.plan_text import summary_line
from reconciler.wording import number, plural, size, span

__all__ = ["BUDGET", "MARKER", "render"]

BUDGET: Final = 60_000
MARKER: Final = "<!-- ptctl-plan -->"
ROWS: Final = 200
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~@&])")


def escape(text: str) -> str:
    """Text that Markdown, HTML and @mentions leave as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\@", "@\u200b").replace("\\&", "&amp;")


def _code(text: str) -> str:
    # between backticks a backslash is a backslash, and nothing else means anything
    return "`" + " ".join(text.split()).replace("`", "'") + "`"


def render(plan: Plan) -> str:
    """The comment, at most `BUDGET` characters."""
    head = "\n\n".join(part for part in (_headline(plan), _table(plan), _notes(plan)) if part)
    details = [(change.dvr, _detail(change)) for change in plan.changes if _channels(change)]
    left_out = 0
    dropped = 0
    while details and len(head) + sum(len(text) + 2 for _, text in details) + 200 > BUDGET:
        largest = max(details, key=lambda d: (len(d[1]), d[0]))
        details.remove(largest)
        left_out += 1
        dropped += len(largest[1].encode())
    parts = [head, *(text for _, text in details)]
    if left_out:
        parts.append(
            f"Channel lists of {plural(left_out, 'DVR')} left out ({size(dropped)}); the full plan is in the job's artifact."
        )
    text = "\n\n".join(parts) + "\n"
    if len(text) > BUDGET:
        cut = text.rfind("\n", 0, BUDGET - 100)
        text = text[:cut] + "\n\nThe rest is left out; the full plan is in the job's artifact.\n"
    return text


def _headline(plan: Plan) -> str:
    word = "nothing to change" if plan.empty and not plan.blocks else summary_line(plan)
    against = f" against {_code(plan.base)}" if plan.base else ""
    lines = [MARKER, f"### ptctl plan: {word}", ""]
    lines.append(
        f"{_code(plan.spec_name)}{against}, {number(plan.channels_before)} -> {number(plan.channels_after)} channels in "
        f"{plural(len(plan.changes), 'DVR')}"
        + (f", {plural(plan.guide_loads, 'guide load')}" if plan.guide_loads else "")
        + (f", about {span(plan.estimate_s)}" if plan.estimate_s else "")
    )
    return "\n".join(lines)


def _table(plan: Plan) -> str:
    rows = [c for c in plan.changes if c.kind != "same" or c.blocks]
    if not rows:
        return ""
    lines = ["| | DVR | channels | + | - | ~ | map | |", "|---|---|--:|--:|--:|--:|--:|---|"]
    for change in rows[:ROWS]:
        counts = change.counts
        word = "**BLOCKED**" if change.blocks else "content" if change.content_only else change.kind
        channels = (
            number(counts.after)
            if counts.before == counts.after
            else f"{number(counts.before)} -> {number(counts.after)}"
        )
        note = "; ".join(
            [f"{b.code} {b.message}" for b in change.blocks] or ([change.note] if change.note else [])
        )
        figures = " | ".join(str(len(x) or "") for x in (counts.added, counts.removed, counts.changed))
        lines.append(
            f"| {word} | {escape(change.dvr)} | {channels} | {figures} | "
            f"{size(change.map_bytes) if change.map_bytes else ''} | {escape(note)} |"
        )
    same = len(plan.changes) - len(rows)
    if len(rows) > ROWS:
        lines.append(f"| | {plural(len(rows) - ROWS, 'more DVR')} | | | | | | |")
    if same:
        lines.append(f"| same | {plural(same, 'DVR')} | | | | | | |")
    return "\n".join(lines)


def _notes(plan: Plan) -> str:
    parts = []
    if plan.drift:
        items = [
            f"- {escape(d.dvr)}: {escape(d.note or f'{d.path} is {d.found}, was {d.recorded}')} (plan: {escape(d.resolution)})"
            for d in plan.drift
        ]
        parts.append(_section(f"Changed outside ptctl since {since(plan)}", items))
    if plan.warnings:
        items = [f"- {w.code} {escape(w.message)}" for w in plan.warnings]
        parts.append(_section("Warnings", items))
    blocks = [(b, c.dvr) for c in plan.changes for b in c.blocks] + [(b, b.dvr) for b in plan.blocks]
    if blocks:
        items = [
            f"- {escape(dvr) or 'all'}: {b.code} {escape(b.message)}"
            + (f" - lift with `--allow {b.lift}`" if b.lift else "")
            for b, dvr in dict.fromkeys(blocks)
        ]
        parts.append(_section("Blocked: nothing is applied until each is decided", items))
    return "\n\n".join(parts)


def _section(title: str, items: Sequence[str]) -> str:
    rest = [f"- and {number(len(items) - ROWS)} more"] if len(items) > ROWS else []
    return "\n".join([f"**{title}**", "", *items[:ROWS], *rest])


def _channels(change: Change) -> bool:
    counts = change.counts
    return bool(counts.added or counts.removed or counts.changed or change.fields)


def _detail(change: Change) -> str:
    counts = change.counts
    # this line is HTML, where a backslash is a backslash
    head = (
        f"{html.escape(change.dvr)}: + {len(counts.added)}, - {len(counts.removed)}, ~ {len(counts.changed)}"
    )
    lines = [f"<details><summary>{head}</summary>", ""]
    lines += [
        f"- {escape(f.path)}: {escape(f.before) or '-'} -> {escape(f.after) or '-'}" for f in change.fields
    ]
    for sign, channels in (("+", counts.added), ("-", counts.removed), ("~", counts.changed)):
        lines += [_line(sign, channel) for channel in channels]
    return "\n".join([*lines, "", "</details>"])


def _line(sign: str, channel: NamedChannel) -> str:
    tail = "; ".join(escape(x) for x in (channel.before, channel.why) if x)
    return f"- {sign} {channel.number} {escape(channel.name)}" + (f" ({tail})" if tail else "")
