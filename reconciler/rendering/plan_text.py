"""The plan for a person at a terminal, from the plan document alone (output.md 1).

The first word of each line carries its meaning without colour; width is 100 cells, names are cut, numbers never;
order is the plan's own. Refuses to count, compare or decide: every figure stands in the plan.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.catalog.entry import SourceReport
from reconciler.planning.commands import again, renumbered
from reconciler.planning.model import RULES, Change, Counts, Loss, NamedChannel, Plan
from reconciler.rendering.ink import Role, cells, cut, pad, paint
from reconciler.rendering.left_out import left_out
from reconciler.wording import number, plural, size, span

__all__ = ["Saved", "render", "render_channels", "summary_line"]

WIDTH: Final = 100
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
_KIND_WORDS: Final = (
    ("add", "to add"),
    ("change", "to change"),
    ("adopt", "to adopt"),
    ("move", "to move"),
    ("replace", "to replace"),
    ("delete", "to delete"),
    ("disown", "to let go"),
    ("same", "the same"),
)


@dataclass(frozen=True, slots=True)
class Saved:
    """Where the plan was saved, and the SHA-256 of the file."""

    path: str
    sha256: str


def render(
    plan: Plan, *, color: bool, saved: Saved | None = None, actions: bool = False, asking: bool = False
) -> str:
    """The whole plan as text ending in a newline.

    `actions` adds the steps of apply one by one; `asking`: a question follows, so no next command is named.
    """
    if plan.empty and not plan.blocks and not plan.held and not actions and not saved:
        head, rest = [_header(plan, color=color)], [_nothing(plan)]
        warnings = list(_warnings(plan, color=color))
        parts = [head, warnings, rest] if warnings else [head + rest]
        return "\n\n".join("\n".join(part) for part in parts) + "\n"
    parts = [
        [_header(plan, color=color)],
        list(_sources(plan, color=color)),
        list(_outside(plan, color=color)),
        list(_table(plan, color=color)),
        list(_details(plan)),
        list(_held(plan)),
        list(_actions(plan)) if actions else [],
        list(_warnings(plan, color=color)),
        list(_summary(plan, saved, color=color)),
        list(_blocked(plan, color=color)),
        [] if asking else list(_next(plan, saved)),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part) + "\n"


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


def summary_line(plan: Plan) -> str:
    """`1 to add, 5 to change, …, 3 blocked (shrink, replace, delete)`."""
    parts = [f"{count} {words}" for kind, words in _KIND_WORDS if (count := getattr(plan.summary, kind))]
    if plan.summary.blocked:
        blocks = (*(b for c in plan.changes for b in c.blocks), *plan.blocks)
        words = dict.fromkeys(RULES[b.code] for b in sorted(blocks, key=lambda b: b.code))
        parts.append(f"{plan.summary.blocked} blocked ({', '.join(words)})")
    return ", ".join(parts) or "nothing to do"


def _header(plan: Plan, *, color: bool) -> str:
    files = len(plan.spec_files) - 1
    spec = plan.spec_files[0] if plan.spec_files else plan.spec_name
    parts = [f"ptctl {plan.version}", f"spec {spec}" + (f" + {plural(files, 'file')}" if files > 0 else "")]
    if plan.env:
        parts.append(f"env {plan.env}")
    match plan.plex:
        case "known":
            parts.append(
                f'plex "{plan.server_name or plan.server_machine}" {_release(plan.server_version)}'.rstrip()
            )
        case "absent":
            parts.append("no plex in the spec")
        case "unknown":
            parts.append("plex UNKNOWN")
        case "not-asked":
            parts.append("plex not asked")
    parts.append(f"ledger serial {plan.ledger_serial}")
    return paint("   ".join(parts), "head", color=color)


def _release(version: str) -> str:
    """`1.43.2` of Plex's `1.43.2.10687-563d026ea`."""
    return ".".join(version.partition("-")[0].split(".")[:3])


def _nothing(plan: Plan) -> str:
    dvrs = sum(c.kind == "same" or c.content_only for c in plan.changes)
    text = (
        f"No changes. {plural(dvrs, 'DVR')} with {plural(plan.channels_after, 'channel')} "
        f"{'matches' if dvrs == 1 else 'match'} the spec "
        f"({plan.made.replace('T', ' ').removesuffix('Z')}, {plural(plan.requests, 'request')}, {plan.seconds:.1f} s)."
    )
    content = sum(c.content_only for c in plan.changes)
    return text + (f"\nThe guide of {plural(content, 'DVR')} moved on." if content else "")


def _sources(plan: Plan, *, color: bool) -> Iterator[str]:
    if not plan.sources:
        return
    yield paint("Sources", "head", color=color)
    width = max(8, *(len(s.name) for s in plan.sources))
    for report in plan.sources:
        yield from _source_lines(report, width)
        yield from left_out(report, f"  {'':{width}} ", WIDTH)
    filtered = sum(count for _, count in plan.filtered)
    unbucketed = sum(count for _, count in plan.unbucketed)
    live = [c for c in plan.changes if c.kind not in {"delete", "disown"}]
    yield (
        f"  {plural(plan.entries, 'entry')}: {number(plan.without_guide)} without guide, {number(filtered)} filtered, "
        f"{number(unbucketed)} in no bucket -> {plural(sum(c.counts.after for c in live), 'channel')} in "
        f"{plural(len(live), 'DVR')}"
    )


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


