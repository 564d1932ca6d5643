"""The desired state: buckets, sticky numbers, held channels, overflow, and the rules of numbering."""

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from reconciler.lineups.model import OVERFLOW, Verdict
from reconciler.spec.model import (
    Bucket,
    Drop,
    Dvr,
    Filter,
    Merge,
    Moved,
    Only,
    Override,
    Prefer,
    Removed,
    Rename,
    SortKey,
)
from tests.lineups.worlds import (
    TODAY,
    entry,
    everything,
    field,
    guide,
    many,
    numbers,
    run,
    simple_spec,
    with_dvr,
)

NEWS = Bucket("news", field("group", "*NEWS*"))
REST = Bucket("rest", everything)


@pytest.mark.accepts("SPL-1")
def test_first_match_wins_and_order_of_input_plays_no_part() -> None:
    """A channel is in the first bucket whose rule it meets, in no other, however the list was shuffled."""
    spec = simple_spec(NEWS, REST)
    entries = [*many(20), *many(20, "UK|SPORT", 100), entry(900, "No number", "UK|NEWS")]
    straight = run(spec, entries)
    assert {"main/900", *(f"main/{i}" for i in range(1, 21))} == numbers(straight, "news").keys()
    assert {f"main/{i}" for i in range(100, 120)} == numbers(straight, "rest").keys()
    for seed in range(5):
        random.Random(seed).shuffle(entries)
        assert straight == run(spec, entries)


def test_newcomers_in_the_order_of_the_contract() -> None:
    """Bucket `sort`, provider number, listed before not, folded name, id; numbers from the block's first."""
    bucket = Bucket("news", everything, sort=(SortKey(match=field("name", "ESPN*")),))
    entries = [
        entry(1, "zulu"),
        entry(2, "Alpha"),
        entry(3, "Numbered", number=7),
        entry(4, "ESPN 2"),
        entry(5, "listed", guide_id="l.us"),
    ]
    found = run(simple_spec(bucket), entries, guides={"main": guide("l.us")})
    assert {"main/4": 1000, "main/3": 1001, "main/5": 1002, "main/2": 1003, "main/1": 1004} == numbers(
        found, "news"
    )


@pytest.mark.accepts("NUM-1")
def test_numbers_stay_whatever_the_provider_does() -> None:
    """Removing, adding, renaming and reordering moves no other number; who returns gets the old number back."""
    spec = simple_spec(NEWS)
    first = run(spec, many(10))
    before = numbers(first, "news")
    renamed = [
        e._replace(name=f"New {e.name}", number=99 - (e.number or 0)) for e in many(10) if e.key != "3"
    ]
    second = run(spec, [*renamed, entry(77, "Another", "NEWS")], first.ledger)
    after = numbers(second, "news")
    assert {k: v for k, v in before.items() if k != "main/3"} == {
        k: v for k, v in after.items() if k in before
    }
    assert 1010 == after["main/77"]
    third = run(spec, [*renamed, *many(1, first=3)], second.ledger, today=TODAY + timedelta(29))
    assert before["main/3"] == numbers(third, "news")["main/3"]
    late = run(spec, [*renamed, entry(78, "Late", "NEWS")], second.ledger, today=TODAY + timedelta(30))
    assert before["main/3"] == numbers(late, "news")["main/78"]


def test_second_run_is_the_first() -> None:
    """With its own ledger and the same input the desired state is the same, to the object of the ledger."""
    spec = simple_spec(NEWS, REST)
    first = run(spec, [*many(5), *many(5, "X", 50)])
    second = run(spec, [*many(5), *many(5, "X", 50)], first.ledger, today=TODAY + timedelta(3))
    assert first.ledger is second.ledger
    assert [t.lineup for t in first.dvrs] == [t.lineup for t in second.dvrs]
    assert {} == second.dvrs[0].causes


def test_expired_retirements_wait_for_company() -> None:
    """A retirement that ran out does not change the ledger alone: a day that passes must change nothing."""
    spec = simple_spec(NEWS)
    first = run(spec, many(3))
    second = run(spec, many(2), first.ledger)
    late = run(spec, many(2), second.ledger, today=TODAY + timedelta(60))
    assert second.ledger is late.ledger
    assert 1 == len(late.ledger.retired)
    changed = run(spec, [*many(2), entry(9, "Ninth", "NEWS")], second.ledger, today=TODAY + timedelta(60))
    assert () == changed.ledger.retired


