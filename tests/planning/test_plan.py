"""What a plan says: kinds, causes, drift apart from changes, costs, order, and the same bytes for the same inputs."""

import json
import os
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeVar

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.catalog.entry import SourceReport
from reconciler.errors import StateError
from reconciler.ledger.model import Ledger
from reconciler.lineups.model import Unbucketed
from reconciler.planning import document
from reconciler.planning.diff import map_digest
from reconciler.planning.inputs import Estimate
from reconciler.planning.model import Change
from reconciler.planning.plan import Planned
from reconciler.planning.schema import plan_schema, schema_text
from reconciler.planning.staleness import staleness
from reconciler.plex.model import Device, Dvr, Observed, Server
from reconciler.plex.requests import lineup_uri
from reconciler.spec.model import Serve
from tests.acceptance import ROOT
from tests.planning.worlds import NOW, Home, device_id, pairs, port

T = TypeVar("T")

STORE: Final = os.environ.get("PTCTL_STORE") == "1"
"""Write the schema again; the change is read in review."""

TWO = {"news": {1000: "BBC", 1001: "CNN", 1002: "Sky"}, "sport": {1600: "ESPN", 1601: "DAZN"}}


def change_of(planned: Planned, name: str) -> Change:
    return next(c for c in planned.plan.changes if c.dvr == name)


def kinds(planned: Planned, name: str) -> list[str]:
    return [a.kind for a in planned.plan.actions if a.dvr == name]


def ids(planned: Planned) -> list[str]:
    return [a.id for a in planned.plan.actions]


@pytest.mark.accepts("DVR-2", "STM-5")
def test_nothing_to_do() -> None:
    """What is in place needs no action, no drift, no warning, and the ledger stays byte for byte."""
    home = Home(TWO, TWO)
    planned = home.planned()
    assert planned.plan.empty
    assert ((), (), (), ()) == (
        planned.plan.actions,
        planned.plan.drift,
        planned.plan.blocks,
        planned.plan.warnings,
    )
    assert planned.ledger == home.ledger()


@pytest.mark.accepts("DVR-1")
def test_from_nothing() -> None:
    """A new DVR: ledger, files, a serving serve, then register, name, create, switch on, each needing the one before."""
    planned = Home({}, TWO).planned()
    order = ["register-device", "set-device", "create-dvr", "enable-channels"]
    assert kinds(planned, "news") == order
    assert ids(planned)[:3] == ["write-ledger", "publish", "await-serve"]
    register = next(a for a in planned.plan.actions if a.id == "register-device:news")
    assert register.needs == ("await-serve",)
    assert (2, 0) == (planned.plan.summary.add, planned.plan.summary.blocked)
    assert planned.plan.guide_loads == 4
    assert "4 switch on 3 channels (1000-1002)" in change_of(planned, "news").details[0]


def test_channels_of_a_blacklist_did_not_fail_a_probe() -> None:
    """Probes and lists of bad streams give one cause, so its words leave both open."""
    after = {"news": {1000: "BBC"}, "sport": TWO["sport"]}
    planned = Home(TWO, after, causes={"news": {"main/Sky": "probe"}}).planned()
    whys = {c.name: c.why for c in change_of(planned, "news").counts.removed}
    assert "failed its probes, or is on a list of bad streams" == whys["Sky"]


@pytest.mark.accepts("PLN-4")
def test_channels_come_and_go() -> None:
    """Counts, causes, map bytes and costs of a change; a load because Plex must read the new channel first."""
    after = {"news": {1000: "BBC", 1001: "CNN", 1003: "Arte"}, "sport": TWO["sport"]}
    causes = {"news": {"main/Arte": "spec", "main/Sky": "source"}}
    planned = Home(
        TWO, after, causes=causes, inputs={"estimate": Estimate(92.0, "median of 10 runs")}
    ).planned()
    change = change_of(planned, "news")
    assert (3, 3) == (change.counts.before, change.counts.after)
    assert [(c.number, c.name, c.cause) for c in change.counts.added] == [(1003, "Arte", "spec")]
    assert [(c.number, c.name, c.why) for c in change.counts.removed] == [
        (1002, "Sky", "gone from source main")
    ]
    assert change.causes == ("source", "spec")
    assert change.map_bytes == len("PUT /media/grabbers/devices/17/channelmap? HTTP/1.1") + 15 + 3 * 62
    assert kinds(planned, "news") == ["load-guide", "enable-channels"]
    assert (planned.plan.guide_loads, planned.plan.estimate_s, planned.plan.estimate_basis) == (
        2,
        96.0,
        "median of 10 runs",
    )
    assert change_of(planned, "sport").kind == "same"


