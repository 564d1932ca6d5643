"""Searches for tuners on this machine as clients do, so that `ptctl doctor` can say whether they are found.

One question each by UDP 65001 and by SSDP, and all answers of a second. This module refuses to search the network: only
the address that `serve` listens on is asked.
"""

import socket
from collections.abc import AsyncIterator
from typing import Final

import trio

from reconciler.serving import discovery, ssdp

__all__ = ["ids_by_udp", "locations_by_ssdp"]

PATIENCE_S: Final = 1.0
LOOPBACK: Final = "127.0.0.1"


def _near(listen: str) -> str:
    """An address of this machine that `serve` hears when it listens on `listen`."""
    return listen if listen and listen[0].isdigit() and listen != "0.0.0.0" else LOOPBACK  # noqa: S104 - compared


async def ids_by_udp(listen: str, port: int = discovery.PORT) -> set[str]:
    """DeviceIDs that answer discovery, as eight hex digits. Takes a second. Raises OSError."""
    found = set()
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.sendto(discovery.request(), (_near(listen), port))
        async for packet in _answers(sock):
            device = discovery.id_in(packet)
            if device is not None:
                found.add(device)
    return found


async def locations_by_ssdp(listen: str, port: int = ssdp.PORT) -> set[str]:
    """Addresses of the descriptions that a search for media servers finds. Takes a second. Raises OSError."""
    found = set()
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(_near(listen)))
        await sock.bind((_near(listen), 0))
        await sock.sendto(ssdp.search(port), (ssdp.GROUP, port))
        async for packet in _answers(sock):
            found |= ssdp.location_in(packet)
    return found


async def _answers(sock: "trio.socket.SocketType") -> AsyncIterator[bytes]:
    ends = trio.current_time() + PATIENCE_S
    while True:
        packet = b""
        with trio.move_on_at(ends):
            packet = await sock.recv(4096)
        if not packet:
            return
        yield packet
