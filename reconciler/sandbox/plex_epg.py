"""`/livetv/epg`, the guide providers and their grids in the simulated Plex (plex-livetv.md 4)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from itertools import groupby
from typing import Final

import trio

from reconciler.sandbox.plex_answers import Answer, Element, Refused, container, error
from reconciler.sandbox.plex_channelmap import active_channels, pairing
from reconciler.sandbox.plex_database import percent
from reconciler.sandbox.plex_devices import mapping_element
from reconciler.sandbox.plex_guide import Airing, airings, grid_key
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import XMLTV, Dvr, decoded_lineup
from reconciler.sandbox.plex_xmltv import EPISODE, MOVIE

__all__ = ["ROUTES", "programme_elements"]

SECTIONS: Final = (("1", "movie", "Movies"), ("2", "show", "Shows"))


async def channel_map(machine: Machine, call: Call) -> Answer:
    """The pairs Plex can make between a device and a guide; nothing until the guide is indexed (4.2)."""
    device = machine.state.device_by_uuid(call.arg("device"))
    dvr = _dvr_of_lineup(machine, call.arg("lineup"), None if device is None else device.parent)
    if device is None or dvr is None:
        raise Refused(error(404))
    index = machine.loads.indexes.get(dvr.key)
    found = pairing(device.lineup, index) if index is not None else ()
    return Answer(body=container(*[mapping_element(m, enabled=False) for m in found]))


def _dvr_of_lineup(machine: Machine, lineup: str, preferred: int | None) -> Dvr | None:
    wanted = decoded_lineup(lineup)
    fitting = [
        dvr for dvr in machine.state.listed() if wanted in {decoded_lineup(uri) for uri in dvr.lineups}
    ]
    return next((dvr for dvr in fitting if dvr.key == preferred), fitting[0] if fitting else None)


async def channels(machine: Machine, call: Call) -> Answer:
    """All channels of a lineup; 404 without its provider (4.1)."""
    return Answer(body=container(*_lineup_channels(machine, call.arg("lineup"))))


async def lineup_channels(machine: Machine, call: Call) -> Answer:
    """The same for several lineups, each in its own element (4.1)."""
    found = [
        Element("Lineup", {"uuid": uri, "type": "xmltv"}, tuple(_lineup_channels(machine, uri)))
        for uri in call.args("lineup")
    ]
    return Answer(body=container(*found))


def _lineup_channels(machine: Machine, lineup: str) -> list[Element]:
    dvr = _dvr_of_lineup(machine, lineup, None)
    if dvr is None:
        raise Refused(error(404))
    index = machine.loads.indexes.get(dvr.key)
    if index is None:
        return []
    numbers = {
        pair.key: pair.lineup
        for device in machine.state.devices_of(dvr.key)
        for pair in pairing(device.lineup, index)
    }
    return [
        Element(
            "Channel",
            {
                "callSign": channel.names[0] if channel.names else channel.id,
                "channelVcn": numbers.get(channel.id, ""),
                "hd": False,
                "identifier": numbers.get(channel.id, channel.id),
                "key": channel.id,
                "language": dvr.language,
                "thumb": channel.icon,
                "title": channel.names[0] if channel.names else channel.id,
            },
        )
        for channel in index.channels.values()
    ]


async def languages(_: Machine, __: Call) -> Answer:
    """Guide languages."""
    pairs = (("eng", "English"), ("deu", "Deutsch"), ("fra", "Français"), ("spa", "Español"))
    return Answer(
        body=container(*[Element("Language", {"code": code, "title": title}) for code, title in pairs])
    )


async def providers(machine: Machine, _: Call) -> Answer:
    """All guides, each with the same title: nothing tells DVRs apart but the identifier (4.3)."""
    shown = [
        Element(
            "MediaProvider",
            {
                "identifier": dvr.epg_identifier,
                "id": dvr.provider_key,
                "parentID": dvr.key,
                "title": "Live TV & DVR",
                "friendlyName": machine.behaviour.options.friendly_name,
                "types": "video",
                "protocols": "livetv",
                "epgSource": dvr.provider.rpartition(".")[2],
            },
            (
                Element("Feature", {"type": "lineups", "key": f"/{dvr.epg_identifier}/lineups/dvr/channels"}),
                Element("Feature", {"type": "grid", "key": f"/{dvr.epg_identifier}/grid"}),
            ),
        )
        for dvr in machine.state.listed()
    ]
    return Answer(
        body=container(
            *shown,
            friendlyName=machine.behaviour.options.friendly_name,
            identifier="com.plexapp.plugins.library",
        )
    )


def _provided(machine: Machine, call: Call) -> Dvr:
    found = machine.dvr(call)
    if call.groups["provider"] != found.provider:
        raise Refused(error(404))
    return found


async def dvr_channels(machine: Machine, call: Call) -> Answer:
    """The active channels of a DVR; their count is the activation check (4.3)."""
    dvr = _provided(machine, call)
    return Answer(
        body=container(
            *[
                Element(
                    "Channel",
                    {
                        "id": wanted.key,
                        "key": wanted.key,
                        "gridKey": grid_key(wanted.key),
                        "vcn": wanted.vcn,
                        "title": wanted.title,
                        "callSign": wanted.call_sign,
                        "thumb": channel.icon,
                    },
                )
                for wanted, channel in active_channels(
                    machine.state.devices_of(dvr.key), machine.loads.indexes.get(dvr.key)
                )
                if dvr.provider != XMLTV or dvr.key in machine.loads.indexes
            ]
        )
    )


async def grid(machine: Machine, call: Call) -> Answer:
    """Programmes with their airings, of a channel, a UTC day, a type (4.3)."""
    dvr = _provided(machine, call)
    try:
        day = date.fromisoformat(call.arg("date")) if call.arg("date") else None
        kinds = [int(kind) for kind in call.arg("type").split(",") if kind]
    except ValueError:
        raise Refused(error(400)) from None
    found = await _airings(machine, dvr, channel=call.arg("channelGridKey"), day=day, kinds=kinds)
    return Answer(body=container(*programme_elements(machine, dvr, found)))


async def sections(machine: Machine, call: Call) -> Answer:
    """The sections of a guide."""
    dvr = _provided(machine, call)
    return Answer(
        body=container(
            *[
                Element(
                    "Directory",
                    {"key": f"/{dvr.epg_identifier}/sections/{key}", "type": kind, "title": title},
                )
                for key, kind, title in SECTIONS
            ]
        )
    )


async def section(machine: Machine, call: Call) -> Answer:
    """A section's programmes; a wrong type is an empty list, not an error (4.3)."""
    dvr = _provided(machine, call)
    allowed = {"1": MOVIE, "2": EPISODE}.get(call.groups["id"])
    kinds = [allowed] if allowed and call.arg("type", str(allowed)) == str(allowed) else [0]
    return Answer(
        body=container(*programme_elements(machine, dvr, await _airings(machine, dvr, kinds=kinds)))
    )


