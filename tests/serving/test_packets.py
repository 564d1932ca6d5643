"""Packets, their grid and their splicing: bytes in slices, damage, other PIDs."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.serving.packets import (
    NULL_PACKET,
    ElementaryStream,
    Psi,
    crc32_mpeg,
    discontinuity_packet,
    find_psi,
    first_key_frame,
    has_pid,
    last_counters,
    last_key_frame,
    psi_packets,
)
from reconciler.serving.splice import Incompatible, Splice
from reconciler.serving.transport import NotTransport, Packets

H264, HEVC, AAC, MPEG2 = 0x1B, 0x24, 0x0F, 0x02
pids = st.integers(0x20, 0x1FFE)


def layout(video: int = 0x100, audio: int = 0x101, *, pmt: int = 0x1000, kind: int = H264) -> Psi:
    """A programme of one video and one audio."""
    return Psi(1, pmt, video, (ElementaryStream(video, kind), ElementaryStream(audio, AAC)))


def packet(pid: int, counter: int, *, start: bool = False, key: bool = False) -> bytes:
    """A packet with payload; a key frame has the random access indicator."""
    head = bytes((0x47, (0x40 if start else 0) | pid >> 8, pid & 0xFF))
    if key:
        return head + bytes((0x30 | counter & 15, 7, 0x50)) + bytes(6) + b"\x00\x00\x01\xe0" + bytes(172)
    return head + bytes((0x10 | counter & 15,)) + b"\x11" * 184


def stream(psi: Psi, packets: int, *, key_at: int = 3) -> bytes:
    """Tables, then packets of the video with one key frame."""
    video = psi.streams[0].pid
    rows = [packet(video, n, start=n == key_at, key=n == key_at) for n in range(packets)]
    return psi_packets(psi) + b"".join(rows)


def fed(data: bytes, size: int) -> bytes:
    """What `Packets` makes of the data in slices of a size."""
    cutter = Packets()
    return b"".join(
        bytes(piece) for at in range(0, len(data), size) for piece in cutter.feed(data[at : at + size])
    )


@given(st.lists(pids, min_size=4, max_size=4, unique=True), st.integers(1, 65535), st.integers(0, 31))
def test_tables_survive_writing_and_reading(four: list[int], program: int, version: int) -> None:
    """PAT and PMT as packets read back as what they were made of."""
    pmt, pcr, video, audio = four
    streams = (ElementaryStream(video, H264, b"\x52\x01\x00"), ElementaryStream(audio, AAC))
    psi = Psi(program, pmt, pcr, streams, version=version)
    assert psi == find_psi(psi_packets(psi))


def test_a_long_table_spans_packets() -> None:
    """Sixty streams need a PMT of several packets, with others between them."""
    psi = Psi(1, 0x50, 0x100, tuple(ElementaryStream(0x100 + n, AAC, bytes(6)) for n in range(60)))
    rows = psi_packets(psi)
    mixed = b"".join(rows[at : at + 188] + NULL_PACKET for at in range(0, len(rows), 188))
    assert len(rows) > 3 * 188
    assert psi == find_psi(mixed)


def test_damaged_tables_are_not_believed() -> None:
    """One wrong bit in PAT or PMT, or a table cut off: nothing is found rather than something wrong."""
    rows = psi_packets(layout())
    for at in (10, 13, 188 + 12, 188 + 20):
        assert find_psi(rows[:at] + bytes((rows[at] ^ 1,)) + rows[at + 1 :]) is None
    assert find_psi(rows[:188]) is None
    assert find_psi(b"") is None
    assert crc32_mpeg(b"123456789") == 0x0376E6E7


def test_key_frames() -> None:
    """Found by the indicator, or by the picture itself; audio never counts."""
    psi = layout()
    data = stream(psi, 40, key_at=3) + stream(psi, 40, key_at=7)
    assert (2 + 3) * 188 == first_key_frame(data, psi)
    assert (2 + 40 + 2 + 7) * 188 == last_key_frame(data, psi)
    assert -1 == first_key_frame(packet(0x101, 0, start=True, key=True) * 3, psi)
    for kind, unit in ((H264, b"\x67"), (H264, b"\x65"), (HEVC, b"\x40"), (MPEG2, b"\xb3")):
        body = b"\x00\x00\x01\xe0\x00\x00\x80\x80\x05" + bytes(5) + b"\x00\x00\x01" + unit
        row = (b"\x47\x41\x00\x10" + body).ljust(188, b"\xff")
        assert 0 == first_key_frame(row, layout(kind=kind)), hex(kind)
    body = b"\x00\x00\x01\xe0\x00\x00\x80\x80\x05" + bytes(5) + b"\x00\x00\x01\x41"
    assert -1 == first_key_frame((b"\x47\x41\x00\x10" + body).ljust(188, b"\xff"), psi)


def test_small_packets() -> None:
    """Null and discontinuity packets have the right length and mark."""
    assert 188 == len(NULL_PACKET) == len(discontinuity_packet(0x100, 5))
    mark = discontinuity_packet(0x101, 7)
    assert (0x101, 7, 0x80) == ((mark[1] & 0x1F) << 8 | mark[2], mark[3] & 0x0F, mark[5] & 0x80)
    assert {0x100: 4, 0x101: 9} == last_counters(
        packet(0x100, 3) + packet(0x101, 9) + packet(0x100, 4) + NULL_PACKET
    )
    assert has_pid(packet(0x1100, 0) + packet(0x100, 0), 0x100)
    assert not has_pid(packet(0x1100, 0), 0x100)


@pytest.mark.parametrize("size", [1, 10, 187, 188, 189, 564, 4096, 100_000])
def test_any_slices_give_the_same_packets(size: int) -> None:
    """A stream in slices of any size comes out whole."""
    data = stream(layout(), 300)
    assert data == fed(data, size)


# What begins like JSON, HTML or a playlist is refused as such: noise begins with a byte that begins none of them.
@given(
    st.integers(1, 700),
    st.lists(st.sampled_from([0x47, *range(0x80, 0x100)]), max_size=400).map(
        lambda noise: b"\xff" + bytes(noise)
    ),
    st.integers(0, 90),
)
def test_only_whole_packets_come_out(size: int, noise: bytes, cut: int) -> None:
    """With noise before and a cut at the end, what comes out is whole packets from the stream, in order."""
    data = stream(layout(), 60)
    out = fed(noise + data[: len(data) - cut], size)
    assert 0 == len(out) % 188
    assert set(out[::188]) <= {0x47}
    assert len(out) >= len(data) - cut - 12 * 188


@pytest.mark.parametrize("size", [1000, 5000, 100_000])
@pytest.mark.parametrize("lost", [1, 100, 187, 500])
def test_damage_costs_little(lost: int, size: int) -> None:
    """Bytes lost in the middle cost a few packets, and the grid is found again."""
    data = stream(layout(), 400)
    out = fed(data[:30_000] + data[30_000 + lost :], size)
    assert set(out[::188]) == {0x47}
    assert len(out) > len(data) - lost - 12 * 188


@pytest.mark.parametrize("spacing", [192, 204])
def test_other_spacings_are_cut_down(spacing: int) -> None:
    """M2TS with its time codes, and packets with parity, become 188 bytes."""
    data = stream(layout(), 100)
    before, after = (b"\x01\x02\x03\x04", b"") if spacing == 192 else (b"", bytes(16))
    odd = b"".join(before + data[at : at + 188] + after for at in range(0, len(data), 188))
    for size in (1, 3, 100, 5000):
        assert data == fed(odd, size)


@pytest.mark.parametrize(
    ("page", "cause"), [(b"<html><body>busy</body></html>", "html"), (b'{"error": "limit"}', "json")]
)
def test_a_page_in_mid_stream_is_noticed(page: bytes, cause: str) -> None:
    """HTML or JSON where packets should be ends the stream at once, with the detector's word for it."""
    cutter = Packets()
    cutter.feed(stream(layout(), 100))
    with pytest.raises(NotTransport) as caught:
        cutter.feed(page)
    assert cause == caught.value.cause


