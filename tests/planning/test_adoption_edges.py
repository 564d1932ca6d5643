"""Adoption where one condition alone decides, and what it says: numbers that a house has had for years."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.catalog.entry import Entry
from reconciler.errors import OperatorError
from reconciler.ledger.model import ChannelRecord, Ledger, Retired
from reconciler.lineups.model import Channel
from reconciler.planning.adoption import Adoption, Told, adopt, found_dvr, told_ids
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed, Server, Unknown
from reconciler.plex.requests import lineup_uri
from tests.planning.worlds import NOW, Home, channel, record_of

OLD_ID = "2019-01-DEF-000:2"
BASE = "http://10.0.0.9:34401"
DEVICE = Device("40", "u-40", OLD_ID, BASE, state="enabled", parent="41")
GUIDE = f"{BASE}/guide.xml"


def dvr(*devices: Device, guide: str = GUIDE) -> Dvr:
    """The DVR 41, made by hand."""
    return Dvr("41", "uuid-41", lineup_uri(guide, "Old News"), "Old News", devices=devices or (DEVICE,))


def plex(found: Dvr | None = None, **changes: Any) -> Observed:
    """What Plex has."""
    made = found or dvr()
    return replace(Observed(Server("b4e0", "1.43"), made.devices, (made,), {"41": made}, (), {}), **changes)


def take(
    live: dict[int, str],
    wanted: dict[int, str],
    *,
    ledger: Ledger | None = None,
    channels: dict[int, str] | None = None,
    normal: Callable[[str], str] = str.casefold,
    numbers: dict[str, int] | None = None,
    observed: Observed | None = None,
    spec: dict[str, Any] | None = None,
) -> Adoption:
    """Adopt 41 as `news`: names by live number, wanted names by planned number, provider's numbers by name."""
    home = Home({}, {"news": wanted}, dvr={"news": {"device_id": OLD_ID, **(spec or {})}})
    desired = home.desired()
    target = desired.dvrs[0]
    rows = tuple(
        replace(row, channel=replace(row.channel, number=(numbers or {}).get(row.channel.name)))
        for row in target.lineup.rows
    )
    target = replace(target, lineup=replace(target.lineup, rows=rows))
    device = replace(DEVICE, pairs=tuple(ChannelPair(str(n), str(n), str(n)) for n in live))
    names = {str(n): name for n, name in live.items()}
    return adopt(
        target, desired, ledger or Ledger("L1", 3), observed or plex(dvr(device)), "41",
        names=names, normal=normal, now=NOW, channels=channels,
    )  # fmt: skip


def how(made: Adoption) -> dict[int, tuple[str, str]]:
    """By number: the channel, and what told it."""
    return {m.number: (m.id.removeprefix("main/"), m.how) for m in made.matches}


def variant(name: str) -> str:
    """A normal form that drops the quality."""
    return name.removesuffix(" HD").casefold()


@pytest.mark.accepts("MIG-1")
def test_what_is_written_alike_comes_before_what_is_called_alike() -> None:
    """A "News" and a "News HD" are two channels; blanks and case are no difference; a number decides where names do not."""
    both = how(take({1: "News", 2: "NEWS  hd"}, {1000: "News HD", 1001: "News"}, normal=variant))
    assert {1: ("News", "name"), 2: ("News HD", "name")} == both
    twins = how(take({1: "News", 2: "News"}, {1000: "News", 1001: "news"}, numbers={"News": 2, "news": 1}))
    assert {1: ("news", "number"), 2: ("News", "number")} == twins
    assert {1: ("", ""), 2: ("", "")} == how(take({1: "News", 2: "News"}, {1000: "News", 1001: "news"}))
    assert {1: ("", ""), 2: ("B", "name")} == how(take({1: "", 2: "B"}, {1000: "A", 1001: "B"}))
    assert {1: ("", ""), 2: ("", ""), 3: ("B", "name")} == how(
        take({1: "A", 2: "A", 3: "B"}, {1000: "A", 1001: "B"})
    )


@pytest.mark.accepts("MIG-1")
def test_a_channel_is_given_once() -> None:
    """What the file gave is nobody's by name; a line for a channel that is given already falls to the names."""
    live = {3: "B", 2: "A", 1: "A"}
    assert {1: ("A", "file"), 2: ("", ""), 3: ("B", "name")} == how(
        take(live, {1000: "A", 1001: "B"}, channels={1: "main/A", 2: "main/A"})
    )
    assert [1, 2, 3] == [m.number for m in take(live, {1000: "A"}).matches]
    assert {1: ("", ""), 2: ("A", "file"), 3: ("B", "name")} == how(
        take(live, {1000: "A", 1001: "B"}, channels={2: "main/A"})
    )


