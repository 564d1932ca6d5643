"""What each block says, to the letter: a person decides by these words whether a channel or a recording may go."""

from typing import Any

import pytest

from reconciler.catalog.entry import SourceReport
from reconciler.planning.safety import judge
from reconciler.plex.model import Unknown
from reconciler.spec.model import Bucket, Safety
from tests.planning.worlds import Home

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}
FEW = {3000 + i: f"a{i}" for i in range(5)}
BOTH = {"news": TEN, "big": BIG}
WIDE = {"safety": Safety(total_shrink=0.9)}
GONE = ("S201", "news", "delete: it is not in the spec", "delete:news", "delete")
STALE = {
    "guide main": SourceReport("main", "xmltv", "cached", 10, age_s=900_000, stale=True),
    "main": SourceReport("main", "m3u", "cached", 10, age_s=200_000, stale=True),
}


def told(home: Home) -> list[tuple[str, str, str, str, str]]:
    """Code, DVR, sentence, word and what is stopped, of every block."""
    return [(b.code, b.dvr, b.message, b.lift, b.what) for b in judge(home.world()).blocks]


def leaving(**changes: Any) -> Home:
    """`news` is no longer in the spec."""
    return Home(BOTH, {"big": BIG}, spec=WIDE, **changes)


@pytest.mark.accepts("PLN-7", "BLD-1")
def test_losses() -> None:
    """Shares with their counts, of one DVR and of all; an empty one; a bucket below its minimum."""
    assert [
        ("S101", "big", "shrink 60.0 % > 30 %: 60 of 100 channels", "shrink:big", "lineup"),
        ("S103", "", "all DVRs together shrink 54.5 % > 20 %: 60 of 110 channels", "shrink:all", "lineup"),
    ] == told(Home(BOTH, {"news": TEN, "big": dict(list(BIG.items())[60:])}))
    assert [("S102", "news", "empty: 10 channels now, none left", "empty:news", "lineup")] == told(
        Home(BOTH, {"news": {}, "big": BIG}, spec=WIDE)
    )
    least = {"buckets": (Bucket("news", minimum=20), Bucket("big"))}
    assert [("S103", "news", 'its minimum is 20, bucket "news" has 10', "shrink:all", "lineup")] == told(
        Home(BOTH, BOTH, spec=least)
    )


@pytest.mark.accepts("UPD-3")
def test_an_old_source() -> None:
    """Its age in hours, for the DVRs that it would change; a guide's age is no reason."""
    home = Home(BOTH, {"news": {**TEN, 1010: "new"}, "big": BIG}, changes={"reports": STALE})
    text = 'source "main" is 56 h old, older than its max_age'
    assert [("S402", "news", text, "stale:main", "lineup")] == told(home)


@pytest.mark.accepts("BUS-1")
@pytest.mark.parametrize(
    ("busy", "text"),
    [
        ({"news": 1}, "1 stream runs on it"),
        ({"news": 2}, "2 streams run on it"),
        (Unknown("it is away"), "whether anything runs on it cannot be known: it is away"),
    ],
)
def test_who_watches_what_leaves(busy: dict[str, int] | Unknown, text: str) -> None:
    """One stream, several, and not knowing."""
    assert [GONE, ("S501", "news", text, "busy:news", "delete")] == told(leaving(changes={"busy": busy}))


@pytest.mark.accepts("PLN-8")
def test_what_is_protected_or_unseen() -> None:
    """No word lifts either."""
    away = {"observed": Unknown("away")}
    unseen = ("S401", "news", "unknown: Plex could not be read: away", "", "delete")
    assert [GONE, unseen] == told(leaving(changes=away))
    kept = "protected: it is not deleted while the ledger protects it"
    assert [GONE, ("S203", "news", kept, "", "delete")] == told(
        leaving(records={"news": {"protected": True}})
    )


def test_each_of_several_is_named() -> None:
    """One that is left alone, or was never in Plex, hides none behind it."""
    home = Home({"asia": FEW, **BOTH}, {"big": BIG}, spec=WIDE)
    assert ["asia", "news"] == [dvr for _, dvr, *_ in told(home)]
    alone = Home({"asia": FEW, **BOTH}, {"big": BIG}, spec=WIDE, changes={"skip": ("asia",)})
    assert [GONE] == told(alone)
    never = {"device_key": "", "dvr_key": "", "dvr_uuid": "", "machine": "", "applied": None}
    busy = {"busy": {"news": 1, "asia": 1}}
    home = Home({"asia": FEW, **BOTH}, {"big": BIG}, spec=WIDE, records={"asia": never}, changes=busy)
    assert [("S201", "asia"), ("S201", "news"), ("S501", "news")] == [(c, d) for c, d, *_ in told(home)]
    empty = Home({"asia": FEW, **BOTH}, {"asia": {}, "news": {}, "big": BIG}, spec=WIDE)
    assert ["asia", "news"] == [dvr for _, dvr, *_ in told(empty)]


def test_what_is_emptied_on_purpose_is_said() -> None:
    """W306 for each, in the order of names, with what becomes of it."""
    words = ("empty:news", "empty:asia")
    home = Home(
        {"news": TEN, "asia": FEW, "big": BIG},
        {"news": {}, "asia": {}, "big": BIG},
        spec=WIDE,
        changes={"allow": words},
    )
    text = (
        "{}: nothing is left for it; its files stay and Plex keeps it as it is (an empty map is never sent)"
    )
    assert [("W306", text.format(n), f"ptctl explain dvr {n}", n) for n in ("asia", "news")] == [
        (w.code, w.message, w.next_step, w.dvr) for w in judge(home.world()).warnings
    ]
