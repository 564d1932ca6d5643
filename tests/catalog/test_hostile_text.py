"""Text that was made to be slow to read: a list, a guide or an answer of a megabyte costs its length, never its square."""

import time
from collections.abc import Callable

import pytest

from reconciler.catalog.extinf import read_extinf
from reconciler.catalog.guide_programme import episode_numbers
from reconciler.catalog.guide_split import Splitter
from reconciler.catalog.guide_text import mended_text
from reconciler.catalog.guide_times import time_value
from reconciler.catalog.names import normalise_name
from reconciler.catalog.playlist import parse
from reconciler.serving.playlist import read_playlist
from reconciler.serving.reply_heads import mended

N = 40_000
"""Signs in a row. Read in time that grows with the square, each of these takes half a minute and more."""
ENOUGH_S = 2.0


def guide(data: bytes) -> object:
    """All programmes of a guide."""
    return [list(block.programmes()) for block in Splitter([data]).blocks()]


def variants(text: str) -> object:
    """An HLS master playlist with one variant of these attributes."""
    return read_playlist(f"#EXTM3U\n#EXT-X-STREAM-INF:{text}\nv.m3u8\n", "http://h/m.m3u8")


def entries(url: str) -> object:
    """An M3U list with one entry at this address."""
    return parse([f"#EXTM3U\n#EXTINF:-1,A\n{url}\n".encode()], source="m")


def header(urls: str) -> object:
    """An M3U list whose header names these guides."""
    return parse([f'#EXTM3U url-tvg="{urls}"\n'.encode()], source="m")


@pytest.mark.accepts("SEC-3")
@pytest.mark.parametrize(
    ("reads", "what"),
    [
        pytest.param(read_extinf, " " * N + "x", id="blanks before a name"),
        pytest.param(read_extinf, " " * N + 'a="', id="blanks before an open quote"),
        pytest.param(normalise_name, " \u24bc" * N + "x", id="marks within a name"),
        pytest.param(header, "http://g" + "," * N + "x", id="commas in an address of a guide"),
        pytest.param(entries, "http://h" + "/vod" * N, id="folders of films"),
        pytest.param(lambda text: episode_numbers([("onscreen", text)], ""), "S" + " " * N, id="a season"),
        pytest.param(lambda text: episode_numbers([("xmltv_ns", text)], ""), "1." + " " * N + "x", id="a number"),
        pytest.param(time_value, "2026" + " " * N + "x1", id="a time"),
        pytest.param(mended_text, b"&x" + b"<![CDATA[" * N, id="open sections in a programme"),
        pytest.param(mended_text, b"&x" + b"<!--" * N, id="open comments in a programme"),
        pytest.param(guide, b"<tv>" + b"<![CDATA[" * N, id="open sections in a guide"),
        pytest.param(guide, b"<!DOCTYPE tv [" + b"<!--" * N + b"<tv>", id="open comments in a DOCTYPE"),
        pytest.param(variants, "A" * N, id="a variant's attribute without a value"),
        pytest.param(mended, b"ICY 200 OK\r\nx:" + b" " * N + b"\x7f\r\n\r\n", id="blanks in a header"),
    ],
)  # fmt: skip
def test_reading_costs_the_length_and_not_its_square(
    reads: Callable[[str | bytes], object], what: str | bytes
) -> None:
    """Whatever is made of it, it is made soon."""
    began = time.process_time()
    reads(what)
    assert time.process_time() - began < ENOUGH_S
