"""HDHomeRun discovery on UDP 65001 and the control channel on TCP 65001 (hdhomerun.md 5): packets in, packets out.

    answers(packet, devices) -> replies     one for each device that the request means; silence for all else
    control(packet, device)  -> reply       get-set requests about one device

The packet work is pure and total: any bytes give an answer or silence, never an error. The two listeners at the end are
the only part with sockets. This module refuses to set anything on a device: it has nothing to be set.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import trio

from reconciler.errors import OperatorError
from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.hdhr import Busy

__all__ = [
    "PORT",
    "Device",
    "answers",
    "control",
    "device_at",
    "device_of",
    "id_in",
    "packed",
    "request",
    "serve_discovery",
    "unpacked",
]

PORT: Final = 65001
LARGEST_BYTES: Final = 1460
CONTROL_IDLE_S: Final = 30.0
MOST_CONTROLS: Final = 16

DISCOVER_REQUEST, DISCOVER_REPLY, GETSET_REQUEST, GETSET_REPLY = 2, 3, 4, 5
DEVICE_TYPE, DEVICE_ID, GETSET_NAME, GETSET_VALUE, ERROR_MESSAGE = 0x01, 0x02, 0x03, 0x04, 0x05
TUNER_COUNT, LINEUP_URL, BASE_URL, MULTI_TYPE = 0x10, 0x27, 0x2A, 0x2D
TUNER: Final = 1
ANY: Final = 0xFFFFFFFF
UNKNOWN: Final = b"ERROR: unknown getset variable\0"
IDLE_TUNER: Final = "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0"

Tags = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Device:
    """What discovery tells of one tuner. Only eight hex digits fit the field, so others have none (design.md 4)."""

    id: int
    base_url: str
    tuners: int
    busy: Mapping[int, Busy] = field(default_factory=dict)
    """The tuners in use, by number."""


def device_of(dvr: DvrManifest, busy: Sequence[Busy] = ()) -> Device | None:
    """A DVR as a device, `busy` its tuners in use; None where its DeviceID is not eight hex digits."""
    if len(dvr.device_id) != 8 or not all(c in "0123456789abcdefABCDEF" for c in dvr.device_id):
        return None
    return Device(int(dvr.device_id, 16), dvr.base_url, dvr.tuners, {one.tuner: one for one in busy})


def device_at(devices: Sequence[Device], address: str) -> Device:
    """The device that a control connection to `address` means, of at least one.

    The protocol names none: it knows one device per address. Where several share one, it is the first whose base URL
    has that address, else one that is in use, because what is asked of it then is what it does; else the first.
    """
    here = [device for device in devices if urlsplit(device.base_url).hostname == address] or devices
    return next((device for device in here if device.busy), here[0])


def packed(kind: int, tags: Tags) -> bytes:
    """A packet: type, length, tags, CRC-32 in little-endian order (5.1)."""
    body = b"".join(bytes([tag]) + _length(len(value)) + value for tag, value in tags)
    head = struct.pack(">HH", kind, len(body)) + body
    return head + struct.pack("<I", zlib.crc32(head))


def unpacked(packet: bytes) -> tuple[int, Tags] | None:
    """Type and tags of a packet; None for anything that is not a whole, sound one."""
    if not 8 <= len(packet) <= LARGEST_BYTES:
        return None
    kind, length = struct.unpack_from(">HH", packet)
    if len(packet) != length + 8 or struct.unpack_from("<I", packet, length + 4)[0] != zlib.crc32(
        packet[:-4]
    ):
        return None
    tags = tuple(_tags(packet[4:-4]))
    return None if any(tag < 0 for tag, _ in tags) else (kind, tags)


def answers(packet: bytes, devices: Sequence[Device]) -> list[bytes]:
    """A reply for each device that a discover request means (5.2)."""
    found = unpacked(packet)
    if found is None or found[0] != DISCOVER_REQUEST:
        return []
    tags = dict(found[1])
    types = [tags[DEVICE_TYPE]] if DEVICE_TYPE in tags else []
    many = tags.get(MULTI_TYPE, b"")
    types += [many[at : at + 4] for at in range(0, len(many), 4)]
    if types and not any(_number(value) in {TUNER, ANY} for value in types):
        return []
    wanted = _number(tags[DEVICE_ID]) if DEVICE_ID in tags else ANY
    return [_reply(device) for device in devices if wanted in {ANY, device.id}]


def request() -> bytes:
    """The question of a client that looks for every tuner (5.2)."""
    return packed(
        DISCOVER_REQUEST, ((DEVICE_TYPE, struct.pack(">I", TUNER)), (DEVICE_ID, struct.pack(">I", ANY)))
    )


def id_in(reply: bytes) -> str | None:
    """The DeviceID in a reply to it, as eight hex digits; None in anything else."""
    found = unpacked(reply)
    device = dict(found[1]).get(DEVICE_ID) if found is not None and found[0] == DISCOVER_REPLY else None
    return device.hex().upper() if device is not None and len(device) == 4 else None


def control(packet: bytes, device: Device) -> bytes:
    """The reply to a get-set request; b"" for what is none (5.3)."""
    found = unpacked(packet)
    if found is None or found[0] != GETSET_REQUEST:
        return b""
    tags = dict(found[1])
    name = tags.get(GETSET_NAME, b"").rstrip(b"\0").decode("ascii", "replace")
    value = None if GETSET_VALUE in tags else _variable(name, device)
    if value is None:
        return packed(GETSET_REPLY, ((ERROR_MESSAGE, UNKNOWN),))
    asked = name.encode("ascii", "replace") + b"\0"
    return packed(GETSET_REPLY, ((GETSET_NAME, asked), (GETSET_VALUE, value.encode() + b"\0")))


def _variable(name: str, device: Device) -> str | None:
    fixed = {
        "/sys/model": "hdhomerun5_atsc",
        "/sys/hwmodel": "HDHR5-4US",
        "/sys/version": "20240101",
        "/sys/features": "channelmap: us-bcast us-cable\n",
        "/lineup/scan": "idle",
        "help": "Supported configuration options:\n/sys/model\n/sys/version\n/tuner<n>/status\n",
    }
    if name in fixed:
        return fixed[name]
    tuner, _, what = name.removeprefix("/tuner").partition("/")
    if not name.startswith("/tuner") or not tuner.isdecimal() or int(tuner) >= device.tuners:
        return None
    busy = device.busy.get(int(tuner))
    if busy is None:
        return {"status": IDLE_TUNER, "vchannel": "none", "lockkey": "none"}.get(what)
    return {
        "status": _tuned(busy),
        "vchannel": busy.number,
        "lockkey": busy.target or "none",  # who holds it: the viewer's address
    }.get(what)


def _tuned(busy: Busy) -> str:
    """A tuner in use, in the fields of an idle one: without a frequency, the virtual channel stands for it."""
    return f"ch=auto:v{busy.number} lock=8vsb ss=100 snq=100 seq=100 bps={busy.rate_bps} pps=0"


def _reply(device: Device) -> bytes:
    base = device.base_url.encode()
    return packed(
        DISCOVER_REPLY,
        (
            (DEVICE_TYPE, struct.pack(">I", TUNER)),
            (DEVICE_ID, struct.pack(">I", device.id)),
            (TUNER_COUNT, bytes([min(device.tuners, 255)])),
            (BASE_URL, base),
            (LINEUP_URL, base + b"/lineup.json"),
        ),
    )


def _length(count: int) -> bytes:
    # Up to 127 in one byte; above, the low seven bits with the top bit set, then the rest (5.1)
    return bytes([count]) if count <= 127 else bytes([count & 0x7F | 0x80, count >> 7])


def _tags(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        tag, at = body[at], at + 1
        if at >= len(body):
            yield -1, b""
            return
        count, at = body[at], at + 1
        if count & 0x80:
            if at >= len(body):
                yield -1, b""
                return
            count, at = count & 0x7F | body[at] << 7, at + 1
        if at + count > len(body):
            yield -1, b""
            return
        yield tag, body[at : at + count]
        at += count


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big") if len(value) == 4 else -1


async def serve_discovery(
    host: str,
    devices: Callable[[], Sequence[Device]],
    admits: Callable[[str], bool],
    *,
    port: int = PORT,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on UDP and TCP until cancelled; `task_status` gets the port. `devices` is asked at each packet.

    Addresses that `admits` does not take hear nothing: what answers everybody is used to flood others. One process owns the port (5.4). Raises OperatorError where it is taken.
    """
    udp = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    with udp:
        try:
            await udp.bind((host, port))
            bound: int = udp.getsockname()[1]
            listeners = await trio.open_tcp_listeners(bound, host=host)
        except OSError as error:
            raise OperatorError(
                f"port {port} for discovery is taken on {host}: {error.strerror}",
                next_step='end what uses it, or write  serve: {discovery: "none"}',
            ) from error
        limit = trio.CapacityLimiter(MOST_CONTROLS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_udp, udp, devices, admits)
            nursery.start_soon(
                partial(trio.serve_listeners, partial(_tcp, devices, admits, limit), listeners)
            )
            task_status.started(bound)


