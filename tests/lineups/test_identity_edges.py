"""Identity where one tie alone holds, and what must never be taken for a tie (design.md 5, "Channel identity")."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from reconciler.catalog.address import sealed
from reconciler.catalog.entry import Entry
from reconciler.catalog.names import normalise_name, quality_of
from reconciler.ledger.model import ChannelRecord, Ledger, MemberFacts, Retired
from reconciler.lineups.identity import identify, path_hash
from tests.lineups.worlds import entry

HASH = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
BASE = "http://a.example/play?id=7"


def listed(name: str, url: str = "", guide_id: str = "", **more: Any) -> Entry:
    """An entry of a plain list."""
    return entry("", name, source="locals", url=url, guide_id=guide_id, **more)


def facts(name: str, url: str, guide_id: str) -> dict[str, Any]:
    """What the ledger keeps of such an entry."""
    return {
        "guide_id": guide_id,
        "name": normalise_name(name),
        "path": path_hash(url) if url else "",
        "quality": quality_of(name),
    }


def living(key: str, number: int, name: str, url: str = "", guide_id: str = "", **more: Any) -> ChannelRecord:
    """A channel that the ledger has."""
    source = more.pop("source", "locals")
    return ChannelRecord(f"{source}/~{key}", "all", number, source, **facts(name, url, guide_id), **more)


def left(
    key: str, number: int, name: str, url: str = "", guide_id: str = "", *, day: str = "2026-03-01"
) -> Retired:
    """A channel that is gone and whose number is kept free."""
    return Retired("all", number, f"locals/~{key}", day, source="locals", **facts(name, url, guide_id))


def ledger(*channels: ChannelRecord, retired: Iterable[Retired] = ()) -> Ledger:
    """A ledger that knows these."""
    return Ledger("test", 1, {}, {c.id: c for c in channels}, tuple(retired))


def found(entries: Iterable[Entry], known: Ledger) -> dict[tuple[str, str], str]:
    """The keys of the entries' ids, "new" for what the ledger did not know; the same in whatever order they are listed."""
    entries = tuple(entries)
    before = {c.id for c in known.channels.values()} | {r.id for r in known.retired}
    before |= {m.id for c in known.channels.values() for m in c.members}
    before |= {m.id for r in known.retired for m in r.members}
    answers = []
    for order in list(permutations(entries))[:24]:
        items = identify(order, known)
        assert len(items) == len({i.id for i in items})
        answers.append(
            {(i.entry.name, i.entry.url): i.id.partition("/~")[2] if i.id in before else "new" for i in items}
        )
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


@pytest.mark.parametrize(
    "other",
    [
        f"{BASE}#live",
        f"{BASE}&user={{username}}&x={{password}}",
        f"{BASE}&session=1",
        f"{BASE}&x={HASH}",
        f"{BASE}&x=1700000000",
        f"{BASE}&x=170000000",
        f"{BASE}&&",
        "b.example:8080/play?id=7",
        "http://a.example//play/?id=7",
    ],
)
def test_what_changes_with_every_fetch_is_no_part_of_a_path(other: str) -> None:
    """Fragments, credentials, sessions, tokens and times, wherever they stand; and a scheme that is left out."""
    assert path_hash(BASE) == path_hash(other)


@pytest.mark.parametrize(
    ("left_", "right"),
    [
        (BASE, "http://a.example/play"),
        (BASE, "http://a.example/play?ch=7"),
        (BASE, f"{BASE}&x=17000000"),
        ("http://a.example/a/b.ts", "http://a.example/ab.ts"),
        ("http://a.example/play?a=1&b=2", "http://a.example/play?a=1b=2"),
        ("http://a.example/s/the-very-long-name-of-channel-4567/x.ts", "http://a.example/s/x.ts"),
        ("http://a.example/s/channelnumberfiveof5th/x.ts", "http://a.example/s/x.ts"),
        ("http://a.example/s/1234567890123456789abc/x.ts", "http://a.example/s/x.ts"),
        ("http://a.example/s/US: channel 12345678 news/x.ts", "http://a.example/s/x.ts"),
        (
            "http://a.example/s/discovery-channel-1080p-2024/x.ts",
            "http://a.example/s/discovery-turbo-1080p-2024/x.ts",
        ),
        ("http://a.example/s/sky_sport_bundesliga1_2024/x.ts", "http://a.example/s/x.ts"),
        (f"http://a.example/s/{HASH[:19]}/x.ts", "http://a.example/s/x.ts"),
        (f"http://a.example/s/{HASH}.m3u8", f"http://a.example/s/{HASH[::-1]}.m3u8"),
    ],
)
def test_what_names_a_stream_is_part_of_its_path(left_: str, right: str) -> None:
    """Lasting parameters, and segments that are words, short, or files: none of them is a session."""
    assert path_hash(left_) != path_hash(right)


