"""New ids for old channels: unique pairs only, everything else is listed (design.md 2 `moved`, 4 S105)."""

from dataclasses import replace
from typing import Final, Literal

import pytest

from reconciler.catalog.entry import Entry
from reconciler.catalog.names import normalise_name, quality_of
from reconciler.ledger.model import ChannelRecord, Ledger, Retired
from reconciler.lineups.item import Item
from reconciler.lineups.rematch import Rematch, rekeyed, rematch, source_moved

BOTH: Final[tuple[Literal["guide_id", "name"], ...]] = ("guide_id", "name")


def old(key: str, name: str, guide_id: str = "", source: str = "old") -> ChannelRecord:
    """A channel of the panel that was."""
    return ChannelRecord(
        f"{source}/{key}", "news", 1000, source, guide_id=guide_id, name=normalise_name(name), quality=quality_of(name),
    )  # fmt: skip


def gone(key: str, name: str, guide_id: str = "") -> Retired:
    """One that left it lately."""
    return Retired(
        "news", 1100, f"old/{key}", "2026-03-01", source="old", guide_id=guide_id, name=normalise_name(name)
    )


def new(key: str, name: str, guide_id: str = "", source: str = "new", *merged: Item) -> Item:
    """An entry of the panel that is, or several merged into one."""
    made = Item(Entry(source, key, name, guide_id=guide_id), f"{source}/{key}")
    if merged:
        made.members = (made, *merged)
    return made


def ledger(*records: ChannelRecord, retired: tuple[Retired, ...] = ()) -> Ledger:
    """A ledger of these."""
    return Ledger("L", 1, {}, {r.id: r for r in records}, retired)


@pytest.mark.accepts("NUM-5")
def test_unique_pairs_only() -> None:
    """Both fields have to agree; what pairs with several or none is listed; both lists are sorted."""
    olds = [old("3", "C", "c"), old("1", "A", "a"), old("2", "B", "b"), old("4", "D"), old("5", "E", "e")]
    news = [
        new("12", "B", "b"),
        new("11", "A", "a"),
        new("13", "C", "else"),
        new("15", "E", "e"),
        new("16", "E", "e"),
    ]
    assert Rematch((("old/1", "new/11"), ("old/2", "new/12")), ("old/3", "old/4", "old/5")) == rematch(
        olds, news
    )
    assert rematch(olds, news) == rematch(olds[::-1], news[::-1])


def test_several_old_ones_for_one_new_are_no_pair() -> None:
    """Nobody can say which of them it was."""
    olds = [old("1", "A", "a"), old("2", "A", "a")]
    assert Rematch((), ("old/1", "old/2")) == rematch(olds, [new("11", "A", "a")])
    # nor when each finds it by another member
    merged = new("11", "A", "a", "new", new("12", "B", "b"))
    assert Rematch((), ("old/1", "old/2")) == rematch([old("1", "A", "a"), old("2", "B", "b")], [merged])


def test_quality_tells_variants_apart() -> None:
    """HD is HD again; where a quality has no counterpart, the rest is paired without asking for it."""
    olds = [old("1", "A HD", "a"), old("2", "A SD", "a")]
    news = [new("12", "A SD", "a"), new("11", "A HD", "a")]
    assert (("old/1", "new/11"), ("old/2", "new/12")) == rematch(olds, news).pairs
    news = [new("12", "A FHD", "a"), new("11", "A HD", "a")]
    assert (("old/1", "new/11"), ("old/2", "new/12")) == rematch(olds, news).pairs
    assert (("old/1", "new/11"),) == rematch(olds[:1], [new("11", "A", "a")]).pairs


@pytest.mark.parametrize(
    ("match", "pairs"),
    [
        (("guide_id",), {("old/1", "new/11"), ("old/2", "new/12")}),
        (("name",), {("old/1", "new/12"), ("old/3", "new/13")}),
        (("guide_id", "name"), set()),
    ],
)
def test_the_fields_that_were_asked_for(match: tuple[str, ...], pairs: set[tuple[str, str]]) -> None:
    """A field that is empty on one side pairs nobody."""
    olds = [old("1", "A", "a"), old("2", "B", "b"), old("3", "C")]
    news = [new("11", "X", "a"), new("12", "A", "b"), new("13", "C")]
    assert pairs == set(rematch(olds, news, match).pairs)  # type: ignore[arg-type]  # the words of the spec


def test_a_merged_channel_is_found_by_any_of_its_entries() -> None:
    """The pair is with the channel."""
    merged = new("11", "X", "x", "new", new("12", "A", "a"))
    assert (("old/1", "new/11"),) == rematch([old("1", "A", "a")], [merged]).pairs


def test_a_moved_source_without_fields_keeps_its_stream_ids() -> None:
    """The same ids under the new name; those that are not there are listed; other sources are left alone."""
    known = ledger(
        old("2", "B"), old("1", "A"), old("9", "Z"), old("1", "A", source="other"), retired=(gone("3", "C"),)
    )
    items = [new("1", "A"), new("2", "B"), new("3", "C"), new("9", "Z", source="other"), new("4", "D")]
    assert Rematch((("old/1", "new/1"), ("old/2", "new/2"), ("old/3", "new/3")), ("old/9",)) == source_moved(
        known, items, "old", "new", ()
    )
    assert Rematch() == source_moved(ledger(old("1", "A", source="other")), items, "old", "new", ())
    assert ("old/7", "old/8") == source_moved(
        ledger(old("8", "X"), old("7", "Y")), items, "old", "new", ()
    ).ambiguous


def test_a_moved_source_by_fields_asks_only_for_what_is_free() -> None:
    """Channels that the ledger has already, under their id or as a member, are nobody's new id; a living old one stays."""
    known = ledger(old("1", "A", "a"), retired=(gone("2", "B", "b"),))
    items = [new("11", "A", "a"), new("12", "B", "b"), new("13", "A", "a", "other")]
    assert (("old/1", "new/11"), ("old/2", "new/12")) == source_moved(known, items, "old", "new", BOTH).pairs
    taken = ledger(old("1", "A", "a"), replace(old("11", "A", "a"), id="new/11", source="new"))
    assert () == source_moved(taken, items, "old", "new", BOTH).pairs
    member = replace(old("40", "M", "m"), id="new/40", source="new", aliases=("new/11",))
    assert () == source_moved(ledger(old("1", "A", "a"), member), items, "old", "new", BOTH).pairs
    still = [*items, new("1", "A", "a", "old")]
    assert () == source_moved(ledger(old("1", "A", "a")), still, "old", "new", BOTH).pairs
    left = ledger(retired=(gone("2", "B", "b"),))
    assert Rematch() == source_moved(left, [*items, new("2", "B", "b", "old")], "old", "new", BOTH)


def test_the_ledger_under_new_ids() -> None:
    """DVR, number and date stay, of living and of retired channels; members of the old panel are forgotten; others stay."""
    keep = old("5", "E", source="other")
    one = replace(old("1", "A"), aliases=("old/7",), number=1234, since="2026-01-01")
    left = replace(gone("2", "B"), aliases=("old/8",))
    known = ledger(one, keep, retired=(left, gone("3", "C")))
    items = [new("11", "A"), new("12", "B")]
    after = rekeyed(known, {"old/1": "new/11", "old/2": "new/12"}, items)
    assert {"new/11": replace(one, id="new/11", aliases=(), source="new"), keep.id: keep} == after.channels
    assert ["new/11", "other/5"] == list(after.channels)
    assert (replace(left, id="new/12", aliases=(), source="new"), gone("3", "C")) == after.retired
    assert known is rekeyed(known, {}, items)
