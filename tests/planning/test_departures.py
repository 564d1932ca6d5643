"""DVRs and tuners that go: what the plan calls it, what is lost, what it does, and how to take it back."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.planning.model import Change, Counts, FieldChange, Loss
from reconciler.planning.plan import Planned
from reconciler.plex.model import Unknown
from reconciler.spec.model import Removed, Safety
from tests.planning.worlds import Home, device_id

TEN = {1000 + i: f"c{i}" for i in range(10)}
BIG = {2000 + i: f"b{i}" for i in range(100)}
WIDE = Safety(total_shrink=0.99)


def change_of(planned: Planned, name: str) -> Change:
    """The plan's change of one DVR."""
    return next(c for c in planned.plan.changes if c.dvr == name)


def leaving(*, rules: Any = None, **changes: Any) -> Home:
    """`news`, with numbers out of order, is not in the spec any more."""
    backwards = dict(reversed(TEN.items()))
    spec = {"safety": WIDE, **changes.pop("spec", {})}
    return Home({"news": backwards, "big": BIG}, {"big": BIG}, spec=spec, rules=rules or {}, changes=changes)


@pytest.mark.accepts("MUL-4", "PLN-4")
def test_a_delete_names_every_channel_and_what_is_lost() -> None:
    """By number, each with the reason; the rules of the DVR, -1 where they cannot be told; nothing to undo it with."""
    change = change_of(leaving(rules={"18": 4, "24": 9}, allow=("delete:news",)).planned(), "news")
    assert ("delete", ("spec",), "not in the spec", "") == (
        change.kind,
        change.causes,
        change.note,
        change.undo,
    )
    assert (10, 0, sorted(TEN)) == (
        change.counts.before,
        change.counts.after,
        [c.number for c in change.counts.removed],
    )
    assert {("spec", "its DVR leaves the spec")} == {(c.cause, c.why) for c in change.counts.removed}
    assert (Loss("recording rules", 4),) == change.loses
    for unread in (Unknown("500"), {"": 2, "18": 4}):
        assert (Loss("recording rules", -1),) == change_of(leaving(rules=unread).planned(), "news").loses
    assert (Loss("recording rules", 0),) == change_of(leaving(rules={"24": 9}).planned(), "news").loses


def test_a_delete_by_removed_is_called_so() -> None:
    """The spec's own word needs no other, and no guess that it was a rename."""
    home = replace(leaving(spec={"removed": (Removed("news"),)}), after={"other": TEN})
    change = change_of(home.planned(), "news")
    assert ("removed by the spec", (), ()) == (change.note, change.details, change.blocks)


def test_a_rename_that_nobody_told() -> None:
    """The very line that keeps device, numbers and rules."""
    home = replace(leaving(), after={"other": TEN})
    said = "was it renamed? it keeps everything with  moved: [{dvr: news, to: other}]"
    assert (said,) == change_of(home.planned(), "news").details


@pytest.mark.accepts("OWN-1")
def test_letting_go() -> None:
    """Nothing changes for viewers; the command that takes it back is there."""
    home = leaving(spec={"removed": (Removed("news", keep=True),)})
    change = change_of(home.planned(), "news")
    assert (Counts(10, 10), ("spec",), ()) == (change.counts, change.causes, change.loses)
    assert ("let go: out of the ledger, left in Plex as it is", "ptctl adopt news --plex KEY") == (
        change.note,
        change.undo,
    )
    # One without a channel in the ledger is let go as well.
    empty = replace(home, before={"news": {}, "big": BIG})
    assert Counts(0, 0) == change_of(empty.planned(), "news").counts


def test_what_waits() -> None:
    """Left alone by --skip, and by a run that does not look at Plex: no change, and the remark says why."""
    for change, note in (
        (change_of(leaving(skip=("news",)).planned(), "news"), "left alone (--only, --skip)"),
        (
            change_of(leaving(observed=None, spec={"removed": (Removed("news"),)}).planned(), "news"),
            "leaves with the next apply",
        ),
    ):
        assert ("same", note, Counts(10, 10)) == (change.kind, change.note, change.counts)


def swap(names: tuple[str, ...] = ("news",), **changes: Any) -> Home:
    """DVRs that shall have other tuners."""
    before = {"news": TEN, "big": BIG, "asia": {3000: "a"}}
    home = Home(before, before, spec={"safety": WIDE}, rules={"18": 3})
    desired = home.desired()
    targets = tuple(
        replace(t, record=replace(t.record, device_id=f"1234{i}BCD")) if t.record.name in names else t
        for i, t in enumerate(desired.dvrs)
    )
    records = {t.record.name: t.record for t in targets}
    made = replace(desired, dvrs=targets, ledger=replace(desired.ledger, dvrs=records))
    return replace(home, changes={"desired": made, **changes})


