"""What the ledger becomes and why lineups differ: whose doing each coming and going is, and what is kept of a channel."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from reconciler.catalog.entry import Entry
from reconciler.ledger.model import Ledger
from reconciler.lineups.model import Desired, Verdict
from reconciler.spec.model import Bucket, Drop, FieldIs, Filter, Is, Merge, Only, Override, Spec
from tests.lineups.worlds import TODAY, entry, everything, field, guide, run, simple_spec

NEWS: Final = Bucket("news", field("group", "NEWS*"))
REST: Final = Bucket("rest", everything)
SPEC: Final = simple_spec(NEWS, REST)
EDITED: Final = replace(SPEC, digest="spec-2")
ONE: Final = entry(1, "One", "NEWS", guide_id="one")
TWO: Final = entry(2, "Two", "NEWS")
LATE: Final = entry(3, "Late", "OTHER")
BEFORE: Final = (ONE, TWO, LATE)


def causes(desired: Desired) -> dict[str, Mapping[str, str]]:
    """By DVR."""
    return {t.record.name: dict(t.causes) for t in desired.dvrs}


def spec_with(spec: Spec = EDITED, **changes: Any) -> Spec:
    """The edited spec with something else in it."""
    return replace(spec, **changes)


@pytest.mark.parametrize(
    ("spec", "entries", "more", "news", "rest"),
    [
        (SPEC, BEFORE, {}, {}, {}),
        (SPEC, (*BEFORE, entry(4, "Four", "NEWS")), {}, {"main/4": "source"}, {}),
        (EDITED, (*BEFORE, entry(4, "Four", "NEWS")), {}, {"main/4": "spec"}, {}),
        (SPEC, (*BEFORE, entry(4, "Four", "NEWS")), {"overrides": (Override("main/4", number=1400),)}, {"main/4": "spec"}, {}),
        (SPEC, (ONE, LATE), {}, {"main/2": "source"}, {}),
        (EDITED, (ONE, LATE), {}, {"main/2": "source"}, {}),
        (EDITED, BEFORE, {"filters": (Filter("no-two", Drop(field("name", "Two"))),)}, {"main/2": "spec"}, {}),
        (EDITED, BEFORE, {"filters": (Filter("listed", Only(FieldIs("guide", Is("listed")))),)}, {"main/2": "guide"}, {"main/3": "guide"}),
        (EDITED, BEFORE, {"buckets": (replace(NEWS, match=field("name", "One")), REST)}, {"main/2": "spec"}, {"main/2": "spec"}),
        (EDITED, (ONE, TWO._replace(group="MORE"), LATE), {"buckets": (replace(NEWS, match=field("name", "One")), REST)}, {"main/2": "source"}, {"main/2": "source"}),
        (EDITED, (ONE, TWO._replace(name="Twa"), LATE), {"buckets": (replace(NEWS, match=field("name", "One")), REST)}, {"main/2": "source"}, {"main/2": "source"}),
        (EDITED, (ONE, TWO._replace(guide_id="two"), LATE), {"buckets": (replace(NEWS, match=field("name", "One")), REST)}, {"main/2": "source"}, {"main/2": "source"}),
    ],
)  # fmt: skip
def test_whose_doing_it_is(
    spec: Spec, entries: tuple[Entry, ...], more: dict[str, Any], news: dict[str, str], rest: dict[str, str]
) -> None:
    """The provider's where it says something else of the channel, a guide's where a filter asks for one, else the spec's."""
    guides = {"main": guide("one")}
    first = run(SPEC, BEFORE, guides=guides)
    assert {"news": {"main/1": "spec", "main/2": "spec"}, "rest": {"main/3": "spec"}} == causes(first)
    found = run(spec_with(spec, **more), entries, first.ledger, guides=guides, allow=["moved:news"])
    assert {"news": news, "rest": rest} == causes(found)


def test_who_comes_back_comes_from_the_source() -> None:
    """Whatever was edited meanwhile; and a verdict has its own cause, for those who stay as well."""
    away = run(SPEC, (ONE, LATE), run(SPEC, BEFORE).ledger)
    assert {"main/2": "source"} == causes(run(EDITED, BEFORE, away.ledger))["news"]
    judged = run(SPEC, BEFORE, run(SPEC, BEFORE).ledger, verdicts={"main/1": Verdict("off", "guide")})
    assert {"main/1": "guide"} == causes(judged)["news"]


