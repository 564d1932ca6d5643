"""Merging: who is preferred, what the others give, and that no address is lost."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest

from reconciler.catalog.entry import Entry
from reconciler.lineups.model import Channel
from reconciler.spec.model import AllOf, Bucket, Drop, FieldIs, Filter, Is, Merge, Only, Override, Prefer
from tests.lineups.worlds import entry, everything, field, guide, numbers, run, simple_spec

ALL = Bucket("all", everything)


def merged(by: Iterable[Any], entries: Iterable[Entry], *prefer: Prefer, **more: Any) -> dict[str, Channel]:
    """The channels by id, the same in whatever order the entries are listed."""
    spec = simple_spec(ALL, filters=(Filter("one", Merge(tuple(by), prefer)),), **more)
    entries = tuple(entries)
    answers = []
    for order in list(permutations(entries))[:24]:
        (target,) = run(spec, order, guides={"main": guide("g")}).dvrs
        answers.append({row.channel.id: row.channel for row in target.lineup.rows})
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


@pytest.mark.accepts("SPL-3")
@pytest.mark.parametrize(
    ("by", "left"),
    [
        (("name",), {"main/1", "main/3", "main/4", "main/5"}),
        (("guide_id",), {"main/1", "main/2", "main/4", "main/5"}),
        (("group",), {"main/1", "main/4", "main/5"}),
        (("number",), {"main/1", "main/2", "main/3", "main/4"}),
        (("name", "group"), {"main/1", "main/3", "main/4", "main/5"}),
        (("group", "guide_id"), {"main/1", "main/2", "main/4", "main/5"}),
        (("guide_id", "name"), {"main/1", "main/2", "main/3", "main/4", "main/5"}),
    ],
)
def test_equal_in_every_field(by: tuple[str, ...], left: set[str]) -> None:
    """One form of a name and of an id are equal; empty fields merge nobody, nor does a different kind."""
    entries = [
        entry(1, "A HD", "G", guide_id="a ", number=1),
        entry(2, "a", "G", guide_id="b"),
        entry(3, "C", "G", guide_id="A"),
        entry(4, "D", number=7),
        entry(5, "E", number=7 if by == ("number",) else 8, guide_id=""),
        entry(6, "A", "G", guide_id="a", kind="vod"),
    ]
    found = merged(by, entries)
    assert left == found.keys()
    assert 5 == sum(len(c.members) for c in found.values())


def test_who_is_preferred() -> None:
    """The wishes in their order, the source's place in the spec, the provider's number, the name, the id."""
    sd, hd = entry(1, "A SD", number=1), entry(2, "A HD", number=2)
    local = entry("", "A HD", source="locals", url="http://x/1.ts", number=0)
    wish = Prefer(FieldIs("quality", Is("hd"))), Prefer(field("source", "locals"))
    (first,) = merged(("name",), [sd, hd, local], *wish).values()
    assert [local, hd, sd] == list(first.members)
    (first,) = merged(("name",), [sd, hd, local], wish[1], wish[0]).values()
    assert [local, hd, sd] == list(first.members)
    (first,) = merged(("name",), [sd, hd, local]).values()
    assert [sd, hd, local] == list(first.members)
    (first,) = merged(("name",), [sd, hd._replace(number=None), sd._replace(key="3", number=9)]).values()
    assert [1, 9, None] == [m.number for m in first.members]
    plain = [entry(1, "A"), entry(2, "a HD"), entry(3, "a")]
    (first,) = merged(("name",), plain).values()
    assert ["1", "3", "2"] == [m.key for m in first.members]


def test_a_single_entry_is_no_merged_channel() -> None:
    """It has no alternatives, and counts as one."""
    (only,) = merged(("name",), [entry(1, "A")]).values()
    assert ((), 1) == (only.aliases, len(only.members))


def test_the_others_give_what_the_first_lacks() -> None:
    """Guide id and logo, and whose programmes it has; what the first says stands."""
    poor, rich = entry(1, "A", number=1), entry(2, "A", number=2, guide_id="g", logo="http://l")
    (found,) = merged(("name",), [poor, rich]).values()
    assert ("g", "http://l", "g") == (found.guide_id, found.logo, found.link and found.link.xmltv_id)
    own = poor._replace(guide_id="h", logo="http://own")
    (found,) = merged(("name",), [own, rich]).values()
    assert ("h", "http://own") == (found.guide_id, found.logo)


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_filter_after_the_merge_sees_what_the_others_gave(*, asked_before: bool) -> None:
    """A channel is kept for the guide of any of its entries, whether or not a filter asked the guides before."""
    listed = FieldIs("guide", Is("listed"))
    poor, rich = entry(1, "A", number=1), entry(2, "A", number=2, guide_id="g")
    filters = [Filter("one", Merge(("name",))), Filter("listed", Only(listed))]
    if asked_before:
        filters.insert(0, Filter("none", Drop(AllOf((listed, field("name", "Z"))))))
    (target,) = run(simple_spec(ALL, filters=tuple(filters)), [poor, rich], guides={"main": guide("g")}).dvrs
    assert [["1", "2"]] == [[m.key for m in row.channel.members] for row in target.lineup.rows]


@pytest.mark.accepts("NUM-6")
def test_a_merge_after_a_merge_folds_the_whole() -> None:
    """Members of members are alternatives, each once; a filter in between sees what the first merge gave."""
    entries = [
        entry(1, "A", number=1, guide_id="a"),
        entry(2, "A", number=2, guide_id="b"),
        entry(3, "B", number=3, guide_id="b"),
    ]
    filters = (Filter("ids", Merge(("guide_id",))), Filter("names", Merge(("name",))))
    (target,) = run(simple_spec(ALL, filters=filters), entries).dvrs
    (row,) = target.lineup.rows
    assert ["1", "2", "3"] == [m.key for m in row.channel.members]


def test_what_an_override_set_on_any_of_them_holds() -> None:
    """Name, number and drop, whichever is preferred; of two wished numbers that of the lowest id, every day."""
    entries = [entry(1, "A", number=1), entry(2, "A", number=2)]
    (found,) = merged(("name",), entries, overrides=(Override("main/2", name="A HD"),)).values()
    assert "A HD" == found.name
    # Later filters leave it alone as well.
    wishes = (Override("main/2", number=1002), Override("main/1", number=1001))
    for prefer in ((), (Prefer(field("number", "2")),)):
        spec = simple_spec(ALL, filters=(Filter("one", Merge(("name",), prefer)),), overrides=wishes)
        assert [1001] == list(numbers(run(spec, entries), "all").values())
    assert {} == merged(("name",), entries, overrides=(Override("main/2", drop=True),))


def test_what_was_dropped_by_hand_gives_no_name_away() -> None:
    """A drop is the channel's end, not a field that the others could take."""
    entries = [entry(1, "A", number=1), entry(2, "A", number=2), entry(3, "B", number=3)]
    spec = simple_spec(ALL, filters=(Filter("one", Merge(("name",))),), overrides=(Override("main/2", drop=True, name="A"),))  # fmt: skip
    desired = run(spec, entries)
    assert ["main/3"] == list(numbers(desired, "all"))