@pytest.mark.parametrize(
    "segment",
    [
        "9f8e7d6c-5b4a-3928-1706-f5e4d3c2b1a0",
        HASH,
        HASH[:20],
        "a-1b-2c-3d-4e-5f6789abcd",
        "abcdefghijklmnop1234",
        "1234567890123456abcd",
    ],
)
def test_a_session_in_the_path_is_none(segment: str) -> None:
    """Twenty characters and more, digits and letters well mixed."""
    assert path_hash("http://a.example/x.ts") == path_hash(f"http://a.example/{segment}/x.ts")


def test_an_address_of_tokens_alone_has_no_path() -> None:
    """Nothing of it would find the channel again, so nothing is kept."""
    urls = ["http://a.example", "http://a.example/", f"http://a.example/{HASH}/", "http://a.example/?token=1"]
    assert {""} == {path_hash(url) for url in urls}


def test_the_order_of_parameters_plays_no_part() -> None:
    """Proxies sort them as they like."""
    assert path_hash("http://a.example/p?a=1&b=2") == path_hash("http://b.example/p?b=2&a=1")


def test_a_snapshot_tells_the_hash_itself() -> None:
    """Of a sealed address nothing else is known, and it is the same channel."""
    assert path_hash(BASE) == path_hash(sealed(BASE, path_hash(BASE)))


def test_what_the_ledger_keeps_stays_readable() -> None:
    """Hashes and minted ids are in ledgers of years: another recipe would be another channel. Odd bytes are no failure."""
    assert "94057dd665cbc781" == path_hash("http://x/1.ts")
    assert "cb755f1fe1b2f9ef" == path_hash("http://a.example/play?id=7&ch=2")
    assert "2a1455b6a84273c8" == path_hash("http://a.example/live/news/1.ts")
    made = [
        listed("A HD", "http://x/1.ts", "a.us"),
        listed("F", "http://x/f.mp4", kind="vod"),
        listed("S", "http://x/s.mp4", kind="series"),
    ]
    ids = ["locals/~7d3501b0c597", "locals/~vod/d16e9eb5b01e", "locals/~series/babdef1a712a"]
    assert sorted(ids) == sorted(i.id for i in identify(made, Ledger()))
    assert 16 == len(path_hash("http://x/\udcff.ts"))
    assert 1 == len(identify([listed("\udcff"), listed("\udcff")], Ledger()))


P, Q, R = "http://x/p.ts", "http://x/q.ts", "http://x/r.ts"
MIRROR_P, MIRROR_Q = "http://y/p.ts", "http://y/q.ts"
FRESH, OTHER = "http://x/8.ts", "http://x/9.ts"


@pytest.mark.accepts("NUM-2")
def test_variants_of_one_channel_are_told_apart_by_path() -> None:
    """Guide id and name are the same for both; each keeps its own id, also when the list turns them round."""
    known = ledger(living("one", 1, "A", Q, "a"), living("two", 2, "A", P, "a"))
    assert {("A", P): "two", ("A", Q): "one"} == found([listed("A", P, "a"), listed("A", Q, "a")], known)


@pytest.mark.accepts("NUM-2")
def test_variants_at_new_addresses_are_told_apart_by_quality() -> None:
    """Then, for what quality does not tell, the lowest number goes to the first in the provider's order."""
    known = ledger(living("hd", 1, "A HD", P, "a"), living("sd", 2, "A SD", Q, "a"))
    assert {("A SD", FRESH): "sd", ("A HD", OTHER): "hd"} == found(
        [listed("A SD", FRESH, "a"), listed("A HD", OTHER, "a")], known
    )
    assert {("A UHD", FRESH): "hd", ("A SD", OTHER): "sd"} == found(
        [listed("A UHD", FRESH, "a"), listed("A SD", OTHER, "a")], known
    )
    plain = ledger(living("two", 2, "A", P, "a"), living("one", 1, "A", Q, "a"))
    order = [listed("A", OTHER, "a", number=5), listed("A", FRESH, "a")]
    assert {("A", OTHER): "one", ("A", FRESH): "two"} == found(order, plain)


