"""Leaving, allowed losses and drift where one condition alone decides: each was a fault that no test noticed."""

from dataclasses import replace

import pytest

from reconciler.planning.diff import map_diff
from reconciler.planning.drift import map_drift, settings_drift
from reconciler.planning.model import DriftItem
from reconciler.planning.safety import judge, leaving
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Unknown
from reconciler.spec.model import Safety
from tests.planning.worlds import NOW, Home, device_id, pairs

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}
WIDE = Safety(total_shrink=0.9)


def device(title: str = "news", **changes: object) -> Device:
    """The tuner of `news` as Plex has it."""
    made = Device("17", "u", device_id("news"), "http://x", title, state="enabled", pairs=pairs(TEN))
    return replace(made, **changes)  # type: ignore[arg-type]  # names are checked by replace


def target(**changes: object) -> Target:
    """The DVR `news` with ten channels, applied as it is."""
    made = Home({"news": TEN}, {"news": TEN}).planned().targets["news"]
    return replace(made, **changes)  # type: ignore[arg-type]  # names are checked by replace


@pytest.mark.accepts("PLN-8")
def test_what_plex_never_had_may_leave_unseen() -> None:
    """A DVR that was only planned needs no look at Plex to go; one that Plex may have is S401 while Plex is away."""
    home = Home(
        {"news": TEN, "big": BIG}, {"big": BIG}, spec={"safety": WIDE}, changes={"observed": Unknown("away")}
    )
    bare = {"device_key": "", "dvr_key": "", "dvr_uuid": "", "machine": "", "applied": None}
    found = {
        name: {(b.code, b.dvr) for b in judge(world.world()).blocks}
        for name, world in {"had": home, "never": replace(home, records={"news": bare})}.items()
    }
    assert {("S201", "news"), ("S401", "news")} == found["had"]
    assert {("S201", "news")} == found["never"]


@pytest.mark.parametrize("part", ["device_key", "dvr_key", "applied"])
def test_any_trace_of_plex_counts(part: str) -> None:
    """A run that died early left a device key alone: that is enough to look before it goes."""
    home = Home(
        {"news": TEN, "big": BIG}, {"big": BIG}, spec={"safety": WIDE}, changes={"observed": Unknown("away")}
    )
    kept = getattr(home.ledger().dvrs["news"], part)
    bare = {"device_key": "", "dvr_key": "", "dvr_uuid": "", "machine": "", "applied": None, part: kept}
    assert "S401" in {b.code for b in judge(replace(home, records={"news": bare}).world()).blocks}


@pytest.mark.accepts("PLN-7")
def test_an_old_tuner_leaves_without_a_word() -> None:
    """The tuner that was replaced goes by the word that replaced it: no S201, and it is meant."""
    home = Home({"news": TEN}, {"news": TEN})
    name = "news@AAAA0001"
    old = replace(home.ledger().dvrs["news"], name=name, device_id="AAAA0001")
    ledger = home.ledger()
    world = replace(home.world(), ledger=replace(ledger, dvrs={**ledger.dvrs, name: old}))
    (gone,) = leaving(world)
    assert (name, True, False) == (gone.record.name, gone.intended, gone.keep)
    assert () == judge(world).blocks
    plain = replace(old, name="asia")
    world = replace(world, ledger=replace(ledger, dvrs={**ledger.dvrs, "asia": plain}))
    assert not leaving(world)[0].intended
    assert ["S201"] == [b.code for b in judge(world).blocks]


@pytest.mark.accepts("BLD-1", "PLN-7")
def test_a_total_loss_that_was_allowed_is_the_new_baseline() -> None:
    """`shrink:all` begins the peaks of those that lose anew, and of nobody else."""
    old = (("2026-02-27", 140),)
    home = Home(
        {"news": TEN, "big": BIG},
        {"news": {**TEN, 1100: "new"}, "big": dict(list(BIG.items())[25:])},
        records={"news": {"peaks": (("2026-02-27", 10),)}},
        changes={"allow": ("shrink:all",)},
    )
    kept = judge(home.world())
    assert () == kept.blocks
    assert ((NOW[:10], 75),) == kept.ledger.dvrs["big"].peaks
    assert (("2026-02-27", 10), (NOW[:10], 11)) == kept.ledger.dvrs["news"].peaks
    open_ = judge(replace(home, changes={}, records={"big": {"peaks": old}}).world())
    assert {"S101", "S103"} == {b.code for b in open_.blocks}
    assert old == open_.ledger.dvrs["big"].peaks


