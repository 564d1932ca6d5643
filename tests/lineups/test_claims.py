"""Which remembered channel an entry is, where merges come and go and several could claim one record."""

import pytest

from reconciler.catalog.entry import Entry
from reconciler.ledger.model import ChannelRecord, Ledger, Retired
from reconciler.lineups.claims import claim, final_ids
from reconciler.lineups.item import Item
from reconciler.spec.model import Bucket, Filter, Merge, Prefer
from tests.lineups.worlds import entry, everything, field, numbers, run, simple_spec

ALL = Bucket("all", everything)
PLAIN = simple_spec(ALL)
MERGING = simple_spec(ALL, filters=(Filter("one", Merge(("guide_id",))),))
TWO = [entry(1, "A", guide_id="g", number=1), entry(2, "B", guide_id="g", number=2)]


def record(id_: str, number: int, *aliases: str) -> ChannelRecord:
    """A channel with a number."""
    return ChannelRecord(id_, "all", number, "main", aliases)


def kept(id_: str, number: int, *aliases: str, day: str = "2026-03-01", dvr: str = "all") -> Retired:
    """A number that is kept free."""
    return Retired(dvr, number, id_, day, aliases, "main")


def item(id_: str, *members: str) -> Item:
    """An entry, or several merged into the first."""
    made = Item(Entry("main", id_, id_), f"main/{id_}")
    if members:
        made.members = (made, *(Item(Entry("main", m, m), f"main/{m}") for m in members))
    return made


def claimed(items: list[Item], *records: ChannelRecord, reserved: tuple[Retired, ...] = ()) -> list[str]:
    """What each item got: the id of its record, or a number that is kept for it, or nothing."""
    claim(items, Ledger("L", 1, {}, {r.id: r for r in records}), reserved)
    return [i.record.id if i.record else str(i.returning.number) if i.returning else "nothing" for i in items]


@pytest.mark.accepts("NUM-6")
def test_a_merge_keeps_the_lowest_number_and_its_undoing_gives_it_back() -> None:
    """Two with numbers become one: the lower stays, the other is kept free; apart again each has its own."""
    first = run(PLAIN, TWO)
    assert {"main/1": 1000, "main/2": 1001} == numbers(first, "all")
    one = run(MERGING, TWO, first.ledger)
    assert {"main/1": 1000} == numbers(one, "all")
    assert [(1001, "main/2")] == [(r.number, r.id) for r in one.ledger.retired]
    again = run(PLAIN, TWO, one.ledger)
    assert {"main/1": 1000, "main/2": 1001} == numbers(again, "all")
    assert () == again.ledger.retired


@pytest.mark.accepts("NUM-6")
def test_whoever_is_preferred_today_it_is_one_channel() -> None:
    """The id and number stay with the channel while any member lives."""
    first = run(MERGING, TWO)
    turned = simple_spec(ALL, filters=(Filter("one", Merge(("guide_id",), (Prefer(field("name", "B")),))),))
    second = run(turned, TWO, first.ledger)
    assert numbers(first, "all") == numbers(second, "all") == {"main/1": 1000}
    alone = run(turned, TWO[1:], second.ledger)
    assert {"main/1": 1000} == numbers(alone, "all")


@pytest.mark.parametrize("turned", [False, True])
def test_the_id_itself_comes_before_an_alias(turned: bool) -> None:
    """A merge that is undone: the member that gave the channel its id goes on as the channel, however they are listed."""
    known = record("main/b", 1000, "main/a", "main/c")
    some = [item("a"), item("b"), item("c")]
    assert {"main/b": "main/b", "main/a": "nothing", "main/c": "nothing"} == dict(
        zip(
            [i.id for i in (some[::-1] if turned else some)],
            claimed(some[::-1] if turned else some, known),
            strict=True,
        )
    )
    orphans = [item("a"), item("c")]
    found = claimed(orphans[::-1] if turned else orphans, known)
    assert ["nothing", "main/b"] == (found if turned else found[::-1])


def test_a_record_is_claimed_once() -> None:
    """An id that another record holds as its own is nobody's alias."""
    assert ["main/a", "main/b"] == claimed(
        [item("a"), item("b")], record("main/a", 1000, "main/b"), record("main/b", 1001)
    )
    # A merged item that claims both goes by the lower number; asked again it is the same.
    both = [item("b", "a")]
    for _ in range(2):
        assert ["main/b"] == claimed(both, record("main/a", 1001), record("main/b", 1000))
    assert ["main/a"] == claimed(both, record("main/a", 1000), record("main/b", 1001))


def test_numbers_kept_free_go_to_who_left_them() -> None:
    """By own id before alias, the latest departure first, then the lowest number; living channels want none."""
    assert ["1000"] == claimed([item("a")], reserved=(kept("main/a", 1000),))
    assert ["1005"] == claimed(
        [item("a")], reserved=(kept("main/a", 1000, day="2026-02-20"), kept("main/a", 1005))
    )
    assert ["1000"] == claimed([item("a")], reserved=(kept("main/a", 1005), kept("main/a", 1000)))
    own_first = (kept("main/b", 1000, "main/a"), kept("main/a", 1009, day="2026-02-20"))
    assert ["1009", "1000"] == claimed([item("a"), item("b")], reserved=own_first)
    assert ["1000"] == claimed([item("c", "a")], reserved=(kept("main/a", 1000),))
    assert ["main/a", "1000"] == claimed(
        [item("a"), item("b")], record("main/a", 1), reserved=(kept("main/b", 1000), kept("main/a", 1001))
    )


def test_a_number_kept_free_is_given_back_once() -> None:
    """Two that were one channel once: only one of them gets its number, the same one in any order."""
    reserved = (kept("main/z", 1000, "main/a", "main/b"),)
    assert ["1000", "nothing"] == claimed([item("a"), item("b")], reserved=reserved)
    assert ["nothing", "1000"] == claimed([item("b"), item("a")], reserved=reserved)
    # and who has got one takes no second
    two = (kept("main/a", 1000), kept("main/a", 1001, day="2026-02-20"))
    assert ["1000", "nothing"] == claimed([item("a"), item("b", "x")], reserved=two)


def test_asking_again_after_a_merge_forgets_the_first_answer() -> None:
    """What an item was told before it was merged is not kept."""
    some = [item("a")]
    assert ["1000"] == claimed(some, reserved=(kept("main/a", 1000),))
    assert ["nothing"] == claimed(some)


def test_no_two_channels_go_by_one_id() -> None:
    """A channel that returns under the ledger's id gives way where somebody living or new has that id already."""
    some = [item("b"), item("a"), item("c")]
    for one, told in zip(some, ("main/b", "1000", "1001"), strict=True):
        one.record = record("main/b", 999) if told == "main/b" else None
    some[1].returning = kept("main/b", 1000, "main/a")
    some[2].returning = kept("main/z", 1001, "main/c")
    assert {"main/b": "main/b", "main/a": "main/a", "main/c": "main/z"} == final_ids(some)
    new = [item("z"), item("c")]
    new[1].returning = kept("main/z", 1001, "main/c")
    assert {"main/z": "main/z", "main/c": "main/c"} == final_ids(new)
    twins = [item("d"), item("c")]
    for one in twins:
        one.returning = kept("main/z", 1001, one.id)
    for order in (twins, twins[::-1]):
        assert {"main/c": "main/z", "main/d": "main/d"} == final_ids(order)
