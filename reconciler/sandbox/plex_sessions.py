"""Watching: tune, sessions, HLS and the end of it in the simulated Plex (plex-livetv.md 6.1)."""

from datetime import UTC, datetime
from functools import partial
from typing import Final

import trio

from reconciler.sandbox.plex_answers import Answer, Element, Refused, acknowledged, container, empty, error
from reconciler.sandbox.plex_guide import airings, grid_key
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import GRABBER, Device, Dvr, Mapping
from reconciler.sandbox.plex_tuning import Grab, Segment, TuneFailed

__all__ = ["ROUTES", "channel_sources", "operation_element"]

SEGMENT_WAIT_S: Final = 15.0
HLS: Final = "application/vnd.apple.mpegurl"


def channel_sources(machine: Machine, dvr: Dvr, channel: str) -> list[tuple[Device, Mapping]]:
    """The enabled devices of a DVR that have this channel: by channel key, device or lineup identifier (6.1)."""
    return [
        (device, mapping)
        for device in machine.state.devices_of(dvr.key)
        if device.enabled
        for mapping in device.enabled_mappings
        if channel in {mapping.key, mapping.device, mapping.lineup}
    ]


async def tune(machine: Machine, call: Call) -> Answer:
    """Start watching a channel. 404 if no device has it, 500 if it cannot be had, 400 without a client's name."""
    dvr = machine.dvr(call)
    client = call.plex_arg("X-Plex-Session-Identifier") or call.plex_arg("X-Plex-Client-Identifier")
    if not client:
        raise Refused(error(400))
    sources = channel_sources(machine, dvr, call.groups["channel"])
    if not sources:
        raise Refused(error(404))
    try:
        grab = await machine.grabs.tune(dvr.key, sources, consumer=client, rolling=True)
    except TuneFailed:
        raise Refused(error(500)) from None
    video = await _video(machine, dvr, grab, client)
    subscription = Element(
        "MediaSubscription",
        {"key": f"/media/subscriptions/rolling-{grab.key}", "type": 4, "title": grab.mapping.lineup},
        (operation_element(grab, video), Element("Timeline", {"state": "buffering", "time": 0})),
    )
    return Answer(body=container(subscription))


def operation_element(grab: Grab, *children: Element) -> Element:
    """A grab as an operation that can be deleted."""
    return Element(
        "MediaGrabOperation",
        {
            "key": f"/media/grabbers/operations/{grab.key}",
            "id": grab.key,
            "grabberIdentifier": GRABBER,
            "grabberProtocol": "livetv",
            "deviceID": grab.device,
            "status": "inprogress" if grab.outcome == "running" else "complete",
            "rolling": grab.rolling,
        },
        children,
    )


async def _video(machine: Machine, dvr: Dvr, grab: Grab, consumer: str) -> Element:
    """What runs on the channel now, with the address of the stream; without a guide it is an unknown airing (7.4)."""
    now = datetime.now(UTC)
    read = partial(
        airings, machine.loads.database(dvr), channel=grid_key(grab.mapping.key), day=now.date(), kinds=()
    )
    found = await trio.to_thread.run_sync(read)
    airing = next((a for a in found if a.begins_at <= now.timestamp() < a.ends_at), None)
    media = Element(
        "Media",
        {
            "uuid": grab.session,
            "channelIdentifier": grab.mapping.key,
            "channelVcn": grab.mapping.lineup,
            "container": "mpegts",
            "protocol": "hls",
            **({"beginsAt": airing.begins_at, "endsAt": airing.ends_at} if airing else {}),
        },
        (
            Element(
                "Part",
                {"key": f"/livetv/sessions/{grab.session}/{consumer}/index.m3u8", "protocol": "hls"},
            ),
        ),
    )
    return Element(
        "Video",
        {
            "key": f"/livetv/sessions/{grab.session}",
            "ratingKey": grab.session,
            "live": True,
            "type": "movie" if airing is None or not airing.show else "episode",
            "title": airing.title if airing else "Unknown Airing",
            **({"grandparentTitle": airing.show} if airing and airing.show else {}),
        },
        (media,),
        "Metadata",
    )