async def metadata(machine: Machine, call: Call) -> Answer:
    """One programme with all its airings, by ratingKey: the guid, percent-encoded once more."""
    dvr = _provided(machine, call)
    found = await _airings(machine, dvr, guid=call.groups["guid"])
    if not found:
        raise Refused(error(404))
    return Answer(body=container(*programme_elements(machine, dvr, found)))


async def discover(machine: Machine, call: Call) -> Answer:
    """What is on now, as a hub."""
    dvr = _provided(machine, call)
    now = datetime.now(UTC)
    found = await _airings(machine, dvr, day=now.date())
    on_now = [a for a in found if a.begins_at <= now.timestamp() < a.ends_at]
    hub = Element(
        "Hub",
        {"hubIdentifier": "livetv.onnow", "title": "On Now", "type": "mixed", "size": len(on_now)},
        tuple(programme_elements(machine, dvr, on_now)),
    )
    return Answer(body=container(hub))


async def _airings(
    machine: Machine,
    dvr: Dvr,
    *,
    channel: str = "",
    day: date | None = None,
    kinds: Iterable[int] = (),
    guid: str = "",
) -> list[Airing]:
    read = partial(
        airings, machine.loads.database(dvr), channel=channel, day=day, kinds=tuple(kinds), guid=guid
    )
    return await trio.to_thread.run_sync(read)