@pytest.mark.parametrize("cut", [1, 100, 187])
def test_a_page_inside_a_packet_is_noticed(cut: int) -> None:
    """A provider that ends in the middle of a packet and goes on with a page: noticed when the page is there."""
    page = b"<!DOCTYPE html><html><body>" + b"This stream is not available. " * 8 + b"</body></html>"
    cutter = Packets()
    cutter.feed(stream(layout(), 100)[: -188 + cut])
    with pytest.raises(NotTransport) as caught:
        cutter.feed(page)
    assert caught.value.cause == "html"


def test_zeros_are_no_stream() -> None:
    """Endless zeros end after 64 KiB."""
    cutter = Packets()
    cutter.feed(stream(layout(), 100))
    with pytest.raises(NotTransport):
        b"".join(bytes(piece) for _ in range(17) for piece in cutter.feed(bytes(4096)))


def pid_list(data: bytes) -> set[int]:
    """The PIDs of packets, null packets apart."""
    rows = range(0, len(data), 188)
    return {(data[at + 1] & 0x1F) << 8 | data[at + 2] for at in rows} - {0x1FFF}


def spliced(old: Psi | None, new: bytes, size: int = 1880) -> bytes:
    """What a splice makes of a new stream given in pieces."""
    splice = Splice(old, packet(0x100, 9) + packet(0, 3))
    pieces: Sequence[bytes] = [new[at : at + size] for at in range(0, len(new), size)]
    return b"".join(bytes(out) for piece in pieces for out in splice.feed([piece]))


