"""Looks at Plex between the writes of a run. One that fails is repeated for a while before it counts.

A Plex that fetches a slow guide lets its DVR calls time out, its list was seen to say nothing for a while after a delete,
and a restart takes seconds (plex-livetv.md 7.3, 3.4): none of that is a reason to give a DVR up in the middle. What
contradicts itself to the end is unknown, and the action fails. This module refuses to write.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from reconciler.applying.context import Run
from reconciler.errors import PlexRefused, PlexUnreachable
from reconciler.planning.model import Action
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr, Unknown
from reconciler.plex.reader import read_device, read_dvr, read_dvrs

__all__ = ["device_of", "dvr_of", "dvr_with", "empty_dvrs", "forgotten", "listed_dvrs", "needed_device"]

T = TypeVar("T")


async def device_of(run: Run, action: Action, device_id: str) -> Device | None:
    """The tuner with this DeviceID; None when Plex has none. Raises PlexUnreachable after `unknown_s`, PlexDenied."""
    return await _told(run, action, "the tuner", lambda: read_device(run.connection, device_id))


async def dvr_with(run: Run, action: Action, key: str) -> Dvr | None:
    """The DVR with this key; None when Plex has none. Raises as `device_of`."""
    return await _told(run, action, f"DVR {key}", lambda: read_dvr(run.connection, key))


async def listed_dvrs(run: Run, action: Action) -> tuple[Dvr, ...]:
    """All DVRs. Raises as `device_of`."""
    return await _told(run, action, "the list of DVRs", lambda: read_dvrs(run.connection))


async def needed_device(run: Run, action: Action, target: Target) -> Device:
    """A DVR's tuner with its channel map, from the call that shows activation truly (3.1). Raises PlexRefused without one."""
    device = await device_of(run, action, target.device_id)
    if device is None:
        raise PlexRefused("Plex does not have the tuner", status=404, next_step="ptctl plan")
    if device.parent:
        dvr = await dvr_with(run, action, device.parent)
        if dvr is not None:
            return next((d for d in dvr.devices if d.key == device.key), device)
    return device


async def dvr_of(run: Run, action: Action, target: Target) -> Dvr:
    """The DVR that holds the tuner. Raises PlexRefused without one."""
    device = await device_of(run, action, target.device_id)
    if device is None or not device.parent:
        raise PlexRefused("Plex has no DVR for the tuner", status=404, next_step="ptctl plan")
    dvr = await dvr_with(run, action, device.parent)
    if dvr is None:
        raise forgotten(device.parent)
    return dvr


async def empty_dvrs(run: Run) -> frozenset[str] | Unknown:
    """The keys of DVRs without a tuner. Asked once: they are told of and no more, which is worth no wait."""
    found = await read_dvrs(run.connection)
    return found if isinstance(found, Unknown) else frozenset(d.key for d in found if not d.devices)


def forgotten(key: str) -> PlexRefused:
    """The tuner is in this DVR, and Plex does not know it: one whose guide cannot be loaded may vanish so (3.2)."""
    return PlexRefused(
        f"Plex no longer lists DVR {key}; it forgets one whose guide did not load",
        status=404,
        next_step="restart Plex, which lists it again, then: ptctl apply",
    )


async def _told(run: Run, action: Action, what: str, ask: Callable[[], Awaitable[T | Unknown]]) -> T:
    began = trio.current_time()
    while True:
        found = await ask()
        if not isinstance(found, Unknown):
            return found
        if trio.current_time() - began >= run.timing.unknown_s:
            raise PlexUnreachable(f"{what} could not be read: {found.why}")
        run.tell(action, f"{what} could not be read, asked again: {found.why}", began=began)
        await trio.sleep(run.timing.look_s)
