"""The rules of safety at their edges: exactly at a limit, exactly seven days, and what must not count."""

from dataclasses import replace

import pytest

from reconciler.catalog.entry import SourceReport
from reconciler.lineups.model import Block, Lineup
from reconciler.planning.safety import judge, standings
from reconciler.plex.model import Device, Dvr
from reconciler.plex.requests import lineup_uri
from reconciler.spec.model import Bucket, Removed, Safety
from tests.planning.worlds import NOW, Home, device_id, pairs

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}
WIDE = Safety(total_shrink=0.9)


def without(rows: dict[int, str], count: int) -> dict[int, str]:
    """All but the first ones."""
    return dict(list(rows.items())[count:])


def codes(home: Home) -> set[str]:
    """The codes of everything that is blocked."""
    return {block.code for block in home.planned().plan.blocks}


@pytest.mark.parametrize(("day", "counted"), [("2026-02-22", False), ("2026-02-23", True)])
@pytest.mark.accepts("BLD-1")
def test_a_peak_counts_for_seven_days(day: str, counted: bool) -> None:
    """Today and the six days before; the day a week ago is over, for the rule and in the record."""
    peaks = ((day, 140),)
    home = Home(
        {"big": BIG}, {"big": without(BIG, 1)}, records={"big": {"peaks": peaks}}, spec={"safety": WIDE}
    )
    assert (140 if counted else 100) == standings(home.world())["big"].baseline
    narrow = replace(home, spec={"safety": replace(WIDE, shrink=0.29)})  # 41 of 140 are 29.3 %
    assert ({"S101"} if counted else set()) == codes(narrow)
    kept = home.planned().ledger.dvrs["big"].peaks
    assert (*(peaks if counted else ()), (NOW[:10], 100)) == kept


def test_the_largest_of_a_day_is_kept() -> None:
    """A second loss on the same day is measured against the day's first count."""
    peaks = ((NOW[:10], 130),)
    home = Home(
        {"big": BIG}, {"big": without(BIG, 1)}, records={"big": {"peaks": peaks}}, spec={"safety": WIDE}
    )
    assert set() == codes(home)
    assert peaks == home.planned().ledger.dvrs["big"].peaks


def test_peaks_move_with_counts_alone() -> None:
    """A run that changes no count leaves the record as it is, old days too; an allowed loss begins anew."""
    peaks = (("2026-02-10", 101), ("2026-02-27", 102))
    home = Home({"big": BIG}, {"big": BIG}, records={"big": {"peaks": peaks}})
    assert peaks == home.planned().ledger.dvrs["big"].peaks
    assert home.planned().plan.empty
    less = replace(home, after={"big": without(BIG, 50)}, changes={"allow": ("shrink:big",)})
    assert ((NOW[:10], 50),) == less.planned().ledger.dvrs["big"].peaks


def test_a_skipped_dvr_has_no_block_of_numbering() -> None:
    """What `lineups` found for a DVR that is left alone is no matter of this run."""
    full = Block("S301", "news", "no place", "")
    home = Home({"news": TEN, "big": BIG}, {"news": TEN, "big": BIG}, blocks=(full,))
    assert {"S301"} == codes(home)
    assert set() == codes(replace(home, changes={"skip": ("news",)}))


def test_a_refresh_lets_go_at_once() -> None:
    """`removed: keep` needs no look at Plex; what is to be deleted there stays until one was had."""
    home = Home({"news": TEN, "big": BIG}, {"big": BIG}, changes={"observed": None})
    for keep, stays in ((True, False), (False, True)):
        removed = replace(home, spec={"safety": WIDE, "removed": (Removed("news", keep=keep),)})
        assert stays == ("news" in judge(removed.world()).ledger.dvrs)


def test_exactly_at_a_limit_is_no_refusal() -> None:
    """30 % of one DVR, 20 % of all, and a bucket with just its minimum: more than that is needed."""
    assert set() == codes(Home({"news": TEN, "big": BIG}, {"news": without(TEN, 3), "big": BIG}))
    assert {"S101"} == codes(Home({"news": TEN, "big": BIG}, {"news": without(TEN, 4), "big": BIG}))
    assert set() == codes(Home({"big": BIG}, {"big": without(BIG, 20)}))
    assert {"S103"} == codes(Home({"big": BIG}, {"big": without(BIG, 21)}))
    bucket = {"buckets": (Bucket("news", minimum=10),)}
    assert set() == codes(Home({}, {"news": TEN}, spec=bucket))
    assert {"S103"} == codes(Home({}, {"news": without(TEN, 1)}, spec=bucket))


def test_what_is_off_does_not_fill_a_bucket() -> None:
    """Nine that are on and one that is off are nine."""
    home = Home({}, {"news": TEN}, spec={"buckets": (Bucket("news", minimum=10),)})
    desired = home.desired()
    rows = desired.dvrs[0].lineup.rows
    dark = replace(desired.dvrs[0], lineup=Lineup("news", (replace(rows[0], off=True), *rows[1:])))
    world = replace(home.world(), desired=replace(desired, dvrs=(dark,)))
    assert ["S103"] == [block.code for block in judge(world).blocks]


