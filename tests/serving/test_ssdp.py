"""SSDP: the messages of UPnP 1.0, and a real client of the multicast group on loopback."""

import socket
import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self
from xml.etree import ElementTree as ET

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.hdhr import device_xml
from reconciler.serving.ssdp import Announced, announced, announcement, interfaces, replies, serve_ssdp
from tests.conftest import Run
from tests.ports import free_port

NEWS = DvrManifest("news", "news", "1040ABC5", "ptctl news", 5005, "http://127.0.0.1:5005", 2, False, {})
SPORT = DvrManifest("sport", "sport", "12345674", "ptctl sport", 5006, "http://127.0.0.1:5006", 2, False, {})
DEVICES = (announced(NEWS), announced(SPORT))
GROUP = "239.255.255.250"
MEDIA_SERVER = "urn:schemas-upnp-org:device:MediaServer:1"


def search(target: str, mx: str = "1", man: str = '"ssdp:discover"') -> bytes:
    """An M-SEARCH."""
    lines = [
        "M-SEARCH * HTTP/1.1",
        f"HOST: {GROUP}:1900",
        f"MAN: {man}",
        f"MX: {mx}",
        f"ST: {target}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def headers(message: bytes) -> Mapping[str, str]:
    """The header lines of a message; the first line is `""`."""
    first, *lines = message.decode().split("\r\n")
    assert ["", ""] == lines[-2:]
    return {"": first} | {k.upper(): v.strip() for k, _, v in (line.partition(":") for line in lines[:-2])}


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("ssdp:all", 6),
        ("upnp:rootdevice", 2),
        (MEDIA_SERVER, 2),
        (DEVICES[0].udn, 1),
        ("urn:schemas-upnp-org:device:MediaRenderer:1", 0),
        ("uuid:0", 0),
        ("", 0),
    ],
)
def test_who_is_searched_answers(target: str, count: int) -> None:
    """Each device once for each thing it is asked as, with a target and a unique name that fit."""
    delay_s, messages = replies(search(target), DEVICES)
    assert (count, 1.0) == (len(messages), delay_s if messages else 1.0)
    for message in messages:
        said = headers(message)
        assert "HTTP/1.1 200 OK" == said[""]
        assert "EXT" in said
        assert said["ST"] == target or target == "ssdp:all"
        assert said["USN"].startswith("uuid:")
        assert said["USN"].endswith(said["ST"])
        assert said["LOCATION"] in {"http://127.0.0.1:5005/device.xml", "http://127.0.0.1:5006/device.xml"}


def test_the_description_is_of_the_same_device() -> None:
    """What device.xml says of itself is what was announced: type and unique name."""
    root = ET.fromstring(device_xml(NEWS))
    space = "{urn:schemas-upnp-org:device-1-0}"
    udn = root.findtext(f"{space}device/{space}UDN")
    kind = root.findtext(f"{space}device/{space}deviceType")
    told = [headers(m)["USN"] for m in announcement(DEVICES[0], "ssdp:alive", whole=True)]
    assert [f"{udn}::upnp:rootdevice", udn, f"{udn}::{kind}"] == told


@pytest.mark.parametrize(
    ("mx", "delay_s"), [("0", 0), ("3", 3), ("120", 5), ("-1", 0), ("", 0), ("nan", 0), ("٣", 0)]
)
def test_the_wished_delay_has_a_bound(mx: str, delay_s: float) -> None:
    """MX above five seconds is five, and what is no number is none."""
    assert delay_s == replies(search("ssdp:all", mx), DEVICES)[0]


@given(st.binary(max_size=3000))
def test_any_bytes_give_an_answer_or_silence(packet: bytes) -> None:
    """Nothing raises; what is no search is not answered."""
    assert packet.startswith(b"M-SEARCH") or replies(packet, DEVICES) == (0.0, [])


def test_other_requests_are_not_answered() -> None:
    """Announcements of others (ours come back to us) and searches by another rule."""
    assert replies(announcement(DEVICES[0], "ssdp:alive", whole=True)[0], DEVICES)[1] == []
    assert replies(search("ssdp:all", man='"other:thing"'), DEVICES)[1] == []


