"""Numbers under everything a provider can do: nobody else's number moves, and a second look finds nothing to do."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.catalog.entry import Entry
from reconciler.ledger.document import read, text_of
from reconciler.lineups.limits import MAP_BUDGET_BYTES, map_bytes
from reconciler.lineups.model import Desired
from reconciler.spec.model import Bucket, Dvr, Filter, Merge, Override, Spec
from tests.lineups.worlds import TODAY, entry, everything, field, run, simple_spec

GROUPS: Final = ("NEWS", "SPORT", "KIDS", "")
NAMES: Final = tuple(f"Channel {c}" for c in "ABCDEFGH")
GUIDE_IDS: Final = ("", "", "a.us", "b.us", "c.us")


def spec_of(overflow: str, *, merge: bool) -> Spec:
    """Three small DVRs, so that they are full often."""
    spec = simple_spec(
        Bucket("news", field("group", "NEWS"), overflow="rest"),
        Bucket("sport", field("group", "SPORT"), overflow=overflow),
        Bucket("rest", everything, overflow="split"),
        dvrs={
            "news": Dvr("news", "news", limit=3),
            "sport": Dvr("sport", "sport", limit=4, numbers=(5000, 5039)),
            "rest": Dvr("rest", "rest", limit=5),
        },
    )
    return replace(spec, filters=(Filter("one", Merge(("guide_id",))),)) if merge else spec


specs = st.builds(spec_of, st.sampled_from(["drop", "split", "rest", "fail"]), merge=st.booleans())


@st.composite
def panels(draw: st.DrawFn, most: int = 14) -> tuple[Entry, ...]:
    """Channels with stream ids, unique by id."""
    keys = draw(st.lists(st.integers(1, 30), unique=True, max_size=most))
    return tuple(
        entry(
            key,
            draw(st.sampled_from(NAMES)),
            draw(st.sampled_from(GROUPS)),
            guide_id=draw(st.sampled_from(GUIDE_IDS)),
            number=draw(st.none() | st.integers(1, 5)),
        )
        for key in keys
    )


def by_id(desired: Desired) -> dict[str, tuple[str, int]]:
    """Where each channel lives."""
    return {r.channel.id: (t.record.name, r.number) for t in desired.dvrs for r in t.lineup.rows}


def check(desired: Desired) -> None:
    """What holds after every run."""
    rows = [(t.record.name, r.number) for t in desired.dvrs for r in t.lineup.rows]
    numbers = [n for _, n in rows]
    assert len(numbers) == len(set(numbers))
    kept = {r.number for r in desired.ledger.retired}
    assert not kept & set(numbers)
    assert by_id(desired) == {c.id: (c.dvr, c.number) for c in desired.ledger.channels.values()}
    for target in desired.dvrs:
        first, last = target.record.block
        assert all(first <= r.number <= last for r in target.lineup.rows)
        assert len(target.lineup.rows) <= target.dvr.limit
        assert map_bytes(r.number for r in target.lineup.rows) <= MAP_BUDGET_BYTES
    assert desired.ledger == read(text_of(desired.ledger)).ledger


@pytest.mark.accepts("SPL-1", "ART-1")
@settings(max_examples=60, deadline=None)
@given(specs, panels(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_plays_no_part(spec: Spec, entries: tuple[Entry, ...], random: object) -> None:
    """A shuffled list gives the same desired state, first time and later."""
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = run(spec, entries)
    check(first)
    assert first == run(spec, shuffled)
    assert run(spec, entries[::2], first.ledger) == run(spec, entries[::2][::-1], first.ledger)


@pytest.mark.accepts("NUM-1", "NUM-3")
@settings(max_examples=100, deadline=None)
@given(
    specs,
    panels(),
    st.lists(st.tuples(panels(), st.integers(0, 20)), max_size=4),
)
def test_no_other_number_moves(
    spec: Spec, entries: tuple[Entry, ...], later: list[tuple[tuple[Entry, ...], int]]
) -> None:
    """Adding, removing, renaming, regrouping: whoever is still there lives where it lived; a second run is empty."""
    spec = replace(spec, filters=())
    today = TODAY
    before = run(spec, entries, today=today)
    check(before)
    for listed, days in later:
        today += timedelta(days)
        after = run(spec, listed, before.ledger, today=today)
        check(after)
        was, now = by_id(before), by_id(after)
        assert {i: was[i] for i in was.keys() & now.keys()} == {i: now[i] for i in was.keys() & now.keys()}
        assert {f"main/{e.key}" for e in listed} & was.keys() <= now.keys()
        again = run(spec, listed, after.ledger, today=today + timedelta(1))
        assert after.ledger is again.ledger
        assert by_id(after) == by_id(again)
        before = after


@pytest.mark.accepts("NUM-1")
@settings(max_examples=60, deadline=None)
@given(panels(), panels(), st.integers(0, 29))
def test_who_returns_gets_the_number_again(
    entries: tuple[Entry, ...], between: tuple[Entry, ...], days: int
) -> None:
    """Within 30 days, whoever else came in the meantime."""
    spec = simple_spec(Bucket("all", everything, overflow="drop"))
    first = run(spec, entries)
    second = run(spec, between, first.ledger, today=TODAY + timedelta(1))
    third = run(spec, [*between, *entries], second.ledger, today=TODAY + timedelta(1 + days))
    assert by_id(first).items() <= by_id(third).items()


@pytest.mark.accepts("NUM-6")
@settings(max_examples=60, deadline=None)
@given(panels(), panels())
def test_merged_channels_settle(entries: tuple[Entry, ...], later: tuple[Entry, ...]) -> None:
    """With merging, too, a run with its own ledger changes nothing, and no id is there twice."""
    spec = spec_of("split", merge=True)
    first = run(spec, entries)
    check(first)
    second = run(spec, later, first.ledger)
    check(second)
    assert second.ledger is run(spec, later[::-1], second.ledger).ledger


@pytest.mark.accepts("NUM-2")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(GUIDE_IDS), st.integers(1, 9)),
        unique_by=lambda t: t[0],
        max_size=8,
    ),
    st.integers(0, 7),
)
def test_lists_without_ids(listed: list[tuple[str, str, int]], change: int) -> None:
    """Other hosts and tokens everywhere, and one channel renamed: every number stays where a unique tie is left."""
    spec = simple_spec(Bucket("all", everything))
    first = run(
        spec,
        [
            entry("", n, source="locals", guide_id=g, url=f"http://a/{i}/{p}.ts?token=1")
            for i, (n, g, p) in enumerate(listed)
        ],
    )
    check(first)
    moved = [
        entry(
            "",
            "Renamed" if i == change else n,
            source="locals",
            guide_id=g,
            url=f"https://b:99/{i}/{p}.ts?token=2",
        )
        for i, (n, g, p) in reversed(list(enumerate(listed)))
    ]
    second = run(spec, moved, first.ledger)
    assert by_id(first) == by_id(second)
    assert second.ledger is run(spec, moved, second.ledger).ledger


@st.composite
def edits(draw: st.DrawFn) -> tuple[Spec, frozenset[str]]:
    """A spec with edited ranges and overrides, and some of the words that would allow them."""
    spec = spec_of(draw(st.sampled_from(["drop", "split", "rest"])), merge=draw(st.booleans()))
    ranges: dict[str, tuple[int, int] | None] = {
        "news": draw(st.sampled_from([None, (1000, 1009), (5100, 5102), (5100, 5139)])),
        "sport": draw(st.sampled_from([(5000, 5039), (5002, 5039), (1000, 1039)])),
    }
    if ranges["news"] == (1000, 1009) and ranges["sport"] == (1000, 1039):
        ranges["news"] = (5000, 5001)
    dvrs = {n: replace(d, numbers=ranges.get(n, d.numbers)) for n, d in spec.dvrs.items()}
    wishes = draw(
        st.lists(
            st.tuples(st.integers(1, 30), st.integers(5000, 5006)),
            max_size=3,
            unique_by=(lambda w: w[0], lambda w: w[1]),
        )
    )
    overrides = tuple(Override(f"main/{key}", number=number) for key, number in wishes)
    words = [f"{word}:{dvr}" for word in ("renumber", "reuse", "moved") for dvr in ("news", "sport", "rest")]
    allow = frozenset(draw(st.lists(st.sampled_from(words), max_size=4)))
    return replace(spec, dvrs=dvrs, overrides=overrides), allow


@pytest.mark.accepts("APP-4")
@settings(max_examples=150, deadline=None)
@given(panels(), st.lists(st.tuples(edits(), panels()), min_size=1, max_size=3))
def test_edited_specs_settle(
    entries: tuple[Entry, ...], later: list[tuple[tuple[Spec, frozenset[str]], tuple[Entry, ...]]]
) -> None:
    """Whatever the author edits and allows: no number twice, none lost by a living channel, and the next run is empty."""
    before = run(spec_of("drop", merge=False), entries)
    for (spec, allow), listed in later:
        after = run(spec, listed, before.ledger, allow=allow)
        numbers = [c.number for c in after.ledger.channels.values()]
        assert len(numbers) == len(set(numbers))
        assert not {r.number for r in after.ledger.retired} & set(numbers)
        moved = {
            i
            for i, c in after.ledger.channels.items()
            if (old := before.ledger.channels.get(i)) is not None
            and (old.dvr == c.dvr and old.number != c.number)
        }
        assert all(f"renumber:{after.ledger.channels[i].dvr}" in allow for i in moved)
        again = run(spec, listed, after.ledger, allow=allow)
        assert after.ledger is again.ledger
        assert after.ledger is run(spec, listed, after.ledger).ledger
        before = after
