"""Taking ownership: numbers verbatim, matched by file, number and name, or unique name; the rest reserved and left on."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.errors import OperatorError
from reconciler.ledger.model import Ledger
from reconciler.lineups.model import Lineup, Row
from reconciler.planning.adoption import Adoption, adopt, is_unmatched
from reconciler.planning.plan import Planned, compose
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed
from reconciler.plex.requests import lineup_uri
from tests.planning.worlds import HOST, NOW, Home, channel, port, record_of

LIVE = {1: "BBC One", 2: "CNN", 3: "Sky", 4: "Sky", 5: "Gone TV"}
WANTED = {1000: "BBC ONE", 1001: "cnn", 1002: "sky", 1003: "Sky", 1004: "New"}


def old_dvr(home: Home, **changes: Any) -> Observed:
    """A DVR that somebody made by hand, with the tuner's own id."""
    device = Device(
        "40",
        "device://tv.plex.grabbers.hdhomerun/2019-01-DEF-000:2",
        "2019-01-DEF-000:2",
        f"{HOST}:{port('news')}",
        title="Threadfin",
        tuners=2,
        state="enabled",
        parent="41",
        pairs=tuple(ChannelPair(str(n), str(n), f"x-ID.{n}") for n in LIVE),
    )
    device = replace(device, **changes)
    guide = f"{HOST}:{port('news')}/xmltv/threadfin.xml"
    dvr = Dvr("41", "uuid-41", lineup_uri(guide, "Old News"), "Old News", devices=(device,))
    return replace(home.observed(), devices=(device,), dvrs=(dvr,), details={"41": dvr})


def take(
    channels: dict[int, str] | None = None, *, ledger: Ledger | None = None, **spec: Any
) -> tuple[Home, Adoption]:
    dvr = {"device_id": "2019-01-DEF-000:2", "guide_path": "xmltv/threadfin.xml", **spec}
    home = Home({}, {"news": WANTED}, dvr={"news": dvr})
    desired = home.desired()
    target = desired.dvrs[0]
    rows = tuple(
        replace(row, channel=replace(row.channel, number=4 if row.number == 1003 else None))
        for row in target.lineup.rows
    )
    target = replace(target, lineup=Lineup("news", rows))
    made = adopt(
        target,
        desired,
        ledger or Ledger("L1", 3),
        old_dvr(home),
        "41",
        names={str(n): name for n, name in LIVE.items()},
        normal=str.casefold,
        now=NOW,
        channels=channels,
    )
    return home, made


@pytest.mark.accepts("MIG-1", "OWN-1")
def test_numbers_come_from_the_live_map() -> None:
    """Unique names match, doubled ones only with their number, what matches nothing is reserved and listed."""
    _, made = take()
    assert {m.number: (m.id, m.how) for m in made.matches} == {
        1: ("main/BBC ONE", "name"),
        2: ("main/cnn", "name"),
        3: ("", ""),
        4: ("main/Sky", "number"),
        5: ("", ""),
    }
    assert [m.number for m in made.unmatched] == [3, 5]
    record = made.ledger.dvrs["news"]
    assert (record.device_key, record.dvr_key, record.title, record.adopted) == ("40", "41", "Old News", True)
    assert (record.device_id, record.guide_path, record.block) == (
        "2019-01-DEF-000:2",
        "xmltv/threadfin.xml",
        (1, 600),
    )
    assert {(r.id, r.number) for r in made.ledger.channels.values()} == {
        ("main/BBC ONE", 1),
        ("main/cnn", 2),
        ("main/Sky", 4),
    }
    assert {r.number for r in made.ledger.retired if is_unmatched(r)} == {3, 5}
    assert made.ledger.serial == 3  # the store raises it


def test_a_file_tells_more_than_names() -> None:
    """Ids of an import file win; one that is no channel here is left to the names."""
    _, made = take({3: "main/sky", 2: "main/none such", 5: "main/New"})
    assert {m.number: (m.id, m.how) for m in made.matches} == {
        1: ("main/BBC ONE", "name"),
        2: ("main/cnn", "name"),
        3: ("main/sky", "file"),
        4: ("main/Sky", "number"),
        5: ("main/New", "file"),
    }


