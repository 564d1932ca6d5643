"""Looking at Plex: GET requests and nothing else, each part known or `Unknown`.

What cannot be read never reads as absent (design.md 1.3): a time-out, a 500, broken XML or an empty 200 make that part
`Unknown` with the reason, and the others stay known. Two answers end the whole look instead, because they are about
the server and not about an object: no connection at all, and a refused token. This module has no way to write.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import trio

from reconciler.errors import PlexDenied, PlexRefused, PlexUnreachable
from reconciler.plex import answers, requests
from reconciler.plex.answers import Node
from reconciler.plex.connection import Connection
from reconciler.plex.model import (
    GUIDE_LOAD,
    Activity,
    ChannelPair,
    Device,
    Dvr,
    Observed,
    Server,
    Unknown,
)
from reconciler.plex.requests import Request

__all__ = [
    "observe",
    "read_activities",
    "read_channel_map",
    "read_channels",
    "read_device",
    "read_device_channels",
    "read_devices",
    "read_dvr",
    "read_dvrs",
    "read_loads",
    "read_server",
]

AT_ONCE: Final = 4
"""So many single-DVR requests at a time: the server also has viewers to serve."""


async def observe(connection: Connection, *, ours: Callable[[Dvr], bool] = lambda _: True) -> Observed:
    """Everything a plan needs: 6 requests, and one more for each DVR for which `ours` is true.

    Those get the single-DVR call, which shows activation truly; the list may mislead (plex-livetv.md 3.1).
    Raises PlexUnreachable when not even `/identity` answers and PlexDenied when the token is refused.
    Cancelling is safe.
    """
    before, began = connection.requests, trio.current_time()
    server = await read_server(connection)
    if isinstance(server, Unknown):
        raise PlexUnreachable(f"plex.url does not answer like Plex: {server.why}", next_step="ptctl doctor")
    dvrs = await read_dvrs(connection)  # needs the token, which /identity does not (1)
    devices = await read_devices(connection)
    activities = await read_activities(connection)
    rules = await _rules(connection)
    details: dict[str, Dvr | Unknown] = {}
    if not isinstance(dvrs, Unknown):
        wanted = [dvr.key for dvr in dvrs if ours(dvr)]
        details = await _details(connection, wanted)
    return Observed(
        server=server,
        devices=devices,
        dvrs=dvrs,
        details=details,
        activities=activities,
        rules=rules,
        requests=connection.requests - before,
        seconds=trio.current_time() - began,
    )


async def read_server(connection: Connection) -> Server | Unknown:
    """Machine, version and name. Raises PlexUnreachable when there is no answer at all."""
    reply = await _unless_refused(connection, requests.IDENTITY)
    if isinstance(reply, Unknown):
        return reply
    node = _contained(reply, requests.IDENTITY)
    found = node if isinstance(node, Unknown) else answers.server(node)
    if isinstance(found, Unknown):
        return found
    root = await _get(connection, requests.ROOT)
    name = "" if isinstance(root, Unknown) else answers.friendly_name(root)
    return Server(found.machine, found.version, name)


async def read_dvrs(connection: Connection) -> tuple[Dvr, ...] | Unknown:
    """All DVRs with their devices. Raises PlexDenied."""
    node = await _get(connection, requests.DVRS)
    return node if isinstance(node, Unknown) else answers.dvrs(node)


async def read_dvr(connection: Connection, key: str) -> Dvr | Unknown | None:
    """One DVR; None when Plex says that there is none (404, or a list without it). Raises PlexDenied."""
    request = requests.dvr(key)
    try:
        reply = await connection.send(request)
        node = answers.container(reply.body, what=request.path)
    except PlexRefused as error:
        return None if error.status == 404 else Unknown(error.message)
    except PlexUnreachable as error:
        return Unknown(error.message)
    found = node if isinstance(node, Unknown) else answers.dvrs(node)
    if isinstance(found, Unknown):
        return found
    return next((dvr for dvr in found if dvr.key == key), None)


async def read_devices(connection: Connection) -> tuple[Device, ...] | Unknown:
    """All devices, those in no DVR too. Raises PlexDenied."""
    node = await _get(connection, requests.DEVICES)
    return node if isinstance(node, Unknown) else answers.devices(node)


async def read_device(connection: Connection, device_id: str) -> Device | Unknown | None:
    """The device with this DeviceID, compared without case (2.4); unknown when several have it. Raises PlexDenied.

    Where the answer does not say in which DVR it is, the DVRs are asked, which list their tuners (3.1): one more request.
    """
    found = await read_devices(connection)
    if isinstance(found, Unknown):
        return found
    same = [device for device in found if device.device_id.casefold() == device_id.casefold()]
    if len(same) > 1:
        keys = ", ".join(device.key for device in same)
        return Unknown(f"devices {keys} all have DeviceID {device_id}")
    if not same or same[0].parent:
        return same[0] if same else None
    listed = await read_dvrs(connection)
    if isinstance(listed, Unknown):
        return listed
    holder = next((dvr.key for dvr in listed if any(d.key == same[0].key for d in dvr.devices)), "")
    return replace(same[0], parent=holder)


async def read_activities(connection: Connection) -> tuple[Activity, ...] | Unknown:
    """What runs on the server now. Raises PlexDenied."""
    node = await _get(connection, requests.ACTIVITIES)
    return node if isinstance(node, Unknown) else answers.activities(node)


async def read_loads(connection: Connection) -> frozenset[str] | Unknown:
    """The uuids of the guide loads that run now; nothing says whose they are (5). Raises PlexDenied."""
    found = await read_activities(connection)
    if isinstance(found, Unknown):
        return found
    return frozenset(activity.uuid for activity in found if activity.type == GUIDE_LOAD)


async def read_channel_map(
    connection: Connection, device_uuid: str, lineup: str
) -> tuple[ChannelPair, ...] | Unknown:
    """What Plex can pair now. Raises PlexDenied."""
    node = await _get(connection, requests.channel_map(device_uuid, lineup))
    return node if isinstance(node, Unknown) else answers.channel_map(node)


async def read_channels(connection: Connection, dvr: Dvr) -> tuple[str, ...] | Unknown:
    """The active channels of a DVR's guide, as clients get them. Raises PlexDenied."""
    identifier = dvr.epg_identifier or f"{dvr.provider}:{dvr.key}"
    node = await _get(connection, requests.dvr_channels(identifier))
    return node if isinstance(node, Unknown) else answers.channels(node)


