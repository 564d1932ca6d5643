"""Blocks of groups: nothing is left out, whatever the sizes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.drafting.bounds import LIMIT
from reconciler.drafting.draft import Vault
from reconciler.drafting.first import first_draft
from reconciler.drafting.m3u import Listing, blocks, kept_numbers
from reconciler.drafting.provider import Provider, sections
from tests.drafting.reading import spec_of


def test_groups_are_packed_in_their_order() -> None:
    """Groups share a DVR while they fit; a large one splits; the last takes what comes later."""
    found = blocks({"News": 200, "Sport": 200, "Movies": 900, "": 30, "Kids": 60})
    assert [("news", 400, False), ("movies", 900, False), ("channels", 90, True)] == [
        (b.name, b.entries, b.last) for b in found
    ]
    assert {"name": "movies", "match": {"group": "Movies"}, "overflow": "split"} == found[1].bucket
    assert {"name": "channels", "match": {}, "overflow": "split"} == found[2].bucket


def test_spellings_of_one_group_stay_together() -> None:
    """A rule does not tell "Sport" from "SPORT", so they are counted as one."""
    assert [("channels", 500)] == [(b.name, b.entries) for b in blocks({"Sport": 300, "SPORT": 200})]


@settings(deadline=None, max_examples=50)  # each example is a whole validation
@given(st.dictionaries(st.text(max_size=8), st.integers(1, 700), min_size=1, max_size=20))
def test_every_block_is_valid(counts: dict[str, int]) -> None:
    """All channels are in a block, no block of several groups is too large, the spec has no error."""
    found = blocks(counts)
    assert sum(counts.values()) == sum(b.entries for b in found)
    assert all(b.entries <= LIMIT or len(b.groups) == 1 for b in found)
    vault = Vault("ptctl.env")
    draft = first_draft(
        "home",
        sections(Provider(path="list.m3u", own_guide=False), vault),
        vault,
        filters=(),
        buckets=[(b.bucket, "") for b in found],
        plex=None,
        advertise="",
        ports=len(found),
    )
    with TemporaryDirectory() as folder:
        spec_of(draft, Path(folder))


def test_numbers_are_kept_where_they_can_be() -> None:
    """Each number once, the first channel wins; ranges cover what is kept; the rest is said."""
    found = blocks({"A": 480, "B": 2})
    rows = [
        Listing("main/1", "One", "A", 5),
        Listing("main/2", "Two", "A", 5),
        Listing("main/3", "Three", "B", 900),
        Listing("main/4", "Four", "B", None),
    ]
    overrides, notes, numbers, losses = kept_numbers(rows, found)
    assert [{"channel": "main/1", "number": 5}, {"channel": "main/3", "number": 900}] == overrides
    assert ["One", "Three"] == notes
    assert {"a": "5-604", "b": "900-1499"} == numbers
    assert ["1 number given twice: 5 Two", "1 channel without a number"] == [loss.what for loss in losses]
