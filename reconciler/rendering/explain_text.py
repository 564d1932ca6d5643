"""What `explain` found, as text: the stages on the left, what each said, and where its rule stands. Refuses to look."""

from collections.abc import Iterable, Sequence

from reconciler.ledger.model import DvrRecord
from reconciler.lineups.explain import Explained
from reconciler.lineups.model import Funnel, Held
from reconciler.planning.numbers import ranges
from reconciler.rendering.ink import cells, cut, pad, paint
from reconciler.wording import number, plural

__all__ = ["render_channel", "render_dvr", "render_unbucketed"]

_STAGE = 20
_VERDICT = 58


def render_channel(found: Explained, plex: str, *, color: bool) -> str:
    """One channel's way from the source to Plex. `plex` is what the ledger says of its DVR there."""
    head = [found.name, found.id, f"guide id {found.guide_id}" if found.guide_id else "no guide id"]
    head += [f'group "{found.group}"'] if found.group else []
    lines = [paint("   ".join(head), "head", color=color)]
    for event in found.events:
        at = f"{event.at.file}:{event.at.line}" if event.at else ""
        verdict = event.verdict if not at else pad(cut(event.verdict, _VERDICT), _VERDICT)
        lines.append(f"  {pad(event.stage, _STAGE)} {verdict}  {at}".rstrip())
    if found.link:
        how = f"by {found.link.how}" + (
            f", {found.link.confidence:.0%} sure" if found.link.confidence < 1 else ""
        )
        lines.append(f"  {pad(f'guide {found.link.guide}', _STAGE)} {found.link.xmltv_id} ({how})")
    if found.held:
        lines.append(
            f"  {pad('held', _STAGE)} would now be in {found.held.would_be}; --allow moved:{found.held.dvr} moves it"
        )
    if found.number is not None:
        since = f", given {found.since}" if found.since else ", new"
        off = "; switched off: its guide is empty" if found.off else ""
        lines.append(
            f"  {pad('number', _STAGE)} {found.number} in {found.dvr} ({found.place} of {found.of}){since}{off}"
        )
    if len(found.alternatives) > 1:
        lines.append(f"  {pad('alternatives', _STAGE)} {', '.join(found.alternatives)}")
    lines.append(f"  {pad('Plex', _STAGE)} {plex}")
    return "\n".join(lines) + "\n"


def render_dvr(
    record: DvrRecord,
    funnel: Funnel | None,
    rows: Sequence[tuple[int, str, bool]],
    held: Iterable[Held],
    *,
    failed: Sequence[tuple[int, str]] = (),
    color: bool,
) -> str:
    """One DVR: its identity, what became of its bucket's entries, and its channels.

    `failed` are numbers of runs with what went wrong in them, where nothing succeeded since.
    """
    lines = [
        paint(
            f"{record.name}   {plural(len(rows), 'channel')}   {ranges(n for n, _, _ in rows) or 'no numbers'}",
            "head",
            color=color,
        )
    ]
    lines.append(
        f'  {pad("device", _STAGE)} {record.device_id}, port {record.port or "-"}, title "{record.title}"'
    )
    lines.append(f"  {pad('numbers', _STAGE)} {record.block[0]}-{record.block[1]}")
    if record.dvr_key:
        lines.append(f"  {pad('Plex', _STAGE)} DVR {record.dvr_key}, device {record.device_key}")
    if record.applied:
        lines.append(
            f"  {pad('last applied', _STAGE)} generation {record.applied.generation}, {plural(record.applied.channels, 'channel')}"
        )
    if record.applied and record.applied.unmatched:
        why = "Plex pairs no guide channel with them"
        lines.append(f"  {pad('not on in Plex', _STAGE)} {record.applied.unmatched}: {why}")
    lines += [paint(f"  {pad(f'run {run}', _STAGE)} {text}", "danger", color=color) for run, text in failed]
    if funnel:
        lines.append(f"  {pad(f'bucket {funnel.bucket}', _STAGE)} {_funnel(funnel)}")
    lines += [f"  {pad('held', _STAGE)} {one.name}: would now be in {one.would_be}" for one in held]
    lines += [
        f"  {n:>6}  {cut(name, 60)}" + ("   off: its guide is empty" if off else "") for n, name, off in rows
    ]
    return "\n".join(lines) + "\n"


def _funnel(funnel: Funnel) -> str:
    """SPL-5. Entries become channels and channels rows, so those counts fall; what has a guide is a part of the first."""
    return (
        f"{plural(funnel.caught, 'entry')} ({number(funnel.with_id)} with a guide id, "
        f"{number(funnel.in_guide)} in a guide) -> {plural(funnel.merged, 'channel')} after merging -> "
        f"{number(funnel.kept)} kept"
    )


def render_unbucketed(groups: Sequence[tuple[str, int]]) -> str:
    """Groups whose channels fit no bucket, the largest first."""
    if not groups:
        return "every channel fits a bucket\n"
    named = [(group or "no group", count) for group, count in groups]
    width = min(50, max(cells(name) for name, _ in named))
    total = sum(count for _, count in named)
    lines = [f"{plural(total, 'channel')} {'fits' if total == 1 else 'fit'} no bucket"]
    lines += [f"  {pad(cut(name, width), width)} {number(count):>8}" for name, count in named]
    return "\n".join(lines) + "\n"