def test_what_cannot_be_adopted_is_said() -> None:
    """Another DeviceID than the spec's, no such DVR, two tuners, a cloud guide: each names what there is and the next step."""
    with pytest.raises(OperatorError, match="2019-01-DEF-000:2") as caught:
        take(device_id="1040ABC5")
    assert 'device_id: "2019-01-DEF-000:2"' in str(caught.value.next_step)
    home = Home({}, {"news": WANTED}, dvr={"news": {"device_id": "2019-01-DEF-000:2"}})
    desired = home.desired()
    words: dict[str, Any] = {"names": {}, "normal": str.casefold, "now": NOW}
    with pytest.raises(OperatorError, match='Plex has no DVR 99; it has 41 "Old News"'):
        adopt(desired.dvrs[0], desired, Ledger("L1"), old_dvr(home), "99", **words)
    seen = old_dvr(home)
    assert isinstance(seen.dvrs, tuple)
    two = replace(seen.dvrs[0], devices=(*seen.dvrs[0].devices, *seen.dvrs[0].devices))
    with pytest.raises(OperatorError, match="2 tuners"):
        adopt(desired.dvrs[0], desired, Ledger("L1"), replace(seen, details={"41": two}), "41", **words)
    cloud = replace(seen.dvrs[0], lineup="lineup://tv.plex.providers.epg.cloud/5fc6f79e-lineup#Over the Air")
    with pytest.raises(OperatorError, match=r"tv\.plex\.providers\.epg\.cloud"):
        adopt(desired.dvrs[0], desired, Ledger("L1"), replace(seen, details={"41": cloud}), "41", **words)


@pytest.mark.accepts("OWN-1", "PLN-7")
def test_adopting_over_another_tuner_says_what_is_let_go() -> None:
    """What had this name until now stays in Plex and is named; a protected one is not given up; one never made is no loss."""
    ours = record_of("news", 17)
    _, made = take(ledger=Ledger("L1", 3, {"news": ours}))
    assert "2019-01-DEF-000:2" == made.ledger.dvrs["news"].device_id
    said = f"DVR 18 with tuner {ours.device_id}, as it is in Plex: it is not ours any more"
    assert said == made.keeps[-1]
    with pytest.raises(OperatorError, match="protects") as caught:
        take(ledger=Ledger("L1", 3, {"news": replace(ours, protected=True)}))
    assert "protect: false" in str(caught.value.next_step)
    same = replace(ours, device_id="2019-01-DEF-000:2", protected=True)
    planned = replace(ours, device_key="", dvr_key="", dvr_uuid="", machine="")
    for record in (same, planned):
        _, made = take(ledger=Ledger("L1", 3, {"news": record}))
        assert "not ours any more" not in " ".join(made.keeps)


def after(more: dict[int, str]) -> Planned:
    """The first plan after an adoption, with these channels besides."""
    home, made = take()
    numbers = {
        record.number: record.id.removeprefix("main/") for record in made.ledger.channels.values()
    } | more
    settled = Home({}, {"news": numbers}, dvr=home.dvr)
    desired = settled.desired()
    record = made.ledger.dvrs["news"]
    rows = tuple(Row(n, channel(name)) for n, name in sorted(numbers.items()))
    target = replace(desired.dvrs[0], record=record, lineup=Lineup("news", rows))
    ledger = replace(
        desired.ledger, dvrs={"news": record}, channels=made.ledger.channels, retired=made.ledger.retired
    )
    desired = replace(desired, dvrs=(target,), ledger=ledger)
    world = {"ledger": made.ledger, "desired": desired, "observed": old_dvr(home)}
    inputs = replace(settled, changes=world).plan_inputs()
    dvrs = tuple(
        replace(d, guide_path="xmltv/threadfin.xml", device_id=record.device_id) for d in inputs.manifest.dvrs
    )
    return compose(replace(inputs, manifest=replace(inputs.manifest, dvrs=dvrs)))


@pytest.mark.accepts("MIG-1")
def test_after_adoption_nothing_is_written_to_plex() -> None:
    """Address, guide, title, map and the tuner's name stay; unmatched numbers stay on and are listed."""
    planned = after({})
    assert [a.kind for a in planned.plan.actions] == ["write-ledger", "publish"]
    assert planned.plan.drift == ()
    assert [w.message for w in planned.plan.warnings if w.code == "W315"] == [
        "news: 2 adopted channels match nothing (3, 5); they stay on until the map is sent, their numbers are reserved"
    ]
    assert planned.ledger.dvrs["news"].applied is not None


def test_what_matches_nothing_goes_off_with_the_next_map() -> None:
    """A new channel is switched on, and a map replaces the whole one (plex-livetv.md 2.7): said before it is done."""
    planned = after({9: "Brand New"})
    assert "enable-channels" in [a.kind for a in planned.plan.actions]
    assert [w.message for w in planned.plan.warnings if w.code == "W315"] == [
        "news: 2 adopted channels match nothing (3, 5); they go off with this change, their numbers are reserved"
    ]
