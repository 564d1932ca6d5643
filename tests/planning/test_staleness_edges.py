"""Digests and staleness: what counts as a move, one thing at a time, and what does not."""

import hashlib
import json
from dataclasses import replace

import pytest

from reconciler.lineups.model import DvrTarget, Lineup, Row
from reconciler.planning.addresses import normal_address
from reconciler.planning.model import Action, Digests, Plan
from reconciler.planning.sight import Sighting
from reconciler.planning.staleness import FOREIGN, plex_digest, selection_digest, staleness, text_digest
from reconciler.plex.model import ChannelPair, Device, Dvr, Unknown
from reconciler.plex.requests import lineup_uri
from tests.planning.worlds import Home, channel, record_of

PLAN = (
    Home({"news": {1000: "CNN", 1001: "BBC"}}, {"news": {1000: "CNN", 1001: "BBC", 1002: "Arte"}})
    .planned()
    .plan
)


def digests(**changes: object) -> Plan:
    """The plan with other digests."""
    return replace(PLAN, digests=replace(PLAN.digests, **changes))  # type: ignore[arg-type]


def test_each_move_is_named_alone() -> None:
    """One sentence for what moved, with the first digits of both digests; "none" where there was nothing."""
    aaaa, bbbb = "a" * 64, "b" * 64
    for was, now, expected in (
        (digests(spec=aaaa), digests(spec=bbbb), "the spec was edited (aaaa… -> bbbb…)"),
        (digests(selection=aaaa), digests(selection=bbbb), "the sources give another selection of channels (aaaa… -> bbbb…)"),
        (digests(arguments=aaaa), digests(arguments=bbbb), "the arguments are not those of the plan"),
        (digests(plex={"news": aaaa}), digests(plex={"news": bbbb}), "news was changed in Plex (aaaa… -> bbbb…)"),
        (digests(plex={}), digests(plex={"news": bbbb}), "news was changed in Plex (none -> bbbb…)"),
        (digests(plex={"news": aaaa}), digests(plex={}), "news was changed in Plex (aaaa… -> none)"),
        (digests(plex={FOREIGN: aaaa}), digests(plex={FOREIGN: bbbb}), "DVRs that are not ours were changed in Plex (aaaa… -> bbbb…)"),
        (replace(PLAN, server_machine="m1"), replace(PLAN, server_machine="m2"), "the server is m2, the plan was made for m1"),
        (replace(PLAN, server_machine="m1"), replace(PLAN, server_machine=""), "the server is unknown, the plan was made for m1"),
        (replace(PLAN, ledger_serial=7), replace(PLAN, ledger_serial=6), "ledger serial 7 -> 6"),
    ):  # fmt: skip
        assert (expected,) == staleness(was, now)
        assert () == staleness(was, was)
        assert () == staleness(now, now)


def test_another_lineage_says_nothing_of_serials() -> None:
    """Serials of two ledgers cannot be compared."""
    (said,) = staleness(
        replace(PLAN, ledger_lineage="A", ledger_serial=1), replace(PLAN, ledger_lineage="B", ledger_serial=2)
    )
    assert said == "the ledger has another lineage: it is not the one the plan was made with"


def test_every_move_in_the_order_of_the_contract() -> None:
    """Server, ledger, spec, selection, arguments, then Plex by name; the actions only where nothing else moved."""
    other = replace(
        digests(spec="1", selection="2", arguments="3", plex={"b": "4", "a": "5"}),
        server_machine="else",
        ledger_serial=99,
        actions=(),
    )
    said = staleness(PLAN, other)
    words = [
        "the server",
        "ledger serial",
        "the spec",
        "the sources",
        "the arguments",
        "a was",
        "b was",
        "news was",
        "DVRs that",
    ]
    found = [next(word for word in words if text.startswith(word)) for text in said]
    assert words[:5] == found[:5]
    assert sorted(found[5:], key=lambda w: w.replace("DVRs that", FOREIGN)) == found[5:]


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"args": {"number": "1001"}}, True),
        ({"kind": "delete-dvr"}, True),
        ({"id": "other"}, True),
        ({"args": None}, True),
        ({"reason": "else"}, False),
        ({"guide_loads": 3}, False),
    ],
)
def test_actions_are_compared_by_what_they_write(change: dict[str, object], *, stale: bool) -> None:
    """Id, kind and arguments of actions for a DVR; words for people do not count."""
    action = Action("map:news", "enable-channels", "news", args={"number": "1000"})
    was = replace(PLAN, actions=(action,))
    now = replace(PLAN, actions=(replace(action, **change),))  # type: ignore[arg-type]
    assert (("the actions are not those of the plan",) if stale else ()) == staleness(was, now)


