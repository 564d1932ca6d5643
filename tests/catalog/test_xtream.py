"""A panel's answers: every type doubted, refusals told from dead hosts, both readers of lists in agreement."""

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.catalog.entry import Entry, Kind
from reconciler.catalog.loose_json import flag, identifier, integer, text
from reconciler.catalog.xtream import Listing, NotJson, categories, episodes, login, streams

NOW = 1_800_000_000.0
CATEGORIES = {"12": "UK| News", "13": "XXX"}


def verdict(answer: object, **raw: bytes) -> str:
    """The verdict on an answer."""
    return login(raw.get("body", json.dumps(answer).encode()), now=NOW).verdict


@pytest.mark.accepts("XTR-2", "XTR-3")
@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ("ok", {"user_info": {"auth": 1, "status": "Active"}}),
        ("ok", {"user_info": {"auth": "1"}}),
        ("ok", {"user_info": {"auth": True, "status": "Trial", "exp_date": str(int(NOW) + 1)}}),
        ("ok", {"server_info": {"url": "tv.example.net"}}),
        ("ok", {"user_info": {"username": "x", "exp_date": None}}),
        ("refused", {"user_info": {"auth": 0}}),
        ("refused", {"user_info": {"auth": "0"}}),
        ("refused", {"user_info": {"auth": False, "status": ""}}),
        ("expired", {"user_info": {"auth": 0, "status": "Expired"}}),
        ("expired", {"user_info": {"auth": 1, "status": "Banned"}}),
        ("expired", {"user_info": {"auth": 1, "status": "Active", "exp_date": "1600000000"}}),
        ("not-a-panel", []),
        ("not-a-panel", {}),
        ("not-a-panel", None),
        ("not-a-panel", ""),
        ("not-a-panel", {"error": "nope"}),
    ],
)
def test_logins(expected: str, answer: object) -> None:
    """A login answer is accepted, refused, expired, or none at all; a panel may send `server_info` alone."""
    assert expected == verdict(answer)


def test_a_page_is_no_panel() -> None:
    """HTML and empty bodies say nothing about the account."""
    assert verdict(None, body=b"<html><body>Blocked {x}</body></html>") == "not-a-panel"
    assert verdict(None, body=b"") == "not-a-panel"


def test_a_warning_before_the_answer_is_skipped() -> None:
    """PHP warnings before the JSON and garbage behind it do not matter."""
    body = (
        b"<br />\n<b>Warning</b>: Undefined key [x] in <b>/a.php</b>\n" + b'{"user_info":{"auth":1}}garbage'
    )
    assert verdict(None, body=body) == "ok"


def test_what_a_login_tells() -> None:
    """Limits come as text, the panel's address in parts."""
    answer = {
        "user_info": {"auth": 1, "max_connections": "2", "active_cons": "1", "exp_date": "1900000000",
                      "allowed_output_formats": ["m3u8", "ts"]},
        "server_info": {"url": "cdn.example.net", "port": "8080", "https_port": "", "server_protocol": "http",
                        "timezone": "Europe/Berlin", "timestamp_now": 1800000100},
    }  # fmt: skip
    told = login(json.dumps(answer).encode(), now=NOW)
    assert (told.connections, told.active, told.expires, told.formats) == (2, 1, 1900000000, ("m3u8", "ts"))
    assert (told.base, told.timezone, told.clock) == (
        "http://cdn.example.net:8080",
        "Europe/Berlin",
        1800000100,
    )


@pytest.mark.parametrize(
    ("base", "server"),
    [
        ("", {}),
        ("", {"url": "", "port": "80"}),
        ("http://h", {"url": "h", "port": "80"}),
        ("https://h:8443", {"url": "h", "https_port": "8443", "server_protocol": "https"}),
        ("http://h:81", {"url": "http://h:81/", "port": "8080"}),
        ("", {"url": "http://h/evil?x"}),
        ("http://h", {"url": "h", "port": "99999"}),
    ],
)
def test_the_address_of_server_info(base: str, server: dict[str, str]) -> None:
    """`server_info` is a host with or without scheme and port, or nothing."""
    assert base == login(json.dumps({"server_info": server}).encode(), now=NOW).base


def test_unlimited_connections_are_unknown() -> None:
    """0, null and nonsense mean that the panel does not say."""
    values: tuple[object, ...] = ("0", None, "", [], "many")
    for value in values:
        body = json.dumps({"user_info": {"auth": 1, "max_connections": value}}).encode()
        assert login(body, now=NOW).connections is None


