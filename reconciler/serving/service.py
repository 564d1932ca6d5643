"""Word to systemd (`Type=notify`): ready, ending, still alive; and nothing where nobody asked for it.

The protocol is one datagram of `KEY=VALUE` lines to the socket that $NOTIFY_SOCKET names (sd_notify(3)). The variables
are taken out of the environment, so that child processes do not speak for us. This module refuses to fail: a manager
that does not listen is no reason to stop serving.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final

import trio

__all__ = ["Manager"]

LEAST_BEAT_S: Final = 0.05


class Manager:
    """Who started this process and wants to hear from it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._place = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        watched = usec.isdigit() and pid in {"", str(os.getpid())}
        self._watchdog_s = int(usec) / 1_000_000 if watched else 0.0

    def tell(self, *lines: str) -> None:
        """Send `READY=1` and the like. Never waits."""
        if not self._place.startswith(("/", "@")):
            return
        place = "\0" + self._place[1:] if self._place[0] == "@" else self._place
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.sendto("\n".join(lines).encode("utf-8", "replace"), place)

    async def beat(self) -> None:
        """Say WATCHDOG=1 twice as often as systemd wants it: who hangs is restarted. Ends at once where it does not."""
        while self._watchdog_s:
            self.tell("WATCHDOG=1")
            await trio.sleep(max(LEAST_BEAT_S, self._watchdog_s / 2))
