"""The simulated Plex Media Server: everything `ptctl` asks of Plex, with the manners of the real one.

It follows what is publicly known of the real server (plex-livetv.md, section 11) and is never bent to fit a client:
it probes tuners, fetches guides, reads streams over real HTTP, and keeps its rows in a real SQLite file. Where the
sources disagree, an option chooses. It refuses to be more than that: no library, no clients, no plex.tv.
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import trio
from lxml import etree

from reconciler.sandbox import (
    plex_devices,
    plex_dvrs,
    plex_epg,
    plex_recordings,
    plex_server,
    plex_sessions,
    wire,
)
from reconciler.sandbox.plex_activities import Activities
from reconciler.sandbox.plex_database import Database
from reconciler.sandbox.plex_faults import Behaviour, FaultRule, PlexOptions
from reconciler.sandbox.plex_front import Front
from reconciler.sandbox.plex_handle import CLOUD_LINEUP, PlexHandle, Wish
from reconciler.sandbox.plex_journal import Journal, JournalEntry
from reconciler.sandbox.plex_loads import GuideLoads
from reconciler.sandbox.plex_machine import Machine, Route
from reconciler.sandbox.plex_poll import polled
from reconciler.sandbox.plex_probe import USER_AGENT
from reconciler.sandbox.plex_state import State
from reconciler.sandbox.plex_tuning import Grabs
from reconciler.tls import trusted

__all__ = ["CLOUD_LINEUP", "FaultRule", "JournalEntry", "PlexHandle", "PlexOptions", "run_plex"]

ROUTES: Final[tuple[Route, ...]] = (
    *plex_server.ROUTES,
    *plex_devices.ROUTES,
    *plex_dvrs.ROUTES,
    *plex_epg.ROUTES,
    *plex_sessions.ROUTES,
    *plex_recordings.ROUTES,
)
PREFERENCES: Final = "Preferences.xml"


async def run_plex(
    directory: Path,
    *,
    token: str,
    port: int = 0,
    options: PlexOptions | None = None,
    task_status: trio.TaskStatus[PlexHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on 127.0.0.1 until cancelled; `task_status` gets the handle once requests are answered.

    `directory` is the server's data directory (`…/Plex Media Server`): an existing one is taken up where it was left,
    its token replaced by `token`. Cancelling stops loads and streams and closes the database. Raises OSError for a
    port that is taken.
    """
    behaviour = Behaviour(options or PlexOptions())
    wishes, listen = trio.open_memory_channel[Wish](0)
    handle = PlexHandle(directory, token, port, Journal(), behaviour, _wish=wishes)
    on = True
    async with listen:
        while True:
            if on:
                identifier = _preferences(
                    directory, token, behaviour.options
                )  # a restored one may name another server
                try:
                    async with trio.open_nursery() as nursery:
                        bound = await nursery.start(_run_once, handle, identifier)
                        handle.port = bound
                        _switched(handle)
                        task_status.started(handle)
                        task_status = trio.TASK_STATUS_IGNORED
                        on = await _other(handle, listen, on=True)
                        nursery.cancel_scope.cancel()
                except BaseExceptionGroup as group:
                    raise _sole(group) from None
            handle._machine = None  # noqa: SLF001 - the handle's own other half
            behaviour.restarted()
            if not on:
                _switched(handle)
                on = await _other(handle, listen, on=False)


def _sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong, where it is one thing: a taken port is an OSError, not a group in a group."""
    only = group.exceptions[0] if len(group.exceptions) == 1 else None
    if isinstance(only, BaseExceptionGroup):
        return _sole(only)
    return only or group


def _switched(handle: PlexHandle) -> None:
    handle._changed.set()  # noqa: SLF001 - the handle's own other half
    handle._changed = trio.Event()  # noqa: SLF001


async def _other(handle: PlexHandle, listen: trio.MemoryReceiveChannel[Wish], *, on: bool) -> bool:
    """Wait for a wish that differs; one that does not is fulfilled already."""
    while (wish := await listen.receive()) == ("on" if on else "off"):
        _switched(handle)
    return wish != "off"


async def _run_once(
    handle: PlexHandle, identifier: str, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """One run between start and stop: memory is read from the database, and gone at the end."""
    behaviour = handle._behaviour  # noqa: SLF001 - the handle's own other half
    database = Database(handle.directory, legacy=behaviour.options.legacy_extra_data)
    send, receive = trio.open_memory_channel[Callable[[], Awaitable[None]]](float("inf"))
    try:
        async with (
            httpx.AsyncClient(
                headers={"User-Agent": USER_AGENT}, trust_env=False, follow_redirects=True, verify=trusted()
            ) as client,
            trio.open_nursery() as nursery,
        ):
            activities, state = Activities(), State(database, identifier)
            machine = Machine(
                identifier=identifier,
                token=handle.token,
                behaviour=behaviour,
                state=state,
                activities=activities,
                loads=GuideLoads(
                    state=state,
                    directory=handle.directory,
                    client=client,
                    activities=activities,
                    behaviour=behaviour,
                    spawn=send.send_nowait,
                ),
                grabs=Grabs(client=client, behaviour=behaviour, spawn=send.send_nowait),
                client=client,
                spawn=send.send_nowait,
            )
            handle._machine = machine  # noqa: SLF001 - the handle's own other half
            front = Front(machine, ROUTES, handle)
            bound = await nursery.start(partial(wire.serve, front.handle, port=handle.port))
            task_status.started(bound)
            nursery.start_soon(polled, machine)
            async with receive:
                async for job in receive:
                    nursery.start_soon(job)
    finally:
        database.close()


def _identifier(directory: Path) -> str:
    """40 hex digits, another for every data directory."""
    return hashlib.sha1(str(directory.resolve()).encode(), usedforsecurity=False).hexdigest()


def _preferences(directory: Path, token: str, options: PlexOptions) -> str:
    """Write `Preferences.xml` with this token and return the machine identifier, which an existing file keeps."""
    path = directory / PREFERENCES
    directory.mkdir(parents=True, exist_ok=True)
    root = etree.parse(path).getroot() if path.exists() else etree.Element("Preferences")
    identifier = root.get("ProcessedMachineIdentifier")
    if not identifier:
        identifier = options.machine_identifier or _identifier(directory)
        root.set("MachineIdentifier", str(uuid.uuid5(uuid.NAMESPACE_OID, identifier)))
        root.set("ProcessedMachineIdentifier", identifier)
        root.set("FriendlyName", options.friendly_name)
        root.set("AcceptedEULA", "1")
    root.set("PlexOnlineToken", token)
    path.write_bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
    return identifier