@pytest.mark.accepts("NUM-4")
def test_a_renamed_group_holds_channels_where_they_live() -> None:
    """The provider renames a group: channels stay and are listed; `moved:` moves them; an edited rule moves them too."""
    spec = simple_spec(NEWS, REST)
    first = run(spec, many(3))
    renamed = [e._replace(group="VIP") for e in many(3)]
    second = run(spec, renamed, first.ledger)
    assert numbers(first, "news") == numbers(second, "news")
    assert [("main/1", "news", "rest", "US|NEWS", "VIP")] == [
        (h.channel, h.dvr, h.would_be, h.group_before, h.group_now) for h in second.held[:1]
    ]
    assert 3 == len(second.held)
    third = run(spec, renamed, second.ledger, allow=["moved:news"])
    assert {} == numbers(third, "news")
    assert 3 == len(numbers(third, "rest"))
    edited = simple_spec(Bucket("news", field("group", "nothing")), REST)
    fourth = run(edited, many(3), first.ledger)
    assert () == fourth.held
    assert 3 == len(numbers(fourth, "rest"))
    assert {"spec"} == set(fourth.dvrs[0].causes.values())


def test_held_even_where_no_bucket_wants_them() -> None:
    """A group renamed to something no rule knows does not lose the channels."""
    spec = simple_spec(NEWS)
    first = run(spec, many(3))
    second = run(spec, [e._replace(group="?") for e in many(3)], first.ledger)
    assert numbers(first, "news") == numbers(second, "news")
    assert [""] * 3 == [h.would_be for h in second.held]
    assert first.ledger is second.ledger


def test_overflow_to_a_later_bucket_and_no_way_back() -> None:
    """Newcomers that find a DVR full go on; when room appears, who lives next door stays there."""
    spec = simple_spec(
        Bucket("a", everything, overflow="b"),
        Bucket("b"),
        dvrs={"a": Dvr("a", "a", limit=3), "b": Dvr("b", "b")},
    )
    first = run(spec, many(5))
    assert ["main/1", "main/2", "main/3"] == list(numbers(first, "a"))
    assert ["main/4", "main/5"] == list(numbers(first, "b"))
    assert (("b", 2),) == first.dvrs[0].overflowed
    # who sits next door is still kept of the bucket whose rule caught it
    assert [(5, 5, 5), (0, 0, 0)] == [(f.caught, f.merged, f.kept) for f in first.funnels]
    second = run(spec, many(5)[1:], first.ledger)
    assert numbers(first, "b") == numbers(second, "b")
    assert () == second.held


@pytest.mark.accepts("SPL-4", "NUM-3")
def test_split_into_parts_that_keep_their_channels() -> None:
    """A split bucket gets further devices with own ids, ports and blocks; one more channel moves nobody."""
    spec = simple_spec(
        Bucket("a", everything, overflow="split"), dvrs={"a": Dvr("a", "a", limit=4, numbers=(2000, 2599))}
    )
    first = run(spec, many(10))
    assert ["a", "a-2", "a-3"] == [t.record.name for t in first.dvrs]
    assert [(2000, 2599), (1000, 1599), (2600, 3199)] == [t.record.block for t in first.dvrs]
    assert 3 == len({t.record.device_id for t in first.dvrs})
    assert [5005, 5006, 5007] == [t.record.port for t in first.dvrs]
    second = run(spec, [entry(0, "First of all", number=0), *many(10)], first.ledger)
    for dvr in ("a", "a-2", "a-3"):
        assert numbers(first, dvr).items() <= numbers(second, dvr).items()
    assert 2602 == numbers(second, "a-3")["main/0"]
    shrunk = run(spec, many(4), second.ledger)
    assert ["a", "a-2", "a-3"] == [t.record.name for t in shrunk.dvrs]


@pytest.mark.accepts("SPL-6")
def test_drop_and_fail() -> None:
    """`drop` leaves the rest out and counts it; `fail` is S301 with both numbers and no word that lifts it."""
    dvrs = {"a": Dvr("a", "a", limit=3)}
    dropped = run(simple_spec(Bucket("a", everything, overflow="drop"), dvrs=dvrs), many(5))
    assert 3 == len(numbers(dropped, "a"))
    assert ((OVERFLOW, 2),) == dropped.filtered
    assert () == dropped.blocks
    failed = run(simple_spec(Bucket("a", everything), dvrs=dvrs), many(5))
    assert [("S301", "a", "")] == [(b.code, b.dvr, b.lift) for b in failed.blocks]
    assert "2 channels too many" in failed.blocks[0].message


