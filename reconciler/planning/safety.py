"""The S rules that need no Plex: what a run would lose, and whether it may.

Safety blocks changes, not DVRs, and nothing lifts everything (design.md 4). Judging comes before artifacts are built:
it says which DVRs' files are carried over byte for byte. The rules about Plex objects (S202, S302, S401, S501 of a
replacement) are in `planning.changes`, where those objects are known. Pure: thresholds, ledger and lineups in, blocks
out. This module refuses to soften a rule: lifting is the business of `planning.allowances`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Literal

from reconciler.ledger.model import DvrRecord
from reconciler.lineups.model import Block, DvrTarget
from reconciler.planning.allowances import Allowances, allowances, ended, lift
from reconciler.planning.carry import Kept, in_plex, planned
from reconciler.planning.inputs import Judgement, World
from reconciler.planning.model import PlanWarning
from reconciler.planning.renames import old_names
from reconciler.planning.sight import look_for
from reconciler.planning.swaps import is_old_tuner, swapped
from reconciler.plex.model import Unknown
from reconciler.wording import plural, span

__all__ = ["PEAK_DAYS", "Standing", "busy_block", "judge", "leaving", "standings"]

PEAK_DAYS: Final = 7
"""The baseline of S101 and S103: several small losses in a row must not pass one by one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One DVR's channels before and after, counted as Plex would show them (off ones left out).

    `baseline` is the largest count of the last 7 days. `removed` are ids that had a place and have none now.
    """

    dvr: str
    before: int
    after: int
    baseline: int
    removed: tuple[str, ...]
    touched: frozenset[str]
    """Sources of the channels that come, go, or change their number."""

    @property
    def loses(self) -> bool:
        """Whether this run takes anything away."""
        return bool(self.removed) or self.after < self.before

    @property
    def loss(self) -> int:
        """Channels lost against the baseline; those replaced by others count as lost."""
        return max(self.baseline - self.after, len(self.removed), 0) if self.loses else 0


@dataclass(frozen=True, slots=True)
class Leaving:
    """A DVR of ours that the spec no longer has. `intended`: `removed:` says so; `keep`: it is only let go."""

    record: DvrRecord
    intended: bool
    keep: bool


def judge(world: World) -> Judgement:
    """All blocks that need no look at Plex's objects, and what follows for files and ledger.

    Equal worlds give equal judgements. Costs time in proportion to the number of channels.
    """
    allowed = allowances(world.allow, world.spec.approvals, spent=world.ledger.spent, today=world.today)
    stand = standings(world)
    gone = leaving(world)
    targets = [t for t in world.desired.dvrs if not world.skipped(t.record.name)]
    found = [
        *_of_lineups(world, targets, stand),
        *_shrink(world, targets, stand),
        *_total(world, targets, stand, allowed),
        *_minimum(world, targets),
        *_stale(world, targets, stand),
        *_leaving(world, gone),
        *_swapped(world),
    ]
    lifted = lift(found, allowed)
    carried = {t.record.name for t in world.desired.dvrs if world.skipped(t.record.name)}
    carried |= {g.record.name for g in gone if world.skipped(g.record.name)}
    carried |= _carried(lifted.blocks, stand)
    if world.observed is None:  # a run that does not look at Plex takes nothing away that is there
        carried |= {g.record.name for g in gone if not g.keep and in_plex(world, g.record)}
        carried |= {name for name, old in swapped(world).items() if in_plex(world, old)}
    emptied = {s.dvr for s in stand.values() if s.before and not s.after}
    kept = Kept(
        carried=frozenset(carried | emptied),
        leaving={g.record.name: g.keep for g in gone},
        swapped={name: old for name, old in swapped(world).items() if name not in carried},
        accepted=_accepted(found, lifted.blocks, stand),
    )
    desired, ledger = planned(world, stand_peaks(world, stand, kept), kept)
    return Judgement(
        blocks=tuple(sorted(lifted.blocks, key=lambda b: (b.code, b.dvr, b.message))),
        carried=kept.carried,
        desired=desired,
        ledger=ledger,
        used=lifted.used,
        spends=lifted.spends,
        warnings=(*_emptied(emptied, lifted.blocks), *ended_warnings(world)),
        old_names={
            new: old for new, old in old_names(world.desired.dvrs, world.ledger).items() if old != new
        },
    )


def ended_warnings(world: World) -> tuple[PlanWarning, ...]:
    """Approvals that lift nothing any more."""
    return ended(world.spec.approvals, spent=world.ledger.spent, today=world.today)


def leaving(world: World) -> tuple[Leaving, ...]:
    """The DVRs of the ledger that no target continues, by name. A rename keeps the DeviceID and is none."""
    staying = {t.record.device_id.casefold() for t in world.desired.dvrs}
    words = {removed.dvr: removed for removed in world.spec.removed}
    other = swapped(world)
    return tuple(
        Leaving(record, intended=name in words or is_old_tuner(name), keep=name in words and words[name].keep)
        for name, record in sorted(world.ledger.dvrs.items())
        if record.device_id.casefold() not in staying and name not in other
    )


def standings(world: World) -> dict[str, Standing]:
    """Before and after of each target, by its new name."""
    was = old_names(world.desired.dvrs, world.ledger)
    numbers: dict[str, dict[str, int]] = {}
    sources = {record.id: record.source for record in world.ledger.channels.values()}
    for record in world.ledger.channels.values():
        numbers.setdefault(record.dvr, {})[record.id] = record.number
    rematched = dict(world.desired.rematches)
    shown = {d.device_id.casefold(): d for d in world.published.dvrs} if world.published else {}
    oldest = (date.fromisoformat(world.today) - timedelta(days=PEAK_DAYS)).isoformat()
    found = {}
    for target in world.desired.dvrs:
        key = target.record.device_id.casefold()
        name = target.record.name
        had = numbers.get(was[name], {})
        has = {alias: row.number for row in target.lineup.rows for alias in row.channel.aliases}
        has.update({row.channel.id: row.number for row in target.lineup.rows})
        removed = tuple(sorted(i for i in had if i not in has and rematched.get(i, i) not in has))
        own = {row.channel.id: row.channel.source for row in target.lineup.rows}
        moved = {i for i in has.keys() & had.keys() if has[i] != had[i]} | (own.keys() - had.keys())
        after = sum(not row.off for row in target.lineup.rows)
        public = shown.get(key)
        before = len(public.channels) - len(public.off) if public else len(had)
        old = world.ledger.dvrs.get(was[name])
        peaks = [count for day, count in old.peaks if day > oldest] if old else []
        found[name] = Standing(
            dvr=name,
            before=before,
            after=after,
            baseline=max([before, *peaks]),
            removed=removed,
            touched=frozenset(
                {sources.get(i, "") for i in removed} | {own.get(i) or sources.get(i, "") for i in moved}
            ),
        )
    return found


def stand_peaks(
    world: World, stand: Mapping[str, Standing], kept: Kept
) -> dict[str, tuple[tuple[str, int], ...]]:
    """The peaks each DVR's record shall have, where they change: (day, most channels of that day).

    An accepted loss is the new baseline, else every later plan would stumble over it again.
    """
    oldest = (date.fromisoformat(world.today) - timedelta(days=PEAK_DAYS)).isoformat()
    was = old_names(world.desired.dvrs, world.ledger)
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for target in world.desired.dvrs:
        standing = stand[target.record.name]
        old = world.ledger.dvrs.get(was[standing.dvr])
        peaks = old.peaks if old else ()
        if standing.dvr in kept.carried or standing.after == standing.before:
            found[standing.dvr] = peaks
        elif standing.dvr in kept.accepted:
            found[standing.dvr] = ((world.today, standing.after),)
        else:
            days = {day: count for day, count in peaks if day > oldest}
            days[world.today] = max(days.get(world.today, 0), standing.before, standing.after)
            found[standing.dvr] = tuple(sorted(days.items()))
    return found


def busy_block(world: World, dvr: str, what: Literal["delete", "replace"], was: str = "") -> Block | None:
    """S501 for something that is about to be taken away under a viewer, or where that cannot be known.

    `was` is the name that `serve` knows the DVR by, where the spec has renamed it.
    """
    if isinstance(world.busy, Unknown):
        message = f"whether anything runs on it cannot be known: {world.busy.why}"
    elif streams := sum(world.busy.get(name, 0) for name in {dvr, was or dvr}):
        message = f"{plural(streams, 'stream runs', 'streams run')} on it"
    else:
        return None
    return Block("S501", dvr, message, f"busy:{dvr}", what)


def _of_lineups(world: World, targets: Iterable[DvrTarget], stand: Mapping[str, Standing]) -> Iterator[Block]:
    """What `lineups` found. S105 names a source: as long as nobody knows who is who, none of its channels comes or goes,
    in whichever DVR; a new id that got a number elsewhere could not be matched with the old one any more.
    """
    for block in world.desired.blocks:
        if block.dvr:
            if not world.skipped(block.dvr):
                yield block
            continue
        source = block.lift.partition(":")[2]
        for target in targets:
            if source in stand[target.record.name].touched:
                yield replace(block, dvr=target.record.name)


def _shrink(world: World, targets: Iterable[DvrTarget], stand: Mapping[str, Standing]) -> Iterator[Block]:
    limits = world.spec.safety
    for target in targets:
        name = target.record.name
        standing = stand[name]
        if standing.before and not standing.after:
            text = f"empty: {plural(standing.before, 'channel')} now, none left"
            yield Block("S102", name, text, f"empty:{name}")
            continue
        share = standing.loss / standing.baseline if standing.baseline else 0.0
        if standing.baseline >= limits.minimum and share > limits.shrink:
            text = (
                f"shrink {share:.1%} > {limits.shrink:.0%}: {standing.loss} of {standing.baseline} channels"
            )
            yield Block("S101", name, _spaced(text), f"shrink:{name}")


def _total(
    world: World, targets: Iterable[DvrTarget], stand: Mapping[str, Standing], allowed: Allowances
) -> Iterator[Block]:
    counted = [stand[t.record.name] for t in targets]
    # A loss that was allowed by name is decided already and does not count again.
    decided = {
        s.dvr for s in counted if allowed.covers(f"shrink:{s.dvr}") or allowed.covers(f"empty:{s.dvr}")
    }
    baseline = sum(s.after if s.dvr in decided else s.baseline for s in counted)
    lost = baseline - sum(s.after for s in counted)
    share = lost / baseline if baseline else 0.0
    limit = world.spec.safety.total_shrink
    if share > limit and any(s.loses for s in counted if s.dvr not in decided):
        text = f"all DVRs together shrink {share:.1%} > {limit:.0%}: {lost} of {baseline} channels"
        yield Block("S103", "", _spaced(text), "shrink:all")


def _minimum(world: World, targets: Iterable[DvrTarget]) -> Iterator[Block]:
    by_bucket: dict[str, list[DvrTarget]] = {}
    for target in targets:
        by_bucket.setdefault(target.dvr.bucket, []).append(target)
    for bucket in world.spec.buckets:
        members = by_bucket.get(bucket.name, [])
        count = sum(not row.off for t in members for row in t.lineup.rows)
        if members and count < bucket.minimum:
            text = f'its minimum is {bucket.minimum}, bucket "{bucket.name}" has {count}'
            for target in members:
                yield Block("S103", target.record.name, text, "shrink:all")


def _stale(world: World, targets: Iterable[DvrTarget], stand: Mapping[str, Standing]) -> Iterator[Block]:
    stale = {
        name: report
        for name, report in sorted(world.reports.items())
        if report.kind != "xmltv" and (report.stale or report.fetched == "absent")
    }
    for target in targets:
        for name in sorted(stand[target.record.name].touched & stale.keys()):
            text = f'source "{name}" is {span(stale[name].age_s)} old, older than its max_age'
            yield Block("S402", target.record.name, text, f"stale:{name}")


def _leaving(world: World, gone: Iterable[Leaving]) -> Iterator[Block]:
    for item in gone:
        name = item.record.name
        if world.skipped(name):
            continue
        if item.record.protected:
            word = "let go" if item.keep else "deleted"
            text = f"protected: it is not {word} while the ledger protects it"
            yield Block("S203", name, text, "", "delete")
        if item.keep:
            continue
        if not item.intended:
            yield Block("S201", name, "delete: it is not in the spec", f"delete:{name}", "delete")
        if not in_plex(world, item.record):
            continue
        if isinstance(world.observed, Unknown):
            yield Block("S401", name, f"unknown: Plex could not be read: {world.observed.why}", "", "delete")
        elif world.observed is not None:
            seen = look_for(item.record.device_id, item.record, world.observed)
            if seen.unknown is not None:
                yield Block("S401", name, f"unknown: {seen.unknown.why}", "", "delete")
            elif (seen.device or seen.dvr) and (block := busy_block(world, name, "delete")):
                yield block


def _swapped(world: World) -> Iterator[Block]:
    """Another DeviceID is another tuner, and its DVR has to be made anew: everything stays as it is until allowed."""
    new = {target.record.name: target.record.device_id for target in world.desired.dvrs}
    for name, old in swapped(world).items():
        if world.skipped(name) or not in_plex(world, old):
            continue
        text = f"replace (DeviceID {old.device_id} -> {new[name]})"
        yield Block("S202", name, text, f"replace:{name}")
        if old.protected:
            text = "protected: it is not replaced while the ledger protects it"
            yield Block("S203", name, text, "")
        if isinstance(world.observed, Unknown):
            yield Block("S401", name, f"unknown: Plex could not be read: {world.observed.why}", "")
        elif world.observed is not None and (busy := busy_block(world, name, "replace")):
            yield replace(busy, what="lineup")


def _carried(blocks: Iterable[Block], stand: Mapping[str, Standing]) -> set[str]:
    found: set[str] = set()
    for block in blocks:
        # All DVRs together (S103): each that loses has its part in it.
        found |= {block.dvr} if block.dvr else {s.dvr for s in stand.values() if s.loses}
    return found


def _accepted(
    found: Iterable[Block], remaining: Iterable[Block], stand: Mapping[str, Standing]
) -> frozenset[str]:
    open_blocks = set(remaining)
    names: set[str] = set()
    for block in found:
        if block in open_blocks or block.code not in {"S101", "S103"}:
            continue
        names |= {block.dvr} if block.dvr else {s.dvr for s in stand.values() if s.loses}
    return frozenset(names)


def _emptied(emptied: Iterable[str], blocks: Iterable[Block]) -> Iterator[PlanWarning]:
    blocked = {block.dvr for block in blocks if block.code == "S102"}
    for name in sorted(set(emptied) - blocked):
        text = f"{name}: nothing is left for it; its files stay and Plex keeps it as it is (an empty map is never sent)"
        yield PlanWarning("W306", text, f"ptctl explain dvr {name}", name)


def _spaced(text: str) -> str:
    return text.replace("%", " %")