def test_loopback_covers_loopback_alone() -> None:
    """Listening on 127.0.0.1 finds the loopback interface and no other; an address of nobody finds none."""
    assert ["127.0.0.1"] == [one.address for one in interfaces("127.0.0.1")]
    assert {"127.0.0.1"} <= {one.address for one in interfaces("0.0.0.0")}
    assert [] == interfaces("203.0.113.7")
    assert announced(NEWS).here_only
    assert not Announced("uuid:x", "http://nas.lan:5005/device.xml").here_only


class Client:
    """A member of the group on loopback, and a socket to search with."""

    def __init__(self, port: int) -> None:
        self.port = port
        request = struct.pack("=4s4si", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"), 0)
        self.heard = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        self.asking = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)

    async def __aenter__(self) -> Self:
        await self.heard.bind((GROUP, self.port))
        await self.asking.bind(("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.heard.close()
        self.asking.close()

    async def notices(self, until: Callable[[list[Mapping[str, str]]], bool]) -> list[Mapping[str, str]]:
        """NOTIFY messages up to the one that makes `until` true."""
        found: list[Mapping[str, str]] = []
        with trio.fail_after(5):
            while not until(found):
                found.append(headers(await self.heard.recv(2048)))
        return found

    async def search(self, target: str, within_s: float = 1.0) -> list[Mapping[str, str]]:
        """What answers a search in this time."""
        await self.asking.sendto(search(target, "0"), (GROUP, self.port))
        found = []
        with trio.move_on_after(within_s):
            while True:
                found.append(headers(await self.asking.recv(2048)))
        return found


def kinds(notices: list[Mapping[str, str]], what: str) -> set[str]:
    """Where the devices are, or who they are, that said so."""
    return {n.get("LOCATION", n["USN"][:41]) for n in notices if n.get("NTS") == what}


def test_devices_come_are_found_and_go(run: Run[None]) -> None:
    """Alive at the start and when a DVR comes, found by a search, goodbye when one goes and at the end."""

    async def main() -> None:
        here = [DEVICES[0]]
        port = free_port()
        async with Client(port) as client, trio.open_nursery() as nursery:
            start: Any = partial(serve_ssdp, "127.0.0.1", lambda: here, lambda _: True, port=port)
            assert port == await nursery.start(start)
            first = await client.notices(lambda seen: len(kinds(seen, "ssdp:alive")) == 1)
            assert "max-age=1800" == first[0]["CACHE-CONTROL"]
            answers = await client.search(MEDIA_SERVER)
            assert ["http://127.0.0.1:5005/device.xml"] == [a["LOCATION"] for a in answers]
            here.append(DEVICES[1])
            both = {d.location for d in DEVICES}
            assert await client.notices(
                lambda seen: both >= kinds(seen, "ssdp:alive") >= {DEVICES[1].location}
            )
            assert 6 == len(await client.search("ssdp:all"))
            here.pop(0)
            await client.notices(lambda seen: DEVICES[0].udn in kinds(seen, "ssdp:byebye"))
            nursery.cancel_scope.cancel()

    run(main)


def test_the_end_says_goodbye_to_all(run: Run[None]) -> None:
    """Cancelled, every device says goodbye as each thing it is."""

    async def main() -> None:
        port = free_port()
        async with Client(port) as client:
            async with trio.open_nursery() as nursery:
                start: Any = partial(serve_ssdp, "127.0.0.1", lambda: DEVICES, lambda _: True, port=port)
                await nursery.start(start)
                await client.notices(lambda seen: len(kinds(seen, "ssdp:alive")) == 2)
                nursery.cancel_scope.cancel()
            gone = {d.udn for d in DEVICES}
            seen = await client.notices(lambda s: len([n for n in s if n["NTS"] == "ssdp:byebye"]) == 6)
            assert gone == kinds(seen, "ssdp:byebye")

    run(main)


@pytest.mark.accepts("SEC-2")
def test_strangers_hear_nothing(run: Run[None]) -> None:
    """An address that may not ask gets no answer: open SSDP is used to flood others."""

    async def main() -> None:
        asked = []

        def admits(who: str) -> bool:
            asked.append(who)
            return False

        async with trio.open_nursery() as nursery:
            start: Any = partial(serve_ssdp, "127.0.0.1", lambda: DEVICES, admits, port=0)
            port = await nursery.start(start)
            async with Client(port) as client:
                assert [] == await client.search("ssdp:all", 0.5)
            nursery.cancel_scope.cancel()
        assert {"127.0.0.1"} == set(asked)  # its own announcements come back to it, too

    run(main)
