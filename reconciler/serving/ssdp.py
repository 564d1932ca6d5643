"""SSDP: tuners announce themselves to 239.255.255.250:1900 and answer who searches for them (hdhomerun.md 5.5).

    replies(packet, devices)  -> messages     to a search, for each device and each thing it is asked as
    announcement(device, …)   -> messages     alive and byebye

One UPnP root device per DVR, a MediaServer:1 as its device.xml says, found at the advertised address. Whether Plex
needs this is disputed, so it is off unless the spec asks for it. The message work is pure and total: any bytes give
messages or silence. Packets leave by the interfaces that `listen` covers and by no other; a device whose address is of
loopback is told to loopback alone. This module refuses to answer strangers: open SSDP ports are used to flood others.
"""

import fcntl
import logging
import random
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

import trio

from reconciler.errors import OperatorError
from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.hdhr import DEVICE_TYPE, udn

__all__ = [
    "GROUP",
    "PORT",
    "Announced",
    "Interface",
    "announced",
    "announcement",
    "interfaces",
    "location_in",
    "replies",
    "search",
    "serve_ssdp",
]

log = logging.getLogger(__name__)

GROUP: Final = "239.255.255.250"
ANY: Final = "0.0.0.0"  # noqa: S104 - the group field of a request, not a place to listen
PORT: Final = 1900
ROOT: Final = "upnp:rootdevice"
SERVER: Final = "Linux/1 UPnP/1.0 ptctl/1"
MAX_AGE_S: Final = 1800
ALIVE_EVERY_S: Final = 15.0
"""An alive every 15 s cured "device not found" (telly #44, #48)."""
WHOLE_EVERY_S: Final = 600.0
"""So often everything is announced, between that the root device alone: well within `MAX_AGE_S`."""
LOOK_S: Final = 1.0
LARGEST_BYTES: Final = 2048
MOST_DELAY_S: Final = 5.0
MOST_WAITING: Final = 32
HOPS: Final = 2
IP_MULTICAST_ALL: Final = 49
SIOCGIFADDR: Final = 0x8915


