"""What a plan warns about besides Plex: warnings that follow from catalogue, guides, files and lineups alone.

What each code means is in `rendering/pages`. This module refuses to block anything.
"""

from collections.abc import Iterable, Iterator

from reconciler.catalog.entry import SourceReport
from reconciler.planning.inputs import PlanInputs, World
from reconciler.planning.model import Change, PlanWarning
from reconciler.wording import plural, some, span

__all__ = [
    "catalog_warnings",
    "damage_warnings",
    "ended_warnings",
    "group_warnings",
    "unused_words",
]


def catalog_warnings(world: World) -> Iterator[PlanWarning]:
    """What sources, guides and bucketing have to say."""
    for _, report in sorted(world.reports.items()):
        if report.fetched in {"fresh", "unchanged"} or (world.cached and report.fetched == "cached"):
            continue
        yield _not_fetched(report)
    yield from _silent(world)
    groups = world.desired.unbucketed.groups
    if groups:
        shown = ", ".join(f"{group or 'no group'} {count}" for group, count in groups[:2])
        rest = f", {len(groups) - 2} more" if len(groups) > 2 else ""
        total = world.desired.unbucketed.total
        fit = plural(total, "channel fits", "channels fit")
        yield PlanWarning("W110", f"{fit} no bucket ({shown}{rest})", "ptctl explain unbucketed")
    for target in world.desired.dvrs:
        for where, count in target.overflowed:
            name = target.record.name
            text = f"{name} is full; {plural(count, 'new match goes', 'new matches go')} to {where}"
            if not where:
                text = f"{name} is full; {plural(count, 'new match is', 'new matches are')} left out"
            yield PlanWarning("W311", text, f"ptctl explain dvr {name}", name)


def _not_fetched(report: SourceReport) -> PlanWarning:
    """W120, W121: what was asked, what came instead of it, and what stands in."""
    guide = report.kind == "xmltv"
    text = f'{"guide" if guide else "source"} "{report.name}" could not be fetched'
    text += f" ({report.failure})" if report.failure else ""
    if report.fetched == "cached":
        text += f"; the copy in use is {span(report.age_s)} old"
    elif not guide:
        text += " and there is no copy"
    if guide:  # doctor asks no guide
        return PlanWarning("W121", text, f"check guides.{report.name}, then: ptctl refresh")
    return PlanWarning("W120", text, "ptctl doctor")


def _silent(world: World) -> Iterator[PlanWarning]:
    """W321 (COR-2): the profile `salvage` of a DVR, or of a source whose channels are in a DVR without a word."""
    why = "the profile salvage keeps the first video only"
    told: dict[str, int] = {}
    for target in world.desired.dvrs:
        name, rows = target.record.name, target.lineup.rows
        if target.dvr.stream.profile == "salvage" and rows:
            yield PlanWarning(
                "W321", f"no audio on {plural(len(rows), 'channel')} of {name}: {why}", "", name
            )
        if target.dvr.stream.profile is None:
            for row in rows:
                told[row.channel.source] = told.get(row.channel.source, 0) + 1
    for name, count in sorted(told.items()):
        source = world.spec.sources.get(name)
        if source is not None and source.stream.profile == "salvage":
            yield PlanWarning("W321", f'no audio on {plural(count, "channel")} of source "{name}": {why}')


def ended_warnings(inputs: PlanInputs) -> Iterator[PlanWarning]:
    """W122: where half of a guide's channels or more have nothing left. A few end every day: events, and stations."""
    for ended in inputs.ended:
        if 2 * ended.channels >= ended.of:
            text = (
                f'guide "{ended.guide}" has ended for {ended.channels} of {ended.of} channels; '
                f"its newest programme there was over at {ended.newest.replace('T', ' ')[:16]} UTC"
            )
            yield PlanWarning("W122", text, "ptctl refresh, or another address under guides")


def damage_warnings(inputs: PlanInputs) -> Iterator[PlanWarning]:
    """W123: files of the published generation that hold something else than what was published."""
    if inputs.damaged:
        text = f"published files were changed or removed since ({some(inputs.damaged, 1)}); they are written anew"
        yield PlanWarning("W123", text, "ptctl refresh")


def group_warnings(world: World, changes: Iterable[Change]) -> Iterator[PlanWarning]:
    """W207: what looks like an outage or a renamed group rather than many channels ending at once."""
    groups = {record.id: record.group for record in world.ledger.channels.values()}
    living = {row.channel.group for target in world.desired.dvrs for row in target.lineup.rows}
    for change in changes:
        removed = change.counts.removed
        names = {groups.get(channel.id, "") for channel in removed}
        if len(removed) < world.spec.safety.minimum or len(names) != 1:
            continue
        group = next(iter(names))
        if group and group not in living and all(channel.cause == "source" for channel in removed):
            text = (
                f'{change.dvr}: all {len(removed)} removals had group "{group}", which the source no longer sends; '
                "an outage or a renamed group looks like this"
            )
            yield PlanWarning("W207", text, f"ptctl explain dvr {change.dvr}", change.dvr)


def unused_words(world: World, used: Iterable[str]) -> Iterator[PlanWarning]:
    """W403 for words of the command line that nothing asked for."""
    for word in sorted(set(world.allow) - set(used)):
        yield PlanWarning("W403", f'"--allow {word}" lifts nothing in this plan')
