"""Each safety rule fires on its change, is lifted by its own word alone, and carries the files of what it blocks."""

from dataclasses import replace
from datetime import date

import pytest

from reconciler.catalog.entry import SourceReport
from reconciler.lineups.model import Block
from reconciler.planning.model import Change
from reconciler.planning.plan import Planned
from reconciler.planning.safety import judge
from reconciler.plex.model import ChannelPair, Device, Dvr, Unknown
from reconciler.plex.requests import lineup_uri
from reconciler.spec.model import Approval, Bucket, Removed, Safety
from tests.planning.worlds import NOW, Home, pairs

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}


def without(rows: dict[int, str], count: int) -> dict[int, str]:
    return dict(list(rows.items())[count:])


def change_of(planned: Planned, name: str) -> Change:
    return next(c for c in planned.plan.changes if c.dvr == name)


def codes(planned: Planned) -> set[str]:
    return {block.code for block in planned.plan.blocks}


def plex_actions(planned: Planned, name: str) -> list[str]:
    return [a.kind for a in planned.plan.actions if a.dvr == name]


@pytest.mark.accepts("PLN-7", "EPG-5")
def test_shrink_blocks_and_carries() -> None:
    """Losing 4 of 10 is over 30 %: the DVR's files are carried over, its numbers stay, its rest of the plan is shown."""
    home = Home({"news": TEN, "big": BIG}, {"news": without(TEN, 4), "big": BIG})
    planned = home.planned()
    assert codes(planned) == {"S101"}
    assert home.plan_inputs().judgement.carried == {"news"}
    assert set(TEN) == {r.number for r in planned.ledger.channels.values() if r.dvr == "news"}
    assert plex_actions(planned, "news") == []
    assert (10, 6, 4) == (
        change_of(planned, "news").counts.before,
        change_of(planned, "news").counts.after,
        len(change_of(planned, "news").counts.removed),
    )
    assert "40.0 % > 30 %" in change_of(planned, "news").blocks[0].message
    assert planned.plan.summary.blocked == 1


def test_shrink_is_lifted_by_its_word_alone() -> None:
    """Another DVR's word does nothing and is said to do nothing; its own word lets the change through."""
    home = Home({"news": TEN, "big": BIG}, {"news": without(TEN, 4), "big": BIG})
    other = replace(home, changes={"allow": ("shrink:big",)}).planned()
    assert codes(other) == {"S101"}
    assert [w.code for w in other.plan.warnings if w.code == "W403"] == ["W403"]
    lifted = replace(home, changes={"allow": ("shrink:news",)}).planned()
    assert codes(lifted) == set()
    assert lifted.plan.allowed == ("shrink:news",)
    assert plex_actions(lifted, "news") == ["enable-channels"]
    # The accepted size is the new baseline.
    assert lifted.ledger.dvrs["news"].peaks == ((NOW[:10], 6),)


def test_shrink_is_silent_below_its_minimum() -> None:
    """A DVR of nine channels may lose half of them."""
    nine = without(TEN, 1)
    home = Home({"news": nine, "big": BIG}, {"news": without(nine, 4), "big": BIG})
    assert codes(home.planned()) == set()


@pytest.mark.accepts("BLD-1")
def test_small_losses_in_a_row_are_stopped() -> None:
    """The baseline is the largest lineup of seven days: a second loss of a quarter is 44 % in all."""
    first = Home({"big": BIG}, {"big": without(BIG, 19)}, spec={"safety": Safety(total_shrink=0.9)})
    planned = first.planned()
    assert codes(planned) == set()
    peaks = planned.ledger.dvrs["big"].peaks
    assert peaks == ((NOW[:10], 100),)
    second = Home(
        {"big": without(BIG, 19)},
        {"big": without(BIG, 35)},
        records={"big": {"peaks": peaks}},
        spec={"safety": Safety(total_shrink=0.9)},
    )
    assert codes(second.planned()) == {"S101"}
    later = replace(second, changes={"now": "2026-03-09T00:00:00Z"})
    assert codes(later.planned()) == set()


def test_replacing_channels_is_a_loss_too() -> None:
    """Forty of a hundred gone and forty others come: the same count, and yet forty are lost."""
    after = {**without(BIG, 40), **{2100 + i: f"new{i}" for i in range(40)}}
    assert "S101" in codes(Home({"big": BIG}, {"big": after}).planned())


