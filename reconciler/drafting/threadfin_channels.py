"""What a user did to channels by hand in Threadfin: which were on, their numbers, names, guides.

Threadfin switches a new stream on by itself only when its guide id is in an XMLTV file (`src/xepg.go`, mapping). So
"listed in a guide, or switched on by hand" and "not switched off by hand" say which channels it would show, tomorrow's
included. This module refuses to know playlists and settings.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.catalog.address import Concealer, panel_path
from reconciler.catalog.entry import Entry
from reconciler.drafting.bounds import channel_number
from reconciler.drafting.channels import NumberedChannel
from reconciler.drafting.draft import Loss
from reconciler.drafting.threadfin_settings import Channel, Instance
from reconciler.drafting.yaml_text import Value
from reconciler.ledger.model import Ledger
from reconciler.lineups.identity import identify
from reconciler.secret import Secret
from reconciler.wording import plural, some

__all__ = ["Chosen", "chosen"]

SHOWN: Final = 5
LONGEST: Final = 12
"""So much of what should be a number is shown."""


@dataclass(slots=True)
class Chosen:
    """What one instance's channels come to. `filters` are for its bucket; `used` the lowest and highest number."""

    channels: list[NumberedChannel] = field(default_factory=list)
    filters: list[dict[str, Value]] = field(default_factory=list)
    overrides: list[dict[str, Value]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    used: tuple[int, int] | None = None


def chosen(
    instance: Instance, dvr: str, sources: Mapping[str, str], accounts: Mapping[str, tuple[Secret, Secret]]
) -> Chosen:
    """The hand-made part of one instance. `sources` are names of sources by file id, `accounts` by source."""
    found = Chosen()
    channels = [c for c in instance.channels or () if c.name and c.file in sources and not _is_film(c)]
    ids = _Ids(channels, sources, accounts)
    shown = [c for c in channels if c.shown]
    _number(found, dvr, instance.name, shown, ids)
    if channels:
        _select(found, instance, dvr, channels, sources, ids)
        _change(found, shown, ids)
    for count, what, advice in (
        (
            sum(c.backups > 0 for c in shown),
            "backup channels",
            "a merge filter makes duplicates into alternatives",
        ),
        (
            sum(c.live for c in shown),
            "invented PPV programmes",
            "dvrs.<name>.guide.filler fills empty guides",
        ),
        (
            sum(bool(c.own_group) and c.own_group != c.group for c in shown),
            "groups of their own in the exported playlist",
            "a set filter gives groups",
        ),
    ):
        if count:
            found.losses.append(Loss(instance.name, f"{plural(count, 'channel')} with {what}", advice))
    for strange in _strangers(instance, sources):
        found.losses.append(Loss(instance.name, *strange))
    return found


class _Ids:
    """The id each channel has in the spec: its stream id, or the one that ptctl mints from its facts."""

    def __init__(
        self,
        channels: Sequence[Channel],
        sources: Mapping[str, str],
        accounts: Mapping[str, tuple[Secret, Secret]],
    ) -> None:
        concealers = {name: Concealer([account]) for name, account in accounts.items()}
        entries: dict[Entry, Channel] = {}
        for channel in channels:
            source = sources[channel.file]
            shape = panel_path(channel.url)
            url = channel.url
            if source in concealers:
                url = concealers[source].conceal(url)
            entry = Entry(
                source=source,
                key=shape.key if shape else "",
                name=channel.listed,
                guide_id=channel.guide_id,
                group=channel.group,
                url="" if shape else url,
            )
            entries.setdefault(entry, channel)
        self._by_channel = {
            id(entries[item.entry]): item.id for item in identify(entries, Ledger()) if item.entry in entries
        }

    def of(self, channel: Channel) -> str:
        """The id, "" for a double of another channel."""
        return self._by_channel.get(id(channel), "")

    def stays(self, channel: Channel) -> bool:
        """Whether the id is the provider's own and so survives a change of name."""
        return "/~" not in self.of(channel)


def _number(found: Chosen, dvr: str, where: str, shown: Sequence[Channel], ids: _Ids) -> None:
    odd = []
    numbers: Counter[int] = Counter()
    for channel in shown:
        number = channel_number(channel.number.removesuffix(".0"))
        if number is None:
            odd.append(channel)
            continue
        numbers[number] += 1
        found.channels.append(
            NumberedChannel(
                dvr,
                number,
                channel.name,
                channel.guide_id,
                channel.listed if channel.listed != channel.name else "",
                ids.of(channel),
            )
        )
    if odd:
        names = some([f"{c.number[:LONGEST] or 'none'} {c.name}" for c in odd], SHOWN)
        found.losses.append(
            Loss(
                where,
                f"{plural(len(odd), 'channel')} without a whole number: {names}",
                "they get the next free ones",
            )
        )
    if twice := sorted(n for n, count in numbers.items() if count > 1):
        found.losses.append(
            Loss(
                where,
                f"several channels have number {some([str(n) for n in twice], SHOWN)}",
                "one of each keeps it, the others get the next free ones",
            )
        )
    if numbers:
        found.used = (min(numbers), max(numbers))


def _select(
    found: Chosen,
    instance: Instance,
    dvr: str,
    channels: Sequence[Channel],
    sources: Mapping[str, str],
    ids: _Ids,
) -> None:
    shown = [c for c in channels if c.shown]
    names = {n for c in shown for n in (c.name, c.listed)}
    by_hand = sorted({n for c in shown if not c.mapped for n in (c.name, c.listed)})
    if not instance.of_kind("xmltv"):
        match: dict[str, Value] = {"name": {"in": sorted(names)}}
    elif by_hand:
        match = {"any": [{"guide": "listed"}, {"name": {"in": by_hand}}]}
    else:
        match = {"guide": "listed"}
    if names:
        found.filters.append({"name": f"{dvr}-chosen", "for": dvr, "only": match})
    # switched off although a guide knows them: that was somebody's decision
    refused = [c for c in channels if not c.shown and (c.mapped or c.active)]
    by_name: dict[str, list[str]] = {}
    for channel in refused:
        if ids.of(channel) and ids.stays(channel):
            found.overrides.append({"channel": ids.of(channel), "drop": True})
            found.notes.append(f"{channel.name}: switched off in {instance.name}")
        elif channel.listed not in names:
            by_name.setdefault(sources[channel.file], []).append(channel.listed)
    for source, refused_names in by_name.items():
        found.filters.append(
            {
                "name": f"{dvr}-off" + (f"-{source}" if len(by_name) > 1 else ""),
                "for": dvr,
                "drop": {"source": source, "name": {"in": sorted(set(refused_names))}},
            }
        )


def _change(found: Chosen, shown: Sequence[Channel], ids: _Ids) -> None:
    for channel in shown:
        changes: dict[str, Value] = {}
        if channel.name != channel.listed:
            changes["name"] = channel.name
        if channel.mapped and channel.mapping != channel.guide_id:
            changes["guide_id"] = channel.mapping
        if changes and ids.of(channel):
            found.overrides.append({"channel": ids.of(channel), **changes})
            found.notes.append(f"{channel.number} {channel.listed}")


def _strangers(instance: Instance, sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Channels of playlists that are no longer there, and films, which have no place in a DVR."""
    tests: list[tuple[Callable[[Channel], bool], str, str]] = [
        (lambda c: not c.name, "without a name and a guide id", "no list of ours has them"),
        (lambda c: bool(c.name) and c.file not in sources, "of playlists that are gone", ""),
        (
            lambda c: bool(c.name) and c.file in sources and _is_film(c),
            "that are films or series",
            "content: [live, vod] exports them as M3U; they are never put in a DVR",
        ),
    ]
    for test, what, advice in tests:
        names = [c.name or c.number for c in instance.channels or () if c.shown and test(c)]
        if names:
            yield f"{plural(len(names), 'channel')} {what}: {some(names, SHOWN)}", advice


def _is_film(channel: Channel) -> bool:
    shape = panel_path(channel.url)
    return shape is not None and shape.kind != "live"