@pytest.mark.parametrize("kind", ["write-ledger", "publish", "load-guide"])
def test_what_moves_with_the_guide_alone_does_not_count(kind: str) -> None:
    """Generation and guide loads may differ; arguments of actions without a DVR, too."""
    action = Action("x", kind, "news", args={"generation": "a"})  # type: ignore[arg-type]
    assert () == staleness(replace(PLAN, actions=(action,)), replace(PLAN, actions=()))
    hub = Action("await-serve", "await-serve", "", args={"generation": "a"})
    assert () == staleness(
        replace(PLAN, actions=(hub,)), replace(PLAN, actions=(replace(hub, args={"generation": "b"}),))
    )


def test_digests_are_of_sorted_text() -> None:
    """SHA-256 of JSON without blanks, keys sorted, letters as they are."""
    expected = hashlib.sha256('{"a":"ü","b":[1,2]}'.encode()).hexdigest()
    assert expected == text_digest({"b": [1, 2], "a": "ü"})
    assert json.dumps({"a": "ü"}) != '{"a":"ü"}'  # what the plain call would have hashed


def target(name: str, *rows: Row) -> DvrTarget:
    """A DVR with these rows."""
    found = Home({}, {name: {1: "x"}}).world().desired.dvrs[0]
    return replace(found, record=record_of(name, 17), lineup=Lineup(name, rows))


def test_the_selection_is_what_viewers_see() -> None:
    """DVR, id, number, name, guide id and logo of each row; not their order, and not where streams come from."""
    one, two = Row(1000, channel("a", logo="l")), Row(1001, channel("b", guide_id="b.us"))
    base = selection_digest([target("news", one, two), target("sport")])
    assert base == selection_digest([target("sport"), target("news", two, one)])
    for other in (
        target("news", replace(one, number=1002), two),
        target("news", replace(one, channel=replace(one.channel, name="else")), two),
        target("news", replace(one, channel=replace(one.channel, guide_id="else")), two),
        target("news", replace(one, channel=replace(one.channel, logo="else")), two),
        target("news", replace(one, channel=replace(one.channel, id="main/else")), two),
        target("else", one, two),
        target("news", one),
    ):
        assert base != selection_digest([other])
    assert base == selection_digest(
        [target("news", replace(one, channel=replace(one.channel, source="else")), two)]
    )


DEVICE = Device(
    "17", "device://x/1", "10A1B2C3", "http://ptctl:5005", "news", state="enabled", status="alive",
    pairs=(ChannelPair("1000", "1000", "1000"), ChannelPair("1001", "1001", "1001")),
)  # fmt: skip
DVR = Dvr(
    "18",
    "uuid-18",
    lineup_uri("http://ptctl:5005/guide.xml", "news"),
    "news",
    refreshed_at=1,
    devices=(DEVICE,),
)


def seen(device: Device | Unknown | None, dvr: Dvr | Unknown | None) -> str:
    """The digest of one sighting."""
    return plex_digest({"news": Sighting(device, dvr)}, ())["news"]


@pytest.mark.parametrize(
    "device",
    [
        replace(DEVICE, uuid="device://x/2"),
        replace(DEVICE, uri="http://ptctl:5006"),
        replace(DEVICE, state="disabled"),
        replace(DEVICE, title="else"),
        replace(DEVICE, pairs=DEVICE.pairs[:1]),
        replace(DEVICE, pairs=(replace(DEVICE.pairs[0], enabled=False), DEVICE.pairs[1])),
        replace(DEVICE, pairs=(replace(DEVICE.pairs[0], lineup="1001"), DEVICE.pairs[1])),
        replace(DEVICE, pairs=(replace(DEVICE.pairs[0], key="1001"), DEVICE.pairs[1])),
        Unknown("timed out"),
        None,
    ],
)
def test_a_tuner_that_moved(device: Device | Unknown | None) -> None:
    """Its uuid, address, state, title, or any pair of its map; unknown and absent are two more."""
    assert seen(DEVICE, DVR) != seen(device, DVR)