def test_an_old_loss_is_no_new_one() -> None:
    """Lineups that were larger last week block nothing while this run takes nothing away."""
    home = Home({"big": BIG}, {"big": BIG}, records={"big": {"peaks": (("2026-02-26", 180),)}})
    assert set() == codes(home)
    assert set() == codes(replace(home, after={"big": {**BIG, 2200: "new"}}))
    assert {"S101", "S103"} == codes(replace(home, after={"big": without(BIG, 1)}))


def test_an_empty_dvr_that_was_allowed_counts_no_more() -> None:
    """Its word decides it: all DVRs together are measured without it."""
    half = {3000 + i: f"h{i}" for i in range(50)}
    home = Home({"half": half, "big": BIG}, {"half": {}, "big": without(BIG, 5)})
    assert {"S102", "S103"} == codes(home)
    assert set() == codes(replace(home, changes={"allow": ("empty:half",)}))
    assert {"S103"} == codes(
        replace(home, after={"half": {}, "big": without(BIG, 25)}, changes={"allow": ("empty:half",)})
    )


@pytest.mark.parametrize(
    ("report", "blocked"),
    [
        (SourceReport("main", "m3u", "fresh", 100), False),
        (SourceReport("main", "m3u", "cached", 100, age_s=90_000, stale=True), True),
        (SourceReport("main", "m3u", "absent", 0), True),
        (SourceReport("main", "xmltv", "cached", 100, age_s=90_000, stale=True), False),
    ],
)
def test_which_reports_hold_changes(report: SourceReport, blocked: bool) -> None:
    """A source over its max_age, and one that has nothing at all; a guide holds no channel."""
    home = Home({"big": BIG}, {"big": without(BIG, 1)}, changes={"reports": {"main": report}})
    assert blocked == ("S402" in codes(home))


def test_numbers_that_move_and_newcomers_touch_their_source() -> None:
    """A stale source may neither move a number nor add a channel; what stays is not touched."""
    stale = {"reports": {"main": SourceReport("main", "m3u", "cached", 100, age_s=90_000, stale=True)}}
    assert "S402" not in codes(Home({"news": TEN}, {"news": TEN}, changes=stale))
    moved = {**without(TEN, 1), 1100: "c0"}
    assert "S402" in codes(Home({"news": TEN}, {"news": moved}, changes=stale))
    assert "S402" in codes(Home({"news": TEN}, {"news": {**TEN, 1100: "new"}}, changes=stale))


def test_a_rematched_channel_is_not_lost() -> None:
    """A new id for the same channel keeps the count and loses nobody."""
    fresh = {1000 + i: f"n{i}" for i in range(10)}
    home = Home({"news": TEN, "big": BIG}, {"news": fresh, "big": BIG})
    assert {"S101"} == codes(home)
    again = tuple((f"main/c{i}", f"main/n{i}") for i in range(10))
    world = replace(home.world(), desired=replace(home.desired(), rematches=again))
    assert () == standings(world)["news"].removed
    assert () == judge(world).blocks


def swap(**changes: object) -> Home:
    """A DVR that shall have another tuner."""
    home = Home({"news": TEN}, {"news": TEN})
    desired = home.desired()
    target = desired.dvrs[0]
    record = replace(target.record, device_id="1234ABCD")
    made = replace(
        desired,
        dvrs=(replace(target, record=record),),
        ledger=replace(desired.ledger, dvrs={"news": record}),
    )
    return replace(home, changes={"desired": made, **changes})


def test_a_swap_waits_for_its_word() -> None:
    """S202 and the old record until then; with the word both are in the ledger, the old one under a name of its own."""
    judged = judge(swap().world())
    assert {"S202"} == {b.code for b in judged.blocks}
    assert device_id("news") == judged.ledger.dvrs["news"].device_id
    allowed = judge(swap(allow=("replace:news",)).world())
    assert () == allowed.blocks
    assert {"news": "1234ABCD", f"news@{device_id('news')}": device_id("news")} == {
        name: record.device_id for name, record in allowed.ledger.dvrs.items()
    }
    fresh = allowed.ledger.dvrs["news"]
    assert ("", "", None, False) == (fresh.device_key, fresh.dvr_key, fresh.applied, fresh.adopted)


@pytest.mark.accepts("BLD-1")
def test_another_tuner_is_no_new_beginning() -> None:
    """The week's largest lineup stays the baseline of a DVR whose tuner is exchanged."""
    peaks = (("2026-02-27", 102),)
    home = replace(swap(allow=("replace:news",)), records={"news": {"peaks": peaks}})
    assert peaks == judge(home.world()).ledger.dvrs["news"].peaks
    assert 102 == standings(home.world())["news"].baseline


