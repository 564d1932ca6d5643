"""A plan DVR by DVR, for its text: the table, the details below it, and every channel where it is asked for.

Figures are never cut, names are. Refuses to count: every figure stands in the plan.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.planning.model import Change, Counts, Loss, NamedChannel, Plan
from reconciler.rendering.ink import WIDTH, Role, cut, pad, paint
from reconciler.wording import number, plural, size

__all__ = ["EXAMPLES", "details", "loss", "render_channels", "table"]

EXAMPLES: Final = 3
DETAILED: Final = 6
FOLD_SAME_ABOVE: Final = 30

_ROLES: Final[dict[str, Role]] = {
    "add": "add",
    "change": "change",
    "adopt": "change",
    "move": "change",
    "replace": "danger",
    "delete": "danger",
    "disown": "change",
    "same": "dim",
}


def render_channels(plan: Plan, wanted: str, *, color: bool) -> str:
    """Every channel of one DVR's change, or of all (`--channels DVR|all`)."""
    changes = [c for c in plan.changes if wanted in {"all", c.dvr}]
    blocks = []
    for change in changes:
        counts = change.counts
        head = f"{change.dvr}   {_moved(counts)}   + {len(counts.added)}   - {len(counts.removed)}   ~ {len(counts.changed)}"
        lines = [paint(head, "head", color=color)]
        listed: tuple[tuple[str, Role, Sequence[NamedChannel]], ...] = (
            ("+", "add", counts.added),
            ("-", "danger", counts.removed),
            ("~", "change", counts.changed),
        )
        for sign, role, channels in listed:
            lines += [
                "  " + paint(f"{sign} {c.number:<5}", role, color=color) + _channel_line(c) for c in channels
            ]
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks) + "\n"


def table(plan: Plan, *, color: bool) -> Iterator[str]:
    """One row for each DVR: what happens to it, its channels, why it is blocked."""
    if not plan.changes:
        return
    width = max(14, *(len(c.dvr) for c in plan.changes))
    yield paint(f"DVRs {'':{width - 1}} {'channels':>14}     +     -     ~   map size", "head", color=color)
    folded = len(plan.changes) > FOLD_SAME_ABOVE
    for change in plan.changes:
        if folded and change.kind == "same" and not change.blocks:
            continue
        word = "BLOCKED" if change.blocks else "content" if change.content_only else change.kind
        role: Role = "blocked" if change.blocks else "dim" if change.content_only else _ROLES[change.kind]
        counts = change.counts
        figures = (
            f"{_moved(counts):>14} {_count(counts.added)} {_count(counts.removed)} {_count(counts.changed)}"
            f"   {size(change.map_bytes) if change.map_bytes and change.kind != 'same' else '':>8}"
        )
        line = f"  {pad(word, 8)} {pad(change.dvr, width)} {figures}   "
        note = cut(_note(change), max(20, WIDTH - len(line)))
        if color and role == "dim":
            yield paint((line + note).rstrip(), role, color=color)
        else:
            yield paint(f"  {pad(word, 8)}", role, color=color) + line[10:] + note
    same = sum(c.kind == "same" and not c.blocks for c in plan.changes)
    if folded and same:
        yield f"  same     {plural(same, 'more DVR')}"
    added, removed, changed = (
        sum(len(getattr(c.counts, k)) for c in plan.changes) for k in ("added", "removed", "changed")
    )
    total = Counts(plan.channels_before, plan.channels_after)
    figures = " ".join(_figure(count) for count in (added, removed, changed))
    yield f"  {'':8} {pad('total', width)} {_moved(total):>14} {figures}"


def _note(change: Change) -> str:
    """The last column: what blocks, else the remark."""
    return "; ".join(
        [f"{b.code} {b.message}" for b in change.blocks] or ([change.note] if change.note else [])
    )


def _note_width(plan: Plan) -> int:
    """What the table leaves for the last column."""
    return WIDTH - 58 - max(14, *(len(c.dvr) for c in plan.changes))


def _moved(counts: Counts) -> str:
    if counts.before == counts.after:
        return number(counts.after)
    after = number(counts.after) if counts.after or not counts.removed else "gone"
    return f"{number(counts.before)} -> {after}"


def _count(channels: Sequence[NamedChannel]) -> str:
    return _figure(len(channels))


def _figure(count: int) -> str:
    return f"{number(count) if count else '.':>5}"


def details(plan: Plan) -> Iterator[str]:
    """Below the table: channels by example, what changes from what to what, what is lost."""
    shown = 0
    hidden = 0
    width = max(10, *(len(c.dvr) for c in plan.changes)) if plan.changes else 10
    lines: list[str] = []
    told: set[str] = set()
    for change in plan.changes:
        listed = shown < DETAILED and change.kind != "add"
        rows = list(_detail(change, width, with_channels=listed))
        if len(_note(change)) > _note_width(plan):  # the table had to cut it
            rows.insert(0, _note(change))
        own = []
        for row in rows:
            # What is the same for thirteen DVRs is said once.
            if len(row) > WIDTH - width and row in told:
                continue
            told.add(row)
            own += textwrap.wrap(
                row,
                WIDTH - width - 3,
                subsequent_indent="  ",
                break_on_hyphens=False,
                break_long_words="://" not in row,
            )
        lines += [f"  {pad(change.dvr if index == 0 else '', width)} {row}" for index, row in enumerate(own)]
        has_channels = bool(change.counts.added or change.counts.removed or change.counts.changed)
        if has_channels and listed:
            shown += 1
        elif has_channels:
            hidden += 1
    if lines:
        yield "Details"
        yield from lines
    if hidden:
        more = "more DVR" if shown else "DVR"
        yield f"  (channels of {plural(hidden, more)} not shown: --channels DVR, or --channels all)"


def _detail(change: Change, width: int, *, with_channels: bool) -> Iterator[str]:
    rows: list[str] = []
    if with_channels and change.kind != "add":
        for sign, channels in (
            ("+", change.counts.added),
            ("-", change.counts.removed),
            ("~", change.counts.changed),
        ):
            if channels:
                rows.append(f"{sign}  {_examples(channels, WIDTH - width - 8)}")
    rows += [f"{f.path}  {f.before or '-'} -> {f.after or '-'}" for f in change.fields]
    rows += change.details
    yield from rows
    for lost in change.loses:
        yield loss(lost)


def loss(lost: Loss) -> str:
    """What goes with a DVR, in one clause."""
    if lost.count < 0:
        return f"how many {lost.what} it has cannot be told; they are lost with it"
    if not lost.count:
        return f"it has no {lost.what}"
    one = lost.count == 1
    return f"{number(lost.count)} {lost.what.removesuffix('s') if one else lost.what} {'is' if one else 'are'} lost with it"


def _examples(channels: Sequence[NamedChannel], width: int) -> str:
    first = channels[:EXAMPLES]
    share = max(12, (width - 14) // len(first) - 8)
    text = " · ".join(f"{c.number} {cut(c.name, share)}" for c in first)
    more = f"  and {number(len(channels) - len(first))} more" if len(channels) > len(first) else ""
    reasons = {c.why for c in channels if c.why}
    return text + more + (f"   {next(iter(reasons))}" if len(reasons) == 1 else "")


def _channel_line(channel: NamedChannel) -> str:
    parts = [pad(cut(channel.name, 26), 26), pad(channel.id, 16)]
    parts.append(f"group {cut(channel.group, 26)}" if channel.group else "")
    parts.append(channel.before)
    parts.append(channel.why)
    return "  ".join(p for p in parts if p)