@pytest.mark.accepts("ACT-6")
def test_empty_is_never_sent() -> None:
    """S102 keeps the DVR; its word lets the run go on, and still the files stay and Plex is left alone."""
    home = Home({"news": TEN, "big": BIG}, {"news": {}, "big": BIG})
    assert codes(home.planned()) == {"S102"}
    lifted = replace(home, changes={"allow": ("empty:news",)})
    assert codes(lifted.planned()) == set()
    assert lifted.plan_inputs().judgement.carried == {"news"}
    assert plex_actions(lifted.planned(), "news") == []
    assert "W306" in {w.code for w in lifted.planned().plan.warnings}


def test_total_shrink() -> None:
    """Every DVR stays under its own limit, all together are over 20 %: all that lose are carried."""
    names = ("a", "b", "c")
    before = {n: {1000 * (i + 1) + k: f"{n}{k}" for k in range(100)} for i, n in enumerate(names)}
    after = {n: without(rows, 25) for n, rows in before.items()}
    home = Home(before, after)
    planned = home.planned()
    assert codes(planned) == {"S103"}
    assert planned.plan.blocks[0].lift == "shrink:all"
    assert home.plan_inputs().judgement.carried == set(names)
    assert codes(replace(home, changes={"allow": ("shrink:all",)}).planned()) == set()
    named = tuple(f"shrink:{n}" for n in names)
    assert codes(replace(home, changes={"allow": named}).planned()) == set()


@pytest.mark.accepts("SPL-5")
def test_a_missed_minimum() -> None:
    """A bucket below its declared minimum is S103, even for a DVR that is new."""
    home = Home({}, {"news": TEN}, spec={"buckets": (Bucket("news", minimum=20),)})
    planned = home.planned()
    assert codes(planned) == {"S103"}
    assert plex_actions(planned, "news") == []
    assert "news" not in planned.ledger.dvrs


def test_blocks_of_numbering_pass_through() -> None:
    """What `lineups` found (S105, S204, S301, S303) blocks here and is lifted here."""
    block = Block("S204", "news", "12 living numbers would move", "renumber:news", "numbers")
    home = Home({"news": TEN}, {"news": {n + 100: c for n, c in TEN.items()}}, blocks=(block,))
    assert codes(home.planned()) == {"S204"}
    assert home.plan_inputs().judgement.carried == {"news"}
    assert codes(replace(home, changes={"allow": ("renumber:news",)}).planned()) == set()
    size = Block("S301", "news", "481 channels, it holds 480", "")
    assert codes(replace(home, blocks=(size,), changes={"allow": ("", "size:news")}).planned()) == {"S301"}


def test_identity_block_carries_every_dvr_of_its_source() -> None:
    """S105 names a source, not a DVR: all DVRs whose channels of that source change are carried."""
    block = Block("S105", "", "most ids of main vanish", "rematch:main")
    fresh = {n: f"new-{c}" for n, c in TEN.items()}
    home = Home({"news": TEN, "big": BIG}, {"news": fresh, "big": BIG}, blocks=(block,))
    assert home.plan_inputs().judgement.carried == {"news"}


def test_stale_source() -> None:
    """S402 blocks what a source over its max_age would change, and nothing else."""
    reports = {"main": SourceReport("main", "m3u", "cached", 10, age_s=200_000, stale=True)}
    home = Home(
        {"news": TEN, "big": BIG}, {"news": {**TEN, 1010: "new"}, "big": BIG}, changes={"reports": reports}
    )
    assert [(b.code, b.dvr) for b in home.planned().plan.blocks] == [("S402", "news")]
    lifted = replace(home, changes={"reports": reports, "allow": ("stale:main",)})
    assert codes(lifted.planned()) == set()