@dataclass(frozen=True, slots=True)
class Announced:
    """One root device: `uuid:…` and where its description is."""

    udn: str
    location: str

    @property
    def here_only(self) -> bool:
        """Whether its address means the asker's own machine."""
        return _is_loopback((urlsplit(self.location).hostname or "").lower())


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface by its number, with its IPv4 address."""

    index: int
    address: str


Kind = Literal["ssdp:alive", "ssdp:byebye"]


def announced(dvr: DvrManifest) -> Announced:
    """A DVR as SSDP tells of it."""
    return Announced(udn(dvr), f"{dvr.base_url}/device.xml")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


# --- messages --------------------------------------------------------------------------------------------------


def _names(device: Announced) -> tuple[tuple[str, str], ...]:
    """What a root device is asked as and its unique name for that: UPnP 1.0, 1.1.2."""
    return (
        (ROOT, f"{device.udn}::{ROOT}"),
        (device.udn, device.udn),
        (DEVICE_TYPE, f"{device.udn}::{DEVICE_TYPE}"),
    )


def announcement(device: Announced, kind: Kind, *, whole: bool) -> list[bytes]:
    """Its NOTIFY messages. Not `whole`: the root device alone."""
    messages = []
    for target, unique in _names(device)[: None if whole else 1]:
        lines = [f"HOST: {GROUP}:{PORT}", f"NT: {target}", f"NTS: {kind}", f"USN: {unique}"]
        if kind == "ssdp:alive":
            lines += [
                f"LOCATION: {device.location}",
                f"CACHE-CONTROL: max-age={MAX_AGE_S}",
                f"SERVER: {SERVER}",
            ]
        messages.append(_message("NOTIFY * HTTP/1.1", lines))
    return messages


def replies(packet: bytes, devices: Sequence[Announced]) -> tuple[float, list[bytes]]:
    """The longest delay the asker wishes (seconds, at most 5), and what it is to be told. Nothing for all but a search."""
    first, *lines = packet.decode("latin-1").split("\r\n")
    if first.split() != ["M-SEARCH", "*", "HTTP/1.1"]:
        return 0.0, []
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
    if headers.get("man", "").strip('"') != "ssdp:discover":
        return 0.0, []
    wanted = headers.get("st", "")
    wish = headers.get("mx", "")
    delay_s = min(MOST_DELAY_S, float(wish)) if wish.isascii() and wish.isdigit() and len(wish) < 4 else 0.0
    return delay_s, [
        _message(
            "HTTP/1.1 200 OK",
            [
                f"CACHE-CONTROL: max-age={MAX_AGE_S}",
                "EXT:",
                f"LOCATION: {device.location}",
                f"SERVER: {SERVER}",
                f"ST: {target}",
                f"USN: {unique}",
            ],
        )
        for device in devices
        for target, unique in _names(device)
        if wanted in {"ssdp:all", target}
    ]


def search(port: int = PORT) -> bytes:
    """The question for every media server, to be answered at once."""
    lines = [f"HOST: {GROUP}:{port}", 'MAN: "ssdp:discover"', "MX: 0", f"ST: {DEVICE_TYPE}"]
    return _message("M-SEARCH * HTTP/1.1", lines)


def location_in(answer: bytes) -> set[str]:
    """The address in an answer to a search; none in anything else."""
    first, *lines = answer.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    found = {value.strip() for name, _, value in pairs if name.strip().lower() == "location"}
    return found if first.startswith("HTTP/1.1 200") else set()


def _message(first: str, lines: Sequence[str]) -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("utf-8")


# --- sockets ---------------------------------------------------------------------------------------------------


def interfaces(host: str) -> list[Interface]:
    """The interfaces with an IPv4 address that listening on `host` covers. Costs a system call each."""
    found = []
    wild = host in {"", ANY, "::"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for index, name in socket.if_nameindex():
            try:
                raw = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # it has none, as a container's end of a pair
            address = socket.inet_ntoa(raw[20:24])
            if wild or address == host or (_is_loopback(host) and _is_loopback(address)):
                found.append(Interface(index, address))
    return found


async def serve_ssdp(
    host: str,
    devices: Callable[[], Sequence[Announced]],
    admits: Callable[[str], bool],
    *,
    port: int = PORT,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Announce and answer until cancelled, then say goodbye. `host` is what `serve` listens on.

    `devices` is asked every second and at each search; only addresses that `admits` takes are answered, and where
    `host` is of loopback only loopback is. `task_status` gets the port. Raises OperatorError where it cannot be had.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.settimeout(0)
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # every UPnP program of a machine has this port
            sock.setsockopt(
                socket.IPPROTO_IP, IP_MULTICAST_ALL, 0
            )  # our memberships alone, not the machine's
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
            sock.bind(("", port))
        except OSError as error:
            raise OperatorError(
                f"port {port} for SSDP cannot be had: {error.strerror}",
                next_step='end what uses it alone, or write  serve: {discovery: "udp"}',
            ) from error
        air = _Air(sock, host, sock.getsockname()[1])
        asked = _Asked(
            sock, devices, lambda who: admits(who) and (not _is_loopback(host) or _is_loopback(who))
        )
        async with trio.open_nursery() as nursery:
            air.settle()
            if not air.reaches:
                log.warning("no interface has the address %s, so SSDP reaches nobody yet", host)
            nursery.start_soon(_announce, air, devices)
            nursery.start_soon(asked.run, nursery)
            task_status.started(air.port)


async def _announce(air: "_Air", devices: Callable[[], Sequence[Announced]]) -> None:
    """Alive for what is there, goodbye for what is not any more."""
    known: tuple[Announced, ...] = ()
    alive_at = whole_at = trio.current_time()
    try:
        while True:
            now = trio.current_time()
            found = tuple(devices())
            air.tell([d for d in known if d not in found], "ssdp:byebye")
            air.tell([d for d in found if d not in known], "ssdp:alive")
            known = found
            if now >= alive_at:
                whole = now >= whole_at
                air.settle()
                air.tell(known, "ssdp:alive", whole=whole)
                alive_at = now + ALIVE_EVERY_S
                whole_at = now + WHOLE_EVERY_S if whole else whole_at
            await trio.sleep(LOOK_S)
    finally:
        air.tell(known, "ssdp:byebye")


class _Air:
    """The multicast group on some interfaces, through one socket."""

    def __init__(self, sock: socket.socket, host: str, port: int) -> None:
        self.port = port
        self._sock = sock
        self._host = host
        self._joined: dict[int, Interface] = {}

    @property
    def reaches(self) -> bool:
        """Whether there is an interface to send by."""
        return bool(self._joined)

    def settle(self) -> None:
        """Join on interfaces that came, forget those that went."""
        now = {one.index: one for one in interfaces(self._host)}
        self._joined = {index: one for index, one in self._joined.items() if now.get(index) == one}
        for index, one in now.items():
            if index not in self._joined:
                with suppress(OSError):  # a member already: it went and came
                    self._sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _mreqn(GROUP, one))
                self._joined[index] = one

    def tell(self, devices: Sequence[Announced], kind: Kind, *, whole: bool = True) -> None:
        """Send by each interface. Never waits: what the kernel does not take is lost, as any packet may be."""
        for one in self._joined.values() if devices else ():
            local = _is_loopback(one.address)
            with suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _mreqn(ANY, one))
                for device in devices:
                    if local or not device.here_only:
                        for message in announcement(device, kind, whole=whole):
                            self._sock.sendto(message, (GROUP, self.port))


def _mreqn(group: str, interface: Interface) -> bytes:
    return struct.pack(
        "=4s4si", socket.inet_aton(group), socket.inet_aton(interface.address), interface.index
    )


class _Asked:
    """Answers searches, each after a moment of its own so that not all devices of a house answer at once."""

    def __init__(
        self, sock: socket.socket, devices: Callable[[], Sequence[Announced]], admits: Callable[[str], bool]
    ) -> None:
        self._sock = sock
        self._devices = devices
        self._admits = admits
        self._waiting = 0

    async def run(self, nursery: trio.Nursery) -> None:
        """For ever; the answers are tasks of `nursery`."""
        while True:
            try:
                await trio.lowlevel.wait_readable(self._sock)
                packet, sender = self._sock.recvfrom(LARGEST_BYTES + 1)
            except OSError:
                await trio.sleep(0.01)  # an unreachable asker must not end this, nor spin it
                continue
            if len(packet) > LARGEST_BYTES or self._waiting >= MOST_WAITING or not self._admits(sender[0]):
                continue
            local = _is_loopback(sender[0])
            delay_s, messages = replies(packet, [d for d in self._devices() if local or not d.here_only])
            if messages:
                self._waiting += 1
                nursery.start_soon(self._answer, random.random() * delay_s, messages, sender)

    async def _answer(self, after_s: float, messages: Sequence[bytes], asker: tuple[str, int]) -> None:
        try:
            await trio.sleep(after_s)
            for message in messages:
                with suppress(OSError):
                    self._sock.sendto(message, asker)
        finally:
            self._waiting -= 1