@pytest.mark.parametrize(
    "dvr",
    [
        replace(DVR, uuid="else"),
        replace(DVR, lineup=lineup_uri("http://ptctl:5005/else.xml", "news")),
        replace(DVR, lineup=DVR.lineup.replace("epg.xmltv", "epg.cloud")),
        replace(DVR, lineup_title="else"),
        Unknown("timed out"),
        None,
    ],
)
def test_a_dvr_that_moved(dvr: Dvr | Unknown | None) -> None:
    """Its uuid, guide, provider or title; unknown and absent are two more."""
    assert seen(DEVICE, DVR) != seen(DEVICE, dvr)


def test_the_form_of_a_digest_stays() -> None:
    """A plan saved by another process is compared with one made now: what is hashed is part of the plan's format."""
    device = {
        "uuid": "device://x/1",
        "uri": normal_address("http://ptctl:5005"),
        "enabled": True,
        "title": "news",
        "map": ["1000=1000=1000", "1001=1001=1001"],
    }
    dvr = {
        "uuid": "uuid-18",
        "guide": normal_address("http://ptctl:5005/guide.xml"),
        "provider": "tv.plex.providers.epg.xmltv",
        "title": "news",
    }
    assert text_digest({"device": device, "dvr": dvr}) == seen(DEVICE, DVR)
    assert text_digest({"device": {**device, "enabled": False}, "dvr": dvr}) == seen(
        replace(DEVICE, state="disabled"), DVR
    )
    assert text_digest({"device": "unknown", "dvr": "unknown"}) == seen(Unknown("a"), Unknown("b"))
    assert text_digest({"device": None, "dvr": None}) == seen(None, None)


def test_unknown_is_not_absent() -> None:
    """Neither of the tuner nor of the DVR, and the reason does not count."""
    assert seen(Unknown("a"), None) != seen(None, None)
    assert seen(None, Unknown("a")) != seen(None, None)
    assert seen(None, Unknown("a")) != seen(Unknown("a"), None)
    assert seen(Unknown("a"), DVR) == seen(Unknown("b"), DVR)


def test_what_plex_does_by_itself_is_no_move() -> None:
    """Liveness, load times and the order of pairs; and a slash at the end of an address."""
    moved = replace(
        DEVICE, status="dead", uri="http://ptctl:5005/", pairs=DEVICE.pairs[::-1], state="whatever"
    )
    assert seen(DEVICE, DVR) == seen(moved, replace(DVR, refreshed_at=9))


def test_others_count_by_key_and_numbers() -> None:
    """Keys and the numbers that are on, in any order; the rest of what is not ours is not our business."""
    one = replace(DVR, key="1", devices=(DEVICE, replace(DEVICE, pairs=(ChannelPair("7", "7", "7"),))))
    two = replace(DVR, key="2", devices=())
    base = plex_digest({}, (one, two))
    assert {FOREIGN} == base.keys()
    assert base == plex_digest({}, (two, replace(one, uuid="else", devices=one.devices[::-1])))
    off = replace(DEVICE, pairs=(replace(DEVICE.pairs[0], enabled=False),))
    for other in ((one,), (one, replace(two, key="3")), (replace(one, devices=(DEVICE,)), two), (one, replace(two, devices=(DEVICE,)))):  # fmt: skip
        assert base != plex_digest({}, other)
    assert plex_digest({}, (two,)) == plex_digest({}, (replace(two, devices=(off,)),))
    assert plex_digest({"b": Sighting(None, None), "a": Sighting(DEVICE, DVR)}, ()).keys() == {
        "a",
        "b",
        FOREIGN,
    }


def test_digests_of_a_plan_are_those() -> None:
    """The plan carries what these functions give."""
    assert isinstance(PLAN.digests, Digests)
    assert {"news", FOREIGN} == PLAN.digests.plex.keys()