def test_an_emptied_dvr_is_warned_about_once_it_is_allowed() -> None:
    """W306 says what becomes of it; while S102 holds it, there is nothing to say yet; one with channels has none."""
    home = Home({"news": TEN, "big": BIG}, {"news": {}, "big": BIG}, spec={"safety": WIDE})
    assert [] == [w.code for w in judge(home.world()).warnings]
    allowed = replace(home, changes={"allow": ("empty:news",)})
    assert [("W306", "news")] == [(w.code, w.dvr) for w in judge(allowed.world()).warnings]
    assert "ptctl explain dvr news" in {w.next_step for w in judge(allowed.world()).warnings}


@pytest.mark.parametrize(
    ("adopted", "found", "applied", "wanted", "told"),
    [
        (False, "news", "news", "news", False),
        (False, "news", "news", "News HD", False),  # the spec's change, not somebody's
        (False, "News HD", "news", "News HD", False),
        (False, "Den", "news", "news", True),
        (False, "", "news", "news", True),
        (True, "Den", "news", "news", False),  # it keeps the name it had
        (True, "", "news", "news", True),
    ],
)
@pytest.mark.accepts("PLN-5")
def test_whose_change_a_title_is(adopted: bool, found: str, applied: str, wanted: str, told: bool) -> None:
    """Drift is what neither the last apply nor the spec gave it."""
    made = target()
    assert made.record.applied is not None
    record = replace(made.record, adopted=adopted, applied=replace(made.record.applied, title=applied))
    items = settings_drift(replace(made, record=record, title=wanted), device(found))
    assert told == bool(items)
    assert not told or (wanted, found) == (items[0].recorded, items[0].found)


def test_a_tuner_without_a_record_has_no_drift() -> None:
    """What was never applied cannot have been changed since; one that is off is told beside its name."""
    made = target()
    assert () == settings_drift(replace(made, record=replace(made.record, applied=None)), device("Den"))
    assert ["tuner.title", "tuner.state"] == [
        item.path for item in settings_drift(made, device("Den", state="disabled"))
    ]


def drifted(
    on: dict[int, str], *, unmatched: str = "", wanted: dict[int, str] = TEN
) -> tuple[list[DriftItem], tuple[tuple[int, ...], tuple[str, ...]]]:
    """The items of the map of `news` with these channels on, ten applied; and what they explain: missing, extra."""
    made = target(numbers=tuple(wanted), names=dict(wanted))
    assert made.record.applied is not None
    applied = replace(made.record.applied, unmatched=unmatched)
    made = replace(made, record=replace(made.record, applied=applied))
    tuner = device(pairs=pairs(on))
    was = frozenset(str(number) for number in TEN)
    items, part = map_drift(made, tuner, map_diff(wanted, tuner.pairs), was)
    return list(items), (part.missing, part.extra)


@pytest.mark.accepts("PLN-5")
def test_what_plex_never_paired_was_not_switched_off() -> None:
    """A channel without a guide was left off by us: no drift. Switched on by hand it is one, and it is wanted."""
    nine = {n: c for n, c in TEN.items() if n != 1003}
    items, part = drifted(nine, unmatched="1003")
    assert ([], ((), ())) == (items, part)
    items, part = drifted(nine)
    assert ["switch on again"] == [item.resolution for item in items]
    assert ((1003,), ()) == part
    assert ("10 on", "9 on") == (items[0].recorded, items[0].found)
    items, _ = drifted(TEN, unmatched="1003")
    assert ["keep: wanted now"] == [item.resolution for item in items]
    assert "1003 c3" in items[0].note


@pytest.mark.accepts("PLN-5")
def test_what_somebody_switched_on() -> None:
    """All of it wanted now: kept. Some of it not: off again, and only those are extra."""
    more = {**TEN, 1100: "new"}
    items, part = drifted(more, wanted=more)
    assert (["keep: wanted now"], ((), ())) == ([i.resolution for i in items], part)
    items, part = drifted({**more, 1200: "odd"}, wanted=more)
    assert (["switch off again"], ((), ("1200",))) == ([i.resolution for i in items], part)
    assert "2 channels switched on in Plex: 1100 new, 1200" in items[0].note
    items, part = drifted(more)
    assert (["switch off again"], ((), ("1100",))) == ([i.resolution for i in items], part)