@pytest.mark.accepts("NUM-2")
def test_path_and_name_together_where_guide_ids_changed() -> None:
    """Neither is unique alone: mirrors share paths, and every mirror has both names."""
    known = ledger(
        living("ap", 1, "A", P, "g1"), living("bp", 2, "B", P, "g2"),
        living("aq", 3, "A", Q, "g3"), living("bq", 4, "B", Q, "g4"),
    )  # fmt: skip
    now = [listed("A", MIRROR_P), listed("B", P), listed("A", Q), listed("B", MIRROR_Q)]
    assert {("A", MIRROR_P): "ap", ("B", P): "bp", ("A", Q): "aq", ("B", MIRROR_Q): "bq"} == found(now, known)


@pytest.mark.accepts("NUM-2")
def test_path_and_guide_id_together_where_names_changed() -> None:
    """The same with the guide's ids instead of names."""
    known = ledger(
        living("ap", 1, "A", P, "g1"), living("bp", 2, "B", P, "g2"),
        living("aq", 3, "C", Q, "g1"), living("bq", 4, "D", Q, "g2"),
    )  # fmt: skip
    now = [
        listed("E", MIRROR_P, "g1"), listed("F", P, "g2"), listed("G", Q, "g1"), listed("H", MIRROR_Q, "g2"),
    ]  # fmt: skip
    assert ["ap", "bp", "aq", "bq"] == [found(now, known)[e.name, e.url] for e in now]


@pytest.mark.accepts("NUM-2")
@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ([listed("Z", P, "z")], ["one"]),
        ([listed("Z", FRESH, "a")], ["one"]),
        ([listed("A", FRESH, "z")], ["one"]),
        ([listed("Z", P, "z"), listed("Y", MIRROR_P, "y")], ["new", "new"]),
        ([listed("Z", FRESH, "a"), listed("Y", OTHER, "a")], ["new", "new"]),
        ([listed("A", FRESH, "z"), listed("A", OTHER, "y")], ["new", "new"]),
        ([listed("Z", FRESH, "z")], ["new"]),
        ([listed("Z", P, "b")], ["one"]),  # the path comes before the guide id
        ([listed("B", FRESH, "a")], ["one"]),  # and the guide id before the name
    ],
)
def test_one_tie_alone_has_to_be_unique(now: list[Entry], expected: list[str]) -> None:
    """Path, else guide id, else name; a text that two entries have ties nobody."""
    known = ledger(living("one", 1, "A", P, "a"), living("two", 2, "B", Q, "b"))
    answer = found(now, known)
    assert expected == [answer[e.name, e.url] for e in now]


@pytest.mark.parametrize("twins", [("a", "a"), ("", "")])
def test_a_text_that_two_channels_have_ties_nobody(twins: tuple[str, str]) -> None:
    """On the ledger's side as well."""
    known = ledger(living("one", 1, "A", P, twins[0]), living("two", 2, "A", Q, twins[1]))
    assert {("A", FRESH): "new"} == found([listed("A", FRESH)], known)


@pytest.mark.accepts("NUM-1", "NUM-2")
def test_a_channel_that_comes_back_is_the_one_that_left() -> None:
    """By each tie, while its number is kept free; a living channel with the same words comes first."""
    gone = ledger(retired=[left("old", 1, "A", P, "a")])
    for back in (listed("A", FRESH, "a"), listed("Z", P), listed("Z", FRESH, "a"), listed("A", FRESH)):
        assert ["old"] == list(found([back], gone).values())
    both = ledger(living("now", 2, "A", Q, "b"), retired=[left("old", 1, "A", P, "a")])
    assert {("A", FRESH): "now"} == found([listed("A", FRESH)], both)
    assert {("A", FRESH): "now"} == found([listed("A", FRESH, "b")], both)
    shared = ledger(living("now", 2, "A", Q, "a"), retired=[left("old", 1, "A", P, "a")])
    assert {("A", FRESH): "now"} == found([listed("A", FRESH, "a")], shared)
    two = ledger(retired=[left("old", 1, "A", P), left("older", 2, "A", Q)])
    assert {("A", FRESH): "new"} == found([listed("A", FRESH)], two)