@pytest.mark.accepts("APP-6", "PLN-4")
def test_another_tuner_is_told_as_a_replacement() -> None:
    """What differs, what it means, what is lost, and that nothing takes it back; before the word and with it."""
    for allow in ((), ("replace:news",)):
        planned = swap(allow=allow).planned()
        change = change_of(planned, "news")
        assert ("replace", "", (Loss("recording rules", 3),)) == (change.kind, change.undo, change.loses)
        field = FieldChange("device_id", device_id("news"), "12340BCD", "spec", "replace")
        assert field == change.fields[0]
        told = "A DeviceID is the tuner's identity in Plex: tuner and DVR are deleted and made anew"
        assert told == change.details[0]
        assert "spec" in change.causes
        assert list(change.causes) == sorted(change.causes)
        assert "same" == change_of(planned, "big").kind


def test_a_tuner_that_plex_never_had_is_replaced_silently() -> None:
    """Nothing is lost with it."""
    home = swap()
    ledger = home.ledger()
    bare = replace(ledger.dvrs["news"], device_key="", dvr_key="", dvr_uuid="", machine="", applied=None)
    known = replace(ledger, dvrs={**ledger.dvrs, "news": bare})
    planned = replace(home, changes={**home.changes, "ledger": known}).planned()
    assert "replace" not in {c.kind for c in planned.plan.changes}


@pytest.mark.accepts("APP-6", "MUL-4")
def test_the_old_tuner_goes_with_its_dvr() -> None:
    """Each is deleted in Plex, DVR before tuner, in the order of names; the new one is made; none of it while it is blocked."""
    home = swap(("news", "asia"), allow=("replace:news", "replace:asia"))
    planned = home.planned()
    old = {name: f"{name}@{device_id(name)}" for name in ("asia", "news")}
    deletes = [a.id for a in planned.plan.actions if a.kind.startswith("delete")]
    assert sorted(f"{what}:{name}" for name in old.values() for what in ("delete-dvr", "delete-device")) == (
        sorted(deletes)
    )
    for name in old.values():
        assert deletes.index(f"delete-dvr:{name}") < deletes.index(f"delete-device:{name}")
    made = [a.dvr for a in planned.plan.actions if a.kind == "create-dvr"]
    assert {"asia", "news"} == set(made)
    assert not [a for a in swap(("news", "asia")).planned().plan.actions if a.kind.startswith("delete")]
    one = swap(("news", "asia"), allow=("replace:news",)).planned()
    assert {old["news"]} == {a.dvr for a in one.plan.actions if a.kind.startswith("delete")}
    args = {a.kind: dict(a.args or {}) for a in one.plan.actions if a.dvr == old["news"]}
    assert {"delete-dvr": {"key": "18", "title": "news"}, "delete-device": {"key": "17"}} == args


def test_the_old_record_is_nobodys_part_and_not_protected() -> None:
    """A name of its own until Plex has confirmed; what protected the DVR goes on with the new tuner."""
    home = swap(allow=("replace:news",))
    ledger = home.planned().ledger
    going, fresh = ledger.dvrs[f"news@{device_id('news')}"], ledger.dvrs["news"]
    assert ("", False, "17", "18") == (going.split_of, going.protected, going.device_key, going.dvr_key)
    assert ("", "", "", "", None) == (fresh.device_key, fresh.dvr_key, fresh.dvr_uuid, fresh.machine, fresh.applied)  # fmt: skip


@pytest.mark.accepts("BUS-1", "APP-2")
def test_nothing_is_deleted_before_serve_answers() -> None:
    """Where the run waits for `serve` at all, a delete waits too: else nothing of Plex is written (design.md 4)."""
    both = leaving(allow=("delete:news",))
    more = replace(both, after={"big": {**BIG, 2100: "x"}})
    needs = {a.id: a.needs for a in more.planned().plan.actions}
    assert (("await-serve",), ("delete-dvr:news",)) == (
        needs["delete-dvr:news"],
        needs["delete-device:news"],
    )
    alone = {a.id: a.needs for a in both.planned().plan.actions}
    assert "await-serve" not in alone
    assert ("publish",) == alone["delete-dvr:news"]
