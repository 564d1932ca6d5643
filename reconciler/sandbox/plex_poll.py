"""Polling of known tuners by the simulated Plex: dead after an outage, alive when the same DeviceID answers again.

The real interval is unpublished (plex-livetv.md 10.15), so it is an option, and off by default.
"""

import time
from typing import Final

import trio

from reconciler.sandbox.plex_machine import Machine
from reconciler.sandbox.plex_probe import Unreachable, probed

__all__ = ["polled"]

IDLE_S: Final = 0.5


async def polled(machine: Machine) -> None:
    """Ask every device who it is, again and again, until cancelled."""
    while True:
        options = machine.behaviour.options
        await trio.sleep(options.poll_every_s or IDLE_S)
        if not options.poll_every_s:
            continue
        for device in list(machine.state.devices.values()):
            try:
                tuner = await probed(machine.client, device.uri, timeout_s=options.probe_timeout_s)
            except Unreachable:
                tuner = None
            if device.key not in machine.state.devices:
                continue
            device.alive = tuner is not None and tuner.device_id.casefold() == device.device_id.casefold()
            if device.alive:
                device.last_seen_at = int(time.time())
            machine.state.save_device(device)