def programme_elements(machine: Machine, dvr: Dvr, found: list[Airing]) -> list[Element]:
    """One `Metadata` per programme, in order of its first airing; neighbours of equal identity are one (7.4)."""
    by_item: dict[int, list[Airing]] = {}
    for airing in found:
        by_item.setdefault(airing.item, []).append(airing)
    index = machine.loads.indexes.get(dvr.key)
    thumbs = {} if index is None else {key: channel.icon for key, channel in index.channels.items()}
    return [_programme(dvr, group, thumbs) for group in by_item.values()]


def _programme(dvr: Dvr, group: list[Airing], thumbs: Mapping[str, str]) -> Element:
    first = group[0]
    # As seen on a 2026 server: tv%2Eplex%2Exmltv%3A%2F%2Fmovie%2FMatrix%2520Revolutions
    rating_key = percent(first.guid)
    key = f"/{dvr.epg_identifier}/metadata/{rating_key}"
    shown: dict[str, str | int | bool] = {"ratingKey": rating_key, "key": key, "guid": first.guid}
    shown |= {"type": "movie" if first.type == MOVIE else "episode", "title": first.title}
    if first.show:
        shown["grandparentTitle"] = first.show
    for name, number in (("parentIndex", first.season), ("index", first.episode)):
        if number is not None:
            shown[name] = number
    if first.released:
        shown["originallyAvailableAt"] = first.released
    shown |= {"summary": first.summary, "onAir": _is_on(group)}
    return Element("Video", shown, tuple(_media(run, thumbs) for run in _merged(group)), "Metadata")


def _merged(group: list[Airing]) -> list[tuple[Airing, int]]:
    merged: list[tuple[Airing, int]] = []
    for _, of_channel in groupby(group, key=lambda a: a.channel["at:channelIdentifier"]):
        for airing in of_channel:
            if merged and merged[-1][1] == airing.begins_at and merged[-1][0].channel == airing.channel:
                merged[-1] = (merged[-1][0], airing.ends_at)
            else:
                merged.append((airing, airing.ends_at))
    return merged


def _media(run: tuple[Airing, int], thumbs: Mapping[str, str]) -> Element:
    airing, ends_at = run
    channel = airing.channel
    return Element(
        "Media",
        {
            "beginsAt": airing.begins_at,
            "endsAt": ends_at,
            "channelID": grid_key(channel["at:channelIdentifier"]),
            "channelIdentifier": channel["at:channelIdentifier"],
            "channelVcn": channel["at:channelVcn"],
            "channelCallSign": channel["at:channelCallSign"],
            "channelTitle": channel["at:channelTitle"],
            "channelThumb": thumbs.get(channel["at:channelIdentifier"], ""),
            "premiere": airing.premiere,
            "onAir": _is_on([airing]),
            "protocol": "livetv",
        },
    )


def _is_on(group: list[Airing]) -> bool:
    now = datetime.now(UTC).timestamp()
    return any(a.begins_at <= now < a.ends_at for a in group)


PROVIDER: Final = r"/(?P<provider>tv\.plex\.providers\.epg\.[a-z]+):<dvr>"

ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/livetv/epg/channelmap", channel_map),
    route("GET", "/livetv/epg/channels", channels, admin=True),
    route("GET", "/livetv/epg/lineupchannels", lineup_channels),
    route("GET", "/livetv/epg/languages", languages),
    route("GET", "/media/providers", providers),
    route("GET", f"{PROVIDER}/lineups/dvr/channels", dvr_channels),
    route("GET", f"{PROVIDER}/grid", grid),
    route("GET", f"{PROVIDER}/sections", sections),
    route("GET", f"{PROVIDER}/sections/<id>/all", section),
    route("GET", f"{PROVIDER}/metadata/(?P<guid>.+)", metadata),
    route("GET", f"{PROVIDER}/hubs/discover", discover),
)