async def _udp(
    udp: "trio.socket.SocketType", devices: Callable[[], Sequence[Device]], admits: Callable[[str], bool]
) -> None:
    while True:
        try:
            packet, sender = await udp.recvfrom(LARGEST_BYTES + 1)
            for reply in answers(packet, devices()) if admits(sender[0]) else ():
                await udp.sendto(reply, sender)
        except OSError:
            await trio.sleep(0.01)  # an unreachable asker must not end discovery, nor spin it


async def _tcp(
    devices: Callable[[], Sequence[Device]],
    admits: Callable[[str], bool],
    limit: trio.CapacityLimiter,
    stream: trio.SocketStream,
) -> None:
    async with stream:
        try:
            peer, here = stream.socket.getpeername()[0], stream.socket.getsockname()[0]
        except OSError:
            return
        if limit.available_tokens < 1 or not admits(peer):
            return
        async with limit:
            try:
                buffer = b""
                while len(buffer) <= LARGEST_BYTES:
                    with trio.move_on_after(CONTROL_IDLE_S) as waited:
                        data = await stream.receive_some(LARGEST_BYTES)
                    if waited.cancelled_caught or not data:
                        return
                    buffer += data
                    while len(buffer) >= 4 and len(buffer) >= (
                        size := int.from_bytes(buffer[2:4], "big") + 8
                    ):
                        if not (found := devices()):
                            return
                        reply = control(buffer[:size], device_at(found, here))
                        buffer = buffer[size:]
                        if not reply:
                            return
                        await stream.send_all(reply)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