@pytest.mark.accepts("MUL-4")
def test_delete_needs_its_word_and_says_what_is_lost() -> None:
    """A DVR that left the spec: blocked, its files kept; with its word the DVR goes first and then its tuner."""
    home = Home({"news": TEN, "asia": BIG}, {"news": TEN}, rules={"21": 5})
    planned = home.planned()
    assert codes(planned) == {"S201"}
    assert home.plan_inputs().judgement.carried == {"asia"}
    assert [("recording rules", 5)] == [(x.what, x.count) for x in change_of(planned, "asia").loses]
    assert set(BIG) == {r.number for r in planned.ledger.channels.values() if r.dvr == "asia"}
    lifted = replace(home, changes={"allow": ("delete:asia",)}).planned()
    assert plex_actions(lifted, "asia") == ["delete-dvr", "delete-device"]
    assert "asia" in lifted.ledger.dvrs  # until Plex has confirmed


@pytest.mark.accepts("OWN-1")
def test_let_go_writes_nothing_to_plex() -> None:
    """`removed: keep` takes the DVR out of the ledger and leaves Plex as it is; without keep it is deleted."""
    home = Home({"news": TEN, "asia": BIG}, {"news": TEN}, spec={"removed": (Removed("asia", keep=True),)})
    planned = home.planned()
    assert codes(planned) == set()
    assert change_of(planned, "asia").kind == "disown"
    assert plex_actions(planned, "asia") == []
    assert "asia" not in planned.ledger.dvrs
    deleted = replace(home, spec={"removed": (Removed("asia"),)}).planned()
    assert plex_actions(deleted, "asia") == ["delete-dvr", "delete-device"]


def test_a_run_that_does_not_look_at_plex_deletes_nothing() -> None:
    """`refresh` with a DVR that leaves: its files and its ledger entry stay until an apply has deleted it in Plex."""
    home = Home(
        {"news": TEN, "asia": BIG},
        {"news": TEN},
        spec={"removed": (Removed("asia"),)},
        changes={"observed": None},
    )
    planned = home.planned()
    assert home.plan_inputs().judgement.carried == {"asia"}
    assert "asia" in planned.ledger.dvrs
    assert change_of(planned, "asia").kind == "same"
    without_plex = replace(home, spec={"removed": (Removed("asia"),), "plex": None}).planned()
    assert "asia" not in without_plex.ledger.dvrs


def test_protected_is_not_lifted() -> None:
    """S203 stands while the ledger protects the DVR: no word, no `removed` helps, `protect: false` must be applied first."""
    home = Home(
        {"news": TEN, "asia": BIG},
        {"news": TEN},
        records={"asia": {"protected": True}},
        spec={"removed": (Removed("asia", keep=True),)},
        changes={"allow": ("delete:asia", "protect:asia")},
    )
    planned = home.planned()
    assert codes(planned) == {"S203"}
    assert "asia" in planned.ledger.dvrs
    back = Home(
        {"asia": BIG}, {"asia": BIG}, records={"asia": {"protected": True}}, dvr={"asia": {"protect": False}}
    )
    assert back.planned().ledger.dvrs["asia"].protected is False


@pytest.mark.accepts("APP-6")
def test_replace_needs_its_word() -> None:
    """An explicit title cannot be changed in place: S202 names the loss; lifted it deletes and creates."""
    home = Home({"news": TEN}, {"news": TEN}, dvr={"news": {"title": "My News"}}, rules={"18": 3})
    planned = home.planned()
    assert codes(planned) == {"S202"}
    change = change_of(planned, "news")
    assert ("replace", "replace") == (change.kind, change.fields[0].forces)
    assert [("recording rules", 3)] == [(x.what, x.count) for x in change.loses]
    assert plex_actions(planned, "news") == []  # the tuner is called as its DVR is
    lifted = replace(home, changes={"allow": ("replace:news",)}).planned()
    assert plex_actions(lifted, "news") == ["delete-dvr", "set-device", "create-dvr", "enable-channels"]


def test_replace_of_a_protected_dvr() -> None:
    """The replace word does not reach S203."""
    home = Home(
        {"news": TEN},
        {"news": TEN},
        dvr={"news": {"title": "My News"}},
        records={"news": {"protected": True}},
        changes={"allow": ("replace:news",)},
    )
    assert codes(home.planned()) == {"S203"}
    assert "delete-dvr" not in plex_actions(home.planned(), "news")


