"""What a blocked DVR keeps, and which numbers stay free meanwhile (design.md 4: byte for byte)."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.ledger.model import Ledger, Retired
from reconciler.planning.safety import judge
from reconciler.spec.model import Removed, Safety
from tests.planning.worlds import Home

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}
LESS = dict(list(TEN.items())[4:])
WIDE = Safety(total_shrink=0.99)


def kept(dvr: str, number: int, id_: str = "main/long-gone") -> Retired:
    """A number that was kept free before this run."""
    return Retired(dvr, number, id_, "2026-02-20")


def after(home: Home, *retired: Retired, wanted: tuple[Retired, ...] | None = None, **ledger: Any) -> Ledger:
    """The ledger to write, where these numbers were kept free. `wanted`: those that the lineups keep free from now on."""
    known = replace(home.ledger(), retired=retired, **ledger)
    desired = home.desired()
    freed = (*desired.ledger.retired, *retired) if wanted is None else wanted
    made = replace(desired, ledger=replace(desired.ledger, retired=freed))
    return judge(replace(home.world(), ledger=known, desired=made)).ledger


@pytest.mark.accepts("NUM-1")
def test_numbers_kept_free_stay_with_a_blocked_dvr() -> None:
    """Those it had, and no others: its channels live on. Under its new name, where it was renamed."""
    home = Home({"news": TEN, "big": BIG}, {"news": LESS, "big": BIG})
    old = kept("news", 1500)
    assert (old,) == after(home, old).retired
    renamed = Home({"old": TEN, "big": BIG}, {"news": LESS, "big": BIG}, old_names={"news": "old"})
    found = after(renamed, kept("old", 1500), wanted=())
    assert (kept("news", 1500),) == found.retired
    assert set(TEN) == {r.number for r in found.channels.values() if r.dvr == "news"}


@pytest.mark.accepts("NUM-1")
def test_numbers_kept_free_of_the_others() -> None:
    """As the lineups say, sorted by DVR and number, beside a blocked one."""
    home = Home({"news": TEN, "big": BIG}, {"news": LESS, "big": dict(list(BIG.items())[1:])})
    found = after(home, kept("big", 2500), kept("big", 2400, "main/other"))
    assert [("big", 2000), ("big", 2400), ("big", 2500)] == [(r.dvr, r.number) for r in found.retired]


def test_a_dvr_that_is_deleted_keeps_no_number_free() -> None:
    """Neither its channels' nor those of channels that left it before; one that waits for its word keeps both."""
    home = Home({"news": TEN, "big": BIG}, {"big": BIG}, spec={"safety": WIDE})
    old = kept("news", 1500)
    allowed = replace(home, changes={"allow": ("delete:news",)})
    gone = after(allowed, old)
    assert () == gone.retired
    assert {"big"} == {r.dvr for r in gone.channels.values()}
    waits = after(home, old)
    assert (old,) == waits.retired
    assert set(TEN) == {r.number for r in waits.channels.values() if r.dvr == "news"}


@pytest.mark.accepts("NUM-1")
def test_a_channel_that_was_to_move_and_may_not_keeps_its_number() -> None:
    """It leaves a DVR that goes ahead for one that is blocked: it is nowhere for now, and its number waits for it."""
    home = Home({"news": TEN, "big": BIG}, {"news": {**LESS, 1100: "b0"}, "big": dict(list(BIG.items())[1:])})
    found = after(home, wanted=())
    assert {"news"} == {b.dvr for b in judge(home.world()).blocks}
    assert "main/b0" not in found.channels
    (freed,) = found.retired
    assert ("big", 2000, "main/b0", "2026-03-01") == (freed.dvr, freed.number, freed.id, freed.day)
    # not where somebody else got that number meanwhile, and not for one that lives on in a merged channel
    taken = replace(home, after={**home.after, "big": {**home.after["big"], 2000: "new"}})
    assert () == after(taken, wanted=()).retired


def test_the_serial_rises_once_where_something_changed() -> None:
    """And not at all where nothing did; a new ledger gets its lineage with the first."""
    same = Home({"news": TEN}, {"news": TEN})
    assert 7 == after(same).serial
    assert 8 == after(replace(same, after={"news": {**TEN, 1010: "x"}})).serial
    blocked = Home({"news": TEN}, {"news": LESS})
    assert 7 == after(blocked).serial
    assert "spec-1" == after(blocked).spec
    world = same.world()
    bare = replace(world.desired, ledger=replace(world.desired.ledger, lineage=""))
    assert "L1" == judge(replace(world, desired=bare)).ledger.lineage


def test_a_spec_of_which_nothing_took_effect_is_not_noted() -> None:
    """What comes later would count as the source's doing; where a part took effect it is noted."""
    blocked = Home({"news": TEN}, {"news": LESS})
    assert "spec-0" == after(blocked, spec="spec-0").spec
    partly = Home({"news": TEN, "big": BIG}, {"news": LESS, "big": {**BIG, 2100: "x"}})
    assert "spec-1" == after(partly, spec="spec-0").spec
    assert "spec-1" == after(Home({"news": TEN}, {"news": TEN}), spec="spec-0").spec


@pytest.mark.accepts("PLN-7")
def test_protection_is_what_the_spec_says_else_what_it_was() -> None:
    """A new DVR is not protected unless the spec says so."""
    for before, says, then in (
        (True, None, True),
        (False, None, False),
        (True, False, False),
        (False, True, True),
    ):
        home = Home({"news": TEN}, {"news": TEN}, records={"news": {"protected": before}}, dvr={"news": {"protect": says}})  # fmt: skip
        assert then is after(home).dvrs["news"].protected
    assert after(Home({}, {"news": TEN})).dvrs["news"].protected is False
    assert after(Home({}, {"news": TEN}, dvr={"news": {"protect": True}})).dvrs["news"].protected is True


@pytest.mark.accepts("OWN-1")
def test_letting_go_frees_everything_at_once() -> None:
    """Its record, channels and numbers leave the ledger; Plex keeps it."""
    home = Home({"news": TEN, "big": BIG}, {"big": BIG}, spec={"safety": WIDE, "removed": (Removed("news", keep=True),)})  # fmt: skip
    found = after(home, kept("news", 1500))
    assert (("big",), {"big"}, ()) == (
        tuple(found.dvrs),
        {r.dvr for r in found.channels.values()},
        found.retired,
    )
