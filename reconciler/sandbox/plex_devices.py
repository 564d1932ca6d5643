"""`/media/grabbers`: drivers and devices of the simulated Plex (plex-livetv.md 2)."""

import time
from functools import partial
from typing import Final

import trio

from reconciler.sandbox.plex_activities import Activity
from reconciler.sandbox.plex_answers import Answer, Element, Refused, acknowledged, container, empty, error
from reconciler.sandbox.plex_channelmap import channel_map
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_probe import Tuner, Unreachable, base_uri, probed, scanned, tuner_lineup
from reconciler.sandbox.plex_records import (
    DEVICE_SETTINGS,
    GRABBER,
    THUMB,
    XMLTV,
    Device,
    Dvr,
    Mapping,
    SettingKind,
)

__all__ = ["ROUTES", "device_element", "mapping_element", "setting_elements"]

# Captured on 1.43.2 (2.1)
GRABBERS: Final = (
    ("HDHomerun", GRABBER, "livetv"),
    ("Stream", "tv.plex.grabbers.stream", "stream"),
    ("Download", "tv.plex.grabbers.download", "download"),
    ("Remote", "tv.plex.grabbers.tunerservice", "livetv"),
)


def device_element(machine: Machine, device: Device) -> Element:
    """A device as lists and DVRs show it (2.2)."""
    alive = device.alive and not machine.behaviour.options.always_dead
    told = not machine.behaviour.options.no_parent_id
    return Element(
        "Device",
        {
            **({"parentID": device.parent} if device.parent is not None and told else {}),
            "key": str(device.key),
            "uuid": device.uuid,
            "uri": device.uri,
            "protocol": "livetv",
            "status": "alive" if alive else "dead",
            "state": "enabled" if device.enabled else "disabled",
            "lastSeenAt": device.last_seen_at,
            **({"canTranscode": "1"} if device.can_transcode else {}),
            "deviceId": device.device_id,
            "make": device.make,
            "model": device.model,
            "modelNumber": device.model_number,
            "source": device.source,
            "sources": device.sources,
            "thumb": THUMB,
            "title": device.title,
            "tuners": str(device.tuners),
        },
        (
            *[mapping_element(m, enabled=True) for m in device.mappings],
            *setting_elements(DEVICE_SETTINGS, device.prefs),
        ),
    )


def mapping_element(mapping: Mapping, *, enabled: bool) -> Element:
    """A line of a map; a device shows whether it is enabled, the guide's offer shows a favourite flag (4.2)."""
    last = {"enabled": "1" if mapping.enabled else "0"} if enabled else {"favorite": "0"}
    return Element(
        "ChannelMapping",
        {
            "channelKey": mapping.key,
            "deviceIdentifier": mapping.device,
            **last,
            "lineupIdentifier": mapping.lineup,
        },
    )


def setting_elements(kinds: tuple[SettingKind, ...], values: dict[str, str]) -> list[Element]:
    """Settings with their values; `hidden` and `advanced` are booleans in JSON, the rest is text (1)."""
    return [
        Element(
            "Setting",
            {
                "id": kind.id,
                "label": kind.label,
                "summary": "",
                "type": kind.type,
                "default": kind.default,
                "value": values.get(kind.id, kind.default),
                "hidden": False,
                "advanced": False,
                "group": "",
                **({"enumValues": kind.choices} if kind.choices else {}),
            },
        )
        for kind in kinds
    ]


async def grabbers(_: Machine, call: Call) -> Answer:
    """The drivers, of one protocol or all."""
    wanted = call.arg("protocol")
    return Answer(
        body=container(
            *[
                Element("MediaGrabber", {"title": title, "identifier": identifier, "protocol": protocol})
                for title, identifier, protocol in GRABBERS
                if wanted in {"", protocol}
            ]
        )
    )


async def devices(machine: Machine, _: Call) -> Answer:
    """All devices."""
    return Answer(body=container(*[device_element(machine, d) for d in machine.state.devices.values()]))