def test_a_removal_needs_no_load_of_its_own() -> None:
    """Switching off starts a guide load itself (plex-livetv.md 5)."""
    after = {"news": {1000: "BBC", 1001: "CNN"}, "sport": TWO["sport"]}
    assert kinds(Home(TWO, after).planned(), "news") == ["enable-channels"]


def test_a_new_name_is_loaded() -> None:
    """A renamed channel keeps number and map; Plex reads lineup and guide again."""
    home = Home(TWO, TWO)
    desired = home.desired()
    first = desired.dvrs[0]
    rows = (
        replace(first.lineup.rows[0], channel=replace(first.lineup.rows[0].channel, name="BBC One")),
        *first.lineup.rows[1:],
    )
    desired = replace(
        desired, dvrs=(replace(first, lineup=replace(first.lineup, rows=rows)), desired.dvrs[1])
    )
    planned = replace(home, changes={"desired": desired}).planned()
    assert [c.before for c in change_of(planned, "news").counts.changed] == ["name: BBC -> BBC One"]
    assert kinds(planned, "news") == ["load-guide"]


@pytest.mark.accepts("PLN-5")
def test_drift_of_channels_stands_apart() -> None:
    """Switched off and on by hand: named, apart from the spec's change, with what is done about it."""
    home = Home(TWO, TWO, devices={"news": {"pairs": pairs([1000, 1002, 1099])}})
    planned = home.planned()
    off, on = planned.plan.drift
    assert ("switch on again", "1 channel switched off in Plex: 1001 CNN") == (off.resolution, off.note)
    assert ("switch off again", "1 channel switched on in Plex: 1099") == (on.resolution, on.note)
    change = change_of(planned, "news")
    assert (("drift",), "1 back on") == (change.causes, change.note)
    assert kinds(planned, "news") == ["enable-channels"]
    assert not planned.plan.empty


@pytest.mark.accepts("PLN-5", "APP-6")
def test_drift_of_the_address_is_repaired_in_place() -> None:
    """A tuner that points elsewhere is registered again: DVR, map and rules stay."""
    planned = Home(TWO, TWO, devices={"sport": {"uri": "http://10.0.0.9:1"}}).planned()
    assert [d.path for d in planned.plan.drift] == ["tuner.uri"]
    assert kinds(planned, "sport") == ["repair-address"]
    assert [f.cause for f in change_of(planned, "sport").fields] == ["drift"]


@pytest.mark.accepts("DVR-4", "APP-6")
def test_moving_house() -> None:
    """A new address for everything: tuners are repaired in place, the guide's location is S202, ways out are named."""
    planned = Home(TWO, TWO, host_after="http://nas").planned()
    assert {("S202", "news"), ("S202", "sport")} == {(b.code, b.dvr) for b in planned.plan.blocks}
    assert kinds(planned, "news") == ["repair-address"]
    assert planned.plan.drift == ()
    fields = {f.path: f.forces for f in change_of(planned, "news").fields}
    assert fields == {"tuner.uri": "", "guide.url": "replace"}
    assert "serve.also" in " ".join(change_of(planned, "news").details)


def test_drift_of_tuner_settings() -> None:
    """A tuner that was renamed or switched off is named and switched on again."""
    planned = Home(TWO, TWO, devices={"news": {"title": "x", "state": "disabled"}}).planned()
    assert ["tuner.title", "tuner.state"] == [d.path for d in planned.plan.drift]
    assert kinds(planned, "news") == ["set-device"]


@pytest.mark.accepts("PLN-5")
def test_missing_objects_are_made_anew() -> None:
    """Gone by somebody's hand: the tuner with its DVR, or the DVR alone; both are drift."""
    planned = Home(TWO, TWO, absent=frozenset({"news"})).planned()
    assert [("news", "tuner")] == [(d.dvr, d.path) for d in planned.plan.drift]
    assert kinds(planned, "news") == ["register-device", "set-device", "create-dvr", "enable-channels"]
    assert change_of(planned, "news").kind == "change"
    planned = Home(TWO, TWO, devices={"news": {"parent": "", "pairs": ()}}).planned()
    assert [("news", "dvr")] == [(d.dvr, d.path) for d in planned.plan.drift]
    assert kinds(planned, "news") == ["create-dvr", "enable-channels"]