def _outside(plan: Plan, *, color: bool) -> Iterator[str]:
    if plan.drift:
        yield paint("Changed outside ptctl since the last apply", "head", color=color)
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


def _table(plan: Plan, *, color: bool) -> Iterator[str]:
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


def _details(plan: Plan) -> Iterator[str]:
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
    for loss in change.loses:
        yield _loss(loss)


def _loss(loss: Loss) -> str:
    if loss.count < 0:
        return f"how many {loss.what} it has cannot be told; they are lost with it"
    if not loss.count:
        return f"it has no {loss.what}"
    one = loss.count == 1
    return f"{number(loss.count)} {loss.what.removesuffix('s') if one else loss.what} {'is' if one else 'are'} lost with it"


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


def _held(plan: Plan) -> Iterator[str]:
    if not plan.held:
        return
    lives = "stays where it lives" if len(plan.held) == 1 else "stay where they live"
    yield f"Held: {plural(len(plan.held), 'channel')} would now be sorted elsewhere and {lives}"
    for held in plan.held[:EXAMPLES]:
        yield f"  {held.dvr}  {cut(held.name, 30)}  group {cut(held.group_before, 20)} -> {cut(held.group_now, 20)}, would be {held.would_be}"
    dvrs = sorted({h.dvr for h in plan.held})
    yield f"  move them with  {' '.join(f'--allow moved:{d}' for d in dvrs)}"


def _actions(plan: Plan) -> Iterator[str]:
    if not plan.actions:
        return
    yield "Actions"
    for index, action in enumerate(plan.actions, 1):
        yield f"  {index:>3}  {pad(action.kind, 16)} {pad(action.dvr, 14)} {action.effect or action.reason}"


def _warnings(plan: Plan, *, color: bool) -> Iterator[str]:
    if not plan.warnings:
        return
    yield paint("Warnings", "head", color=color)
    for warning in plan.warnings:
        yield f"  {paint(warning.code, 'change', color=color)}  {warning.message}"
        if warning.next_step:
            yield f"        {warning.next_step}"


def _summary(plan: Plan, saved: Saved | None, *, color: bool) -> Iterator[str]:
    yield paint(f"Plan: {summary_line(plan)}", "head", color=color)
    costs = []
    if plan.files_written:
        costs.append(f"{plural(len(plan.files_written), 'file')} to write")
    if plan.guide_loads:
        costs.append(plural(plan.guide_loads, "guide load"))
    if plan.estimate_s is not None:
        costs.append(
            f"about {span(plan.estimate_s)}" + (f" ({plan.estimate_basis})" if plan.estimate_basis else "")
        )
    if costs:
        yield "      " + ", ".join(costs)
    if plan.plex == "absent":
        dvrs = [c for c in plan.changes if c.kind not in {"delete", "disown"}]
        yield (
            f"      The spec has no plex section, so ptctl stops at files and tuners. With one, apply would keep "
            f"{plural(len(dvrs), 'DVR')}"
        )
        yield f"      in Plex: register each tuner, create the DVR, load its guide, switch on its channels ({number(plan.channels_after)} in all)."
    if plan.plex == "unknown":
        yield f"      Plex could not be read: {plan.plex_why}. Nothing will be written to it."
    if plan.allowed:
        yield f"      allowed: {', '.join(plan.allowed)}"
    if saved:
        yield ""
        yield f"Saved as {saved.path} (sha256 {saved.sha256[:6]}…{saved.sha256[-4:]}); refused if the spec, the selection or Plex changes."


_NO_WORD: Final = {
    "S203": "; with  protect: false  in the spec, applied once, it can",
    "S401": "; ptctl doctor, and plan again when it can be read",
}
"""What to do about a block that no word lifts."""


def _blocked(plan: Plan, *, color: bool) -> Iterator[str]:
    blocks = [(c.dvr, b, c) for c in plan.changes for b in c.blocks]
    everywhere = [b for b in plan.blocks if all(b != other for _, other, _ in blocks)]
    if not blocks and not everywhere:
        return
    yield paint("Blocked - nothing is applied until each is decided:", "blocked", color=color)
    width = max(10, *(len(d) for d, _, _ in blocks)) if blocks else 10
    word = "renumber" if renumbered(plan) else "plan"
    for dvr, block, change in blocks:
        losses = ", ".join(_loss(x).removesuffix(" with it") for x in change.loses) if block.lift else ""
        lift = (
            f"{word} again with  --allow {block.lift}"
            if block.lift
            else f"{block.message}: {_wordless(block.code)}"
        )
        yield f"  {pad(dvr, width)} {block.code}  {lift}" + (f"    ({losses})" if losses else "")
    for block in everywhere:
        lift = f"{word} again with  --allow {block.lift}" if block.lift else _wordless(block.code)
        yield f"  {pad(block.dvr or 'all', width)} {block.code}  {block.message}: {lift}"


def _wordless(code: str) -> str:
    return f"cannot be lifted{_NO_WORD.get(code, '')}"


def _next(plan: Plan, saved: Saved | None) -> Iterator[str]:
    if not plan.actions:
        return
    words = f"ptctl apply {saved.path}" if saved else again(plan, "apply")
    if not (plan.summary.blocked or plan.blocks):
        yield f"Next:  {words}"
        return
    others = sum(getattr(plan.summary, k) for k, _ in _KIND_WORDS if k != "same")
    rest = (
        f"the other {plural(others, 'change')}"
        if others > 1
        else "the other change"
        if others
        else "the rest"
    )
    yield f"Next:  {words} --skip-blocked            {rest}, now"
