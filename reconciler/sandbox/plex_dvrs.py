"""`/livetv/dvrs`: the DVRs of the simulated Plex (plex-livetv.md 3)."""

from typing import Final
from urllib.parse import quote

import trio

from reconciler.sandbox.plex_answers import (
    Answer,
    Element,
    Refused,
    container,
    empty,
    error,
    unwilling,
)
from reconciler.sandbox.plex_devices import device_element, setting_elements
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import DVR_SETTINGS, XMLTV, Dvr, decoded, decoded_lineup, lineup_parts

__all__ = ["ROUTES", "dvr_element"]

PROVIDERS: Final = frozenset(
    {XMLTV, "tv.plex.providers.epg.cloud", "tv.plex.providers.epg.onconnect", "tv.plex.providers.epg.eyeq"}
)


def dvr_element(machine: Machine, dvr: Dvr) -> Element:
    """A DVR with its devices, lineups and settings (3.1)."""
    form = machine.behaviour.options.lineup_form
    return Element(
        "Dvr",
        {
            "key": str(dvr.key),
            "uuid": dvr.uuid,
            "language": dvr.language,
            **({"country": dvr.country} if dvr.country else {}),
            "lineupTitle": quote(dvr.title, safe="") if form == "encoded" else dvr.title,
            "lineup": _shown(dvr.lineups[0], form) if dvr.lineups else "",
            "epgIdentifier": dvr.epg_identifier,
            # unset until a load has finished (7.3)
            **({"refreshedAt": dvr.refreshed_at} if dvr.refreshed_at else {}),
        },
        (
            *[device_element(machine, d) for d in machine.state.devices_of(dvr.key)],
            *[
                Element("Lineup", {"id": _shown(uri, form), "title": lineup_parts(uri)[2]})
                for uri in dvr.lineups
            ],
            *setting_elements(DVR_SETTINGS, dvr.prefs),
        ),
    )


def _shown(uri: str, form: str) -> str:
    if form == "as-sent" or not uri.startswith("lineup://"):
        return uri
    head, _, inner = uri.removeprefix("lineup://").partition("/")
    location, mark, title = inner.partition("#")
    location, title = decoded(location), decoded(title)
    if form == "encoded":
        location, title = quote(location, safe=""), quote(title, safe="")
    return f"lineup://{head}/{location}{mark}{title}"


async def dvrs(machine: Machine, _: Call) -> Answer:
    """All DVRs, with everything in them."""
    return Answer(body=container(*[dvr_element(machine, d) for d in machine.state.listed()]))


async def dvr(machine: Machine, call: Call) -> Answer:
    """One DVR."""
    return Answer(body=container(dvr_element(machine, machine.dvr(call))))


async def create(machine: Machine, call: Call) -> Answer:
    """A DVR out of known devices and a guide; its channels are switched on later, by the map (3.2)."""
    uuids, lineup, language = call.args("device", "device[]"), call.arg("lineup"), call.arg("language")
    if not uuids or not lineup or not language:
        raise Refused(error(400))
    found = [machine.state.device_by_uuid(uri) for uri in uuids]
    devices = [device for device in found if device is not None]
    if len(devices) < len(uuids):
        raise Refused(unwilling("The device does not exist"))
    if any(device.parent is not None for device in devices):
        raise Refused(unwilling("The device is in use with an existing DVR"))
    _known_provider(lineup)
    made = machine.state.add_dvr(
        Dvr("", language, (lineup,), provider=lineup_parts(lineup)[0], country=call.arg("country"))
    )
    for device in devices:
        device.parent, device.mappings = made.key, ()
        machine.state.save_device(device)
    machine.loads.start(made, "create")
    await trio.sleep(machine.behaviour.options.create_delay_s)
    return Answer(body=container(dvr_element(machine, made)))


def _known_provider(lineup: str) -> str:
    provider, location, _ = lineup_parts(lineup)
    if not lineup.startswith("lineup://") or provider not in PROVIDERS or not location:
        raise Refused(unwilling("The EPG provider does not exist."))  # message of 7.1
    return provider


