"""Changing Plex: one call per method, each sent once and never retried here.

The caller reads back what it wrote: an acknowledgement proves little (`PUT …?uri=` is acknowledged and ignored,
plex-livetv.md 2.5). Calls must be serial and about two seconds apart (1, "Pace"); that, too, is the caller's. Only
`applying` imports this module, which is what makes "plan writes nothing" true. It refuses to decide whether a write
is wise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.errors import PlexRefused
from reconciler.plex import answers, requests
from reconciler.plex.connection import Connection
from reconciler.plex.model import ChannelPair, Device, Dvr, Unknown
from reconciler.plex.requests import LINE_LIMIT_BYTES

__all__ = ["IN_USE", "PlexWriter"]

IN_USE = "in use with an existing DVR"
"""Part of Plex's refusal when the device already has a DVR (3.2)."""


@dataclass(frozen=True, slots=True)
class PlexWriter:
    """The writing half of a connection.

    Every method raises PlexUnreachable (then the effect is unknown), PlexDenied, or PlexRefused.
    """

    connection: Connection

    async def register(self, uri: str) -> Device | None:
        """Make Plex probe the tuner at `uri`. The device it found, or None where the answer does not name it.

        Twice is harmless: a known DeviceID gets its address renewed in place (2.5). A device without DeviceID is
        refused here: it is the junk that a wrong address leaves behind (2.4).
        """
        request = requests.register_device(uri)
        try:
            reply = await self.connection.send(request)
        except PlexRefused as error:
            if error.status != 404:
                raise
            request = requests.register_device(uri, documented=True)
            reply = await self.connection.send(request)
        node = answers.acknowledged(reply.body, what=request.path)
        found = answers.devices(node) if node else ()
        if isinstance(found, Unknown) or not found:
            return None
        if not found[0].device_id:
            raise PlexRefused(
                f"{request.path}: Plex found no HDHomeRun at the tuner's address (the device has no DeviceID)",
                status=200,
                reason="empty deviceId",
                next_step="ptctl doctor",
            )
        return found[0]

    async def set_device(self, key: str, *, title: str, enabled: bool = True) -> None:
        """Name a tuner and switch it on. Twice is harmless."""
        await self._acknowledge(requests.set_device(key, title=title, enabled=enabled))

    async def create_dvr(self, device_uuid: str, lineup: str) -> tuple[Dvr | None, str]:
        """A new DVR and the uuid of the activity it started ("" when not told); None where the answer names no DVR.

        Slow: the tuner is scanned and the guide loaded first. With the device in a DVR already Plex refuses and
        changes nothing; the reason then holds `IN_USE`.
        """
        request = requests.create_dvr(device_uuid, lineup)
        reply = await self.connection.send(request)
        node = answers.acknowledged(reply.body, what=request.path)
        found = answers.dvrs(node) if node else ()
        if isinstance(found, Unknown) or not found:
            return None, reply.activity
        return found[0], reply.activity

    async def reload_guide(self, dvr_key: str) -> str:
        """Begin to load guide and lineup again; the uuid of the activity, "" when not told."""
        request = requests.reload_guide(dvr_key)
        reply = await self.connection.send(request)
        answers.acknowledged(reply.body, what=request.path)
        return reply.activity

    async def scan(self, device_key: str) -> None:
        """Begin to read a tuner's list of channels again; it is read some time after the answer (2.6)."""
        await self._acknowledge(requests.scan_device(device_key))

    async def put_channel_map(self, device_key: str, pairs: Sequence[ChannelPair]) -> str:
        """Replace a device's whole map in one request; the uuid of the activity, "" when not told.

        Raises PlexRefused before anything is sent when the request line is over the limit, and ValueError for an
        empty map, which would clear the device (2.7).
        """
        request = requests.put_channel_map(device_key, pairs)
        if request.line_bytes > LINE_LIMIT_BYTES:
            raise PlexRefused(
                f"the map of {len(pairs)} channels needs a request line of {request.line_bytes} bytes, "
                f"{LINE_LIMIT_BYTES} are allowed; nothing was sent",
                status=0,
                reason="too long",
                next_step="move channels to another DVR (overflow), or use shorter numbers",
            )
        reply = await self.connection.send(request)
        answers.acknowledged(reply.body, what=request.path)
        return reply.activity

    async def delete_dvr(self, key: str) -> None:
        """Remove a DVR and its recording rules. One that is gone already is no error (3.4)."""
        await self._gone(requests.delete_dvr(key))

    async def delete_device(self, key: str) -> None:
        """Remove a device and its map. One that is gone already is no error."""
        await self._gone(requests.delete_device(key))

    async def _acknowledge(self, request: requests.Request) -> None:
        reply = await self.connection.send(request)
        answers.acknowledged(reply.body, what=request.path)

    async def _gone(self, request: requests.Request) -> None:
        try:
            await self._acknowledge(request)
        except PlexRefused as error:
            if error.status != 404:
                raise