@pytest.mark.accepts("MIG-1", "OWN-1")
def test_what_becomes_of_the_rest_of_the_ledger() -> None:
    """Channels of other DVRs and numbers that are not live stay; whoever had a live number or is matched gives way."""
    here = {
        "main/A": ChannelRecord("main/A", "rest", 2000, "main"),  # lived elsewhere until now
        "main/B": ChannelRecord("main/B", "news", 2, "main"),  # has a number that is another's in Plex
        "main/C": ChannelRecord("main/C", "news", 77, "main"),
        "main/D": ChannelRecord("main/D", "rest", 2, "main"),
    }
    retired = (
        Retired("news", 3, "main/x", "2026-02-20"),
        Retired("news", 78, "main/y", "2026-02-20"),
        Retired("rest", 3, "main/z", "2026-02-20"),
    )
    ledger = Ledger("L1", 3, {"rest": record_of("rest", 17)}, here, retired)
    made = take({3: "Gone", 2: "Lost", 1: "A"}, {1000: "A"}, ledger=ledger).ledger
    assert {"main/A": ("news", 1), "main/C": ("news", 77), "main/D": ("rest", 2)} == {
        i: (r.dvr, r.number) for i, r in made.channels.items()
    }
    assert list(made.channels) == sorted(made.channels)
    assert [("news", 2), ("news", 3), ("news", 78), ("rest", 3)] == [(r.dvr, r.number) for r in made.retired]
    kept = made.retired[0]
    assert ("unmatched/news/2", "2026-03-01", "lost") == (kept.id, kept.day, kept.name)
    assert ["news", "rest"] == list(made.dvrs)


@pytest.mark.accepts("MIG-1")
def test_the_record_of_an_adopted_dvr() -> None:
    """Keys, title and address as they are; the spec's range, else one that holds every live number, of 600 at least."""
    made = take({5: "A", 900: "B"}, {1000: "A"})
    record = made.ledger.dvrs["news"]
    assert ((5, 900), "b4e0", True) == (record.block, record.machine, record.adopted)
    assert (5, 604) == take({5: "A"}, {1000: "A"}).ledger.dvrs["news"].block
    said = take({5: "A"}, {1000: "A"}, spec={"numbers": (1, 50)}).ledger.dvrs["news"]
    assert (1, 50) == said.block
    unknown = plex(dvr(DEVICE), server=Unknown("500"))
    assert "" == take({}, {1000: "A"}, observed=unknown).ledger.dvrs["news"].machine
    assert (1000, 1599) == take({}, {1000: "A"}).ledger.dvrs["news"].block


def test_adopting_again_forgets_nothing_while_nothing_changed() -> None:
    """Digests and the time of the last load stay; a map that is another one is noted anew."""
    home = Home({}, {"news": {1000: "A"}}, dvr={"news": {"device_id": OLD_ID}})
    desired = home.desired()
    first = take({1: "A"}, {1000: "A"}).ledger.dvrs["news"]
    assert first.applied is not None
    known = replace(
        first,
        applied=replace(
            first.applied,
            generation="g",
            guide_digest="d",
            lineup_digest="l",
            unmatched="7",
            loaded_at="then",
        ),
    )
    target = replace(desired.dvrs[0], record=known)
    for live, same in (([1], True), ([1, 2], False)):
        device = replace(DEVICE, pairs=tuple(ChannelPair(str(n), str(n), str(n)) for n in live))
        again = adopt(
            target, desired, Ledger("L1", 3), plex(dvr(device)), "41", names={"1": "A"}, normal=str.casefold, now=NOW
        )  # fmt: skip
        assert same == (again.ledger.dvrs["news"].applied == known.applied)


@pytest.mark.accepts("MIG-1", "DOC-2")
def test_what_is_kept_is_said() -> None:
    """Id, address, guide and title verbatim; how many are on; and a guide that lies elsewhere than its tuner."""
    made = take({1: "A", 2: "B"}, {1000: "A"})
    assert (
        f'DeviceID "{OLD_ID}", tuner address {BASE}, guide {GUIDE}, title "Old News"',
        "2 channels that are on, with their numbers",
    ) == made.keeps
    deeper = plex(dvr(DEVICE, guide=f"{BASE}/xmltv/threadfin.xml"))
    assert 2 == len(take({}, {1000: "A"}, observed=deeper).keeps)
    far = plex(dvr(DEVICE, guide="http://10.0.0.9:8080/x/guide.xml"))
    elsewhere = (
        "its guide lies elsewhere than its tuner: http://10.0.0.9:8080/x/guide.xml; that address has to stay"
    )
    assert take({}, {1000: "A"}, observed=far).keeps[2].startswith(elsewhere)
    file = plex(dvr(DEVICE, guide="/media/x/xmltv.xml"))
    told = "its guide is a file on Plex's machine: /media/x/xmltv.xml; that stays with plex.guide_location"
    assert told == take({}, {1000: "A"}, observed=file).keeps[2]


