"""UDP discovery and the control channel: the bytes of hdhomerun.md 5.2 and 5.3, and Debian's own client."""

from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.discovery import (
    Device,
    answers,
    control,
    device_at,
    device_of,
    packed,
    serve_discovery,
    unpacked,
)
from reconciler.serving.hdhr import Busy
from tests.conftest import Run
from tests.serving.stage import discovery

DEVICE = Device(0x12345674, "http://127.0.0.1:5004", 2)
OTHER = Device(0x1040ABC5, "http://127.0.0.1:5005", 1)
REPLY = bytes.fromhex(
    "00030049 0104 00000001 0204 12345674 1001 02"
    "2a15 687474703a2f2f3132372e302e302e313a35303034"
    "2721 687474703a2f2f3132372e302e302e313a353030342f6c696e6575702e6a736f6e 849dc70d"
)


def test_the_worked_example() -> None:
    """The request and the reply of hdhomerun.md 5.3, to the byte."""
    request = bytes.fromhex("0002000c 0104ffffffff 0204ffffffff 73cc7d8f")
    assert [REPLY] == answers(request, [DEVICE])


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("0002000c 0104ffffffff 0204ffffffff 73cc7d8f", 2),
        ("00020006 0104ffffffff 4c20cb4e", 2),
        ("0002000a 2d080000000100000005 4f63391f", 2),
        ("0002000c 0104ffffffff 02041040abc5 d265b8d7", 1),
        ("00020006 010400000001 393077e7", 2),
        ("0002000c 010400000001 0204ffffffff 4e507f35", 2),
    ],
)
def test_every_known_request_is_answered(request_: str, expected: int) -> None:
    """All six forms of hdhomerun.md 5.2; a request for one device is answered by that one alone."""
    assert expected == len(answers(bytes.fromhex(request_), [DEVICE, OTHER]))


def test_others_are_left_in_peace() -> None:
    """A request for storage devices, a reply, a broken CRC: silence."""
    storage = packed(2, ((0x01, bytes.fromhex("00000005")),))
    broken = bytes.fromhex("0002000c 0104ffffffff 0204ffffffff 73cc7d8e")
    assert [] == answers(storage, [DEVICE]) == answers(REPLY, [DEVICE]) == answers(broken, [DEVICE])


def test_control_answers_the_model() -> None:
    """The exchange of hdhomerun.md 5.3; setting and unknown names are errors."""
    asked = bytes.fromhex("0004000d 030b 2f7379732f6d6f64656c00 8f5b54b5")
    found = unpacked(control(asked, DEVICE))
    assert found is not None
    assert (5, ((3, b"/sys/model\0"), (4, b"hdhomerun5_atsc\0"))) == found
    unknown = unpacked(control(packed(4, ((3, b"/nope\0"),)), DEVICE))
    assert unknown == (5, ((5, b"ERROR: unknown getset variable\0"),))
    setting = unpacked(control(packed(4, ((3, b"/sys/model\0"), (4, b"x\0"))), DEVICE))
    assert setting == unknown


def test_control_tells_which_tuners_are_in_use() -> None:
    """A tuned tuner names its channel, viewer and rate; the others are idle; one too many is unknown."""
    busy = (Busy(1, "1000", "News", 4_200_000, "192.168.1.20"),)
    dvr = DvrManifest("n", "n", "12345674", "n", 5004, "http://127.0.0.1:5004", 2, False, {})
    device = device_of(dvr, busy)
    assert device is not None

    def said(name: str) -> bytes:
        found = unpacked(control(packed(4, ((3, name.encode() + b"\0"),)), device))
        assert found is not None
        return found[1][-1][1].rstrip(b"\0")

    assert b"ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0" == said("/tuner0/status")
    assert b"ch=auto:v1000 lock=8vsb ss=100 snq=100 seq=100 bps=4200000 pps=0" == said("/tuner1/status")
    assert (b"1000", b"192.168.1.20") == (said("/tuner1/vchannel"), said("/tuner1/lockkey"))
    assert said("/tuner2/status").startswith(b"ERROR")


def test_control_means_the_device_at_the_address_that_was_asked() -> None:
    """An address of its own tells devices apart; on a shared one, the one in use, else the first."""
    own = Device(0x1040ABC5, "http://127.0.0.2:5004", 1)
    used = Device(0x10203040, "http://127.0.0.1:5005", 1, {0: Busy(0, "7", "Seven", 1, "127.0.0.1")})
    assert DEVICE == device_at([DEVICE, own], "127.0.0.1")
    assert own == device_at([DEVICE, own], "127.0.0.2")
    assert used == device_at([DEVICE, own, used], "127.0.0.1")
    assert DEVICE == device_at([DEVICE, own], "10.0.0.9")


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    """Noise gives silence."""
    assert isinstance(answers(data, [DEVICE]), list)
    assert isinstance(control(data, DEVICE), bytes)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=4))
def test_packets_survive_packing(tags: list[tuple[int, bytes]]) -> None:
    """What is packed unpacks to the same, short and long values alike."""
    assert (2, tuple(tags)) == unpacked(packed(2, tuple(tags)))


def test_ids_that_do_not_fit_have_no_device() -> None:
    """A Threadfin id is fine for Plex and has no place in a four-byte field."""
    dvr = DvrManifest("n", "n", "2019-01-DEF-000:2", "n", 5004, "http://10.0.0.5:5004", 2, False, {})
    assert device_of(dvr) is None


@pytest.mark.program("hdhomerun_config")
@pytest.mark.accepts("DSC-1")
def test_debians_client_lists_every_dvr(run: Run[None]) -> None:
    """`hdhomerun_config discover 127.0.0.1` lists both, and `get /sys/model` works."""

    async def main() -> None:
        async with discovery(), trio.open_nursery() as nursery:
            await nursery.start(
                partial(serve_discovery, "127.0.0.1", lambda: [DEVICE, OTHER], lambda _: True)
            )
            listed = await trio.run_process(
                ["hdhomerun_config", "discover", "127.0.0.1"], capture_stdout=True
            )
            assert b"12345674" in listed.stdout
            assert b"1040ABC5" in listed.stdout.upper()
            model = await trio.run_process(
                ["hdhomerun_config", "127.0.0.1", "get", "/sys/model"], capture_stdout=True
            )
            assert b"hdhomerun5_atsc" in model.stdout
            nursery.cancel_scope.cancel()

    run(main)