async def device(machine: Machine, call: Call) -> Answer:
    """One device."""
    return Answer(body=container(device_element(machine, machine.device(call))))


async def discover(machine: Machine, call: Call) -> Answer:
    """LAN discovery: takes no parameters, knows only what is known (2.3)."""
    return await devices(machine, call)


async def register(machine: Machine, call: Call) -> Answer:
    """Probe an address and keep what is there (2.4)."""
    if not call.arg("uri"):
        raise Refused(error(400))
    uri = base_uri(call.arg("uri"))
    options = machine.behaviour.options
    try:
        tuner = await probed(machine.client, uri, timeout_s=options.probe_timeout_s)
    except Unreachable:
        raise Refused(error(400)) from None
    device_id = tuner.device_id if tuner else ""
    known = machine.state.device_by_uuid(f"device://{GRABBER}/{device_id}")
    if known is not None:
        found = known
        _known_again(machine, found, uri)
    else:
        found = machine.state.add_device(Device(f"device://{GRABBER}/{device_id}", uri, device_id))
        found.registered_at = trio.current_time()
    if tuner is None:
        found.make, found.alive, found.source, found.sources = "Unknown", False, "", ""
    else:
        _describe(found, tuner, keep_tuners=options.reregister_keeps_tuners and known is not None)
        if not options.lineup_needs_scan:
            found.lineup = tuner.lineup
    machine.state.save_device(found)
    return Answer(body=container(device_element(machine, found)))


def _known_again(machine: Machine, device: Device, uri: str) -> None:
    """The same DeviceID: its address is replaced in place, wherever it belongs (2.5)."""
    device.uri = uri
    if machine.behaviour.options.reregister_makes_empty_dvr and device.parent is not None:
        machine.state.add_dvr(Dvr("", "eng", (f"lineup://{XMLTV}/#",)))


def _describe(device: Device, tuner: Tuner, *, keep_tuners: bool) -> None:
    device.make, device.model, device.model_number = tuner.make, tuner.model, tuner.model_number
    device.device_auth, device.source, device.sources = tuner.device_auth, tuner.source, tuner.sources
    if not keep_tuners:
        device.tuners = tuner.tuners
    device.alive, device.last_seen_at = True, int(time.time())


async def change(machine: Machine, call: Call) -> Answer:
    """Title and enabled; an address is accepted and ignored (2.5)."""
    found = machine.device(call)
    for name, value in call.request.query:
        if name == "title" and not machine.behaviour.options.ignore_titles:
            found.title = value
        elif name == "enabled":
            found.enabled = value not in {"0", "false"}
    machine.state.save_device(found)
    return acknowledged()


async def remove(machine: Machine, call: Call) -> Answer:
    """A device with its map (2.9)."""
    machine.remove_device(machine.device(call))
    return acknowledged()


async def prefs(machine: Machine, call: Call) -> Answer:
    """Settings of a device; those not named keep their values."""
    found = machine.device(call)
    known = {kind.id for kind in DEVICE_SETTINGS}
    found.prefs.update({name: value for name, value in call.request.query if name in known})
    machine.state.save_device(found)
    return empty()


async def channels(machine: Machine, call: Call) -> Answer:
    """What the tuner has, as last read (2.6)."""
    return Answer(
        body=container(
            *[
                Element(
                    "DeviceChannel",
                    {
                        "drm": entry.drm,
                        "favorite": entry.favorite,
                        "hd": entry.hd,
                        "identifier": entry.number,
                        "key": entry.number,
                        "name": entry.name,
                        "signalQuality": 100,
                        "signalStrength": 100,
                    },
                )
                for entry in machine.device(call).lineup
            ]
        )
    )


