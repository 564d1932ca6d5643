"""What a test or the demo holds of the simulated Plex: its address, its record, and hands to change the world behind
`ptctl`'s back.

Foreign objects and drift are made with the same state the requests change, so that nothing can look one way to a
request and another to a test.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import trio

from reconciler.sandbox.plex_database import Rule
from reconciler.sandbox.plex_faults import Behaviour, FaultRule, PlexOptions
from reconciler.sandbox.plex_journal import Journal, JournalEntry
from reconciler.sandbox.plex_loads import Load
from reconciler.sandbox.plex_machine import Machine
from reconciler.sandbox.plex_records import GRABBER, XMLTV, Device, Dvr, LineupEntry, Mapping, lineup_parts
from reconciler.sandbox.plex_sessions import channel_sources
from reconciler.sandbox.plex_tuning import Grab

__all__ = ["CLOUD_LINEUP", "PlexHandle", "Wish"]

Wish = Literal["on", "off", "again"]

CLOUD_LINEUP: Final = "lineup://tv.plex.providers.epg.cloud/5fc7064f2d5d0a002d4c1b0f-5fc7064e#Antenna"
NOWHERE: Final = "http://127.0.0.1:9"


@dataclass(slots=True)
class PlexHandle:
    """A running (or stopped) simulated Plex."""

    directory: Path
    token: str
    port: int
    journal: Journal
    _behaviour: Behaviour
    _machine: Machine | None = field(default=None, repr=False)
    _wish: "trio.MemorySendChannel[Wish] | None" = field(default=None, repr=False)
    _changed: trio.Event = field(default_factory=trio.Event, repr=False)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the server answers; not while it is stopped or starting again."""
        return self._machine is not None

    @property
    def machine(self) -> Machine:
        """The run behind; RuntimeError while the server is stopped."""
        if self._machine is None:
            raise RuntimeError("the simulated Plex is stopped")
        return self._machine

    @property
    def machine_identifier(self) -> str:
        """What `/identity` says."""
        return self.machine.identifier

    @property
    def options(self) -> PlexOptions:
        """The options in force."""
        return self._behaviour.options

    def set(self, **changes: Any) -> None:
        """Change options of a running server (and of its next start)."""
        self._behaviour.options = replace(self._behaviour.options, **changes)

    def add_fault(self, *rules: FaultRule) -> None:
        """Aim faults at requests to come."""
        self._behaviour.faults.add(*rules)

    def reset_faults(self) -> None:
        """Back to the options of the start, no faults."""
        self._behaviour.reset()

    def writes(self) -> list[JournalEntry]:
        """The requests so far that could have changed something."""
        return self.journal.writes()

    @property
    def loads(self) -> list[Load]:
        """The guide loads of this run, with their outcomes."""
        return self.machine.loads.history

    @property
    def max_concurrent_loads(self) -> int:
        """The most guide loads that ran side by side in this run."""
        return self.machine.loads.max_concurrent

    async def loads_done(self, *, limit_s: float = 30.0) -> None:
        """Wait until no guide load runs; trio.TooSlowError after the limit."""
        with trio.fail_after(limit_s):
            await self.machine.loads.idle()

    def state(self, *, keys: bool = True) -> dict[str, Any]:
        """Everything that lasts, ours or not, in a fixed order; see `State.dump`."""
        return self.machine.state.dump(keys=keys)

    def state_text(self, *, keys: bool = True) -> str:
        """The same as text, for comparing byte by byte."""
        return json.dumps(self.state(keys=keys), indent=1, sort_keys=True, ensure_ascii=False)

    async def stop(self) -> None:
        """Shut the server down: connections are refused, the database is closed and may be edited."""
        await self._switch("off")

    async def start(self) -> None:
        """Start it again on its port, with what the database says now. Ghosts return, hidden grabs are gone."""
        await self._switch("on")

    async def restart(self) -> None:
        """Stop and start."""
        await self._switch("again")

    async def ask_restart(self) -> None:
        """Stop and start, without waiting for it: for a request, which ends with the run it came to."""
        assert self._wish is not None
        await self._wish.send("again")

    async def _switch(self, wish: Wish) -> None:
        assert self._wish is not None
        changed = self._changed
        await self._wish.send(wish)
        await changed.wait()

    def device(self, device_id: str) -> Device:
        """The device with this DeviceID; KeyError names one that is not there."""
        for device in self.machine.state.devices.values():
            if device.device_id.casefold() == device_id.casefold():
                return device
        raise KeyError(device_id)

    def dvr_of(self, device_id: str) -> Dvr:
        """The DVR that holds this device; KeyError if it is in none."""
        return self.machine.state.dvrs[self.device(device_id).parent or 0]

    def add_foreign_dvr(
        self,
        device_id: str = "10ABCDEF",
        *,
        title: str = "Living room",
        uri: str = NOWHERE,
        lineup: str = CLOUD_LINEUP,
        channels: Sequence[str] = ("2.1", "4.1", "7.1"),
        tuners: int = 2,
        make: str = "Silicondust",
        model: str = "HDHomeRun CONNECT",
        model_number: str = "HDHR4-2US",
        channel_keys: Callable[[str], str] | None = None,
        key_prefix: str = "5cc83d73af4a72001e9b16d7-",
    ) -> Dvr:
        """A DVR that somebody else made: by default a real HDHomeRun with a cloud guide. Makes no requests.

        `channels` are its enabled numbers; their lineup keys are `key_prefix` + number for a cloud guide and the
        number for XMLTV, or what `channel_keys` makes of the number.
        """
        state = self.machine.state
        cloud = lineup_parts(lineup)[0] != XMLTV
        key_of = channel_keys or ((lambda n: f"{key_prefix}{n}") if cloud else (lambda n: n))
        device = state.add_device(
            Device(
                f"device://{GRABBER}/{device_id}",
                uri,
                device_id,
                make=make,
                model=model,
                model_number=model_number,
                title=title,
                tuners=tuners,
                source="Antenna" if cloud else "Cable",
                sources="Antenna,Cable" if cloud else "Cable",
                mappings=tuple(Mapping(n, n, key_of(n)) for n in channels),
                lineup=tuple(LineupEntry(n, f"Station {n}", f"{uri}/auto/v{n}") for n in channels),
            )
        )
        dvr = state.add_dvr(Dvr("", "eng", (lineup,), provider=lineup_parts(lineup)[0], country="usa"))
        dvr.refreshed_at = 1_790_000_000
        state.save_dvr(dvr)
        device.parent = dvr.key
        state.save_device(device)
        return dvr

    def add_rule(self, dvr: Dvr, title: str, *, kind: int = 2, section: str = "2", guid: str = "") -> Rule:
        """A recording rule of this DVR, which is lost with it."""
        return self.machine.state.add_rule(
            kind=kind,
            dvr=dvr,
            title=title,
            guid=guid or f"tv.plex.xmltv://show/{quote(title, safe='')}",
            section=section,
            prefs=(),
        )

    async def record(self, device_id: str, number: str) -> Grab:
        """A recording begins on this channel: it holds a tuner and shows as a running operation until stopped.

        Raises TuneFailed.
        """
        device, dvr = self.device(device_id), self.dvr_of(device_id)
        sources = [(d, m) for d, m in channel_sources(self.machine, dvr, number) if d is device]
        return await self.machine.grabs.tune(dvr.key, sources, consumer="recorder", rolling=False)

    @property
    def grabs(self) -> list[Grab]:
        """All streams that were read in this run, with what was measured."""
        return self.machine.grabs.history

    def set_uri(self, device_id: str, uri: str) -> None:
        """The address drifts, as after a restart (plex-livetv.md 6.3)."""
        device = self.device(device_id)
        device.uri = uri
        self.machine.state.save_device(device)

    def set_enabled(self, device_id: str, *, enabled: bool) -> None:
        """Somebody switches a device on or off."""
        device = self.device(device_id)
        device.enabled = enabled
        self.machine.state.save_device(device)

    def set_title(self, device_id: str, title: str) -> None:
        """Somebody renames a device."""
        device = self.device(device_id)
        device.title = title
        self.machine.state.save_device(device)

    def set_alive(self, device_id: str, *, alive: bool) -> None:
        """A device is (wrongly or not) believed dead."""
        device = self.device(device_id)
        device.alive = alive
        self.machine.state.save_device(device)

    def set_channel(self, device_id: str, number: str, *, enabled: bool) -> None:
        """Somebody switches one mapped channel on or off in Plex."""
        device = self.device(device_id)
        device.mappings = tuple(
            replace(m, enabled=enabled) if m.device == number else m for m in device.mappings
        )
        self.machine.state.save_device(device)

    def set_map(self, device_id: str, mappings: Sequence[Mapping]) -> None:
        """Somebody saves another channel map."""
        device = self.device(device_id)
        device.mappings = tuple(mappings)
        self.machine.state.save_device(device)

    def set_prefs(self, dvr: Dvr, **values: str) -> None:
        """Somebody changes settings of a DVR."""
        dvr.prefs.update(values)
        self.machine.state.save_dvr(dvr)

    def set_lineup(self, dvr: Dvr, lineup: str) -> None:
        """The guide location of a DVR is another (as after a database edit)."""
        dvr.lineups = (lineup, *dvr.lineups[1:])
        self.machine.state.save_dvr(dvr)

    def detach(self, device_id: str) -> None:
        """A device leaves its DVR without the DVR going away: an orphan (3.4)."""
        device = self.device(device_id)
        device.parent = None
        self.machine.state.save_device(device)

    def remove_device(self, device_id: str) -> None:
        """Somebody deletes a device, and with the last one its DVR."""
        self.machine.remove_device(self.device(device_id))

    def remove_dvr(self, dvr: Dvr) -> None:
        """Somebody deletes a DVR; its devices stay."""
        self.machine.remove_dvr(dvr)