async def read_device_channels(connection: Connection, key: str) -> dict[str, str] | Unknown:
    """The names of a tuner's channels by number, as Plex last read them. Raises PlexDenied."""
    node = await _get(connection, requests.device_channels(key))
    return node if isinstance(node, Unknown) else answers.device_channels(node)


async def _rules(connection: Connection) -> Mapping[str, int] | Unknown:
    node = await _get(connection, requests.SUBSCRIPTIONS)
    return node if isinstance(node, Unknown) else answers.rules_by_dvr(node)


async def _details(connection: Connection, keys: list[str]) -> dict[str, Dvr | Unknown]:
    found: dict[str, Dvr | Unknown] = {}
    limiter = trio.CapacityLimiter(AT_ONCE)
    denied: list[PlexDenied] = []

    async def one(key: str) -> None:
        async with limiter:
            try:
                detail = await read_dvr(connection, key)
            except PlexDenied as error:
                denied.append(error)
                return
            # The list named it a moment ago: gone now means that the two answers contradict each other.
            found[key] = detail or Unknown(f"DVR {key}: in the list, but not to be had alone")

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(one, key)
    if denied:
        raise denied[0]
    return {key: found[key] for key in keys}


async def _get(connection: Connection, request: Request) -> Node | Unknown:
    try:
        reply = await _unless_refused(connection, request)
    except PlexUnreachable as error:
        return Unknown(error.message)
    return reply if isinstance(reply, Unknown) else _contained(reply, request)


async def _unless_refused(connection: Connection, request: Request) -> bytes | Unknown:
    try:
        return (await connection.send(request)).body
    except PlexRefused as error:
        return Unknown(error.message)


def _contained(body: bytes, request: Request) -> Node | Unknown:
    try:
        return answers.container(body, what=request.path)
    except PlexRefused as error:
        return Unknown(error.message)