@pytest.mark.accepts("M3U-4")
def test_no_lineup_above_the_byte_budget() -> None:
    """Five-digit numbers make the map reach 30,000 bytes before 480 channels."""
    spec = simple_spec(
        Bucket("a", everything, overflow="drop"), dvrs={"a": Dvr("a", "a", numbers=(10000, 10599))}
    )
    found = run(spec, many(600))
    assert 447 == len(numbers(found, "a"))
    spec = simple_spec(Bucket("a", everything, overflow="drop"))
    assert 480 == len(numbers(run(spec, many(600)), "a"))


def test_edited_range_is_s204() -> None:
    """A range that leaves living numbers out moves them only with `renumber:`; a wider one needs nothing."""
    spec = simple_spec(NEWS, dvrs={"news": Dvr("news", "news", numbers=(1000, 1099))})
    first = run(spec, many(3))
    wider = run(with_dvr(spec, "news", numbers=(1000, 1999)), many(3), first.ledger)
    assert () == wider.blocks
    assert (1000, 1999) == wider.dvrs[0].record.block
    away = with_dvr(spec, "news", numbers=(3000, 3099))
    second = run(away, [*many(3), entry(9, "Nine", "NEWS")], first.ledger)
    assert [("S204", "renumber:news")] == [(b.code, b.lift) for b in second.blocks]
    assert [1000, 1001, 1002, 1003] == list(numbers(second, "news").values())
    third = run(away, many(3), second.ledger, allow=["renumber:news"])
    assert [3000, 3001, 3002] == list(numbers(third, "news").values())
    assert third.ledger is run(away, many(3), third.ledger).ledger


def test_two_dvrs_exchange_their_ranges() -> None:
    """With both words allowed, neither is in the other's way."""
    spec = simple_spec(
        NEWS,
        REST,
        dvrs={
            "news": Dvr("news", "news", numbers=(1000, 1099)),
            "rest": Dvr("rest", "rest", numbers=(1100, 1199)),
        },
    )
    entries = [*many(3), *many(3, "X", 50)]
    first = run(spec, entries)
    swapped = with_dvr(with_dvr(spec, "news", numbers=(1100, 1199)), "rest", numbers=(1000, 1099))
    second = run(swapped, entries, first.ledger, allow=["renumber:news", "renumber:rest"])
    assert [1100, 1101, 1102] == list(numbers(second, "news").values())
    assert [1000, 1001, 1002] == list(numbers(second, "rest").values())


def test_override_of_a_living_number_is_s204() -> None:
    """The author's number is given to a newcomer at once, to a living channel with `renumber:`, whoever sat there."""
    spec = replace(simple_spec(NEWS), overrides=(Override("main/9", number=1500),))
    fresh = run(spec, [*many(3), entry(9, "Nine", "NEWS")])
    assert 1500 == numbers(fresh, "news")["main/9"]
    first = run(simple_spec(NEWS), many(3))
    spec = replace(simple_spec(NEWS), overrides=(Override("main/3", number=1000, name="Third"),))
    second = run(spec, many(3), first.ledger)
    assert ["S204"] == [b.code for b in second.blocks]
    assert numbers(first, "news") == numbers(second, "news")
    assert "Third" == second.dvrs[0].lineup.rows[2].channel.name
    third = run(spec, many(3), second.ledger, allow=["renumber:news"])
    assert {"main/3": 1000, "main/1": 1002, "main/2": 1001} == numbers(third, "news")
    assert () == third.blocks


def test_wished_numbers_are_kept_for_who_wishes_them() -> None:
    """Nobody else takes a number that an override names, and who sits there moves away for good."""
    spec = replace(simple_spec(NEWS), overrides=(Override("main/9", number=1001),))
    fresh = run(spec, [*many(3), entry(9, "Nine", "NEWS")])
    assert {"main/1": 1000, "main/9": 1001, "main/2": 1002, "main/3": 1003} == numbers(fresh, "news")
    first = run(simple_spec(NEWS), many(3))
    blocked = run(spec, [*many(3), entry(9, "Nine", "NEWS")], first.ledger)
    assert ["S204"] == [b.code for b in blocked.blocks]
    moved = run(spec, [*many(3), entry(9, "Nine", "NEWS")], first.ledger, allow=["renumber:news"])
    assert {"main/1": 1000, "main/9": 1001, "main/3": 1002, "main/2": 1003} == numbers(moved, "news")
    exported = replace(simple_spec(REST, NEWS, dvrs=["rest"]), overrides=(Override("main/50", number=1000),))
    exported = replace(exported, buckets=(Bucket("news", field("name", "X")), REST))
    ledger = run(simple_spec(REST), many(2)).ledger
    assert () == run(exported, [*many(2), entry(50, "X")], ledger).blocks