def live(records: object, **options: Any) -> Listing:
    """The list in the answer of get_live_streams."""
    body = json.dumps(records).encode()
    return streams([body], source="m", kind="live", categories=CATEGORIES, **options)


def test_a_live_stream() -> None:
    """The usual record gives the usual entry."""
    record = {"num": 3, "name": "BBC News", "stream_type": "live", "stream_id": 40177, "stream_icon": "http://l/1.png",
              "epg_channel_id": "bbcnews.uk", "category_id": "12", "is_adult": "0"}  # fmt: skip
    expected = Entry(
        "m", "40177", "BBC News", guide_id="bbcnews.uk", group="UK| News", logo="http://l/1.png", number=3
    )
    assert (expected,) == live([record]).entries


@pytest.mark.accepts("XTR-8")
def test_wrong_types_do_not_abort() -> None:
    """Numbers as text, null, lists instead of objects: each field falls back by itself."""
    listing = live([
        {"stream_id": "2356443347", "name": None, "category_id": 12},
        {"stream_id": 7.0, "name": " A\u0007B ", "category_id": None, "category_ids": ["13", 5], "epg_channel_id": "0"},
        {"stream_id": 8, "name": 24, "num": "5", "is_adult": "None", "stream_type": "radio_streams", "stream_icon": []},
        {"stream_id": None, "name": "lost"},
        {"stream_id": "", "name": "lost too"},
        None,
        [],
        "x",
        {"stream_id": 8, "name": "again"},
    ])  # fmt: skip
    assert [
        Entry("m", "2356443347", "Stream 2356443347", group="UK| News"),
        Entry("m", "7", "A B", group="XXX", adult=True),
        Entry("m", "8", "24", number=5, radio=True),
    ] == list(listing.entries)
    assert {d.reason: d.count for d in listing.dropped} == {
        "no usable stream id": 2,
        "the same stream as an earlier entry": 1,
    }


@pytest.mark.accepts("XTR-8")
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"false", b'""', b" \n"])
def test_nothing_has_many_spellings(body: bytes) -> None:
    """Each way of saying nothing is an empty list."""
    assert streams([body], source="m", kind="live", categories={}).entries == ()


def test_an_object_of_records_is_a_list() -> None:
    """Some panels number their list."""
    assert [e.key for e in live({"0": {"stream_id": 1}, "1": {"stream_id": 2}}).entries] == ["1", "2"]


def test_half_a_list_is_no_list() -> None:
    """A list that ends in the middle, a login answer and a page are errors, not short lists."""
    body = json.dumps([{"stream_id": i, "name": f"N{i}"} for i in range(900)]).encode()
    for broken in (body[:-1], body[:-9], body[:30_000], b'{"user_info":{"auth":0}}', b"<html></html>"):
        with pytest.raises(NotJson):
            streams([broken], source="m", kind="live", categories={})


