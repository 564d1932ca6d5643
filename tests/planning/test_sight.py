"""Which of Plex's tuners and DVRs are ours: by DeviceID and the ledger's keys, and never by anything else."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.planning.model import Foreign
from reconciler.planning.sight import Sighting, counts, foreign_dvrs, foreigners, look_for
from reconciler.plex.model import Device, Dvr, Observed, Server, Unknown
from reconciler.plex.requests import lineup_uri
from tests.planning.worlds import Home, pairs, port, record_of

ID = "10A1B2C3"
HOST = "http://10.0.0.9"


def device(key: str = "17", device_id: str = ID, **changes: Any) -> Device:
    """A tuner as Plex lists it."""
    return replace(Device(key, f"uuid-{key}", device_id, HOST), **changes)


def dvr(key: str, *devices: Device, **changes: Any) -> Dvr:
    """A DVR as Plex lists it."""
    made = Dvr(key, f"uuid-{key}", lineup_uri(f"{HOST}/g.xml", "t"), "t", devices=devices)
    return replace(made, **changes)


def observed(*dvrs: Dvr, devices: tuple[Device, ...] | Unknown = (), **changes: Any) -> Observed:
    """What Plex has. Devices of the DVRs are listed as well."""
    listed = devices if isinstance(devices, Unknown) else (*(d for v in dvrs for d in v.devices), *devices)
    made = Observed(Server("b4e0", "1.43"), listed, dvrs, {}, (), {})
    return replace(made, **changes)


def seen(found: Observed, **record: Any) -> Sighting:
    """What Plex has of the tuner that the ledger knows."""
    return look_for(ID, replace(record_of("news", 17), device_id=ID, **record), found)


def test_a_tuner_and_its_dvr() -> None:
    """Plex names the DVR at the device, or only lists the device in the DVR: it is the same."""
    own = device(parent="18")
    assert Sighting(own, dvr("18", own), "ledger") == seen(observed(dvr("18", own)))
    silent = device()
    assert Sighting(silent, dvr("18", device("40", "X"), silent), "ledger") == seen(
        observed(dvr("9", device("41", "Y")), dvr("18", device("40", "X"), silent))
    )
    assert Sighting(silent, None, "ledger") == seen(observed(devices=(silent,)))
    assert Sighting(None, None) == seen(observed())


@pytest.mark.accepts("PLN-9")
def test_by_what_it_was_found() -> None:
    """In the ledger; by DeviceID alone; or in a DVR that somebody else made since: that one is adopted with notice."""
    own = device(parent="18")
    found = observed(dvr("18", own))
    assert "device-id" == look_for(ID.lower(), None, found).how
    assert "ledger" == seen(found).how
    assert "device-id" == seen(found, dvr_key="99").how
    assert "ledger" == seen(found, dvr_key="99", machine="another").how  # keys of another server mean nothing
    assert "ledger" == seen(found, dvr_key="").how
    assert "device-id" == seen(found, dvr_key="99", machine="").how
    assert "ledger" == seen(replace(found, server=Unknown("500")), dvr_key="18").how
    assert "device-id" == seen(replace(found, server=Unknown("500")), dvr_key="99").how


@pytest.mark.accepts("PLN-8")
def test_what_cannot_be_read_is_unknown() -> None:
    """The list of devices, that of DVRs, the DVR itself, and a DVR that the device names and no list has."""
    own = device(parent="18")
    away = Unknown("500")
    assert Sighting(away, away) == seen(observed(devices=away))
    assert Sighting(away, away) == seen(observed(devices=(own,), dvrs=away))
    assert Sighting(own, away, "ledger") == seen(observed(dvr("18", own), details={"18": away}))
    lost = Unknown("device 17 is in DVR 18, which Plex does not list; restart Plex")
    assert Sighting(own, lost, "ledger") == seen(observed(dvr("19"), devices=(own,)))
    assert lost == seen(observed(devices=(own,))).unknown
    assert seen(observed(dvr("18", own))).unknown is None


@pytest.mark.accepts("PLN-9")
def test_two_tuners_with_one_id() -> None:
    """Writing to either would be a guess."""
    twins = observed(devices=(device("17"), device("99")))
    why = f"devices 17, 99 all have DeviceID {ID}"
    assert Sighting(Unknown(why), None, "ledger") == seen(twins)
    assert Sighting(Unknown(why), None, "device-id") == look_for(ID, None, twins)


def test_the_single_dvr_carries_the_true_map() -> None:
    """What it says of our tuner counts, and only of ours (plex-livetv.md 3.1)."""
    listed, true = device(parent="18"), device(parent="18", pairs=pairs([1, 2]))
    found = observed(dvr("18", listed), details={"18": dvr("18", device("40", "X", pairs=pairs([7])), true)})
    assert true == seen(found).device
    without = observed(dvr("18", listed), details={"18": dvr("18", device("40", "X"))})
    assert listed == seen(without).device


@pytest.mark.accepts("MUL-3", "PLN-5")
def test_what_is_not_ours() -> None:
    """DVRs without a tuner of ours, then tuners in no DVR; each with make, id, title and how many channels are on."""
    ours = dvr("18", device("40", "X"), device())
    antenna = dvr(
        "30",
        device("31", "A1", make="Silicondust HDHomeRun", pairs=pairs([1, 2])),
        device("32", "A2", pairs=pairs([3])),
        lineup_title="Antenna",
    )
    loose = device("50", "L1", title="Loose", make="Acme"), device("51", "L2", model="Quatro")
    held = device("52", "L3", parent="77")
    found = observed(ours, antenna, devices=(*loose, held, device("53", ID.lower())))
    assert (
        Foreign("30", antenna.title, "Silicondust A1, tuner A2", 3),
        Foreign("50", "Loose", "Acme L1", 0, "tuner"),
        Foreign("51", "Quatro", "tuner L2", 0, "tuner"),
    ) == foreigners(found, {ID})
    assert (antenna,) == foreign_dvrs(found, {ID.lower()})
    blind = replace(found, devices=Unknown("500"))
    assert ["30"] == [f.key for f in foreigners(blind, {ID})]
    unlisted = replace(found, dvrs=Unknown("500"))
    assert () == foreign_dvrs(unlisted, {ID})
    assert {"31", "32", "40", "50", "51"} == {f.key for f in foreigners(unlisted, {ID})}


@pytest.mark.parametrize(
    ("rules", "count"),
    [({"18": 3}, 3), ({"19": 3}, 0), ({}, 0), (Unknown("500"), -1), ({"18": 3, "": 1}, -1), ({"": 0}, 0)],
)
def test_recording_rules_are_counted_or_said_to_be_unknown(
    rules: dict[str, int] | Unknown, count: int
) -> None:
    """A rule of which Plex does not tell the DVR may be ours."""
    assert count == counts(rules, "18")


@pytest.mark.accepts("PLN-9")
def test_a_dvr_with_our_guide_is_only_proposed() -> None:
    """Where Plex has no tuner of ours; not one that holds another DVR of ours, and not where DVRs cannot be read."""
    guide = f"http://ptctl:{port('news')}/guide.xml"

    def stranger(key: str, device_id: str) -> Dvr:
        return Dvr(key, f"u{key}", lineup_uri(guide, "old"), "old", devices=(device(f"9{key}", device_id, parent=key),))  # fmt: skip

    def proposed(home: Home) -> set[str]:
        return {w.next_step for w in home.planned().plan.warnings if w.code == "W302"}

    home = Home({}, {"news": {1000: "a"}}, foreign=(stranger("40", "TF"),))
    assert {"ptctl adopt news --plex 40"} == proposed(home)
    there = Home({"news": {1000: "a"}}, {"news": {1000: "a"}}, foreign=(stranger("40", "TF"),))
    assert set() == proposed(there)
    both = Home({"rest": {2000: "b"}}, {"rest": {2000: "b"}, "news": {1000: "a"}})
    ours = both.observed().dvrs
    assert isinstance(ours, tuple)
    shared = replace(ours[0], lineup=lineup_uri(guide, "old"))
    world = replace(both.observed(), dvrs=(shared,), details={shared.key: shared})
    assert set() == proposed(replace(both, changes={"observed": world}))
    mixed = replace(shared, devices=(*shared.devices, device("95", "TF", parent=shared.key)))
    world = replace(both.observed(), dvrs=(mixed,), details={mixed.key: mixed})
    assert set() == proposed(replace(both, changes={"observed": world}))