async def change(machine: Machine, call: Call) -> Answer:
    """The undocumented change of guide, where the option says that this server has it (3.7).

    Devices have to be sent again, because the DVR ends up with those named and no others.
    """
    if not machine.behaviour.options.put_dvr:
        raise Refused(error(404))
    found = machine.dvr(call)
    if lineup := call.arg("lineup"):
        if _known_provider(lineup) != found.provider:
            raise Refused(unwilling("Lineup is from a different provider"))
        found.lineups = (lineup, *found.lineups[1:])
    named = {uri.casefold() for uri in call.args("device", "device[]")}
    for device in machine.state.devices.values():
        if device.uuid.casefold() in named:
            device.parent = found.key
        elif device.parent == found.key:
            device.parent = None
        machine.state.save_device(device)
    machine.state.save_dvr(found)
    machine.loads.start(found, "change")
    return Answer(body=container(dvr_element(machine, found)))


async def remove(machine: Machine, call: Call) -> Answer:
    """A DVR with its rules; the devices stay (3.4)."""
    machine.remove_dvr(machine.dvr(call))
    return empty()


async def attach(machine: Machine, call: Call) -> Answer:
    """A device joins a DVR; one in another DVR has to leave that first (3.5)."""
    found, device = machine.dvr(call), machine.device(call)
    if device.parent not in {None, found.key}:
        raise Refused(unwilling("The device is in use with an existing DVR"))
    device.parent = found.key
    machine.state.save_device(device)
    return Answer(body=container(dvr_element(machine, found)))


async def detach(machine: Machine, call: Call) -> Answer:
    """A device leaves a DVR; the last one takes the DVR and its recordings with it (3.5)."""
    found, device = machine.dvr(call), machine.device(call)
    if device.parent != found.key:
        raise Refused(error(404))
    machine.detach(device)
    listed = [found] if found.key in machine.state.dvrs else []
    return Answer(body=container(*[dvr_element(machine, d) for d in listed]))


async def add_lineup(machine: Machine, call: Call) -> Answer:
    """One more lineup, of the same provider (3.5, 3.6)."""
    found, lineup = machine.dvr(call), call.arg("lineup")
    if _known_provider(lineup) != found.provider:
        raise Refused(unwilling("Lineup is from a different provider"))
    if decoded_lineup(lineup) not in {decoded_lineup(uri) for uri in found.lineups}:
        found.lineups += (lineup,)
        machine.state.save_dvr(found)
    return Answer(body=container(dvr_element(machine, found)))


async def remove_lineup(machine: Machine, call: Call) -> Answer:
    """A lineup less."""
    found, gone = machine.dvr(call), decoded_lineup(call.arg("lineup"))
    found.lineups = tuple(uri for uri in found.lineups if decoded_lineup(uri) != gone)
    machine.state.save_dvr(found)
    return Answer(body=container(dvr_element(machine, found)))


async def prefs(machine: Machine, call: Call) -> Answer:
    """Settings: all in one call, since those left out fall back to their defaults (3.8; by option they stay)."""
    found = machine.dvr(call)
    known = {kind.id: kind.default for kind in DVR_SETTINGS}
    sent = {name: value for name, value in call.request.query if name in known}
    kept = found.prefs if machine.behaviour.options.prefs_put == "overlay" else {}
    found.prefs = {name: value for name, value in {**kept, **sent}.items() if value != known[name]}
    machine.state.save_dvr(found)
    return empty()


async def reload_guide(machine: Machine, call: Call) -> Answer:
    """Load the guide: 200 without a body, the activity in a header (3.9)."""
    silent = machine.behaviour.options.silent_reload
    return empty(machine.loads.start(machine.dvr(call), "reload", silent=silent))


async def stop_reload(machine: Machine, call: Call) -> Answer:
    """Cancel the loads of this DVR."""
    machine.loads.cancel(machine.dvr(call).key)
    return empty()


DVR: Final = "/livetv/dvrs/<dvr>"

ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/livetv/dvrs", dvrs),
    route("POST", "/livetv/dvrs", create, admin=True),
    route("GET", DVR, dvr),
    route("PUT", DVR, change, admin=True),
    route("DELETE", DVR, remove, admin=True),
    route("PUT", f"{DVR}/devices/<device>", attach, admin=True),
    route("DELETE", f"{DVR}/devices/<device>", detach, admin=True),
    route("PUT", f"{DVR}/lineups", add_lineup, admin=True),
    route("DELETE", f"{DVR}/lineups", remove_lineup, admin=True),
    route("PUT", f"{DVR}/prefs", prefs, admin=True),
    route("POST", f"{DVR}/reloadGuide", reload_guide, admin=True),
    route("DELETE", f"{DVR}/reloadGuide", stop_reload, admin=True),
)
