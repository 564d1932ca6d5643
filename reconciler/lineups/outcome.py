"""What the ledger becomes, and why each lineup differs from the last one.

Records that say the same stay the same objects, expired retirements go only when something else changes, and nothing
here depends on the day alone: a second run with unchanged input changes nothing. This module refuses to place anyone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from reconciler.ledger.model import ChannelRecord, Ledger, MemberFacts, Retired
from reconciler.lineups.identity import facts_of
from reconciler.lineups.item import Item
from reconciler.lineups.model import Cause, Verdict
from reconciler.lineups.numbering import Numbers, Part, in_force
from reconciler.lineups.placing import Placed

__all__ = ["Causes", "ledger_after"]

_MOST_GONE_ALIASES = 32


def ledger_after(
    ledger: Ledger,
    placed: Placed,
    ids: Mapping[str, str],
    numbers: Numbers,
    *,
    held: Mapping[str, str],
    present: Mapping[str, Item],
    spec_digest: str,
    today: date,
) -> Ledger:
    """The ledger once the lineups are published. `ids` are final ids by item, `present` all items by id, `held` as in `Assigned`."""
    channels: dict[str, ChannelRecord] = {}
    ours = {p.name for p in placed.parts}
    for part in placed.parts:
        for number, item in part.items.items():
            record = _record(part, number, item, ids[item.id], present, held=held, today=today)
            channels[record.id] = record
    for id_, record in ledger.channels.items():
        if record.dvr not in ours and id_ not in channels:
            channels[id_] = record
    dvrs = {**ledger.dvrs, **{p.name: p.record for p in placed.parts}}
    now = in_force(ledger.retired, today)
    kept = [r for r in [*now, *placed.retired] if numbers.reserved.get(r.number) == r]
    after = replace(
        ledger,
        dvrs={n: dvrs[n] for n in sorted(dvrs)},
        channels={i: channels[i] for i in sorted(channels)},
        retired=tuple(sorted(kept, key=lambda r: (r.dvr, r.number, r.id, r.day))),
    )
    if after.channels == ledger.channels and set(kept) == set(now):
        after = replace(after, retired=ledger.retired)  # expired ones wait for company
    else:
        after = replace(after, spec=spec_digest)
    return ledger if after == ledger else after


def _record(
    part: Part,
    number: int,
    item: Item,
    id_: str,
    present: Mapping[str, Item],
    *,
    held: Mapping[str, str],
    today: date,
) -> ChannelRecord:
    old = item.record or item.returning
    members = {p.id: p for p in item.parts}
    gone = [a for a in (old.aliases if old else ()) if a not in members and a not in present and a != id_]
    aliases = sorted({a for a in members if a != id_} | set(sorted(gone)[:_MOST_GONE_ALIASES]))
    facts = {a: _facts(members[a]) for a in aliases if a in members and "/~" in a}
    if old:
        facts = {m.id: m for m in old.members if m.id in aliases} | facts
    main = members.get(id_)
    if main is None and old is None:
        main = item
    if main is not None:
        own = _facts(main)
    else:
        assert old is not None
        own = MemberFacts(id_, old.source, old.guide_id, old.name, old.path, old.quality)
    record = item.record
    stayed = record is not None and record.dvr == part.name
    group = record.group if record is not None and item.id in held else item.entry.group
    return ChannelRecord(
        id=id_,
        dvr=part.name,
        number=number,
        source=own.source,
        aliases=tuple(aliases),
        guide_id=own.guide_id,
        name=own.name,
        path=own.path,
        group=group,
        since=record.since if record is not None and stayed else today.isoformat(),
        quality=own.quality,
        members=tuple(facts[a] for a in aliases if a in facts),
        held=held.get(item.id, ""),
    )


def _facts(item: Item) -> MemberFacts:
    entry = item.entry
    facts = facts_of(entry, path=item.path if "/~" in item.id else "")
    return MemberFacts(item.id, entry.source, facts.guide_id, facts.name, facts.path, facts.quality)


class Causes:
    """Why channels came and went. What cannot be told apart counts as the spec's doing when the spec changed."""

    def __init__(
        self,
        ledger: Ledger,
        present: Mapping[str, Item],
        *,
        guide_filters: frozenset[str],
        verdicts: Mapping[str, Verdict],
        spec_digest: str,
    ) -> None:
        self._ledger = ledger
        self._present = present
        self._guide_filters = guide_filters
        self._verdicts = verdicts
        self._newcomers: Cause = "source" if ledger.spec == spec_digest else "spec"

    def of(self, part: Part, ids: Mapping[str, str], retired: Iterable[Retired]) -> dict[str, Cause]:
        """The causes for one device, by channel id, sorted."""
        causes: dict[str, Cause] = {}
        for item in part.items.values():
            id_ = ids[item.id]
            if (verdict := self._verdicts.get(id_)) is not None:
                causes[id_] = verdict.cause
            if item.record is not None and item.record.dvr == part.name:
                continue
            causes[id_] = self._arrival(part, item)
        for kept in retired:
            if kept.dvr == part.name:
                causes.setdefault(kept.id, self._departure(kept))
        return dict(sorted(causes.items()))

    def _arrival(self, part: Part, item: Item) -> Cause:
        if part.name not in self._ledger.dvrs or item.wanted is not None:
            return "spec"
        if item.record is not None:
            return self._move(item, item.record)
        return "source" if item.returning is not None else self._newcomers

    def _departure(self, kept: Retired) -> Cause:
        item = next((self._present[i] for i in (kept.id, *kept.aliases) if i in self._present), None)
        if item is None:
            return "source"
        if item.dropped in self._guide_filters:
            return "guide"
        record = self._ledger.channels.get(kept.id)
        return self._move(item, record) if record is not None else "spec"

    def _move(self, item: Item, record: ChannelRecord) -> Cause:
        """A channel that left by rule: the provider's doing if what it says of the channel changed."""
        facts = facts_of(item.entry)
        same = (
            item.entry.group == record.group
            and facts.name == record.name
            and facts.guide_id == record.guide_id
        )
        return "spec" if same else "source"