@pytest.mark.accepts("SEC-3")
@pytest.mark.parametrize("begin", [b'[{"stream_id":1,"name":"', b"[{", b"[" * 200, b"   ", b'{"a":'])
def test_json_without_end_costs_no_memory(begin: bytes) -> None:
    """A text, an object or nothing that never ends is given up after a few megabytes, or once it is all read."""
    piece = b"[" * 65536 if begin[0:1] == b"[" and len(begin) == 200 else b"x" * 65536
    tracemalloc.start()
    try:
        with pytest.raises(NotJson):
            streams(
                itertools.chain([begin], itertools.repeat(piece, 900)), source="m", kind="live", categories={}
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 << 20


@pytest.mark.accepts("XTR-8")
@pytest.mark.parametrize(
    "warning",
    [
        "<b>Notice</b>: in [php]\n",
        "Notice: Undefined index: a in [eval] on line 3\n",
        "\ufeffDeprecated {main}\n",
        "\n ",
    ],
)
def test_warnings_before_a_list(warning: str) -> None:
    """PHP warnings before the list are skipped, brackets in them as well."""
    body = warning.encode() + json.dumps([{"stream_id": 1, "name": "a"}]).encode()
    assert len(streams([body], source="m", kind="live", categories={}).entries) == 1


@pytest.mark.accepts("XTR-8")
@pytest.mark.parametrize("ending", ['"name":"a"}]', '"name":"a"},{"broken'], ids=["whole", "broken"])
def test_a_list_behind_words_does_not_depend_on_how_it_arrives(ending: str) -> None:
    """Cut anywhere, between its bracket and its first brace too: the same channels, or refused just the same."""

    def read(pieces: list[bytes]) -> int | None:
        try:
            return len(streams(pieces, source="m", kind="live", categories={}).entries)
        except NotJson:
            return None

    body = f'words "5", [ {{"stream_id":1,{ending}'.encode()
    assert {read([body])} == {read([body[:at], body[at:]]) for at in range(len(body))}


@pytest.mark.accepts("XTR-8")
def test_a_list_inside_an_object_is_the_list() -> None:
    """Some wrap their list: `{"data": […]}`; of several lists none is taken."""
    record = {"stream_id": 1, "name": "a"}
    assert len(live({"status": 1, "data": [record]}).entries) == 1
    assert not live({"data": [record], "more": [record]}).entries


@pytest.mark.accepts("SPL-2")
@pytest.mark.parametrize("nothing", ["None", "null", "NULL", "N/A", "undefined", "(no tvg-id)", "0", 0, None])
def test_words_for_no_guide_id(nothing: object) -> None:
    """What stands for nothing is no id that channels could share, in bulk and alone."""
    records = [{"stream_id": i, "name": "a", "epg_channel_id": nothing} for i in range(1, 4)]
    assert {""} == {e.guide_id for e in live(records).entries}
    assert {""} == {e.guide_id for e in live([*records, {"stream_id": 9, "name": ["a"]}]).entries}


def test_films_and_series() -> None:
    """VOD has a container, series their own id and cover."""
    film = streams([b'[{"stream_id":"5","name":"Film","container_extension":"MKV"}]'], source="m", kind="vod",
                   categories={})  # fmt: skip
    show = streams(
        [b'[{"series_id":9,"name":"Show","cover":"http://c"}]'], source="m", kind="series", categories={}
    )
    assert (Entry("m", "5", "Film", "vod", extension="mkv"),) == film.entries
    assert (Entry("m", "9", "Show", "series", logo="http://c"),) == show.entries


@pytest.mark.accepts("XTR-8")
@pytest.mark.parametrize(
    "shape",
    [
        {"1": [{"id": "11", "episode_num": 1, "container_extension": "mkv"}]},
        [[{"id": 11, "episode_num": "1", "season": 1, "container_extension": "mkv"}]],
        [{"id": 11, "episode_num": "1", "season": 1, "container_extension": "mkv"}],
        {"1": {"a": {"id": 11, "episode_num": "1", "container_extension": "mkv"}}},
    ],
)
def test_episodes_in_every_shape(shape: object) -> None:
    """Seasons are objects, lists of lists, or a flat list; the episode is the same."""
    series = Entry("m", "9", "Show", "series", group="G", logo="http://c")
    (found,) = episodes(json.dumps({"info": [], "episodes": shape}).encode(), series=series).entries
    assert (found.key, found.name, found.extension, found.group) == ("11", "Show S01E01", "mkv", "G")


def test_categories() -> None:
    """Categories are named by id, whatever type the id has."""
    assert categories(
        b'[{"category_id":"12","category_name":"A"},{"category_id":13,"category_name":"B"},{"category_id":null},'
        b'{"category_id":"all","category_name":"All"}]'
    ) == {"12": "A", "13": "B", "all": "All"}


@pytest.mark.parametrize(
    ("group", "record"),
    [
        ("All", {"category_id": "all"}),
        ("All", {"category_id": " all", "category_ids": [12]}),
        ("None", {"category_id": "0", "category_ids": ["12"]}),
        ("UK", {"category_id": "words", "category_ids": ["12"]}),
        ("", {"category_id": "words"}),
    ],
)
def test_a_category_may_be_a_word(group: str, record: dict[str, object]) -> None:
    """What the panel lists as one counts, in bulk and alone; a word it does not list is none."""
    named = {"12": "UK", "all": "All", "0": "None"}
    data = json.dumps([{"stream_id": i, "name": "N", "category_id": "12"} for i in range(1, 9)])
    data = data.replace("]", f", {json.dumps({'stream_id': 9, 'name': 'N', **record})}]", 1)
    for bulk in (False, True):
        listing = streams([data.encode()], source="m", kind="live", categories=named, in_bulk=bulk)
        assert group == listing.entries[-1].group


_scalar = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**40), st.integers(2**62, 2**70), st.floats(),
    st.text(st.characters(), max_size=6), st.sampled_from(["0", "1", "12", "13", "", " 7 ", "a\"b", "x\\/y", "&amp;", "{", "},{", "a]"]),
)  # fmt: skip
_odd = st.one_of(
    _scalar, st.lists(_scalar, max_size=2), st.dictionaries(st.text(max_size=2), _scalar, max_size=2)
)
_tame = st.sampled_from([
    ("num", st.integers(0, 9)), ("name", st.text(st.sampled_from("ab &\u00e4\"/"), min_size=1, max_size=5)),
])  # fmt: skip