def refused(**more: Any) -> tuple[str, str]:
    """The message and the next step of an adoption that is refused."""
    with pytest.raises(OperatorError) as caught:
        take({1: "A"}, {1000: "A"}, **more)
    return caught.value.message, str(caught.value.next_step)


@pytest.mark.accepts("DOC-2", "OWN-1")
def test_refusals_say_what_there_is_and_what_to_do() -> None:
    """Another id than the spec's, an id that is another DVR's, and a DVR that would be lost with its protection."""
    assert (
        f'DVR 41 has the tuner "{OLD_ID}"; the spec does not say that of news',
        f'write  device_id: "{OLD_ID}"  under dvrs.news, then adopt again',
    ) == refused(spec={"device_id": "1040ABC5"})
    other = replace(record_of("rest", 17), device_id=OLD_ID.lower())
    assert ('that tuner is "rest" in the ledger already', "ptctl explain dvr rest") == refused(
        ledger=Ledger("L1", 3, {"rest": other})
    )
    mine = record_of("news", 17, protected=True)
    assert (
        f"news is DVR 18 with tuner {mine.device_id}, which the ledger protects (S203)",
        "write  protect: false  under dvrs.news and its old device_id, apply once, then adopt again",
    ) == refused(ledger=Ledger("L1", 3, {"news": mine}))
    half = replace(mine, protected=False, dvr_key="")
    held = f"device 17 with tuner {mine.device_id}, as it is in Plex: it is not ours any more"
    assert held == take({1: "A"}, {1000: "A"}, ledger=Ledger("L1", 3, {"news": half})).keeps[-1]


@pytest.mark.accepts("DOC-2", "PLN-8")
def test_what_is_not_there_or_cannot_be_read() -> None:
    """Each with what there is instead, and the next command."""

    def told(observed: Observed, key: str = "41") -> tuple[str, str]:
        with pytest.raises(OperatorError) as caught:
            found_dvr(observed, key)
        return caught.value.message, str(caught.value.next_step)

    away = Unknown("GET /livetv/dvrs: 500")
    assert ("Plex's DVRs cannot be read: GET /livetv/dvrs: 500", "ptctl doctor") == told(plex(dvrs=away))
    see = "ptctl plan shows them as not ours"
    two = plex(dvrs=(dvr(), replace(dvr(), key="50", lineup_title="")))
    assert (f'Plex has no DVR 99; it has 41 "Old News", 50 "{two.dvrs[1].title}"', see) == told(two, "99")  # type: ignore[index]  # a tuple here
    assert ("Plex has no DVR 99; it has none", see) == told(plex(dvrs=(), details={}), "99")
    assert ("DVR 41 cannot be read: GET /livetv/dvrs: 500", "ptctl doctor") == told(
        plex(details={"41": away})
    )
    pair = dvr(DEVICE, replace(DEVICE, key="44"))
    assert (
        "DVR 41 has 2 tuners; one DVR of ptctl has one",
        "take the others out of it in Plex",
    ) == told(plex(pair))
    assert (dvr(), DEVICE) == found_dvr(plex(details={}), "41")


def named(key: str, name: str, guide_id: str = "", *aliases: str) -> Channel:
    """A channel with one entry under another name."""
    entry = Entry("main", key, f"US: {name}", guide_id=guide_id)
    return replace(channel(key, name=name, guide_id=guide_id), members=(entry,), aliases=aliases)


@pytest.mark.accepts("MIG-1", "IMP-1")
@pytest.mark.parametrize(
    ("row", "id_"),
    [
        (Told(1, "main/2"), "main/2"),
        (Told(1, "main/22"), "main/2"),  # an alternative of a merged channel
        (Told(1, "main/2", "a", ("A",)), "main/2"),  # the id comes before everything else
        (Told(1, "main/none", "A.us", ("x", "a")), "main/1"),  # guide id and one of the names
        (Told(1, guide_id="B.US"), "main/2"),  # a guide id that one channel has
        (Told(1, names=("c",)), "main/3"),  # a name that one channel has
        (Told(1, names=("us: c",)), "main/3"),  # also the provider's own
        (Told(1, guide_id="a.us"), ""),  # two have it
        (Told(1, guide_id="a.us", names=("twin",)), "main/4"),
        (Told(1, names=("twin",)), ""),
        (Told(1, guide_id="z", names=("y",)), ""),
        (Told(1, guide_id="z", names=("C",)), "main/3"),
        (Told(1, names=("",)), ""),
        (Told(1), ""),
    ],
)
def test_what_an_import_file_tells(row: Told, id_: str) -> None:
    """By id, else guide id and name, else what only one channel has."""
    channels = [
        named("1", "A", "a.us"), named("2", "B", "b.us", "main/22"), named("3", "C"),
        named("4", "twin", "a.us"), named("5", "twin"), named("6", "", "d.us"), named("7", "", "e.us"),
    ]  # fmt: skip
    assert ({1: id_} if id_ else {}) == told_ids([row], channels, str.casefold)
