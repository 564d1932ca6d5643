"""Seats: in which order newcomers come, where they go when a DVR is full, and what is said when none is left."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.catalog.entry import Entry
from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.lineups.filters import Watch
from reconciler.lineups.limits import MAP_BUDGET_BYTES, map_bytes
from reconciler.lineups.placing import split_names
from reconciler.spec.model import Bucket, Dvr, FieldIs, Filter, Is, Override, SetFields, SortKey, Spec
from tests.lineups.worlds import entry, everything, field, guide, many, numbers, run, simple_spec

ALL = Bucket("all", everything)


def order(bucket: Bucket, entries: Iterable[Entry], **more: Any) -> list[str]:
    """The keys of newcomers by the number they got."""
    found = numbers(run(simple_spec(bucket), entries, **more), "all")
    return [id_.partition("/")[2] for id_, _ in sorted(found.items(), key=lambda f: f[1])]


def sorted_by(*keys: SortKey) -> Bucket:
    """One bucket for all, with this `sort`."""
    return replace(ALL, sort=keys)


@pytest.mark.parametrize(
    ("key", "entries", "expected"),
    [
        (SortKey(field="name"), [entry(1, "b"), entry(2, "A"), entry(3, "C")], ["2", "1", "3"]),
        (SortKey(field="group"), [entry(1, "x", "b"), entry(2, "x", "A"), entry(3, "x")], ["3", "2", "1"]),
        (SortKey(field="guide_id"), [entry(1, "x", guide_id="b"), entry(2, "x", guide_id="A")], ["2", "1"]),
        (SortKey(field="number"), [entry(1, "x"), entry(2, "x", number=0), entry(3, "x", number=1)], ["2", "3", "1"]),
        (SortKey(field="quality"), [entry(i, f"{i} {q}".strip()) for i, q in enumerate(["", "SD", "HD", "FHD", "UHD"])], ["4", "3", "2", "1", "0"]),
        (SortKey(match=field("name", "ESPN*")), [entry(1, "a"), entry(2, "ESPN 2"), entry(3, "ESPN 1")], ["3", "2", "1"]),
        (SortKey(match=FieldIs("quality", Is("uhd"))), [entry(1, "a"), entry(2, "z UHD")], ["2", "1"]),
    ],
)  # fmt: skip
def test_the_buckets_sort(key: SortKey, entries: list[Entry], expected: list[str]) -> None:
    """Each of the spec's keys; case is no difference."""
    assert expected == order(sorted_by(key), entries)


def test_a_quality_that_a_filter_sets() -> None:
    """In any case; a word of the author's own comes last."""
    said = {"a": "own", "b": "HD", "c": "Uhd"}
    sets = tuple(
        Filter(name, SetFields(field("name", name), (("quality", quality),)))
        for name, quality in said.items()
    )
    entries = [entry(place, name) for place, name in enumerate(said)]
    desired = run(simple_spec(sorted_by(SortKey(field="quality")), filters=sets), entries)
    assert {"main/2": 1000, "main/1": 1001, "main/0": 1002} == numbers(desired, "all")


def test_what_decides_where_sort_does_not() -> None:
    """The provider's number, listed in a guide before not, the folded name, the id (design.md 2)."""
    entries = [
        entry(6, "a"), entry(5, "B"), entry(4, "b", guide_id="g"), entry(3, "z", guide_id="g"),
        entry(2, "z", number=5), entry(1, "a", number=0), entry(7, "a"),
    ]  # fmt: skip
    assert ["1", "2", "4", "3", "6", "7", "5"] == order(ALL, entries, guides={"main": guide("g")})
    first, second = SortKey(field="number"), SortKey(field="name")
    assert ["2", "1"] == order(sorted_by(first, second), [entry(1, "a", number=7), entry(2, "b", number=3)])
    first = SortKey(match=field("name", "z"))
    assert ["2", "3", "1", "6", "7", "4", "5"] == order(sorted_by(first, second), entries)


def test_a_filter_of_the_bucket_has_its_say_before_the_order() -> None:
    """Whom it gives a guide comes before those without, whether it was the bucket's own or came from another one."""
    gives = Filter("gives", SetFields(field("name", "b"), (("guide_id", "g"),)), buckets=("all",))
    own = simple_spec(ALL, filters=(gives,))
    entries = [entry(1, "a"), entry(2, "b")]
    guides = {"main": guide("g")}
    assert {"main/2": 1000, "main/1": 1001} == numbers(run(own, entries, guides=guides), "all")
    late = simple_spec(
        Bucket("first", everything, overflow="all"), Bucket("all", None),
        dvrs={"first": Dvr("first", "first", limit=1), "all": Dvr("all", "all")}, filters=(gives,),
    )  # fmt: skip
    found = run(late, [entry(0, "0", number=1), *entries], guides=guides)
    assert {"main/2": 1600, "main/1": 1601} == numbers(found, "all")