def breaks(data: bytes) -> list[int]:
    """PIDs whose counter does not follow, as ffmpeg sees it: a mark is believed, and what follows compared with it."""
    found: list[int] = []
    last: dict[int, int] = {}
    for at in range(0, len(data), 188):
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        flags, counter = data[at + 3], data[at + 3] & 0x0F
        marked = flags & 0x20 and data[at + 4] and data[at + 5] & 0x80
        expected = last.get(pid, -1) + (flags >> 4 & 1) & 0x0F
        if pid in last and not marked and counter != expected:
            found.append(pid)
        last[pid] = counter
    return found


def counted(data: bytes, first: int) -> bytes:
    """The packets with counters that go on from `first` in each PID."""
    out, last = bytearray(data), dict[int, int]()
    for at in range(0, len(out), 188):
        pid = (out[at + 1] & 0x1F) << 8 | out[at + 2]
        last[pid] = last.get(pid, first) + 1 & 0x0F
        out[at + 3] = out[at + 3] & 0xF0 | last[pid]
    return bytes(out)


def test_a_splice_begins_with_tables_marks_and_a_key_frame() -> None:
    """The same layout: tables, a mark for each PID, then from the key frame on."""
    psi = layout()
    out = spliced(psi, stream(psi, 50, key_at=20))
    body = stream(psi, 50, key_at=20)[22 * 188 :]
    assert out.endswith(body)
    opening = out[: -len(body)]
    assert psi == find_psi(opening)
    assert {0, 0x100, 0x101} <= pid_list(opening)


@pytest.mark.parametrize("pids", [(0x1000, 0x100, 0x101), (0x1F0, 0x1E1, 0x1E2)], ids=["same", "other"])
def test_counters_lead_from_one_stream_to_the_next(pids: tuple[int, int, int]) -> None:
    """Wherever either stream's counters stand, a player sees no break: in pictures, sound, tables or another service."""
    old = layout()
    pmt, video, audio = pids
    new = Psi(old.program, pmt, video, (ElementaryStream(video, H264), ElementaryStream(audio, AAC)))
    names = packet(0x11, 0)
    for first in range(16):
        before = counted(stream(old, 40, key_at=3) + names, 5)
        after = counted(names + stream(new, 40, key_at=9) + names + stream(new, 40, key_at=9), first)
        splice = Splice(old, before)
        out = b"".join(
            bytes(piece) for at in range(0, len(after), 188) for piece in splice.feed([after[at : at + 188]])
        )
        assert out
        assert [] == breaks(before + out)