@pytest.mark.accepts("BUS-1")
@pytest.mark.parametrize("busy", [{"news": 1, "asia": 2}, Unknown("serve does not answer")])
def test_busy_blocks_replace_and_delete(busy: dict[str, int] | Unknown) -> None:
    """A running stream, or not knowing of one, is S501; its own word lifts it."""
    home = Home(
        {"news": TEN, "asia": BIG},
        {"news": TEN},
        dvr={"news": {"title": "My News"}},
        changes={"busy": busy, "allow": ("replace:news", "delete:asia")},
    )
    planned = home.planned()
    assert [("S501", "asia"), ("S501", "news")] == [(b.code, b.dvr) for b in planned.plan.blocks]
    assert "delete-dvr" not in [a.kind for a in planned.plan.actions]
    assert "asia" in home.plan_inputs().judgement.carried
    words = ("replace:news", "delete:asia", "busy:news", "busy:asia")
    assert codes(replace(home, changes={"busy": busy, "allow": words}).planned()) == set()


@pytest.mark.accepts("BUS-1")
def test_who_watches_under_the_old_name_is_seen() -> None:
    """`serve` still names a renamed DVR as before: replacing it in the same run is S501 all the same."""
    home = Home(
        {"docs": TEN},
        {"docsfam": TEN},
        old_names={"docsfam": "docs"},
        dvr={"docsfam": {"title": "Documentaries"}},
        changes={"busy": {"docs": 2}, "allow": ("replace:docsfam",)},
    )
    (block,) = home.planned().plan.blocks
    assert ("S501", "docsfam", "2 streams run on it", "busy:docsfam") == (
        block.code,
        block.dvr,
        block.message,
        block.lift,
    )


def test_busy_does_not_matter_for_other_changes() -> None:
    """Channels may come and go under viewers."""
    home = Home({"news": TEN}, {"news": {**TEN, 1010: "new"}}, changes={"busy": {"news": 3}})
    assert codes(home.planned()) == set()


def foreign(key: str, numbers: dict[int, str]) -> Dvr:
    device = Device(
        f"9{key}",
        "device://x",
        "10A1B2C3",
        "http://10.0.0.9",
        make="Silicondust",
        parent=key,
        pairs=pairs(numbers),
    )
    return Dvr(key, "uuid-f", lineup_uri("http://10.0.0.9/g.xml", "Antenna"), "Antenna", devices=(device,))


def test_overlap_with_another_dvr() -> None:
    """S302: numbers that are on in a DVR that is not ours; only numbers that would be switched on count."""
    home = Home({}, {"news": TEN}, foreign=(foreign("201", {1003: "x", 1004: "y"}),))
    planned = home.planned()
    assert codes(planned) == {"S302"}
    assert "201" in planned.plan.blocks[0].message
    assert plex_actions(planned, "news") == []
    lifted = replace(home, changes={"allow": ("overlap:news",)}).planned()
    assert "create-dvr" in plex_actions(lifted, "news")
    there = Home({"news": TEN}, {"news": TEN}, foreign=(foreign("201", {1003: "x"}),))
    assert codes(there.planned()) == set()


@pytest.mark.accepts("PLN-8")
def test_unknown_blocks_writes_and_is_not_absent() -> None:
    """A DVR that could not be read is S401 without a word; nothing is created in its place."""
    home = Home({"news": TEN, "big": BIG}, {"news": {**TEN, 1010: "new"}, "big": BIG})
    observed = home.observed()
    blind = replace(
        observed, details={**observed.details, "18": Unknown("GET /livetv/dvrs/18: Plex answered 500")}
    )
    planned = replace(home, changes={"observed": blind}).planned()
    assert [("S401", "news", "")] == [(b.code, b.dvr, b.lift) for b in planned.plan.blocks]
    assert plex_actions(planned, "news") == []
    no_list = replace(observed, dvrs=Unknown("bad XML"), details={})
    planned = replace(home, changes={"observed": no_list, "allow": ("unknown:news",)}).planned()
    assert {("S401", "news"), ("S401", "big")} == {(b.code, b.dvr) for b in planned.plan.blocks}
    assert [a for a in planned.plan.actions if a.dvr] == []