def test_newcomers_of_another_bucket_come_after_its_own() -> None:
    """Those that overflow are sorted by the rules of the bucket that takes them."""
    spec = simple_spec(
        Bucket("first", field("group", "F"), overflow="all"),
        sorted_by(SortKey(field="name")),
        dvrs={"first": Dvr("first", "first", limit=1), "all": Dvr("all", "all")},
    )
    entries = [entry(1, "k", "F", number=1), entry(2, "z", "F", number=2), entry(3, "b", "F", number=3)]
    desired = run(spec, [*entries, entry(4, "m"), entry(5, "n")])
    assert {"main/4": 1600, "main/5": 1601, "main/3": 1602, "main/2": 1603} == numbers(desired, "all")
    assert [(("all", 2),), ()] == [t.overflowed for t in desired.dvrs]


@pytest.mark.parametrize(("overflow", "code"), [("fail", ["S301"]), ("drop", [])])
def test_who_finds_no_seat_and_has_nowhere_to_go(overflow: Any, code: list[str]) -> None:
    """Left out, counted, and told so; an error only where the spec did not say `drop`."""
    spec = simple_spec(replace(ALL, overflow=overflow), dvrs={"all": Dvr("all", "all", limit=2)})
    watch = Watch(frozenset({"main/3"}))
    desired = run(spec, many(3), watch=watch)
    assert [(("", 1),)] == [t.overflowed for t in desired.dvrs]
    assert code == [b.code for b in desired.blocks]
    assert ("room in all", "none left: left out") in [(e.stage, e.verdict) for e in watch.events["main/3"]]


def test_who_moves_on_is_told_where() -> None:
    """The bucket that takes it stands in what `explain` says."""
    spec = simple_spec(
        Bucket("first", everything, overflow="rest"), Bucket("rest", None),
        dvrs={"first": Dvr("first", "first", limit=1), "rest": Dvr("rest", "rest")},
    )  # fmt: skip
    watch = Watch(frozenset({"main/2"}))
    run(spec, many(2), watch=watch)
    assert ("room in first", "none left: went to rest") in [
        (e.stage, e.verdict) for e in watch.events["main/2"]
    ]


@pytest.mark.accepts("SPL-4")
def test_what_is_said_when_no_seat_is_left() -> None:
    """S301 and S303 with their figures, in plain numbers; a word only where it helps."""

    def said(spec: Spec, entries: list[Entry], ledger: Ledger | None = None) -> list[tuple[str, ...]]:
        return [(b.code, b.message, b.lift, b.what) for b in run(spec, entries, ledger).blocks]

    small = simple_spec(ALL, dvrs={"all": Dvr("all", "all", limit=2)})
    assert [("S301", "1 channel too many: 2 of at most 2, map of 139 of 30,000 bytes", "", "lineup")] == said(
        small, many(3)
    )
    narrow = simple_spec(ALL, dvrs={"all": Dvr("all", "all", numbers=(1, 2))})
    none_left = "no free number in 1-2 for {}, {} kept free for channels that left"
    assert [("S303", none_left.format("2 channels", 0), "", "numbers")] == said(narrow, many(4))
    first = run(narrow, many(2))
    gone = [*many(1), entry(9, "Nine")]
    assert [("S303", none_left.format("1 channel", 1), "reuse:all", "numbers")] == said(
        narrow, gone, first.ledger
    )


@pytest.mark.accepts("M3U-4")
def test_an_edited_limit_below_what_lives_there() -> None:
    """No policy helps and no word: nobody who lives there is evicted."""
    first = run(simple_spec(ALL), many(3))
    small = simple_spec(replace(ALL, overflow="drop"), dvrs={"all": Dvr("all", "all", limit=2)})
    (block,) = run(small, many(3), first.ledger).blocks
    assert ("S301", "3 living channels, limit 2", "", "lineup") == (
        block.code,
        block.message,
        block.lift,
        block.what,
    )
    assert 3 == len(numbers(run(small, many(3), first.ledger), "all"))


@pytest.mark.accepts("SPL-4")
def test_a_map_that_has_grown_too_large() -> None:
    """Living channels of another version, or renumbered into five digits: Plex would refuse the request (plex-livetv.md 2.7)."""
    first = run(simple_spec(ALL), many(448))
    channels = {id_: replace(r, number=r.number + 10_000) for id_, r in first.ledger.channels.items()}
    ledger = replace(first.ledger, channels=channels)
    size = map_bytes(tuple(r.number for r in channels.values()))
    assert size > MAP_BUDGET_BYTES
    (block,) = run(simple_spec(ALL), many(448), ledger).blocks
    assert ("S301", f"channel map of {size:,} bytes, at most 30,000", "", "lineup") == (
        block.code,
        block.message,
        block.lift,
        block.what,
    )