def test_exhausted_range_is_s303() -> None:
    """When retired numbers fill the range, the oldest one is given away only with `reuse:`."""
    spec = simple_spec(NEWS, dvrs={"news": Dvr("news", "news", numbers=(1000, 1002))})
    first = run(spec, many(3))
    second = run(spec, many(2), first.ledger)
    third = run(spec, [*many(2), entry(9, "Nine", "NEWS")], second.ledger)
    assert [("S303", "reuse:news")] == [(b.code, b.lift) for b in third.blocks]
    assert 2 == len(numbers(third, "news"))
    fourth = run(spec, [*many(2), entry(9, "Nine", "NEWS")], second.ledger, allow=["reuse:news"])
    assert 1002 == numbers(fourth, "news")["main/9"]


@pytest.mark.accepts("NUM-5")
def test_a_new_panel_is_s105() -> None:
    """All stream ids change: proposed by guide id and name, unique pairs only; lifted, no number moves."""
    spec = simple_spec(NEWS)
    entries = [
        entry(i, f"Channel {i} {q}", "NEWS", guide_id=f"c{i}.us") for i in range(10) for q in ("HD", "SD")
    ]
    entries = [e._replace(key=f"{n}") for n, e in enumerate(entries)]
    first = run(spec, entries)
    twins = [e._replace(key="500") for e in entries[:1]]
    panel = [e._replace(key=str(1000 + n)) for n, e in enumerate(entries)] + twins
    second = run(spec, panel, first.ledger)
    assert [("S105", "", "rematch:main")] == [(b.code, b.dvr, b.lift) for b in second.blocks]
    assert 19 == len(second.rematches)
    assert ("main/0",) == second.ambiguous
    third = run(spec, panel, first.ledger, allow=["rematch:main"])
    before, after = numbers(first, "news"), numbers(third, "news")
    assert all(before[old] == after[new] for old, new in second.rematches)
    assert () == third.blocks
    assert third.ledger is run(spec, panel, third.ledger).ledger


def test_a_shrunk_panel_is_no_swap() -> None:
    """Channels that go without new ones coming are a matter of S101, not of S105."""
    spec = simple_spec(NEWS)
    first = run(spec, many(20))
    assert () == run(spec, many(5), first.ledger).blocks


def test_moved_source_keeps_numbers() -> None:
    """A source under a new name with new stream ids keeps its numbers by unique guide id and name."""
    spec = simple_spec(NEWS)
    old = [entry(i, f"Channel {i}", "NEWS", guide_id=f"c{i}", source="oldtv") for i in range(5)]
    first = run(spec, old)
    new = [e._replace(source="main", key=str(90 + i)) for i, e in enumerate(old)]
    moved = replace(spec, moved=(Moved("source", "oldtv", "main", ("guide_id", "name")),))
    second = run(moved, new, first.ledger)
    assert [numbers(first, "news")[f"oldtv/{i}"] for i in range(5)] == [
        numbers(second, "news")[f"main/{90 + i}"] for i in range(5)
    ]
    assert second.ledger is run(moved, new, second.ledger).ledger


def test_moved_dvr_keeps_device_and_numbers() -> None:
    """A renamed DVR keeps DeviceID, port, slug, title and numbers."""
    first = run(simple_spec(NEWS), many(3))
    spec = replace(simple_spec(replace(NEWS, name="docs")), moved=(Moved("dvr", "news", "docs"),))
    second = run(spec, many(3), first.ledger)
    old, new = first.dvrs[0].record, second.dvrs[0].record
    assert replace(old, name="docs") == new
    assert numbers(first, "news") == numbers(second, "docs")


