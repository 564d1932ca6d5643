"""Before against after: channels of a lineup, and the channel map of a device. Sets compare, nothing else does.

Channels are compared by id; number, name, guide id and logo are attributes. Maps are compared by device channel: with
XMLTV ids equal to the numbers all three identifiers are the same text (plex-livetv.md 2.7, 6.4). Comparing 50,000
channels takes well under half a second (performance.md P1). This module refuses to judge a difference.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.ledger.model import ChannelRecord
from reconciler.lineups.model import Cause, Row
from reconciler.planning.inputs import PublishedRow
from reconciler.planning.model import Counts, NamedChannel
from reconciler.plex.model import ChannelPair

__all__ = ["MapDiff", "churn", "map_diff", "map_digest", "rows_of_records"]


@dataclass(frozen=True, slots=True)
class MapDiff:
    """How a device's map differs from the numbers that shall be on.

    `missing` shall be on and are not, `extra` are on and shall not be, `crossed` are on but paired with another guide
    channel.
    """

    missing: tuple[int, ...]
    extra: tuple[str, ...]
    crossed: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.crossed)


def map_diff(wanted: Iterable[int], found: Iterable[ChannelPair]) -> MapDiff:
    """The difference of a map; pairs that are off count as absent."""
    on = {pair.device: pair for pair in found if pair.enabled}
    want = {str(number): number for number in wanted}
    return MapDiff(
        missing=tuple(sorted(number for text, number in want.items() if text not in on)),
        extra=tuple(sorted(on.keys() - want.keys())),
        crossed=tuple(
            sorted(
                number
                for text, number in want.items()
                if text in on and (on[text].lineup, on[text].key) != (text, text)
            )
        ),
    )


def map_digest(pairs: Iterable[ChannelPair]) -> str:
    """SHA-256 (hex) of what is on, whatever the order: what the ledger keeps of an applied map."""
    lines = sorted(f"{p.device}={p.lineup}={p.key}" for p in pairs if p.enabled)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def churn(
    before: Iterable[PublishedRow],
    after: Iterable[Row],
    causes: Mapping[str, Cause],
    *,
    shown_before: int | None = None,
) -> Counts:
    """What comes, goes and changes, each sorted by number.

    A channel keeps its place in the comparison under any of its member ids. `causes` are by channel id; what has none
    came from the source.
    """
    rows = tuple(after)
    old = {row.id: row for row in before}
    known = {alias: row for row in rows for alias in row.channel.aliases}
    known.update({row.channel.id: row for row in rows})
    added, changed, seen = [], [], set()
    for row in rows:
        channel = row.channel
        previous = old.get(channel.id) or next((old[a] for a in channel.aliases if a in old), None)
        cause = causes.get(channel.id, "source")
        named = NamedChannel(row.number, channel.name, channel.id, cause, channel.group)
        if previous is None:
            added.append(named)
            continue
        seen.add(previous.id)
        words = _changes(previous, row)
        if words:
            changed.append(
                NamedChannel(
                    row.number, channel.name, channel.id, cause, channel.group, before="; ".join(words)
                )
            )
    removed = [
        NamedChannel(row.number, row.name, row.id, causes.get(row.id, "source"), why=_why(row, causes))
        for row in old.values()
        if row.id not in seen and row.id not in known
    ]
    return Counts(
        before=len(old) if shown_before is None else shown_before,
        after=len(rows),
        added=tuple(sorted(added, key=_by_number)),
        removed=tuple(sorted(removed, key=_by_number)),
        changed=tuple(sorted(changed, key=_by_number)),
    )


def rows_of_records(records: Iterable[ChannelRecord]) -> tuple[PublishedRow, ...]:
    """What the ledger alone remembers of a lineup, where its files are gone."""
    return tuple(
        PublishedRow(record.number, record.id, record.name or record.id, record.guide_id, remembered=True)
        for record in sorted(records, key=lambda record: record.number)
    )


def _changes(before: PublishedRow, row: Row) -> list[str]:
    channel = row.channel
    pairs = (
        ("number", str(before.number), str(row.number)),
        ("name", "" if before.remembered else before.name, channel.name),
        ("guide id", before.guide_id, channel.guide_id),
        ("logo", before.logo, channel.logo),
    )
    # What the old files do not tell is not compared: an empty value before is "not known".
    words = [f"{what}: {old} -> {new or 'none'}" for what, old, new in pairs if old and old != new]
    if row.off and not before.off:
        words.append("switched off: no programmes")
    elif before.off and not row.off:
        words.append("switched on again: has programmes")
    return words


def _why(row: PublishedRow, causes: Mapping[str, Cause]) -> str:
    source = row.id.partition("/")[0]
    words: dict[Cause, str] = {
        "source": f"gone from source {source}",
        "spec": "no longer selected by the spec",
        "guide": "has no programmes",
        "probe": "failed its probes, or is on a list of bad streams",
        "version": "left out by this version",
        "drift": "changed in Plex",
    }
    return words[causes.get(row.id, "source")]


def _by_number(channel: NamedChannel) -> tuple[int, str]:
    return channel.number, channel.id