@pytest.mark.accepts("MUL-3", "PLN-5")
def test_foreign_objects_are_listed_and_left_alone() -> None:
    """DVRs and tuners that are not ours are shown with their channels; no action names them."""
    device = Device(
        "300",
        "device://x",
        "10A1B2C3",
        "http://10.0.0.9",
        make="Silicondust HDHomeRun",
        parent="301",
        pairs=pairs([1, 2]),
    )
    dvr = Dvr("301", "u", "lineup://tv.plex.providers.epg.cloud/5cc8#Antenna", "Antenna", devices=(device,))
    planned = Home(TWO, TWO, foreign=(dvr,)).planned()
    assert [("301", "Antenna", "Silicondust 10A1B2C3", 2)] == [
        (f.key, f.title, f.device, f.channels) for f in planned.plan.foreign
    ]
    assert planned.plan.empty


@pytest.mark.accepts("PLN-9")
def test_one_match_by_device_id_is_adopted_with_notice() -> None:
    """A lost ledger: everything in Plex has our DeviceIDs and is taken over without a write to Plex."""
    home = Home(TWO, TWO)
    lost = replace(home, changes={"ledger": Ledger(), "desired": unledgered(home)})
    planned = lost.planned()
    assert {"adopt"} == {c.kind for c in planned.plan.changes}
    assert [a.id for a in planned.plan.actions] == ["write-ledger"]
    assert ["W301", "W301"] == [w.code for w in planned.plan.warnings]
    record = planned.ledger.dvrs["news"]
    assert ("17", "18", "b4e0", True) == (record.device_key, record.dvr_key, record.machine, record.adopted)
    assert record.applied is not None
    assert record.applied.channels == 3


def unledgered(home: Home) -> object:
    desired = home.desired()
    targets = tuple(
        replace(t, record=replace(t.record, device_key="", dvr_key="", dvr_uuid="", machine="", applied=None))
        for t in desired.dvrs
    )
    ledger = replace(desired.ledger, dvrs={t.record.name: t.record for t in targets}, serial=0)
    return replace(desired, dvrs=targets, ledger=ledger)


@pytest.mark.accepts("PLN-9")
def test_a_match_by_guide_is_only_proposed() -> None:
    """Another tuner with our guide: a warning with the command; several are an error that names them all."""

    def other(key: str) -> Dvr:
        guide = f"http://ptctl:{port('news')}/guide.xml"
        device = Device(f"9{key}", "device://y", f"TF{key}", "http://10.0.0.9", parent=key)
        return Dvr(key, f"u{key}", lineup_uri(guide, "old"), "old", devices=(device,))

    planned = Home({}, TWO, foreign=(other("40"),)).planned()
    (warning,) = planned.plan.warnings
    assert ("W302", "ptctl adopt news --plex 40") == (warning.code, warning.next_step)
    assert "create-dvr" in kinds(planned, "news")
    planned = Home({}, TWO, foreign=(other("40"), other("41"))).planned()
    (block,) = planned.plan.blocks
    assert "S401" == block.code
    assert "40, 41" in block.message


@pytest.mark.accepts("PLN-9", "PLN-8")
def test_two_tuners_with_one_device_id() -> None:
    """Which one is ours cannot be known: both are named, nothing is written."""
    home = Home(TWO, TWO)
    observed = home.observed()
    assert isinstance(observed.devices, tuple)
    twin = replace(observed.devices[0], key="99", parent="", uri="http://10.0.0.9")
    planned = replace(
        home, changes={"observed": replace(observed, devices=(*observed.devices, twin))}
    ).planned()
    (block,) = planned.plan.blocks
    assert ("S401", "news") == (block.code, block.dvr)
    assert "17, 99" in block.message


def test_a_rename_keeps_device_and_title() -> None:
    """`moved:`: another name for the same DeviceID; the title in Plex stays and is no reason to replace."""
    home = Home({"docs": {1000: "a"}}, {"docsfam": {1000: "a"}}, old_names={"docsfam": "docs"})
    planned = home.planned()
    change = change_of(planned, "docsfam")
    assert ("move", 'was "docs"; DVR 18 is kept') == (change.kind, change.note)
    assert "stays" in change.details[0]
    assert {"docsfam"} == planned.ledger.dvrs.keys()
    assert [a for a in planned.plan.actions if a.dvr] == []


