"""What a plan was made from, for its text: what the sources sent, what changed in Plex, what is not ours there.

Refuses to judge: the plan says what is done about it.
"""

import textwrap
from collections.abc import Iterator

from reconciler.catalog.entry import SourceReport
from reconciler.lineups.model import OVERFLOW
from reconciler.planning.model import Plan
from reconciler.rendering.ink import WIDTH, cells, cut, pad, paint
from reconciler.rendering.left_out import left_out
from reconciler.wording import number, plural, size, span

__all__ = ["outside", "since", "sources"]


def sources(plan: Plan, *, color: bool) -> Iterator[str]:
    """A line for each source and guide, and what became of all entries."""
    if not plan.sources:
        return
    yield paint("Sources", "head", color=color)
    width = max(8, *(len(s.name) for s in plan.sources))
    for report in plan.sources:
        yield from _source_lines(report, width)
        yield from left_out(report, f"  {'':{width}} ", WIDTH)
    over = sum(count for name, count in plan.filtered if name == OVERFLOW)
    filtered = sum(count for _, count in plan.filtered) - over
    full = f"{number(over)} more than their DVRs hold, " if over else ""
    unbucketed = sum(count for _, count in plan.unbucketed)
    live = [c for c in plan.changes if c.kind not in {"delete", "disown"}]
    yield (
        f"  {plural(plan.entries, 'entry')}: {number(plan.without_guide)} without guide, {number(filtered)} filtered, "
        f"{full}{number(unbucketed)} in no bucket -> {plural(sum(c.counts.after for c in live), 'channel')} in "
        f"{plural(len(live), 'DVR')}"
    )


def since(plan: Plan) -> str:
    """`the last apply (run 117, 2026-02-28 04:09)`: when Plex was last as it was made."""
    last = plan.last_apply
    return "the last apply" + (f" (run {last.run}, {last.at[:16].replace('T', ' ')})" if last else "")


def _source_lines(report: SourceReport, width: int) -> Iterator[str]:
    """One line for a source, and as many more as its notes need: an oddity cut off helps nobody."""
    state = {"fresh": "ok", "unchanged": "ok", "cached": "cached", "absent": "ABSENT"}[report.fetched]
    one, many = ("channel", "channels") if report.kind == "xmltv" else ("entry", "entries")
    what = one if report.entries == 1 else many
    took = f"{report.seconds:.1f} s" if report.fetched == "fresh" else "-"
    notes: list[str] = []
    if report.fetched == "unchanged":
        notes.append("unchanged")
    if report.hosts > 1 and report.host:
        notes.append(f"host {report.host} of {report.hosts}")
    if report.via not in {"", "path", "url"}:
        notes.append(f"by {report.via}")
    if report.age_s >= 1:
        notes.append(f"{span(report.age_s)} old" + (", TOO OLD" if report.stale else ""))
    if report.kind == "xmltv" and report.size_bytes:
        notes.append(size(report.size_bytes))
    line = f"  {pad(report.name, width)} {report.kind:<7} {state:<7} {took:>7}   {number(report.entries):>7} {what:<8}   "
    beside, below = notes, list(report.notes)
    while below and cells(line + "; ".join([*beside, below[0]])) <= WIDTH:
        beside.append(below.pop(0))
    yield cut(line + "; ".join(beside), WIDTH).rstrip()
    margin = f"  {'':{width}} "
    yield from textwrap.wrap("; ".join(below), WIDTH, initial_indent=margin, subsequent_indent=margin)


def outside(plan: Plan, *, color: bool) -> Iterator[str]:
    """What somebody else changed in Plex, with what is done about it, and what is not ours."""
    if plan.drift:
        yield paint(f"Changed outside ptctl since {since(plan)}", "head", color=color)
        width = max(10, *(len(d.dvr) for d in plan.drift))
        for item in plan.drift:
            text = item.note or f"{item.path} is {item.found or 'gone'}, was {item.recorded}"
            yield f"  {pad(item.dvr, width)} {cut(text, WIDTH - width - len(item.resolution) - 13)}    plan: {item.resolution}"
    for foreign in plan.foreign:
        device = f" ({foreign.device})" if foreign.device else ""
        title = f' "{cut(foreign.title, 30)}"' if foreign.title else ""
        held = plural(foreign.channels, "channel") if foreign.kind == "dvr" else "in no DVR"
        noun = "DVR" if foreign.kind == "dvr" else "tuner"
        yield f"  not ours   {noun} {foreign.key}{title}{device}, {held}    left alone"
