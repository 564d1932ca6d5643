"""Which channel of a tuner is which channel of a guide, and what a channel map PUT makes of it.

Plex pairs by number against the id and the display-names of the guide's channels (plex-livetv.md 6.4); the exact
precedence is unpublished, so this takes the order id, name that is the number, name that begins with it, and never
pairs by name alone. Pure.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from reconciler.sandbox.plex_guide import GuideIndex, Wanted
from reconciler.sandbox.plex_records import Device, LineupEntry, Mapping
from reconciler.sandbox.plex_xmltv import GuideChannel

__all__ = ["active_channels", "channel_map", "pairing", "wanted_channels"]

BRACKETS: Final = re.compile(r"(channelMapping|channelMappingByKey)\[(.*)\]", re.DOTALL)


def pairing(lineup: Sequence[LineupEntry], index: GuideIndex) -> tuple[Mapping, ...]:
    """The pairs `GET /livetv/epg/channelmap` offers, in lineup order.

    Numbers that stand twice in the lineup and channel ids that stand twice in the guide are skipped (4.2, 6.4), as
    are DRM entries (7.4). One guide channel goes to one number.
    """
    count = Counter(entry.number for entry in lineup)
    by_name: dict[str, GuideChannel] = {}
    by_prefix: dict[str, GuideChannel] = {}
    for channel in index.channels.values():
        for name in channel.names:
            by_name.setdefault(name, channel)
            by_prefix.setdefault(name.partition(" ")[0], channel)
    taken: set[str] = set()
    found = []
    for entry in lineup:
        number = entry.number
        match = index.channels.get(number) or by_name.get(number) or by_prefix.get(number)
        if match is None or entry.drm or count[number] > 1:
            continue
        if match.id in index.duplicates or match.id in taken:
            continue
        taken.add(match.id)
        found.append(Mapping(number, number, match.id, enabled=False))
    return tuple(found)


def channel_map(query: Sequence[tuple[str, str]]) -> tuple[Mapping, ...] | None:
    """The whole new map that a PUT asks for; None if it carries no maps at all.

    A channel needs both maps. Of repeated `channelsEnabled` the last counts, and a channel that is mapped but not
    enabled is kept as such (2.7). Brackets arrive decoded, however they were written.
    """
    maps: dict[str, dict[str, str]] = {"channelMapping": {}, "channelMappingByKey": {}}
    enabled: set[str] = set()
    for name, value in query:
        if name == "channelsEnabled":
            enabled = set(value.split(","))
        elif hit := BRACKETS.fullmatch(name):
            maps[hit[1]][hit[2]] = value
    by_lineup, by_key = maps["channelMapping"], maps["channelMappingByKey"]
    if not by_lineup and not by_key:
        return None
    return tuple(
        Mapping(device, lineup, by_key[device], device in enabled)
        for device, lineup in by_lineup.items()
        if device in by_key
    )


def wanted_channels(devices: Sequence[Device]) -> list[Wanted]:
    """The enabled channels of a DVR's devices that still stand in a lineup; one guide channel counts once."""
    found: dict[str, Wanted] = {}
    for device in devices:
        names = {entry.number: entry.name for entry in device.lineup}
        for mapping in device.enabled_mappings:
            if mapping.device in names:
                found.setdefault(mapping.key, Wanted(mapping.key, mapping.lineup, names[mapping.device]))
    return list(found.values())


def active_channels(devices: Sequence[Device], index: GuideIndex | None) -> list[tuple[Wanted, GuideChannel]]:
    """The wanted channels that the guide knows: what the provider lists (4.3). Cloud guides (no index) know all."""
    wanted = wanted_channels(devices)
    if index is None:
        return [(w, GuideChannel(w.key, (w.call_sign,))) for w in wanted]
    return [(w, index.channels[w.key]) for w in wanted if w.key in index.channels]