def test_a_table_that_comes_late_is_led_to_as_well() -> None:
    """Names of services come every few seconds: long after the switch their counter breaks for nobody either."""
    old, names = layout(), packet(0x11, 0)
    for first in range(16):
        before = counted(stream(old, 40, key_at=3) + names, 5)
        after = counted(stream(old, 40, key_at=0) * 3 + names * 2 + stream(old, 40), first)
        splice = Splice(old, before)
        sizes = range(0, len(after), 188 * 30)
        out = b"".join(bytes(p) for at in sizes for p in splice.feed([after[at : at + 188 * 30]]))
        assert [] == breaks(before + out)
        assert splice.transparent


def test_a_table_that_never_comes_is_not_waited_for() -> None:
    """After some megabytes nobody looks any more."""
    old = layout()
    splice = Splice(old, stream(old, 40, key_at=3) + packet(0x11, 0))
    splice.feed([stream(old, 40, key_at=0)])
    assert not splice.transparent
    for _ in range(30):
        splice.feed([packet(0x100, 1) * 1000])
    assert splice.transparent


def test_other_pids_are_renamed() -> None:
    """Another layout comes out under the first one's PIDs, with the first one's tables."""
    old = layout()
    new = Psi(7, 0x1F0, 0x1E1, (ElementaryStream(0x1E1, H264), ElementaryStream(0x1E2, AAC)))
    extra = packet(0x1E2, 1) + packet(0x999, 1) + psi_packets(new)
    out = spliced(old, stream(new, 50, key_at=0) + extra * 5)
    assert {0, 0x1000, 0x100, 0x101} == pid_list(out)
    assert old == find_psi(out[-2 * 188 :])


def test_other_codecs_cannot_be_spliced() -> None:
    """MPEG-2 after H.264 is refused; a radio without tables passes as it is."""
    with pytest.raises(Incompatible, match="video"):
        spliced(layout(), stream(layout(kind=MPEG2), 50))
    data = stream(layout(), 20)
    assert data == spliced(None, data)


def test_a_splice_does_not_wait_for_ever() -> None:
    """Without a key frame it begins when told to, or after two megabytes."""
    psi = layout()
    splice = Splice(psi, b"")
    data = psi_packets(psi) + packet(0x100, 1) * 100
    assert [] == splice.feed([data])
    assert splice.give_up_waiting()
    assert splice.ready
    again = Splice(psi, b"")
    assert b"".join(bytes(o) for _ in range(200) for o in again.feed([packet(0x100, 1) * 100]))


def test_a_deadline_before_the_tables_lets_no_strange_pids_out() -> None:
    """A slow provider's first packets, under PIDs nobody mapped: held until the tables say whose they are."""
    old, new = layout(), layout(0x1E1, 0x1E2, pmt=0x1F0)
    splice = Splice(old, packet(0x100, 9))
    assert [] == splice.feed([packet(0x1E1, 1) * 20])
    assert [] == splice.give_up_waiting()
    out = b"".join(bytes(piece) for piece in splice.feed([stream(new, 40)]))
    assert {0, 0x1000, 0x100, 0x101} == pid_list(out)
    late = Splice(old, packet(0x100, 9))
    late.feed([packet(0x1E1, 1) * 20])
    late.feed([psi_packets(new) + packet(0x1E1, 1) * 20])
    assert {0, 0x1000, 0x100, 0x101} == pid_list(b"".join(bytes(piece) for piece in late.give_up_waiting()))
    same = Splice(old, packet(0x100, 9))
    same.feed([packet(0x100, 1) * 20])
    assert same.give_up_waiting(), "a picture without tables is better than none"