def test_removed_and_kept_leaves_the_ledger() -> None:
    """`removed: keep` takes the DVR out of the ledger; a protected one stays, and a deleted one until it is deleted."""
    first = run(simple_spec(NEWS, REST), [*many(3), *many(3, "X", 50)])
    spec = simple_spec(REST)
    gone = run(replace(spec, removed=(Removed("news", keep=True),)), many(3, "X", 50), first.ledger)
    assert {"rest"} == gone.ledger.dvrs.keys()
    assert {"rest"} == {c.dvr for c in gone.ledger.channels.values()}
    pending = run(spec, many(3, "X", 50), first.ledger)
    assert {"news", "rest"} == pending.ledger.dvrs.keys()
    assert 3 == sum(c.dvr == "news" for c in pending.ledger.channels.values())
    guarded = replace(
        first.ledger, dvrs={n: replace(r, protected=True) for n, r in first.ledger.dvrs.items()}
    )
    kept = run(replace(spec, removed=(Removed("news", keep=True),)), many(3, "X", 50), guarded)
    assert {"news", "rest"} == kept.ledger.dvrs.keys()


@pytest.mark.accepts("NUM-6")
def test_merged_channel_keeps_id_and_number_while_any_member_lives() -> None:
    """Whichever member is preferred today, and whichever is gone, the channel is the one the ledger knows."""
    merge = Filter("one", Merge(("guide_id",), (Prefer(field("quality", "fhd")),)))
    spec = replace(simple_spec(NEWS), filters=(merge,))
    sd = entry(1, "BBC One SD", "NEWS", guide_id="bbc1.uk")
    hd = entry(2, "BBC One HD", "NEWS", guide_id="bbc1.uk")
    fhd = entry(3, "BBC One FHD", "NEWS", guide_id="bbc1.uk")
    first = run(spec, [sd, hd], run(spec, [sd]).ledger)
    assert {"main/1": 1000} == numbers(first, "news")
    assert ("main/2",) == first.dvrs[0].lineup.rows[0].channel.aliases
    second = run(spec, [hd, fhd, sd], first.ledger)
    channel = second.dvrs[0].lineup.rows[0].channel
    assert ("main/1", ("main/2", "main/3"), "BBC One FHD") == (channel.id, channel.aliases, channel.name)
    assert [fhd, sd, hd] == list(channel.members) or [fhd, hd, sd] == list(channel.members)
    third = run(spec, [fhd], second.ledger)
    assert {"main/1": 1000} == numbers(third, "news")
    fourth = run(spec, [hd], third.ledger)
    assert {"main/1": 1000} == numbers(fourth, "news")


def test_merging_living_channels_keeps_the_lowest_number() -> None:
    """Where a new merge joins channels that have numbers, the lowest stays and the others are kept free."""
    first = run(simple_spec(NEWS), [entry(i, f"BBC {i}", "NEWS", guide_id="bbc") for i in (1, 2, 3)])
    spec = replace(simple_spec(NEWS), filters=(Filter("one", Merge(("guide_id",))),))
    second = run(spec, [entry(i, f"BBC {i}", "NEWS", guide_id="bbc") for i in (3, 2, 1)], first.ledger)
    assert {"main/1": 1000} == numbers(second, "news")
    assert [1001, 1002] == [r.number for r in second.ledger.retired]
    undone = run(
        simple_spec(NEWS), [entry(i, f"BBC {i}", "NEWS", guide_id="bbc") for i in (1, 2, 3)], second.ledger
    )
    assert {"main/1": 1000, "main/2": 1001, "main/3": 1002} == numbers(undone, "news")


@pytest.mark.accepts("SPL-2", "LNK-1", "SPL-5")
def test_guide_filters_in_two_levels() -> None:
    """`guide: id` asks for an id, `guide: listed` for one that a guide has; what they leave out is counted apart."""
    entries = [
        entry(1, "A", "NEWS", guide_id="a"),
        entry(2, "B", "NEWS", guide_id="b"),
        entry(3, "C", "NEWS"),
    ]
    with_id = replace(simple_spec(NEWS), filters=(Filter("f", Only(field("guide", "id"))),))
    found = run(with_id, entries, guides={"main": guide("a")})
    assert {"main/1", "main/2"} == numbers(found, "news").keys()
    assert 1 == found.without_guide
    listed = replace(simple_spec(NEWS), filters=(Filter("f", Only(field("guide", "listed")), ("news",)),))
    found = run(listed, entries, guides={"main": guide("a")})
    assert {"main/1"} == numbers(found, "news").keys()
    funnel = found.funnels[0]
    assert (3, 2, 1, 1, 1) == (funnel.caught, funnel.with_id, funnel.in_guide, funnel.merged, funnel.kept)