def test_of_two_departures_the_later_one_is_remembered() -> None:
    """A channel that left, came back changed and left again is found by what it was last."""
    known = ledger(
        retired=[left("old", 1, "A", P, day="2026-02-20"), left("old", 1, "B", Q, day="2026-03-01")]
    )
    assert {("B", FRESH): "old"} == found([listed("B", FRESH)], known)
    assert {("A", FRESH): "new"} == found([listed("A", FRESH)], known)


@pytest.mark.accepts("NUM-6")
def test_members_of_merged_channels_are_found_by_their_own_facts() -> None:
    """Of a living channel, and of one that left."""
    member = MemberFacts("locals/~m", "locals", **facts("M", Q, "m"))
    for known in (
        ledger(living("one", 1, "A", P, "a", aliases=("locals/~m",), members=(member,))),
        ledger(
            retired=[
                Retired("all", 1, "locals/~one", "2026-03-01", ("locals/~m",), "locals", members=(member,))
            ]
        ),
    ):
        assert {("M", FRESH): "m"} == found([listed("M", FRESH)], known)


def test_channels_of_other_sources_are_no_candidates() -> None:
    """Two lists may both have a "News": each has its own, and panels with ids of their own are not asked."""
    known = ledger(living("there", 1, "A", P, "a", source="else"))
    assert {("A", P): "new"} == found([listed("A", P, "a")], known)
    panel = ChannelRecord("locals/7", "all", 1, "locals", **facts("A", P, "a"))
    (item,) = identify([listed("A", P, "a")], ledger(panel))
    assert item.id.startswith("locals/~")


def test_an_id_is_never_given_twice() -> None:
    """A newcomer that looks as a channel once did is another channel, whatever became of that one."""
    (first,) = identify([listed("A", P, "a")], Ledger())
    key = first.id.partition("~")[2]
    renamed = living(key, 1, "B", Q, "b")
    for known in (
        ledger(renamed),
        ledger(living("main", 1, "B", Q, "b", aliases=(first.id,))),
        ledger(retired=[left(key, 1, "B", Q, "b")]),
    ):
        now = [listed("A", P, "a"), listed("B", Q, "b")]
        ids = {i.entry.name: i.id for i in identify(now, known)}
        assert f"{first.id}-2" == ids["A"]


def test_equal_newcomers_are_counted_in_the_providers_order() -> None:
    """-2, -3 by number, then by text: a shuffled list gives the same channel the same id."""
    same = [
        listed("A", f"http://{host}/1.ts", number=number)
        for host, number in (("z", 1), ("y", 2), ("x", None), ("w", None))
    ]
    for order in permutations(same):
        ids = {i.entry.url: i.id for i in identify(order, Ledger())}
        stem = ids["http://z/1.ts"]
        assert [stem, f"{stem}-2", f"{stem}-3", f"{stem}-4"] == [
            ids[f"http://{host}/1.ts"] for host in ("z", "y", "w", "x")
        ]


def test_a_line_that_stands_twice_counts_where_it_is_first() -> None:
    """The group that the provider's own number, then the alphabet puts first; without an address groups tell apart."""
    twice = [listed("A", P, group=g) for g in ("B", "A", "C")]
    for order in permutations(twice):
        assert ["A"] == [i.entry.group for i in identify(order, Ledger())]
    numbered = [listed("A", P, group="Z", number=3), listed("A", P, group="A"), listed("A", P, group="Y", number=4)]  # fmt: skip
    for order in permutations(numbered):
        assert ["Z"] == [i.entry.group for i in identify(order, Ledger())]
    assert 2 == len(identify([listed("A", group="X"), listed("A", group="Y")], Ledger()))
    streams = [entry(1, "A", "Z", url="http://b/1"), entry(1, "A", "Y", url="http://a/1", number=9)]
    for order in permutations(streams):
        (item,) = identify(order, Ledger())
        assert ("Y", ("http://b/1",)) == (item.entry.group, item.entry.more_urls)