@pytest.mark.accepts("PLN-8")
def test_a_leaving_dvr_that_cannot_be_read_stays() -> None:
    """Deleting needs to be seen, too: S401, and the files are kept."""
    home = Home({"news": TEN, "asia": BIG}, {"news": TEN}, changes={"allow": ("delete:asia",)})
    observed = home.observed()
    blind = replace(observed, details={**observed.details, "21": Unknown("no answer")})
    home = replace(home, changes={"allow": ("delete:asia",), "observed": blind})
    assert codes(home.planned()) == {"S401"}
    assert "asia" in home.plan_inputs().judgement.carried


def test_an_unreadable_plex_plans_no_action() -> None:
    """Without Plex there is a plan to look at, and nothing to do."""
    home = Home({"news": TEN}, {"news": {**TEN, 1010: "new"}}, changes={"observed": Unknown("no answer")})
    planned = home.planned()
    assert ("unknown", ()) == (planned.plan.plex, planned.plan.actions)
    assert codes(planned) == {"S401"}
    assert change_of(planned, "news").kind == "change"


@pytest.mark.accepts("GIT-2")
def test_approvals_lift_until_they_end_or_are_spent() -> None:
    """An approval is the same word; it is spent on use, and an ended or spent one lifts nothing and warns."""
    home = Home({"news": TEN, "big": BIG}, {"news": without(TEN, 4), "big": BIG})

    def plan(until: date, spent: tuple[str, ...] = ()) -> Planned:
        approval = Approval("shrink:news", until, "seasonal")
        made = replace(home, spec={"approvals": (approval,)})
        return replace(made, changes={"ledger": replace(made.ledger(), spent=spent)}).planned()

    good = plan(date(2026, 3, 1))
    assert (set(), ("shrink:news 2026-03-01",)) == (codes(good), good.spends)
    ended = plan(date(2026, 2, 28))
    assert (codes(ended), ended.spends) == ({"S101"}, ())
    assert "W401" in {w.code for w in ended.plan.warnings}
    used = plan(date(2026, 3, 1), ("shrink:news 2026-03-01",))
    assert codes(used) == {"S101"}
    assert "W402" in {w.code for w in used.plan.warnings}


def test_a_carried_channel_is_in_one_place() -> None:
    """A channel that lives in a blocked DVR does not appear in the DVR it would have moved to."""
    after = {"news": without(TEN, 4), "big": {**BIG, 2100: "c0"}}
    home = Home({"news": TEN, "big": BIG}, after)
    planned = home.planned()
    assert planned.ledger.channels["main/c0"].dvr == "news"
    rows = {t.record.name: t.lineup.rows for t in home.plan_inputs().judgement.desired.dvrs}
    assert "main/c0" not in {row.channel.id for row in rows["big"]}


def test_left_alone_dvrs_are_carried() -> None:
    """`--only` and `--skip` keep the other DVRs' files, numbers and Plex objects as they are."""
    home = Home(
        {"news": TEN, "big": BIG},
        {"news": {**TEN, 1010: "n"}, "big": {**BIG, 2100: "m"}},
        changes={"only": ("news",)},
    )
    planned = home.planned()
    assert (plex_actions(planned, "news"), plex_actions(planned, "big")) == (
        ["load-guide", "enable-channels"],
        [],
    )
    assert change_of(planned, "big").kind == "same"
    assert "main/m" not in planned.ledger.channels


def test_off_channels_count_as_lost() -> None:
    """Pruning with scope guide takes channels away from viewers as much as leaving them out does."""
    home = Home({"big": BIG}, {"big": BIG})
    world = home.world()
    target = world.desired.dvrs[0]
    rows = tuple(replace(row, off=row.number < 2040) for row in target.lineup.rows)
    desired = replace(world.desired, dvrs=(replace(target, lineup=replace(target.lineup, rows=rows)),))
    assert {"S101", "S103"} == {b.code for b in judge(replace(world, desired=desired)).blocks}


def test_map_pairs_are_compared_in_full() -> None:
    """A channel paired with another's guide is put right."""
    crossed = (*pairs([1000, 1001]), ChannelPair("1002", "1003", "1003"))
    home = Home(
        {"a": {1000: "x", 1001: "y", 1002: "z"}},
        {"a": {1000: "x", 1001: "y", 1002: "z"}},
        devices={"a": {"pairs": crossed}},
    )
    planned = home.planned()
    assert plex_actions(planned, "a") == ["enable-channels"]
    assert "paired with another guide channel" in planned.plan.drift[0].note
