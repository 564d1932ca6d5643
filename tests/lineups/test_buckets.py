"""Buckets: the first rule that matches, what is held where it lives and why, and where overflow leads."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconciler.catalog.names import normalise_name
from reconciler.ledger.model import ChannelRecord
from reconciler.lineups.buckets import Buckets, Homes, settle
from reconciler.lineups.filters import Filters, Watch
from reconciler.lineups.item import Item
from reconciler.lineups.model import GuideLink
from reconciler.spec.model import (
    AllOf,
    AnyOf,
    Bucket,
    Drop,
    Dvr,
    FieldIs,
    Filter,
    Glob,
    Is,
    Matcher,
    Nothing,
    Rename,
    Spec,
)
from tests.lineups.worlds import entry, everything, field, numbers, run, simple_spec

NEWS = Bucket("news", field("group", "*NEWS*"))
REST = Bucket("rest", everything)


def assigned(matcher: Matcher, *items: Item) -> list[bool]:
    """Whether a bucket with this rule takes each of the items; the others go to a second bucket."""
    spec = simple_spec(Bucket("first", matcher), REST)
    found = Buckets(spec, {}, _no_link).assign(items)
    return [bucket is not None and bucket.name == "first" for bucket in found]


def _no_link(_: Sequence[Item]) -> None:
    raise AssertionError("no rule asks for a guide")


ITEMS = tuple(
    Item(entry(key, name, group, country=country, language=language, radio=radio), f"main/{key}")
    for key, (name, group, country, language, radio) in enumerate(
        (
            ("BBC One", "UK|NEWS", "GB", "en", False),
            ("BBC Two", "UK|ENT", "GB", "en", False),
            ("ARD", "DE|NEWS", "DE", "de", False),
            ("BBC Radio", "UK|NEWS", "GB", "en", True),
            ("ZDF", "UK|NEWS", "DE", "de", False),
        )
    )
)
news, bbc, british, radio = (
    field("group", "*NEWS"),
    field("name", "BBC*"),
    field("country", "GB"),
    FieldIs("radio", Is("true")),
)


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (news, [True, False, True, True, True]),
        (bbc, [True, True, False, True, False]),
        (field("language", "de"), [False, False, True, False, True]),
        (radio, [False, False, False, True, False]),
        (Nothing(news), [False, True, False, False, False]),
        (Nothing(bbc), [False, False, True, False, True]),
        (AllOf((news, bbc)), [True, False, False, True, False]),
        (AllOf((bbc, news, british)), [True, False, False, True, False]),
        (AllOf((news, british)), [True, False, False, True, False]),
        (AllOf((news, Nothing(radio))), [True, False, True, False, True]),
        (AnyOf((news, bbc)), [True, True, True, True, True]),
        (AnyOf((radio, bbc)), [True, True, False, True, False]),
        (AnyOf((radio, field("group", "*ENT"))), [False, True, False, True, False]),
        (AnyOf((AllOf((bbc, Nothing(news))), field("name", "Z*"))), [False, True, False, False, True]),
        (Nothing(AnyOf((news, bbc))), [False] * 5),
        (Nothing(AllOf((news, bbc))), [False, True, True, False, True]),
        (AllOf(()), [True] * 5),
        (AnyOf(()), [False] * 5),
        (field("source", "main"), [True] * 5),
        (field("kind", "vod"), [False] * 5),
    ],
)
def test_rules_say_what_they_say_item_by_item(matcher: Matcher, expected: list[bool]) -> None:
    """Simplifying rules by group, country, language, kind and radio changes no answer, alone or together."""
    assert expected == assigned(matcher, *ITEMS)
    assert expected == [one for item in ITEMS for one in assigned(matcher, item)]


def test_no_rule_no_bucket() -> None:
    """What no rule matches has no bucket, also where a rule was left open; buckets without a rule take nothing."""
    spec = simple_spec(NEWS, Bucket("named", field("name", "BBC*")), Bucket("spill"))
    found = Buckets(spec, {}, _no_link).assign((Item(entry(1, "X", "ENT"), "main/1"), *ITEMS[:2]))
    assert [None, "news", "named"] == [bucket and bucket.name for bucket in found]


def test_guides_are_matched_when_a_rule_asks() -> None:
    """One rule among several that speaks of the guide is enough, once for all items."""
    asked: list[int] = []

    def link(items: Sequence[Item]) -> None:
        asked.append(len(items))
        for item in items:
            item.link, item.linked = GuideLink("main", "a", "id") if item.name == "A" else None, True

    spec = simple_spec(NEWS, Bucket("listed", FieldIs("guide", Is("listed"))), REST)
    items = (Item(entry(1, "A"), "main/1"), Item(entry(2, "B"), "main/2"))
    found = Buckets(spec, {}, link).assign(items)
    assert ["listed", "rest"] == [bucket and bucket.name for bucket in found]
    assert [2] == asked


def test_where_overflow_leads() -> None:
    """A bucket's homes are its own DVRs, all devices of a split one, and those behind its overflow; `drop` leads nowhere."""
    spec = simple_spec(
        Bucket("a", everything, overflow="c"),
        Bucket("b", field("name", "b")),
        Bucket("c", overflow="drop"),
        Bucket("none"),
        dvrs={"a": Dvr("a", "a"), "b": Dvr("b", "b"), "c": Dvr("c", "c")},
    )
    homes = Homes.of(spec, {"a": ("a", "a-2")})
    assert {"a": ("a", "a-2"), "b": ("b",), "c": ("c",), "none": ()} == homes.own
    assert {"a": {"a", "a-2", "c"}, "b": {"b"}, "c": {"c"}, "none": set()} == homes.reach
    assert {"a": "a", "a-2": "a", "b": "b", "c": "c"} == homes.bucket_of


