"""The ledger as text: sorted, one entry a line, and honest about formats."""

import json
from dataclasses import replace

import pytest

from reconciler.errors import StateError
from reconciler.ledger.document import read, text_of
from reconciler.ledger.model import (
    FORMAT,
    Applied,
    ChannelRecord,
    DvrRecord,
    Ledger,
    MemberFacts,
    Retired,
)

LEDGER = Ledger(
    lineage="b1f2",
    serial=118,
    dvrs={
        "news": DvrRecord(
            "news",
            "1040ABC5",
            5005,
            "news",
            "news",
            (1000, 1599),
            applied=Applied(
                "0123456789abcdef", "http://ptctl:5005", "http://ptctl:5005/guide.xml", "news", "aa", 3
            ),
            peaks=(("2026-03-01", 300), ("2026-03-02", 310)),
        )
    },
    channels={
        "locals/~aa": ChannelRecord(
            "locals/~aa",
            "news",
            1001,
            "locals",
            aliases=("locals/~bb",),
            members=(MemberFacts("locals/~bb", "locals", name="bbc 1"),),
        ),
        "main/7": ChannelRecord(
            "main/7", "news", 1000, "main", name="cnn", guide_id="cnn.us", group="US|NEWS"
        ),
    },
    retired=(Retired("news", 1002, "main/9", "2026-03-01"),),
    spent=("shrink:news 2026-12-05",),
    spec="91c0",
)


def test_text_and_back() -> None:
    """What was written is read back equal; equal ledgers give equal text."""
    assert LEDGER == read(text_of(LEDGER)).ledger
    shuffled = replace(LEDGER, channels=dict(sorted(LEDGER.channels.items(), reverse=True)))
    assert text_of(LEDGER) == text_of(shuffled)


def test_one_entry_a_line() -> None:
    """A changed number changes one line, so a diff in git can be read."""
    changed = replace(
        LEDGER, channels={**LEDGER.channels, "main/7": replace(LEDGER.channels["main/7"], number=1005)}
    )
    before, after = text_of(LEDGER).splitlines(), text_of(changed).splitlines()
    assert 1 == sum(a != b for a, b in zip(before, after, strict=True))


@pytest.mark.accepts("UPG-1")
def test_newer_format_is_refused_by_version() -> None:
    """A ledger of a later version is left alone, and the message says which version is needed."""
    text = text_of(LEDGER).replace(FORMAT, "ptctl-ledger/2")
    with pytest.raises(StateError, match="'ptctl-ledger/2', this version reads up to 'ptctl-ledger/1'"):
        read(text)


@pytest.mark.accepts("UPG-1")
def test_previous_format_is_read() -> None:
    """Format 0 had objects instead of lists."""
    raw = json.loads(text_of(LEDGER))
    raw["format"] = "ptctl-ledger/0"
    raw["dvrs"] = {d.pop("name"): d for d in raw["dvrs"]}
    raw["channels"] = {c.pop("id"): c for c in raw["channels"]}
    found = read(json.dumps(raw))
    assert (LEDGER, "ptctl-ledger/0") == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "broken"),
        ("[]", "no format"),
        ('{"format": "terraform/4"}', "unknown format"),
        ('{"format": "ptctl-ledger/1"}', "'dvrs' is missing"),
        (text_of(LEDGER).replace('"number": 1000', '"number": "1000"'), "stands where a number belongs"),
        (text_of(LEDGER).replace('"id": "main/7"', '"id": "locals/~aa"'), "there twice"),
    ],
)
def test_broken_ledgers_are_refused(text: str, says: str) -> None:
    """A broken file is never read as an empty ledger."""
    with pytest.raises(StateError, match=says):
        read(text)


def test_unknown_fields_of_the_same_format_are_ignored() -> None:
    """A later patch may add a field."""
    text = text_of(LEDGER).replace('"dvr": "news", ', '"dvr": "news", "later": [1], ')
    assert LEDGER == read(text).ledger
