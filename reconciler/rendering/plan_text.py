"""The plan for a person at a terminal, from the plan document alone (output.md 1): what stands where, and what to do.

The first word of each line carries its meaning without colour; width is 100 cells, names are cut, numbers never;
order is the plan's own. What was seen is in `plan_seen`, what is told DVR by DVR in `plan_rows`. Refuses to count,
compare or decide: every figure stands in the plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.planning.commands import again, renumbered
from reconciler.planning.model import RULES, Plan
from reconciler.rendering.ink import cut, pad, paint
from reconciler.rendering.plan_rows import EXAMPLES, details, loss, table
from reconciler.rendering.plan_seen import outside, sources
from reconciler.wording import number, plural, span

__all__ = ["Saved", "left_alone", "render", "summary_line"]

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
        list(sources(plan, color=color)),
        list(outside(plan, color=color)),
        list(table(plan, color=color)),
        list(details(plan)),
        list(_held(plan)),
        list(_actions(plan)) if actions else [],
        list(_warnings(plan, color=color)),
        list(_summary(plan, saved, color=color)),
        list(_blocked(plan, color=color)),
        [] if asking else list(_next(plan, saved)),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part) + "\n"


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
    made = f"({plan.made.replace('T', ' ').removesuffix('Z')}, {plural(plan.requests, 'request')}, {plan.seconds:.1f} s)"
    # nothing is known of channels then, nor of a DVR that is not in it yet
    if any(warning.code == "W314" for warning in plan.warnings):
        return f"No changes. The addresses in Plex's database are as the spec says; the rest is compared when Plex runs {made}."
    text = (
        f"No changes. {plural(dvrs, 'DVR')} with {plural(plan.channels_after, 'channel')} "
        f"{'matches' if dvrs == 1 else 'match'} the spec {made}."
    )
    content = sum(c.content_only for c in plan.changes)
    return text + (f"\nThe guide of {plural(content, 'DVR')} moved on." if content else "")


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
        yield "      Plex could not be read (W303). Nothing will be written to it."
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


def left_alone(plan: Plan, *, color: bool) -> Iterator[str]:
    """What a run left as it was because it is blocked, and the word that lifts it."""
    yield from _blocked(plan, color=color, head="Blocked - left as it was:")


def _blocked(
    plan: Plan, *, color: bool, head: str = "Blocked - nothing is applied until each is decided:"
) -> Iterator[str]:
    blocks = [(c.dvr, b, c) for c in plan.changes for b in c.blocks]
    everywhere = [b for b in plan.blocks if all(b != other for _, other, _ in blocks)]
    if not blocks and not everywhere:
        return
    yield paint(head, "blocked", color=color)
    width = max(10, *(len(d) for d, _, _ in blocks)) if blocks else 10
    word = "renumber" if renumbered(plan) else "plan"
    for dvr, block, change in blocks:
        losses = ", ".join(loss(x).removesuffix(" with it") for x in change.loses) if block.lift else ""
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