def living(item: Item, dvr: str, **record: str) -> Item:
    """The item as a channel of that DVR, in the group and with the name it has now unless told otherwise."""
    known = {"name": "", "guide_id": "", "group": item.entry.group, **record}
    known["name"] = normalise_name(known["name"])
    item.record = replace(ChannelRecord(item.id, dvr, 1000, item.entry.source), **known)  # type: ignore[arg-type]
    return item


def settled(
    spec: Spec, *items: Item, allow: frozenset[str] = frozenset(), watch: Watch | None = None
) -> "Placed":
    """By item name where it goes, and the ids that are held or moved."""
    rules = Buckets(spec, {}, _no_link)
    homes = Homes.of(spec, {})
    found = settle(
        items,
        rules,
        homes,
        lambda: Filters(spec, {}, _no_link, Watch()),
        allow=allow,
        watch=watch or Watch(),
    )
    return Placed(
        found.by_bucket, found.held_items, found.moved, [h.channel for h in found.held], found.unbucketed
    )


class Placed:
    """What `settle` did, by names."""

    def __init__(
        self,
        by_bucket: dict[str, list[Item]],
        held: dict[str, str],
        moved: set[str],
        listed: list[str],
        unbucketed: list[Item],
    ) -> None:
        self.where = {item.name: bucket for bucket, items in by_bucket.items() for item in items}
        self.held, self.moved, self.listed = held, moved, listed
        self.unbucketed = [item.name for item in unbucketed]


def test_a_rename_by_the_provider_holds() -> None:
    """Name or guide id changed since the last run: the channel stays, and is remembered with the rule that it met then."""
    spec = simple_spec(Bucket("bbc", field("name", "BBC*")), REST)
    renamed = living(
        Item(entry(1, "Beeb", "UK", guide_id="bbc.uk"), "main/1"), "bbc", name="bbc one", guide_id="bbc.uk"
    )
    found = settled(spec, renamed)
    assert {"Beeb": "bbc"} == found.where
    assert {"main/1": "rest"} == found.held
    assert ["main/1"] == found.listed
    assert set() == found.moved


def test_an_edited_rule_moves() -> None:
    """The provider said nothing new, so it was the author: the channel goes where the rule says."""
    spec = simple_spec(Bucket("bbc", field("name", "ITV*")), REST)
    item = living(
        Item(entry(1, "BBC One", "UK", guide_id="bbc.uk"), "main/1"), "bbc", name="bbc one", guide_id="bbc.uk"
    )
    found = settled(spec, item)
    assert {"BBC One": "rest"} == found.where
    assert {"main/1"} == found.moved
    assert {} == found.held


def test_held_as_long_as_the_rule_says_the_same() -> None:
    """A channel held at a rename stays in later runs; a rule that says something else than then moves it."""
    spec = simple_spec(Bucket("bbc", field("name", "BBC*")), Bucket("other", field("group", "UK")), REST)
    facts = {"name": "beeb", "guide_id": "bbc.uk"}
    item = Item(entry(1, "Beeb", "UK", guide_id="bbc.uk"), "main/1")
    assert {"Beeb": "bbc"} == settled(spec, living(item, "bbc", held="other", **facts)).where
    assert {"Beeb": "other"} == settled(spec, living(item, "bbc", held="rest", **facts)).where
    none = simple_spec(Bucket("bbc", field("name", "BBC*")))
    assert {"Beeb": "bbc"} == settled(none, living(item, "bbc", held="-", **facts)).where
    found = settled(none, living(item, "bbc", held="rest", **facts))
    assert ({}, ["Beeb"], {"main/1"}) == (found.where, found.unbucketed, found.moved)


def test_a_record_without_a_group_holds() -> None:
    """Nothing is known of the group it had: it stays, and is not remembered as renamed."""
    item = Item(entry(1, "BBC One", "UK", guide_id="bbc.uk"), "main/1")
    found = settled(
        simple_spec(NEWS, REST), living(item, "news", group="", name="bbc one", guide_id="bbc.uk")
    )
    assert {"main/1": ""} == found.held