def test_a_swap_of_what_plex_never_had_is_none() -> None:
    """A DVR that was only planned gets its other DeviceID without a word."""
    home = swap()
    ledger = home.ledger()
    bare = replace(ledger.dvrs["news"], device_key="", dvr_key="", dvr_uuid="", machine="", applied=None)
    judged = judge(replace(home.world(), ledger=replace(ledger, dvrs={"news": bare})))
    assert () == judged.blocks
    assert ["1234ABCD"] == [record.device_id for record in judged.ledger.dvrs.values()]


def test_a_swap_under_a_viewer_or_unseen_waits() -> None:
    """S501 carries the DVR as the swap does; a protected one is S203; a run without Plex leaves it; skipped is left."""
    both = swap(allow=("replace:news",), busy={"news": 1})
    assert {("S501", "lineup")} == {(b.code, b.what) for b in judge(both.world()).blocks}
    assert {"news"} == judge(both.world()).carried
    protected = replace(swap(allow=("replace:news",)), records={"news": {"protected": True}})
    assert {"S203"} == {b.code for b in judge(protected.world()).blocks}
    blind = judge(swap(allow=("replace:news",), observed=None).world())
    assert device_id("news") == blind.ledger.dvrs["news"].device_id
    skipped = judge(swap(skip=("news",)).world())
    assert () == skipped.blocks
    assert device_id("news") == skipped.ledger.dvrs["news"].device_id


def test_a_leaving_tuner_that_is_watched_waits() -> None:
    """S501 for a tuner whose DVR is gone already; none for a DVR of which Plex has nothing."""
    home = Home({"news": TEN, "big": BIG}, {"big": BIG}, spec={"safety": WIDE})
    busy = {"busy": {"news": 1}, "allow": ("delete:news",)}
    assert {"S501"} == codes(replace(home, changes=busy))
    assert {"S501"} == codes(replace(home, changes=busy, devices={"news": {"parent": ""}}))
    assert set() == codes(replace(home, changes=busy, absent=frozenset({"news"})))


def test_what_is_left_alone_is_not_judged() -> None:
    """`--skip` of a DVR that leaves: no block, its record and files stay."""
    home = Home({"news": TEN, "big": BIG}, {"big": BIG}, changes={"skip": ("news",)})
    judged = judge(home.world())
    assert () == judged.blocks
    assert "news" in judged.carried
    assert "news" in judged.ledger.dvrs


def test_drift_of_an_adopted_tuner() -> None:
    """Somebody's name for it stays; one without any name gets ours, and that is said; ours that was renamed, too."""
    for adopted, title, told in ((True, "Den", False), (True, "", True), (False, "Den", True)):
        home = Home(
            {"news": TEN},
            {"news": TEN},
            records={"news": {"adopted": adopted}},
            devices={"news": {"title": title}},
        )
        paths = [item.path for item in home.planned().plan.drift]
        assert (["tuner.title"] if told else []) == paths


def test_drift_tells_wanted_from_unwanted() -> None:
    """Switched off by hand: on again, or left off where the spec has let it go meanwhile."""
    off = pairs(without(TEN, 1))
    said = {}
    for name, after in (("wanted", TEN), ("unwanted", {**without(TEN, 1), 1100: "new"})):
        home = Home({"news": TEN}, {"news": after}, devices={"news": {"pairs": off}})
        said[name] = [item.resolution for item in home.planned().plan.drift]
    assert ["switch on again"] == said["wanted"]
    assert ["none: the spec no longer wants them"] == said["unwanted"]


def test_a_renamed_dvr_is_guessed_by_most_of_its_channels() -> None:
    """Half of them is not most; a DVR that the ledger has already is no other name of it."""
    for count, told in ((5, False), (6, True)):
        after = {"other": dict(list(TEN.items())[:count])}
        home = Home({"news": TEN}, after, spec={"safety": WIDE}, changes={"allow": ("delete:news",)})
        change = next(c for c in home.planned().plan.changes if c.dvr == "news")
        assert told == ("was it renamed?" in " ".join(change.details))
    home = Home({"news": TEN, "big": BIG}, {"big": {**BIG, **TEN}}, changes={"allow": ("delete:news",)})
    change = next(c for c in home.planned().plan.changes if c.dvr == "news")
    assert "was it renamed?" not in " ".join(change.details)


def test_a_foreign_dvr_with_another_case_of_our_id_is_ours() -> None:
    """Ownership is by DeviceID whatever its case: nothing is listed as not ours."""
    home = Home({"news": TEN}, {"news": TEN}, devices={"news": {"device_id": device_id("news").lower()}})
    assert () == home.planned().plan.foreign
    other = Device("90", "u", "AAAA0001", "http://10.0.0.9", parent="91")
    stranger = Dvr("91", "uuid-91", lineup_uri("http://10.0.0.9/g.xml", "x"), "x", devices=(other,))
    assert 1 == len(replace(home, foreign=(stranger,)).planned().plan.foreign)
