"""The small parts of planning: addresses, ranges, order, words, rows of old files."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lineups.manifest import DvrManifest
from reconciler.planning.addresses import guide_location, host_and_port, normal_address, same_address
from reconciler.planning.estimates import estimate_of
from reconciler.planning.inputs import Estimate
from reconciler.planning.model import Action
from reconciler.planning.numbers import numbers_in, ranges
from reconciler.planning.order import in_order
from reconciler.planning.published import published_rows
from reconciler.planning.targets import targets
from reconciler.plex.requests import channel_map_line_bytes
from tests.planning.worlds import Home, spec_of


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://10.0.0.5:5004", "http://10.0.0.5:5004/"),
        ("http://NAS.lan", "http://nas.lan:80"),
        ("10.0.0.5:5004", "http://10.0.0.5:5004"),
        ("http%3A%2F%2F10.0.0.5%3A5004%2Fguide.xml", "http://10.0.0.5:5004/guide.xml"),
        ("http://[FE80::1]:5004/x/", "http://[fe80::1]:5004/x"),
        ("/livetv/current/news/guide.xml", "/livetv/current/news/guide.xml/"),
    ],
)
def test_spellings_of_one_address(left: str, right: str) -> None:
    """Slashes, default ports, case of the host and encoding make no other address (plex-livetv.md 2.2, 3.3)."""
    assert same_address(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://10.0.0.5:5004", "http://10.0.0.5:5005"),
        ("http://10.0.0.5:5004/a", "http://10.0.0.5:5004/A"),
        ("http://a/guide.xml?key=1", "http://a/guide.xml?key=2"),
        ("http://nas", "http://10.0.0.5"),
        ("http://nas", "https://nas"),
    ],
)
def test_other_addresses(left: str, right: str) -> None:
    """Port, path, query, host and scheme do."""
    assert not same_address(left, right)


@given(st.text(max_size=60))
def test_any_text_has_one_normal_form(text: str) -> None:
    """Normalising never fails and is stable."""
    try:
        once = normal_address(text)
    except ValueError:
        pytest.fail(f"{text!r} was not normalised")
    assert normal_address(once) == normal_address(normal_address(once))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTP://Nas.LAN:80/Guide.xml/", "http://nas.lan/Guide.xml"),
        ("https://nas:443", "https://nas"),
        ("https://nas:80/x?a=1#b", "https://nas:80/x?a=1"),
        ("http://[FE80::1]:5004", "http://[fe80::1]:5004"),
        ("http://[fe80::1]/", "http://[fe80::1]"),
        (" nas:5004 ", "http://nas:5004"),
        ("/livetv/current/news/guide.xml/", "/livetv/current/news/guide.xml"),
        ("http://nas:port", "http://nas:port"),
        ("http:///x", "http:///x"),
        ("/", ""),
    ],
)
def test_one_spelling_of_an_address(text: str, normal: str) -> None:
    """Case of scheme and host, default ports, slashes at the end, fragments; what is no address stays as it is."""
    assert normal == normal_address(text)


@pytest.mark.parametrize(
    ("place", "location"),
    [
        ("http", "http://ptctl:5005/xmltv/threadfin.xml"),
        ("file:/livetv/current/", "/livetv/current/old-news/guide.xml"),
        ("file:/livetv/current", "/livetv/current/old-news/guide.xml"),
    ],
)
def test_where_plex_finds_a_guide(place: str, location: str) -> None:
    """Below the tuner, under the path that the DVR has; or a file that Plex can read."""
    spec = spec_of(["news"])
    assert spec.plex is not None
    dvr = DvrManifest("news", "old-news", "1040ABC5", "news", 5005, "http://ptctl:5005", 2, scan_possible=False, channels={}, guide_path="/xmltv/threadfin.xml")  # fmt: skip
    at = replace(spec, plex=replace(spec.plex, guide_location=place))
    assert location == guide_location(at, dvr)
    assert "http://ptctl:5005/xmltv/threadfin.xml" == guide_location(replace(spec, plex=None), dvr)


def test_ports_for_remarks() -> None:
    """A remark names the port where there is one."""
    assert host_and_port("http://ptctl:5016") == ":5016"
    assert host_and_port("http://ptctl:5004/news") == ":5004/news"
    assert host_and_port("http://ptctl/news") == "http://ptctl/news"


@given(st.sets(st.integers(1, 99_999), max_size=600))
def test_ranges_read_back(numbers: set[int]) -> None:
    """Numbers survive the short text, in order."""
    assert numbers_in(ranges(numbers)) == tuple(sorted(numbers))


def test_ranges_are_short() -> None:
    """Neighbours are joined."""
    assert ranges([1004, 1000, 1001, 1002, 1010, 1011]) == "1000-1002,1004,1010-1011"
    assert ranges([]) == ""


@given(st.permutations([("c", ("a",)), ("a", ()), ("b", ("a",)), ("d", ("b", "c")), ("e", ("elsewhere",))]))
def test_order_follows_needs_then_names(given_order: list[tuple[str, tuple[str, ...]]]) -> None:
    """Whatever order they come in, actions leave in one."""
    actions = [Action(i, "set-device", "x", needs) for i, needs in given_order]
    assert [a.id for a in in_order(actions)] == ["a", "b", "c", "d", "e"]


def test_circles_and_doubles_are_mistakes() -> None:
    """Actions that need each other, or one that stands twice, are refused."""
    with pytest.raises(ValueError, match=r"^actions need each other in a circle$"):
        in_order([Action("a", "publish", "", ("b",)), Action("b", "publish", "", ("a",))])
    with pytest.raises(ValueError, match=r'^action "a" is planned twice$'):
        in_order([Action("a", "publish", ""), Action("a", "publish", "")])


def test_estimates_say_what_they_rest_on() -> None:
    """The median of what earlier runs took; nothing without one."""
    assert estimate_of([]) is None
    assert estimate_of([[90.0, 92.0], [120.0]]) == Estimate(92.0, "median of 2 runs: 92 s each")


def test_rows_of_old_files() -> None:
    """Names from the lineup, logos from the playlist; broken files cost words, not rows."""
    dvr = DvrManifest("news", "news", "1040ABC5", "news", 5005, "http://x", 2, scan_possible=False, channels={"1001": "main/2", "1000": "main/1"}, off=("1001",))  # fmt: skip
    lineup = b'[{"GuideNumber":"1000","GuideName":"BBC","URL":"http://x/auto/v1000"}]'
    playlist = b'#EXTM3U\n#EXTINF:-1 tvg-id="1000" tvg-chno="1000" tvg-name="BBC" tvg-logo="https://l/1.png",BBC\nhttp://x\n'
    first, second = published_rows(dvr, lineup, playlist)
    assert (first.number, first.id, first.name, first.logo, first.off) == (
        1000,
        "main/1",
        "BBC",
        "https://l/1.png",
        False,
    )
    assert (second.name, second.off) == ("main/2", True)
    assert [row.name for row in published_rows(dvr, b"{", b"\xff")] == ["main/1", "main/2"]


def test_targets_are_in_the_order_of_the_spec_with_what_plex_shall_have() -> None:
    """Numbers ascend, those switched off are left out, and each has the name of its channel; carried ones of DVRs that are
    gone come last.
    """
    home = Home(
        {"b": {2000: "B"}, "a": {1002: "Z", 1000: "Y"}}, {"b": {2000: "B"}, "a": {1002: "Z", 1000: "New"}}
    )
    inputs = home.plan_inputs()
    gone = replace(
        inputs.manifest.dvrs[0], name="aa", off=("1002",), channels={"1002": "main/Z", "1000": "main/x"}
    )
    known = inputs.judgement.ledger.dvrs
    judgement = replace(
        inputs.judgement,
        ledger=replace(
            inputs.judgement.ledger, dvrs={**known, "aa": replace(known["a"], name="aa", title="Old")}
        ),
    )
    manifest = replace(inputs.manifest, dvrs=(gone, *sorted(inputs.manifest.dvrs, key=lambda d: d.name)))
    found = targets(replace(inputs, manifest=manifest, judgement=judgement))
    assert [("b", (2000,)), ("a", (1000, 1002)), ("aa", (1000,))] == [(t.dvr, t.numbers) for t in found]
    assert [{2000: "B"}, {1000: "New", 1002: "Z"}, {1002: "main/Z", 1000: "main/x"}] == [
        t.names for t in found
    ]
    assert ["b", "a", "Old"] == [t.title for t in found]
    carried = replace(inputs, judgement=replace(inputs.judgement, carried=frozenset({"a"})))
    assert {1000: "Y", 1002: "Z"} == targets(carried)[1].names


@pytest.mark.parametrize(
    ("numbers", "size"), [((), 0), ((1000,), channel_map_line_bytes((1000,), device_key="0000"))]
)
def test_the_size_of_a_map_before_there_is_a_tuner(numbers: tuple[int, ...], size: int) -> None:
    """Measured as if Plex's key had four digits; nothing to switch on is no request."""
    (target,) = targets(Home({}, {"news": {1000: "A"}}).plan_inputs())
    assert size == replace(target, numbers=numbers).map_bytes