def test_a_renamed_group_is_asked_about_the_old_one() -> None:
    """Rule and place agreed about the old group: held. They did not: moved. The other channels do not matter."""
    spec = simple_spec(NEWS, REST)
    facts = {"name": "a", "guide_id": ""}
    held = living(Item(entry(1, "A", "VIP"), "main/1"), "news", group="UK|NEWS", **facts)
    moved = living(Item(entry(2, "A", "VIP"), "main/2"), "news", group="UK|ENT", **facts)
    later = living(Item(entry(3, "A", "VIP"), "main/3"), "news", group="DE|NEWS", **facts)
    found = settled(spec, held, moved, later)
    assert {"main/1": "", "main/3": ""} == found.held
    assert {"main/2"} == found.moved
    assert ["main/1", "main/3"] == found.listed


def test_what_filters_dropped_then_is_not_held() -> None:
    """The old group would be filtered out today: then it was not the rule that put the channel there."""
    drop = Filter("no-news", Drop(field("group", "UK|NEWS")))
    facts = {"name": "a", "guide_id": "", "group": "UK|NEWS"}
    item = living(Item(entry(1, "A", "VIP"), "main/1"), "news", **facts)
    assert {} == settled(simple_spec(NEWS, REST, filters=(drop,)), item).held
    assert {"main/1": ""} == settled(simple_spec(NEWS, REST), item).held


def test_what_an_override_fixed_stays_fixed_in_the_past() -> None:
    """The name that an override gave is asked about with the old group, and filters do not change it."""
    named = Bucket("news", AllOf((field("group", "*NEWS"), field("name", "Mine"))))
    tidy = Filter("tidy", Rename("name", "Mine", "Theirs"))
    item = living(Item(entry(1, "A", "VIP"), "main/1"), "news", name="a", group="UK|NEWS")
    item.name, item.fixed = "Mine", frozenset({"name"})
    assert {"main/1": ""} == settled(simple_spec(named, REST, filters=(tidy,)), item).held


def test_the_word_moves() -> None:
    """`moved:<dvr>` lets go what would be held in that DVR, and nothing in another one."""
    spec = simple_spec(NEWS, Bucket("sport", field("group", "*SPORT")), REST)
    one = living(Item(entry(1, "A", "VIP"), "main/1"), "news", name="a", group="UK|NEWS")
    two = living(Item(entry(2, "B", "VIP"), "main/2"), "sport", name="b", group="UK|SPORT")
    found = settled(spec, one, two, allow=frozenset({"moved:news"}))
    assert {"A": "rest", "B": "sport"} == found.where
    assert {"main/1"} == found.moved


def test_held_are_listed_by_dvr_and_channel() -> None:
    """Whatever the order of the items."""
    spec = simple_spec(NEWS, Bucket("sport", field("group", "*SPORT")), REST)
    items = [
        living(Item(entry(key, "A", "VIP"), f"main/{key}"), dvr, name="a", group=group)
        for key, dvr, group in (
            (4, "sport", "SPORT"),
            (3, "news", "NEWS"),
            (2, "sport", "SPORT"),
            (1, "news", "NEWS"),
        )
    ]
    spec = simple_spec(NEWS, Bucket("sport", field("group", "*SPORT")), REST)
    assert ["main/1", "main/3", "main/2", "main/4"] == settled(spec, *items).listed


def test_the_trail_of_a_watched_channel() -> None:
    """`explain` is told the bucket and why, also of those held and those that nobody wants."""
    spec = simple_spec(NEWS)
    watch = Watch(frozenset({"main/1", "main/2", "main/3"}))
    held = living(Item(entry(3, "C", "VIP"), "main/3"), "news", name="c", group="NEWS")
    settled(
        spec, Item(entry(1, "A", "NEWS"), "main/1"), Item(entry(2, "B", "X"), "main/2"), held, watch=watch
    )
    assert {
        "main/1": [("bucket news", "matched")],
        "main/2": [("bucket", "no rule matches")],
        "main/3": [("bucket (none)", "held in news, where it lives")],
    } == {key: [(e.stage, e.verdict) for e in events] for key, events in watch.events.items()}


def test_a_merged_channel_is_known_by_any_of_its_parts() -> None:
    """One part still has name and id of the last run: nothing was renamed, so an edited rule moves the channel."""
    spec = simple_spec(Bucket("bbc", field("name", "ITV*")), REST)
    parts = (
        Item(entry(1, "BBC 1", "UK", guide_id="x"), "main/1"),
        Item(entry(2, "BBC One", "UK", guide_id="bbc.uk"), "main/2"),
        Item(entry(3, "BBC One", "UK", guide_id="y"), "main/3"),
    )
    whole = living(parts[0], "bbc", name="bbc one", guide_id="bbc.uk")
    whole.members = parts
    assert {"main/1"} == settled(spec, whole).moved
    whole.members = (parts[0], parts[2])
    assert set() == settled(spec, whole).moved


def test_the_whole_run_agrees() -> None:
    """What is held keeps its number where it is, and what the author moved gets one there."""
    spec = simple_spec(NEWS, REST)
    first = run(spec, [entry(1, "A", "NEWS"), entry(2, "B", "ENT")])
    second = run(spec, [entry(1, "A", "VIP"), entry(2, "B", "ENT")], first.ledger)
    assert numbers(first, "news") == numbers(second, "news")
    assert Glob("*NEWS*") == NEWS.match.condition  # type: ignore[union-attr]