async def scan(machine: Machine, call: Call) -> Answer:
    """Start a scan; it answers at once and works on (2.6)."""
    found = machine.device(call)
    options = machine.behaviour.options
    early = trio.current_time() - found.registered_at < options.early_scan_s and found.registered_at > 0
    if early or (options.scan_needs_source and not call.arg("source")):
        raise Refused(error(500))
    activity = machine.activities.begin(
        Activity("grabber.channel.scan", "Scanning channels", found.title, cancellable=True)
    )
    machine.spawn(partial(_scan, machine, found, activity, call.arg("source") or found.source))
    return Answer(body=acknowledged().body, headers=(("X-Plex-Activity", activity.uuid),))


async def _scan(machine: Machine, device: Device, activity: Activity, source: str) -> None:
    options = machine.behaviour.options
    try:
        tuner = await probed(machine.client, device.uri, timeout_s=options.probe_timeout_s)
        if tuner is not None and tuner.can_scan:
            await scanned(machine.client, device.uri, source, timeout_s=options.probe_timeout_s)
        await trio.sleep(options.scan_delay_s)
        lineup = await tuner_lineup(
            machine.client, device.uri, device.device_id, timeout_s=options.probe_timeout_s
        )
        if (
            activity.uuid in machine.activities.running
            and lineup is not None
            and device.key in machine.state.devices
        ):
            device.lineup = lineup
            machine.state.save_device(device)
    except Unreachable:
        device.alive = False
    finally:
        machine.activities.end(activity)


async def stop_scan(machine: Machine, call: Call) -> Answer:
    """Stop a scan; what it found is forgotten."""
    found = machine.device(call)
    for activity in list(machine.activities.running.values()):
        if activity.type == "grabber.channel.scan" and activity.subtitle == found.title:
            machine.activities.end(activity)
    return acknowledged()


async def put_channel_map(machine: Machine, call: Call) -> Answer:
    """Replace the whole map of a device out of the query and load the guide for it (2.7).

    Slow by option: half of the map takes effect half-way, and the rest only if the client has not given up, as in
    the half-activated DVRs that early client timeouts left behind (1).
    """
    found = machine.device(call)
    options = machine.behaviour.options
    wanted = channel_map(call.request.query)
    if wanted is None and options.mapless_put == "400":
        raise Refused(error(400))
    wanted = wanted or ()
    if options.channelmap_delay_s:
        await trio.sleep(options.channelmap_delay_s / 2)
        _take(machine, found, wanted[: len(wanted) // 2])
        await trio.sleep(options.channelmap_delay_s / 2)
        if call.client_left():
            return acknowledged()
    _take(machine, found, wanted)
    dvr = machine.state.dvrs.get(found.parent or 0)
    if dvr is not None:
        machine.loads.start(dvr, "channelmap")
    return acknowledged()


def _take(machine: Machine, device: Device, mappings: tuple[Mapping, ...]) -> None:
    if device.key in machine.state.devices:
        device.mappings = mappings
        machine.state.save_device(device)


DEVICES: Final = "/media/grabbers/devices"
HDHOMERUN: Final = f"/media/grabbers/{GRABBER}/devices"

ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/media/grabbers", grabbers),
    route("GET", DEVICES, devices, admin=True),
    route("POST", DEVICES, register, admin=True),
    route("POST", HDHOMERUN, register, admin=True),
    route("POST", f"{DEVICES}/discover", discover, admin=True),
    route("GET", f"{DEVICES}/<device>", device, admin=True),
    route("PUT", f"{DEVICES}/<device>", change, admin=True),
    route("DELETE", f"{DEVICES}/<device>", remove, admin=True),
    route("DELETE", f"{HDHOMERUN}/<device>", remove, admin=True),
    route("PUT", f"{DEVICES}/<device>/prefs", prefs, admin=True),
    route("GET", f"{DEVICES}/<device>/channels", channels, admin=True),
    route("PUT", f"{DEVICES}/<device>/channelmap", put_channel_map),
    route("POST", f"{DEVICES}/<device>/scan", scan),
    route("DELETE", f"{DEVICES}/<device>/scan", stop_scan),
)
