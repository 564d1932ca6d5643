"""Requests are exact text: brackets literal, bytes counted as the wire counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plex import requests
from reconciler.plex.model import ChannelPair, Dvr, decode_until_stable


def pair(number: int | str) -> ChannelPair:
    return ChannelPair(str(number), str(number), str(number))


@pytest.mark.accepts("ACT-2")
def test_channel_map_target_is_literal_and_ordered() -> None:
    """One comma-joined list of numbers, two literal-bracket maps per channel, in order of number."""
    target = requests.channel_map_target("17", [pair(1010), pair(999)])
    assert target == (
        "/media/grabbers/devices/17/channelmap?channelsEnabled=999,1010"
        "&channelMapping[999]=999&channelMappingByKey[999]=999"
        "&channelMapping[1010]=1010&channelMappingByKey[1010]=1010"
    )


def test_identifiers_keep_their_differences() -> None:
    """Lineup identifier and key come from Plex's own pairing, and what a query cannot hold is encoded."""
    target = requests.channel_map_target("17", [ChannelPair("5.1", "48.9", "C5&1=x")])
    assert (
        target
        == "/media/grabbers/devices/17/channelmap?channelsEnabled=5.1&channelMapping[5.1]=48.9&channelMappingByKey[5.1]=C5%261%3Dx"
    )


@pytest.mark.accepts("ACT-6")
def test_an_empty_map_cannot_be_written() -> None:
    """There is no request that clears a device."""
    with pytest.raises(ValueError, match="never sent"):
        requests.put_channel_map("17", [])


@pytest.mark.accepts("ACT-3")
@given(
    st.sets(st.integers(1, 99_999), min_size=1, max_size=480),
    st.integers(1, 9_999).map(str),
)
def test_counted_bytes_are_the_bytes_of_the_request(numbers: set[int], key: str) -> None:
    """What the plan counts is what goes out."""
    request = requests.put_channel_map(key, [pair(n) for n in numbers])
    assert request.line_bytes == requests.channel_map_line_bytes(numbers, device_key=key)
    assert requests.channel_map_query_bytes(numbers) == len(request.target.partition("?")[2])


def test_known_arithmetic() -> None:
    """480 four-digit channels make a query of 29,775 bytes, and 32,175 with five digits (style.md 3)."""
    assert requests.channel_map_query_bytes(range(1000, 1480)) == 29_775
    assert requests.channel_map_query_bytes(range(10_000, 10_480)) == 32_175
    assert requests.channel_map_line_bytes(range(1000, 1480)) <= requests.LINE_LIMIT_BYTES


@pytest.mark.accepts("ACT-4")
def test_the_map_request_may_take_long() -> None:
    """Plex needs more than a minute for a large map; leaving early half-activates the DVR."""
    assert requests.put_channel_map("17", [pair(1)]).timeout_s >= 180


@pytest.mark.accepts("DVR-1")
def test_requests_that_make_a_dvr() -> None:
    """Register by address, create with the bare uuid and an encoded lineup: the recorded shapes."""
    assert (
        requests.register_device("http://10.0.0.5:5004").target
        == "/media/grabbers/tv.plex.grabbers.hdhomerun/devices?uri=http%3A%2F%2F10.0.0.5%3A5004"
    )
    lineup = requests.lineup_uri("http://10.0.0.5:5004/guide.xml", "ptctl news")
    assert (
        requests.create_dvr("device://tv.plex.grabbers.hdhomerun/1040ABC5", lineup).target
        == "/livetv/dvrs?language=eng&device=device%3A%2F%2Ftv.plex.grabbers.hdhomerun%2F1040ABC5"
        "&lineup=lineup%3A%2F%2Ftv.plex.providers.epg.xmltv%2F"
        "http%253A%252F%252F10.0.0.5%253A5004%252Fguide.xml%23ptctl%2520news"
    )


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="%#"), min_size=1))
def test_lineup_uri_reads_back(title: str) -> None:
    """Guide and title come out of a lineup as they went in, for URLs and for paths."""
    for location in ("http://ptctl:5005/guide.xml", "/livetv/current/news/guide.xml"):
        dvr = Dvr("28", "u", requests.lineup_uri(location, title))
        assert (location, decode_until_stable(title)) == (dvr.guide, dvr.title)
        assert dvr.provider == "tv.plex.providers.epg.xmltv"


def test_titles_do_not_reach_the_path() -> None:
    """A title may hold anything; the path that messages show stays clean."""
    request = requests.set_device("17", title="a/b?c&d")
    assert request.target == "/media/grabbers/devices/17?title=a%2Fb%3Fc%26d&enabled=1"
    assert request.path == "/media/grabbers/devices/17"