@pytest.mark.accepts("RLD-3", "CNT-1")
def test_a_guide_that_moved_on_is_content() -> None:
    """Loaded when `guide_reload` has passed since the last load, not before; never a change for the exit code."""
    home = Home(TWO, TWO, guide_after="g2")
    planned = home.planned()
    assert planned.plan.empty
    assert [a for a in planned.plan.actions if a.dvr] == []
    due = replace(home, spec={"serve": Serve(guide_reload_s=3600.0)}).planned()
    assert due.plan.empty
    assert {("news", "load-guide"), ("sport", "load-guide")} == {
        (a.dvr, a.kind) for a in due.plan.actions if a.dvr
    }
    assert all(c.content_only for c in due.plan.changes)
    noted = home.ledger().dvrs["news"].applied
    assert noted is not None
    for moment, loads in (("2031-01-01T00:00:00Z", {"news"}), ("2026-03-01T04:13:00Z", set())):
        ahead = replace(home, records={"news": {"applied": replace(noted, loaded_at=moment)}}).planned()
        assert loads == {a.dvr for a in ahead.plan.actions if a.dvr}, (
            "a clock that was years ahead, or seconds"
        )


def test_unpaired_channels_are_not_tried_again_until_something_changes() -> None:
    """What Plex could not pair is a warning while lineup and guide stay, and one more attempt when the guide moves."""
    home = Home(TWO, TWO, devices={"news": {"pairs": pairs([1000, 1001])}})
    applied = home.ledger().dvrs["news"].applied
    assert applied is not None
    applied = replace(applied, unmatched="1002", map_digest=map_digest(pairs([1000, 1001])))
    known = replace(home, records={"news": {"applied": applied}})
    planned = known.planned()
    assert planned.plan.empty
    assert ["W304"] == [w.code for w in planned.plan.warnings]
    moved = replace(known, guide_after="g2", spec={"serve": Serve(guide_reload_s=1.0)}).planned()
    assert kinds(moved, "news") == ["load-guide", "enable-channels"]


def test_a_change_without_a_channel_says_what_it_is() -> None:
    """Stream addresses stand in the lineup: when they alone changed, the row says why the guide is loaded again."""
    home = Home(TWO, TWO)
    applied = home.ledger().dvrs["news"].applied
    assert applied is not None
    moved = replace(home, records={"news": {"applied": replace(applied, lineup_digest="another")}}).planned()
    assert kinds(moved, "news") == ["load-guide"]
    change = next(c for c in moved.plan.changes if c.dvr == "news")
    assert change.note == "the same channels, but other addresses or names in the lineup: loaded again"


def test_another_server_is_said() -> None:
    """Keys of another machine mean nothing here: objects are found by DeviceID, and a warning says so."""
    home = Home(TWO, TWO)
    other = replace(home.observed(), server=Server("other", "1.43"))
    planned = replace(home, changes={"observed": other}).planned()
    assert "W312" in {w.code for w in planned.plan.warnings}
    assert planned.ledger.dvrs["news"].machine == "other"
    # A move that --only did in part: the rest is still another server's, and no drift is told of it.
    part = replace(home, records={"sport": {"machine": "old", "dvr_key": "999"}}).planned()
    (warning,) = [w for w in part.plan.warnings if w.code == "W312"]
    assert "knows sport from another Plex server; here it is looked for by DeviceID" in warning.message
    assert () == part.plan.drift
    assert part.ledger.dvrs["sport"].machine == part.ledger.dvrs["news"].machine != "old"


def test_artifacts_only() -> None:
    """Without a plex section a plan ends at files; a later one with nothing new is empty."""
    planned = Home({}, TWO, changes={"observed": None}, spec={"plex": None}).planned()
    assert ["write-ledger", "publish"] == ids(planned)
    assert "absent" == planned.plan.plex
    assert {"add"} == {c.kind for c in planned.plan.changes}
    assert Home(TWO, TWO, changes={"observed": None}, spec={"plex": None}).planned().plan.empty


def test_catalogue_warnings() -> None:
    """Stand-in copies, leftovers and groups that vanish as a whole are said."""
    reports = {
        "main": SourceReport("main", "m3u", "cached", 5, age_s=7200, failure="/tv/list.m3u: no such file"),
        "g": SourceReport("g", "xmltv", "absent", failure="host 1: 403"),
    }
    home = Home(TWO, TWO)
    desired = replace(home.desired(), unbucketed=Unbucketed((("AF|Arabic", 41), ("AS|Hindi", 36), ("x", 1))))
    planned = replace(home, changes={"reports": reports, "desired": desired}).planned()
    texts = {w.code: w.message for w in planned.plan.warnings}
    assert "78 channels fit no bucket (AF|Arabic 41, AS|Hindi 36, 1 more)" == texts["W110"]
    cause = "could not be fetched (/tv/list.m3u: no such file)"
    assert f'source "main" {cause}; the copy in use is 2 h old' == texts["W120"]
    assert 'guide "g" could not be fetched (host 1: 403)' == texts["W121"]


