"""Before against after: what is said of each channel, and what of a channel map."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.ledger.model import ChannelRecord
from reconciler.lineups.model import Cause, Row
from reconciler.planning.diff import MapDiff, churn, map_diff, map_digest, rows_of_records
from reconciler.planning.inputs import PublishedRow
from reconciler.plex.model import ChannelPair
from tests.planning.worlds import channel


def was(number: int, name: str, **more: Any) -> PublishedRow:
    """A published row."""
    return PublishedRow(number, f"main/{name}", name, **more)


def row(number: int, key: str, off: bool = False, **more: Any) -> Row:
    """A row of the new lineup."""
    return Row(number, channel(key, **more), off=off)


def changed(before: PublishedRow, after: Row) -> str:
    """What is said of one channel that stays."""
    found = churn([before], [after], {})
    assert ((), ()) == (found.added, found.removed)
    return found.changed[0].before if found.changed else ""


def test_what_comes_goes_and_changes_is_sorted_by_number() -> None:
    """Whatever order the rows are in; counts of both sides; a change stops nobody behind it from being seen."""
    before = [was(5, "e"), was(4, "d"), was(3, "c"), was(2, "b"), was(1, "a")]
    after = [row(9, "z"), row(8, "y"), row(13, "c"), row(11, "a"), row(5, "e")]
    found = churn(before, after, {})
    assert ([8, 9], [2, 4], [11, 13]) == (
        [c.number for c in found.added],
        [c.number for c in found.removed],
        [c.number for c in found.changed],
    )
    assert (5, 5) == (found.before, found.after)
    assert 7 == churn(before, after, {}, shown_before=7).before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (was(1, "a"), row(1, "a"), ""),
        (was(1, "a"), row(2, "a"), "number: 1 -> 2"),
        (was(1, "a"), row(1, "a", name="A"), "name: a -> A"),
        (was(1, "a", guide_id="x"), row(1, "a", guide_id="y"), "guide id: x -> y"),
        (was(1, "a", logo="x"), row(1, "a", logo="y"), "logo: x -> y"),
        (was(1, "a", guide_id="x", logo="l"), row(1, "a"), "guide id: x -> none; logo: l -> none"),
        (was(1, "a"), row(1, "a", guide_id="y", logo="l"), ""),  # what the old files do not tell
        (was(1, "a", remembered=True), row(1, "a", name="A"), ""),  # only a normal form is known
        (was(1, "a"), row(1, "a", off=True), "switched off: no programmes"),
        (was(1, "a", off=True), row(1, "a"), "switched on again: has programmes"),
        (was(1, "a", off=True), row(1, "a", off=True), ""),
        (was(1, "a"), row(2, "a", off=True), "number: 1 -> 2; switched off: no programmes"),
    ],
)
def test_what_is_said_of_a_channel_that_stays(before: PublishedRow, after: Row, said: str) -> None:
    """Each attribute with both values; what was not known before is no change."""
    assert said == changed(before, after)


@pytest.mark.accepts("NUM-6")
def test_a_merged_channel_is_the_one_it_was() -> None:
    """Under any of its ids it has not gone and not come; two that became one: the other is part of it."""
    merged = row(1, "a", aliases=("main/b", "main/c"))
    assert "" == changed(PublishedRow(1, "main/c", "a"), merged)
    found = churn([was(1, "a"), was(2, "b")], [merged], {})
    assert ((), (), ()) == (found.added, found.removed, found.changed)


@pytest.mark.accepts("EPG-3", "PVL-5")
@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("source", "gone from source main"),
        ("spec", "no longer selected by the spec"),
        ("guide", "has no programmes"),
        ("probe", "failed its probes, or is on a list of bad streams"),
        ("version", "left out by this version"),
        ("drift", "changed in Plex"),
    ],
)
def test_why_a_channel_goes(cause: Cause, why: str) -> None:
    """In words, for each cause; one without a cause was the source's doing."""
    (gone,) = churn([was(1, "a")], [], {"main/a": cause}).removed
    assert (cause, why, "a") == (gone.cause, gone.why, gone.name)
    (gone,) = churn([was(1, "a")], [], {}).removed
    assert ("source", "gone from source main") == (gone.cause, gone.why)


def test_what_the_ledger_remembers_of_a_lineup() -> None:
    """By number; the id where no name is known."""
    records = [
        ChannelRecord("main/2", "news", 1001, "main", name="bbc"),
        ChannelRecord("main/1", "news", 1000, "main", guide_id="g"),
    ]
    assert (
        PublishedRow(1000, "main/1", "main/1", "g", remembered=True),
        PublishedRow(1001, "main/2", "bbc", remembered=True),
    ) == rows_of_records(records)


def test_a_map_is_compared_by_what_is_on() -> None:
    """Missing, extra and crossed, each sorted; what is off is absent; a pair has to agree in both its ends."""
    found = [
        ChannelPair("3", "3", "3"),
        ChannelPair("2", "9", "2"),
        ChannelPair("1", "1", "9"),
        ChannelPair("5", "5", "5", enabled=False),
        ChannelPair("8", "8", "8"),
        ChannelPair("7", "7", "7"),
    ]
    assert MapDiff(missing=(4, 5), extra=("7", "8"), crossed=(1, 2)) == map_diff([5, 4, 3, 2, 1], found)
    assert not map_diff([3], found[:1])
    for one in (MapDiff((1,), (), ()), MapDiff((), ("1",), ()), MapDiff((), (), (1,))):
        assert one


def test_the_digest_of_a_map_is_kept_in_the_ledger() -> None:
    """Of what is on, in any order; another recipe would make drift of every DVR of every ledger."""
    pairs = [
        ChannelPair("1001", "1001", "1001"),
        ChannelPair("1000", "1000", "x"),
        ChannelPair("7", "7", "7", enabled=False),
    ]
    assert "ccc4d6" == map_digest(pairs)[:6]
    assert map_digest(pairs) == map_digest(pairs[::-1]) == map_digest(pairs[:2])
    assert map_digest(pairs) != map_digest([replace(pairs[0], key="x"), pairs[1]])
