"""The simulated Plex as its routes see it: state, behaviour, running work, and the few changes with consequences.

Removing a DVR or its last device pulls more with it, wherever the request for it came in; so those changes are here
and not in the routes.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx
import trio

from reconciler.sandbox.plex_activities import Activities
from reconciler.sandbox.plex_answers import Answer, Refused, error
from reconciler.sandbox.plex_faults import Behaviour
from reconciler.sandbox.plex_loads import GuideLoads, Spawn
from reconciler.sandbox.plex_records import Device, Dvr
from reconciler.sandbox.plex_state import State
from reconciler.sandbox.plex_tuning import Grabs
from reconciler.sandbox.wire import Request

__all__ = ["Call", "Handler", "Machine", "Route", "route"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its route: what the path named, and whether the client is still there."""

    request: Request
    groups: Mapping[str, str]
    client_left: Callable[[], bool]

    def arg(self, name: str, default: str = "") -> str:
        """The last value of a query argument."""
        return self.request.arg(name, default)

    def args(self, *names: str) -> list[str]:
        """All values of the query arguments with one of these names, in order."""
        return [value for key, value in self.request.query if key in names]

    def plex_arg(self, name: str) -> str:
        """An `X-Plex-…` value, which may be a header or a query argument (1)."""
        return self.request.headers.get(name.lower(), "") or self.arg(name)


@dataclass(slots=True)
class Machine:
    """One run of the server, from start to stop."""

    identifier: str
    token: str
    behaviour: Behaviour
    state: State
    activities: Activities
    loads: GuideLoads
    grabs: Grabs
    client: httpx.AsyncClient
    spawn: Spawn
    wrote_at: float = float("-inf")
    """When the last write to a device or DVR was answered, on trio's clock."""
    stalled_until: float = float("-inf")
    """Until then the DVR list says nothing, on trio's clock."""

    def device(self, call: Call) -> Device:
        """The device the path names; 404 if there is none."""
        device = self.state.devices.get(int(call.groups["device"]))
        if device is None:
            raise Refused(error(404))
        return device

    def dvr(self, call: Call) -> Dvr:
        """The DVR the path names; 404 if none is listed."""
        dvr = self.state.dvrs.get(int(call.groups["dvr"]))
        if dvr is None or dvr.hidden:
            raise Refused(error(404))
        return dvr

    def remove_dvr(self, dvr: Dvr) -> None:
        """A DVR goes with its guide and its rules; its devices stay (3.4).

        During a guide load one such delete stopped a real server until it was restarted (3.4): with that option on,
        nothing is answered any more.
        """
        if self.behaviour.options.deadlock_on_delete and self.loads.running:
            self.behaviour.wedged = True
            return
        self.stalled_until = trio.current_time() + self.behaviour.options.stall_after_delete_s
        self.loads.forget(dvr)
        for device in self.state.devices_of(dvr.key):
            self.grabs.stop_device(device.key)
        self.state.drop_dvr(dvr)

    def detach(self, device: Device) -> None:
        """A device leaves its DVR; the last one takes the DVR with it (3.5)."""
        dvr = self.state.dvrs.get(device.parent or 0)
        if dvr is not None and self.state.devices_of(dvr.key) == [device]:
            self.remove_dvr(dvr)
        if self.behaviour.wedged:
            return
        self.grabs.stop_device(device.key)
        device.parent = None
        self.state.save_device(device)

    def remove_device(self, device: Device) -> None:
        """A device goes with its channel map (2.9), and with its DVR if it was the last in it."""
        self.detach(device)
        if not self.behaviour.wedged:
            self.state.drop_device(device)


Handler = Callable[[Machine, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of request. `admin`: not for shared users. `is_open`: without a token too."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    admin: bool = False
    is_open: bool = False


def route(method: str, path: str, handler: Handler, *, admin: bool = False, is_open: bool = False) -> Route:
    """A route whose `<dvr>` and `<device>` are row ids and whose other `<names>` are one segment each."""
    pattern = re.sub(r"<(dvr|device|id)>", r"(?P<\1>[0-9]{1,12})", path)
    pattern = re.sub(r"(?<!\?P)<([a-z]+)>", r"(?P<\1>[^/]+)", pattern)
    return Route(method, re.compile(pattern), handler, admin=admin, is_open=is_open)