async def sessions(machine: Machine, _: Call) -> Answer:
    """The channels being watched."""
    return Answer(body=container(*await _videos(machine)))


async def _videos(machine: Machine) -> list[Element]:
    shown = []
    for grab in [g for g in machine.grabs.running if g.rolling and g.first_byte_s is not None]:
        dvr = machine.state.dvrs.get(grab.dvr)
        if dvr is not None:
            shown.append(await _video(machine, dvr, grab, grab.consumers[-1]))
    return shown


async def session(machine: Machine, call: Call) -> Answer:
    """One of them."""
    grab = _grab(machine, call.groups["session"])
    dvr = machine.state.dvrs.get(grab.dvr)
    if dvr is None:
        raise Refused(error(404))
    return Answer(body=container(await _video(machine, dvr, grab, grab.consumers[-1])))


async def playing(machine: Machine, _: Call) -> Answer:
    """Everything being played on the server: here only live television, each with its player."""
    shown = []
    for number, video in enumerate(await _videos(machine), 1):
        grab = _grab(machine, str(video.attributes["ratingKey"]))
        player = Element(
            "Player", {"machineIdentifier": grab.consumers[-1], "state": "playing", "title": "sandbox"}
        )
        user = Element("User", {"id": "1", "title": "owner"})
        shown.append(
            Element(
                "Video",
                {**video.attributes, "sessionKey": str(number)},
                (*video.children, user, player, Element("Session", {"id": grab.session, "location": "lan"})),
                "Metadata",
            )
        )
    return Answer(body=container(*shown))


async def stop(machine: Machine, call: Call) -> Answer:
    """End a grab: frees the tuner (6.1)."""
    for grab in machine.grabs.running:
        if grab.key == call.groups["operation"]:
            machine.grabs.stop(grab)
            return acknowledged()
    raise Refused(error(404))


async def timeline(machine: Machine, call: Call) -> Answer:
    """A client reports that it still plays."""
    machine.grabs.ping(
        call.plex_arg("X-Plex-Session-Identifier") or call.plex_arg("X-Plex-Client-Identifier")
    )
    return empty()


async def playlist(machine: Machine, call: Call) -> Answer:
    """The rolling HLS playlist; waits for its first segment."""
    grab = _grab(machine, call.groups["session"])
    with trio.move_on_after(SEGMENT_WAIT_S):
        while not grab.segments and grab.outcome == "running":
            await grab.changed.wait()
    if not grab.segments:
        raise Refused(error(404))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{max(1, *(round(s.duration_s + 0.5) for s in grab.segments))}",
        f"#EXT-X-MEDIA-SEQUENCE:{grab.segments[0].number}",
        *[line for s in grab.segments for line in (f"#EXTINF:{s.duration_s:.3f},", f"{s.number:05d}.ts")],
    ]
    if grab.outcome != "running":
        lines.append("#EXT-X-ENDLIST")
    return Answer(body="\n".join([*lines, ""]).encode(), content_type=HLS)


async def segment(machine: Machine, call: Call) -> Answer:
    """One segment that is still kept."""
    number = int(call.groups["id"])
    found: Segment | None = next(
        (s for s in _grab(machine, call.groups["session"]).segments if s.number == number), None
    )
    if found is None:
        raise Refused(error(404))
    return Answer(body=found.data, content_type="video/mp2t")


def _grab(machine: Machine, session_uuid: str) -> Grab:
    for grab in machine.grabs.running:
        if grab.session == session_uuid:
            return grab
    raise Refused(error(404))


ROUTES: Final[tuple[Route, ...]] = (
    route("POST", "/livetv/dvrs/<dvr>/channels/<channel>/tune", tune),
    route("GET", "/livetv/sessions", sessions),
    route("GET", "/livetv/sessions/<session>", session),
    route("GET", "/livetv/sessions/<session>/<consumer>/index.m3u8", playlist),
    route("GET", r"/livetv/sessions/<session>/<consumer>/<id>\.ts", segment),
    route("GET", "/status/sessions", playing),
    route("DELETE", "/media/grabbers/operations/<operation>", stop),
    route("GET", "/:/timeline", timeline),
    route("POST", "/:/timeline", timeline),
)
