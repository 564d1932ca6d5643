"""Identity of channels without stream ids: guide id and name, else path, else what is unique."""

import random

import pytest

from reconciler.catalog.entry import Entry
from reconciler.ledger.model import Ledger
from reconciler.lineups.identity import identify, path_hash
from reconciler.spec.model import Bucket, Filter, Merge
from tests.lineups.worlds import entry, everything, numbers, run, simple_spec

ALL = Bucket("all", everything)


def local(name: str, url: str, guide_id: str = "") -> Entry:
    """An entry of the plain list."""
    return entry("", name, source="locals", url=url, guide_id=guide_id)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://a.example/x/news.m3u8", "https://b.example:8443/x/news.m3u8"),
        ("http://a.example/x/news.m3u8", "http://a.example/x/news.m3u8?token=abc&e=1700000000"),
        ("http://a.example/{username}/{password}/x.ts", "http://a.example/x.ts"),
        ("http://a.example/s/9f8e7d6c5b4a39281706f5e4d3c2b1a0/x.ts", "http://a.example/s/x.ts"),
        ("http://a.example/play?id=7&exp=99", "http://a.example/play?exp=12&id=7"),
    ],
)
def test_paths_without_hosts_and_tokens(left: str, right: str) -> None:
    """Host, credentials, tokens and times are no part of a path."""
    assert path_hash(left) == path_hash(right) != ""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("http://a.example/x/1.m3u8", "http://a.example/x/2.m3u8"),
        ("http://a.example/play?id=7", "http://a.example/play?id=8"),
    ],
)
def test_paths_that_differ(left: str, right: str) -> None:
    """What names the stream tells paths apart."""
    assert path_hash(left) != path_hash(right)


@pytest.mark.accepts("NUM-2")
@pytest.mark.parametrize(
    "now",
    [
        [local("A HD", "http://new.example/9/z.ts", "a.us"), local("B", "http://new.example/8.ts", "b.us")],
        [local("Other", "http://x/1.ts", "a.us"), local("B", "http://y/2.ts", "b.us")],
        [local("Other", "http://y/1.ts", "zz"), local("B", "http://y/2.ts", "b.us")],
        [local("A", "http://y/77.ts"), local("Bee", "http://y/88.ts", "b.us")],
    ],
    ids=["other hosts and paths", "renamed", "only the path stayed", "only a unique name or id stayed"],
)
def test_the_same_channel_again(now: list[Entry]) -> None:
    """As long as one of the three ties holds, id and number stay."""
    spec = simple_spec(ALL)
    first = run(spec, [local("A", "http://x/1.ts", "a.us"), local("B", "http://x/2.ts", "b.us")])
    second = run(spec, now, first.ledger)
    assert numbers(first, "all") == numbers(second, "all")


@pytest.mark.accepts("NUM-2")
def test_a_panel_changes_hosts_and_form_of_urls() -> None:
    """`get.php` and `player_api` give one identity: source and stream id."""
    spec = simple_spec(ALL)
    first = run(spec, [entry(1, "A", guide_id="a"), entry(2, "B")])
    again = [
        entry(2, "Bee", url="http://other.example/{username}/{password}/2"),
        entry(1, "A", url="http://x/1.ts"),
    ]
    assert numbers(first, "all") == numbers(run(spec, again, first.ledger), "all")


def test_not_unique_is_no_tie() -> None:
    """Two entries of one name and other paths are new channels: nobody guesses which was which."""
    spec = simple_spec(ALL)
    first = run(spec, [local("A", "http://x/1.ts")])
    second = run(spec, [local("A", "http://x/8.ts"), local("A", "http://x/9.ts")], first.ledger)
    assert not numbers(first, "all").keys() & numbers(second, "all").keys()


def test_minted_ids_do_not_depend_on_order() -> None:
    """Equal facts get a counter in an order of their own; an entry listed twice word for word is one channel."""
    entries = [
        local("A", "http://x/1.ts"),
        local("A", "http://y/1.ts"),
        local("A", "http://y/1.ts")._replace(group="again"),
        local("B", "http://y/2.ts"),
    ]
    seen = set()
    for seed in range(5):
        random.Random(seed).shuffle(entries)
        seen.add(tuple(sorted((i.id, i.entry.url) for i in identify(entries, Ledger()))))
    assert 1 == len(seen)
    assert 3 == len(next(iter(seen)))


def test_a_stream_listed_in_two_groups_is_one_channel() -> None:
    """The first in order counts, everybody's addresses stay."""
    twice = [
        entry(1, "A", "Z", url="http://b/1", number=2),
        entry(1, "A", "Y", url="http://a/1", number=1),
    ]
    (item,) = identify(twice, Ledger())
    assert ("Y", "http://a/1", ("http://b/1",)) == (item.entry.group, item.entry.url, item.entry.more_urls)


def test_live_and_vod_ids_do_not_meet() -> None:
    """A panel counts live streams and films apart."""
    items = identify([entry(1, "A"), entry(1, "Film", kind="vod"), entry(1, "Show", kind="series")], Ledger())
    assert {"main/1", "main/vod/1", "main/series/1"} == {i.id for i in items}


@pytest.mark.accepts("NUM-6")
def test_merged_members_without_ids_are_found_again() -> None:
    """The member that gave the id is gone and the other was renamed and moved to another host: still the channel."""
    spec = simple_spec(ALL, filters=(Filter("one", Merge(("guide_id",))),))
    first = run(spec, [local("A", "http://x/1.ts", "a.us"), local("A HD", "http://x/2.ts", "a.us")])
    (before,) = numbers(first, "all").items()
    renamed = run(spec, [local("Ay HD", "http://y/2.ts", "a.us")], first.ledger)
    assert dict([before]) == numbers(renamed, "all")
    assert renamed.ledger is run(spec, [local("Ay HD", "http://y/2.ts", "a.us")], renamed.ledger).ledger
