"""What each block says, to the letter: a person decides by these words whether a channel or a recording may go."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.catalog.entry import SourceReport
from reconciler.lineups.model import Lineup, Row
from reconciler.planning.safety import judge, standings
from reconciler.plex.model import Unknown
from reconciler.spec.model import Bucket, Removed, Safety
from tests.planning.worlds import Home, channel, device_id

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
    """Its age, for the DVRs that it would change; a guide's age is no reason."""
    home = Home(BOTH, {"news": {**TEN, 1010: "new"}, "big": BIG}, changes={"reports": STALE})
    text = 'source "main" is 2 d old, older than its max_age'
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


def swapped(**changes: Any) -> Home:
    """`news` shall have the tuner 1234ABCD, `asia` the tuner 1234ABCE."""
    both = {"asia": FEW, "news": TEN}
    home = Home(both, both, spec=WIDE, **{k: v for k, v in changes.items() if k == "records"})
    desired = home.desired()
    ids = {"asia": "1234ABCE", "news": "1234ABCD"}
    targets = tuple(replace(t, record=replace(t.record, device_id=ids[t.record.name])) for t in desired.dvrs)
    made = replace(desired, dvrs=targets)
    rest = {k: v for k, v in changes.items() if k != "records"}
    return replace(home, changes={"desired": made, **rest})


def replacing(name: str, new: str) -> tuple[str, str, str, str, str]:
    """S202 of another tuner."""
    text = f"replace (DeviceID {device_id(name)} -> {new})"
    return ("S202", name, text, f"replace:{name}", "lineup")


@pytest.mark.accepts("PLN-7", "APP-6")
def test_another_tuner() -> None:
    """S202 names both ids, for each DVR; one that is left alone, or was never in Plex, hides none behind it."""
    both = [replacing("asia", "1234ABCE"), replacing("news", "1234ABCD")]
    assert both == told(swapped())
    assert both[1:] == told(swapped(skip=("asia",)))
    never = {"device_key": "", "dvr_key": "", "dvr_uuid": "", "machine": "", "applied": None}
    assert both[1:] == told(swapped(records={"asia": never}))


@pytest.mark.accepts("PLN-7", "PLN-8", "BUS-1")
def test_another_tuner_that_is_protected_unseen_or_watched() -> None:
    """No word lifts the first two; each keeps the whole lineup as it is."""
    only = {"skip": ("asia",)}
    s202 = replacing("news", "1234ABCD")
    kept = "protected: it is not replaced while the ledger protects it"
    assert [s202, ("S203", "news", kept, "", "lineup")] == told(
        swapped(records={"news": {"protected": True}}, **only)
    )
    unseen = "unknown: Plex could not be read: away"
    assert [s202, ("S401", "news", unseen, "", "lineup")] == told(swapped(observed=Unknown("away"), **only))
    assert [s202, ("S501", "news", "1 stream runs on it", "busy:news", "lineup")] == told(
        swapped(busy={"news": 1}, **only)
    )
    assert [s202] == told(swapped(observed=None, **only))


@pytest.mark.accepts("PLN-8")
def test_a_leaving_tuner_of_which_plex_tells_two() -> None:
    """S401 with the reason; and a protected one that is only let go is called so."""
    home = leaving()
    observed = home.observed()
    assert isinstance(observed.devices, tuple)
    twin = replace(next(d for d in observed.devices if d.title == "news"), key="99", parent="")
    seen = replace(observed, devices=(*observed.devices, twin))
    why = f"unknown: devices 17, 99 all have DeviceID {device_id('news')}"
    assert [GONE, ("S401", "news", why, "", "delete")] == told(leaving(changes={"observed": seen}))
    keep = {"removed": (Removed("news", keep=True),), **WIDE}
    protected = Home(BOTH, {"big": BIG}, spec=keep, records={"news": {"protected": True}})
    text = "protected: it is not let go while the ledger protects it"
    assert [("S203", "news", text, "", "delete")] == told(protected)


@pytest.mark.accepts("UPD-3", "PLN-2")
def test_old_sources_in_the_order_of_their_names() -> None:
    """A DVR that two of them would change is told of both."""
    old = {n: SourceReport(n, "m3u", "cached", 10, age_s=90_000, stale=True) for n in ("main", "also")}
    home = Home(BOTH, BOTH)
    desired = home.desired()
    rows = desired.dvrs[0].lineup.rows
    more = (*rows, Row(1010, channel("x")), Row(1011, channel("y", "also")))
    target = replace(desired.dvrs[0], lineup=Lineup("news", more))
    made = replace(desired, dvrs=(target, *desired.dvrs[1:]))
    assert ["stale:also", "stale:main"] == [
        lift for *_, lift, _ in told(replace(home, changes={"desired": made, "reports": old}))
    ]


def test_channels_that_are_off_do_not_count_as_there() -> None:
    """Two of ten were off already: eight are there now, and losing two of those is a quarter."""
    home = Home({"news": TEN}, {"news": dict(list(TEN.items())[2:])}, spec=WIDE)
    published = home.published
    assert published is not None
    (dvr,) = published.dvrs
    dark = replace(published, dvrs=(replace(dvr, off=("1008", "1009")),))
    assert 8 == standings(replace(home.world(), published=dark))["news"].before