def test_a_dvr_that_finds_no_port() -> None:
    """`serve.ports` is too narrow: said for the DVR that is left without, with both ends of the range."""
    spec = simple_spec(ALL, Bucket("b", None), Bucket("c", None))
    serve = replace(spec.serve, ports=(5005, 5006))
    (block,) = run(replace(spec, serve=serve), many(1)).blocks
    message = "no free port left in serve.ports 5005-5006: widen it, or give another DVR its own port"
    assert ("S303", "c", message, "") == (block.code, block.dvr, block.message, block.lift)


@pytest.mark.accepts("NUM-1")
def test_who_comes_back_comes_before_every_newcomer() -> None:
    """Into the DVR it left, if its bucket leads there, when there is one seat; in the order of the old numbers."""
    spec = simple_spec(ALL, dvrs={"all": Dvr("all", "all", limit=2)})
    first = run(spec, many(2))
    empty = run(spec, [entry(9, "Nine", number=9)], run(spec, [], first.ledger).ledger)
    back = run(spec, [entry(0, "Zero", number=0), entry(9, "Nine", number=9), *many(2)], empty.ledger)
    assert {"main/9": 1002, "main/1": 1000} == numbers(back, "all")
    swapped = run(spec, [entry(1, "One", number=2), entry(2, "Two", number=1)])
    gone = run(spec, [entry(9, "Nine", number=9)], run(spec, [], swapped.ledger).ledger)
    again = run(spec, [entry(9, "Nine", number=9), *many(2)], gone.ledger)
    assert {"main/9": 1002, "main/2": 1000} == numbers(again, "all")  # by number, not by id
    elsewhere = simple_spec(Bucket("all", field("group", "*")), Bucket("rest", everything))
    left = run(elsewhere, [], run(elsewhere, many(2)).ledger)
    other = simple_spec(Bucket("all", field("group", "nothing")), Bucket("rest", everything))
    moved = run(other, many(2), left.ledger)
    assert {"main/1": 1600, "main/2": 1601} == numbers(moved, "rest")


def test_a_wish_finds_its_seat_where_others_did_not() -> None:
    """A DVR that turned newcomers away for want of a number is asked again by one with a number of its own."""
    narrow = simple_spec(
        replace(ALL, overflow="drop"),
        dvrs={"all": Dvr("all", "all", numbers=(1, 2))},
        overrides=(Override("main/4", number=77),),
    )
    found = run(narrow, many(4))
    assert {"main/1": 1, "main/2": 2, "main/4": 77} == numbers(found, "all")
    assert (("overflow", 1),) == found.filtered


def test_of_two_wishes_for_one_number_the_lower_id_has_it() -> None:
    """The same every day, however they are listed."""
    wishes = (Override("main/2", number=1007), Override("main/1", number=1007))
    for entries in (many(3), many(3)[::-1]):
        found = numbers(run(simple_spec(ALL, overrides=wishes), entries), "all")
        assert (1007, 1000, 1001) == (found["main/1"], found["main/2"], found["main/3"])
        first = run(simple_spec(ALL), entries)
        wished = simple_spec(ALL, overrides=wishes)
        lives = numbers(run(wished, entries, first.ledger, allow=["renumber:all"]), "all")
        assert (1007, 1001, 1002) == (lives["main/1"], lives["main/2"], lives["main/3"])


def test_the_parts_of_a_split_in_their_order() -> None:
    """-2 before -10, whatever the ledger's order; parts of another DVR are none."""

    def record(name: str, of: str) -> DvrRecord:
        return DvrRecord(name, name, None, name, name, (1, 2), split_of=of)

    made = [record("a-10", "a"), record("a", ""), record("b-2", "b"), record("a-2", "a"), record("b", "")]
    assert ["a", "a-2", "a-10"] == split_names("a", Ledger("L", 1, {r.name: r for r in made}))


@pytest.mark.accepts("SPL-4")
def test_a_further_part_takes_no_name_that_is_taken() -> None:
    """A DVR of the spec may be called like a part."""
    spec = simple_spec(
        Bucket("all", everything, overflow="split"),
        Bucket("all-2", None),
        dvrs={"all": Dvr("all", "all", limit=2), "all-2": Dvr("all-2", "all-2")},
    )
    desired = run(spec, many(5))
    assert [("all", 2), ("all-3", 2), ("all-4", 1), ("all-2", 0)] == [
        (t.record.name, len(t.lineup.rows)) for t in desired.dvrs
    ]