def test_filters_for_a_bucket_apply_there_alone() -> None:
    """A filter `for` one bucket renames there and nowhere else, also for those who arrive by overflow."""
    spec = replace(
        simple_spec(
            Bucket("a", everything, overflow="b"),
            Bucket("b"),
            dvrs={"a": Dvr("a", "a", limit=1), "b": Dvr("b", "b")},
        ),
        filters=(Filter("tidy", Rename("name", r"^Channel ", ""), ("b",)),),
    )
    first = run(spec, many(2))
    assert ["Channel 0001", "0002"] == [r.channel.name for t in first.dvrs for r in t.lineup.rows]
    second = run(spec, many(2), first.ledger)
    assert first.dvrs[1].lineup == second.dvrs[1].lineup


def test_verdicts_switch_off_and_leave_out() -> None:
    """A channel that is "off" keeps its row, "out" takes it away and keeps the number for as long as the channel is listed."""
    spec = simple_spec(NEWS)
    first = run(spec, many(3))
    verdicts = {"main/1": Verdict("off", "guide", "no programmes"), "main/2": Verdict("out", "probe", "dead")}
    second = run(spec, many(3), first.ledger, verdicts=verdicts)
    assert [(1000, True), (1002, False)] == [(r.number, r.off) for r in second.dvrs[0].lineup.rows]
    assert {"main/1": "guide", "main/2": "probe"} == second.dvrs[0].causes
    assert first.ledger is second.ledger
    assert numbers(first, "news") == numbers(
        run(spec, many(3), second.ledger, today=date(2026, 9, 1)), "news"
    )


def test_renumber_from_scratch() -> None:
    """`ptctl renumber` numbers in the order of newcomers, only with its word."""
    spec = simple_spec(NEWS)
    first = run(spec, many(4))
    second = run(spec, many(4)[1:], first.ledger)
    asked = run(spec, many(4)[1:], second.ledger, renumber=frozenset({"news"}))
    assert ["S204"] == [b.code for b in asked.blocks]
    done = run(
        spec,
        many(4)[1:],
        second.ledger,
        renumber=frozenset({"news"}),
        allow=["renumber:news"],
        today=date(2026, 6, 1),
    )
    assert [1000, 1001, 1002] == list(numbers(done, "news").values())


@pytest.mark.accepts("TUN-1", "TUN-6")
def test_thirteen_devices() -> None:
    """Ids, ports and blocks are distinct, blocks do not overlap, and re-ordering the file changes no id."""
    names = [f"dvr{i}" for i in range(13)]
    buckets = [Bucket(n, field("group", n)) for n in names]
    first = run(simple_spec(*buckets), [])
    records = [t.record for t in first.dvrs]
    assert 13 == len({r.device_id for r in records}) == len({r.port for r in records})
    assert [(1000 + 600 * i, 1599 + 600 * i) for i in range(13)] == [r.block for r in records]
    again = run(simple_spec(*reversed(buckets)), [])
    assert {r.name: r.device_id for r in records} == {t.record.name: t.record.device_id for t in again.dvrs}
    kept = run(simple_spec(*reversed(buckets)), [], first.ledger)
    assert {r.name: r for r in records} == {t.record.name: t.record for t in kept.dvrs}


def test_buckets_without_a_dvr_are_exported() -> None:
    """Such a bucket takes its channels and becomes an M3U; VOD is exported whole and never numbered."""
    spec = simple_spec(NEWS, REST, dvrs=["rest"])
    found = run(spec, [*many(2), entry(50, "X"), entry(60, "Film", "VOD", kind="vod", extension="mkv")])
    assert {"dvr-news": ["main/1", "main/2"], "vod": ["main/vod/60"]} == {
        e.name: [c.id for c in e.channels] for e in found.exports
    }
    assert ["main/50"] == list(numbers(found, "rest"))


def test_unbucketed_by_group() -> None:
    """What fits nowhere is counted by group, the largest first."""
    spec = replace(simple_spec(NEWS), filters=(Filter("adult", Drop(field("group", "XXX"))),))
    found = run(spec, [*many(2), *many(2, "B", 10), *many(3, "C", 20), *many(1, "XXX", 30)])
    assert (("C", 3), ("B", 2)) == found.unbucketed.groups
    assert (("adult", 1),) == found.filtered
    assert 8 == found.entries