@pytest.mark.accepts("NUM-1")
def test_what_is_kept_of_a_merged_channel() -> None:
    """All ids of its entries, those that are gone as well, so that each finds it again; the facts of minted ones; since when it
    lives where it lives.
    """
    merged = replace(SPEC, filters=(Filter("one-each", Merge(("name",))),))
    local = entry("", "One", "NEWS", source="locals", url="http://x.example/one.ts")
    first = run(merged, (ONE, local, entry(7, "One", "NEWS")))
    (record,) = first.ledger.channels.values()
    minted = next(a for a in record.aliases if a.startswith("locals/~"))
    assert ("main/1", "main", "one", TODAY.isoformat()) == (
        record.id,
        record.source,
        record.guide_id,
        record.since,
    )
    assert (minted, "main/7") == record.aliases
    # "One" is "1" to who looks for a channel by name
    assert [(minted, "locals", "1")] == [(m.id, m.source, m.name) for m in record.members]
    gone = run(merged, (entry(7, "One", "NEWS"),), first.ledger, today=TODAY.replace(day=20))
    (later,) = gone.ledger.channels.values()
    assert (record.id, record.number, record.since) == (later.id, later.number, later.since)
    assert set(record.aliases) == set(later.aliases)
    assert record.members == later.members
    assert ("main", "one") == (later.source, later.guide_id)


def test_a_ledger_with_nothing_new_is_the_same_object() -> None:
    """Sorted by id and DVR; a second run of another day notes nothing, the digest of an edited spec included."""
    first = run(SPEC, BEFORE[::-1])
    assert ["main/1", "main/2", "main/3"] == list(first.ledger.channels)
    assert ["news", "rest"] == list(first.ledger.dvrs)
    again = run(SPEC, BEFORE, first.ledger, today=TODAY.replace(day=28))
    assert first.ledger is again.ledger
    assert "spec-1" == run(EDITED, BEFORE, first.ledger).ledger.spec
    assert "spec-2" == run(EDITED, (*BEFORE, entry(4, "Four", "NEWS")), first.ledger).ledger.spec
    gone = run(SPEC, (), first.ledger).ledger
    assert [("news", 1000), ("news", 1001), ("rest", 1600)] == [(r.dvr, r.number) for r in gone.retired]


def test_aliases_that_are_gone_do_not_pile_up() -> None:
    """Thirty-two of them are remembered, the first by name."""
    merged = replace(SPEC, filters=(Filter("one-each", Merge(("name",))),))
    ledger = Ledger(lineage="test")
    for day in range(5):
        entries = [entry(1, "One", "NEWS"), *(entry(f"{day}{n:02}", "One", "NEWS") for n in range(10, 20))]
        ledger = run(merged, entries, ledger).ledger
    (record,) = ledger.channels.values()
    assert 32 + 11 == len(record.aliases)  # and the eleven that are listed, none of which it is called by
    assert sorted(record.aliases) == list(record.aliases)


def test_what_is_noted_of_a_channel_that_stays_and_of_one_that_moves() -> None:
    """The provider's newest group, and since when: kept where it lives, anew where it has moved to."""
    first = run(SPEC, BEFORE)
    later = TODAY.replace(day=20)
    stays = run(SPEC, (ONE._replace(group="NEWS 2"), TWO, LATE), first.ledger, today=later).ledger
    assert ("news", "NEWS 2", TODAY.isoformat()) == facts(stays, "main/1")
    narrow = replace(EDITED, buckets=(replace(NEWS, match=field("name", "One")), REST))
    moves = run(narrow, BEFORE, first.ledger, today=later, allow=["moved:news"]).ledger
    assert ("rest", "NEWS", later.isoformat()) == facts(moves, "main/2")
    held = run(SPEC, (ONE, TWO._replace(group="MORE"), LATE), first.ledger, today=later).ledger
    assert ("news", "NEWS", TODAY.isoformat()) == facts(held, "main/2")


def facts(ledger: Ledger, id_: str) -> tuple[str, str, str]:
    """Where a channel lives, its group, and since when."""
    record = ledger.channels[id_]
    return record.dvr, record.group, record.since