@st.composite
def _lists(draw: st.DrawFn) -> str:
    count = draw(st.integers(0, 30))
    keys = draw(st.permutations(["num", "name", "stream_id", "category_id", "category_ids", "epg_channel_id",
                                 "is_adult", "stream_icon", "cover", "container_extension", "x"]))  # fmt: skip
    rows: list[dict[str, object]] = []
    for i in range(count):
        row: dict[str, object] = {
            "num": i, "name": f"N \u00e9 {i}", "stream_id": i + 1, "category_id": "12", "category_ids": [12],
            "epg_channel_id": None if i % 3 else f"c{i}", "is_adult": "0", "x": "y/z",
            "stream_icon": f"http://l/{i}", "cover": "", "container_extension": "mkv",
        }  # fmt: skip
        if draw(st.integers(0, 5)) == 0:
            row[draw(st.sampled_from(list(row)))] = draw(_odd)
        rows.append({k: row[k] for k in keys})
    style = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    dumped = json.dumps(rows, separators=style, ensure_ascii=draw(st.booleans()))
    return dumped.replace("/", "\\/") if draw(st.booleans()) else dumped


@settings(max_examples=300, deadline=None)
@given(_lists(), st.integers(1, 600), st.sampled_from(["live", "vod"]))
def test_bulk_and_single_records_agree(document: str, size: int, kind: Kind) -> None:
    """Whatever a list looks like and however it arrives, both readers give the same entries and counts."""
    data = document.encode("utf-8", "surrogatepass")
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    slow = streams([data], source="m", kind=kind, categories=CATEGORIES, in_bulk=False)
    assert slow == streams([data], source="m", kind=kind, categories=CATEGORIES)
    assert slow == streams(pieces, source="m", kind=kind, categories=CATEGORIES)


@pytest.mark.parametrize("odd", [
    '{"stream_id":1,"name":"N","x":NaN}', '{"stream_id":1,"name":"a\\ud800"}', '{"stream_id":1,"name":"a\nb"}',
    '{"stream_id":1,"name":"N","name":"M"}', '{"stream_id":1e400,"id":2,"name":"N"}', "null", "[]", "7",
    '{"stream_id":1,"name":"},{"}', '{"stream_id":1,"name":"N","y":[{"a":1},{"b":2}]}', '{"stream_id":-0,"name":"N"}',
    '{"stream_id":"0012","name":"N"}', '{"stream_id":"99999999999999999999","name":"N"}', '{"stream_id":"","name":"N"}',
    '{"stream_id":1,"name":"N","category_id":null,"category_ids":["13"]}', '{"stream_id":true,"name":"N"}',
    '{"stream_id":1,"name":"N","category_id":true}', '{"stream_id":1,"name":"N","cover":0}',
])  # fmt: skip
def test_one_odd_record_among_many(odd: str) -> None:
    """What a strict parser does not take, or takes for something else, is read as if it stood alone."""
    plain = [f'{{"stream_id":{i},"name":"N {i}","category_id":"12"}}' for i in range(10, 400)]
    data = f"[{','.join([*plain[:200], odd, *plain[200:]])}]".encode()
    fast = streams([data], source="m", kind="live", categories=CATEGORIES)
    assert streams([data], source="m", kind="live", categories=CATEGORIES, in_bulk=False) == fast
    assert len(fast.entries) + sum(d.count for d in fast.dropped) >= 390


def test_long_lists_agree() -> None:
    """Thousands of records with an odd one here and there lose and change nothing."""
    rows: list[dict[str, object]] = []
    for i in range(5000):
        row: dict[str, object] = {
            "num": i,
            "name": f"N {i}",
            "stream_id": i + 1,
            "category_id": "12",
            "y": "",
        }
        if i % 997 == 0:
            row["nested"] = [{"a": 1}, {"b": "},{"}]
        if i % 499 == 0:
            row["name"] = 'Quote " and \\ and {brace}'
        rows.append(row)
    data = json.dumps(rows, separators=(",", ":")).encode()
    fast = streams([data], source="m", kind="live", categories=CATEGORIES)
    assert len(fast.entries) == 5000
    assert streams([data], source="m", kind="live", categories=CATEGORIES, in_bulk=False) == fast


@given(_odd)
def test_converters_never_fail(value: Any) -> None:
    """Each converter gives its type for any value."""
    assert isinstance(text(value), str)
    assert isinstance(flag(value), bool)
    assert isinstance(identifier(value), str)
    assert integer(value) is None or isinstance(integer(value), int)