@pytest.mark.accepts("PLN-2")
@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_inputs_does_not_matter(shuffle: random.Random) -> None:
    """Shuffled channels, records, devices and DVRs give the same document, byte for byte."""
    after = {
        "news": {1000: "BBC", 1003: "Arte", 1004: "ZDF"},
        "sport": TWO["sport"],
        "new": {2000: "x", 2001: "y"},
    }
    home = Home({**TWO, "gone": {3000: "z"}}, after, devices={"sport": {"pairs": pairs([1600])}})
    expected = document.dump(home.planned().plan)
    world = home.world()
    observed = world.observed
    assert isinstance(observed, Observed)
    assert isinstance(observed.devices, tuple)
    assert isinstance(observed.dvrs, tuple)

    def mixed(items: Iterable[T]) -> list[T]:
        found = list(items)
        shuffle.shuffle(found)
        return found

    ledger = replace(
        world.ledger,
        channels=dict(mixed(world.ledger.channels.items())),
        dvrs=dict(mixed(world.ledger.dvrs.items())),
    )
    seen = replace(
        observed,
        devices=tuple(mixed(replace(d, pairs=tuple(mixed(d.pairs))) for d in observed.devices)),
        dvrs=tuple(mixed(observed.dvrs)),
    )
    found = replace(home, changes={"ledger": ledger, "observed": seen}).planned().plan
    assert expected == document.dump(found)


@pytest.mark.accepts("PLN-3", "PLN-6")
def test_document_round_trip_and_schema() -> None:
    """A plan survives writing and reading, its JSON fits the schema, and the schema file is the code's."""
    plans = [
        Home(TWO, TWO).planned().plan,
        Home({}, TWO).planned().plan,
        Home(TWO, {"news": {1000: "BBC"}}, devices={"news": {"uri": "http://x"}}, rules={"18": 2})
        .planned()
        .plan,
    ]
    validator = jsonschema.Draft202012Validator(plan_schema())
    for plan in plans:
        text = document.dump(plan)
        assert plan == document.load(text)
        validator.validate(json.loads(text))
        assert text.count(NOW) == 1 or "loaded" in text
    path = ROOT / "schemas" / "plan-v1.schema.json"
    if STORE:
        path.write_text(schema_text(), "utf-8")
    assert path.read_text("utf-8") == schema_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "ptctl-plan/2"}',
        '{"format": "ptctl-plan/1"}',
        '{"format": "ptctl-plan/1", "made": 3}',
    ],
)
def test_other_documents_are_refused(text: str) -> None:
    """Another format and a broken file are named, with the command that makes a new one."""
    with pytest.raises(StateError) as caught:
        document.load(text)
    assert caught.value.next_step == "ptctl plan --out FILE"


@pytest.mark.accepts("PLN-6")
def test_staleness_names_what_moved() -> None:
    """Spec, selection, Plex of a DVR, foreign numbers, ledger and server each make a saved plan stale; time does not."""
    home = Home(TWO, {**TWO, "news": {**TWO["news"], 1003: "Arte"}})
    saved = document.load(document.dump(home.planned().plan))
    later = replace(home, changes={"now": "2026-03-01T05:00:00Z"}).planned().plan
    assert staleness(saved, later) == ()
    spec = replace(home, spec={"digest": "spec-2"}).planned().plan
    assert any(m.startswith("the spec was edited ") for m in staleness(saved, spec))
    other = replace(home, after={**TWO, "news": {**TWO["news"], 1003: "ZDF"}}).planned().plan
    assert any(m.startswith("the sources give another selection ") for m in staleness(saved, other))
    drifted = replace(home, devices={"sport": {"pairs": pairs([1600])}}).planned().plan
    assert any(m.startswith("sport was changed in Plex ") for m in staleness(saved, drifted))
    ledger = replace(home, changes={"ledger": replace(home.ledger(), serial=8)}).planned().plan
    assert "ledger serial 7 -> 8" in staleness(saved, ledger)
    server = (
        replace(home, changes={"observed": replace(home.observed(), server=Server("m2", "1"))}).planned().plan
    )
    assert any("the server is m2" in m for m in staleness(saved, server))
    # What Plex does by itself is not a move.
    alive = (
        replace(home, devices={"sport": {"status": "dead"}}, plex_dvrs={"sport": {"refreshed_at": 5}})
        .planned()
        .plan
    )
    assert staleness(saved, alive) == ()


def test_device_ids_are_compared_without_case() -> None:
    """Plex may tell a DeviceID in another case (plex-livetv.md 2.4)."""
    home = Home(TWO, TWO, devices={"news": {"device_id": device_id("news").lower()}})
    assert home.planned().plan.empty
