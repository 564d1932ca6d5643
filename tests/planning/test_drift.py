"""What somebody else changed in Plex, in the words of the plan, and what is done about it (PLN-5)."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.planning.model import DriftItem
from reconciler.planning.plan import Planned
from reconciler.plex.model import ChannelPair
from reconciler.plex.requests import lineup_uri
from tests.planning.worlds import HOST, Home, pairs, port

TEN = {1000 + i: f"c{i}" for i in range(10)}
NEWS = Home({"news": TEN}, {"news": TEN})


def items(home: Home) -> tuple[DriftItem, ...]:
    """The drift of the plan."""
    return home.planned().plan.drift


def without_keys(home: Home, **gone: Any) -> Planned:
    """Where a run died before it learned a key."""
    ledger = home.ledger()
    record = replace(ledger.dvrs["news"], **gone)
    target = home.desired().dvrs[0]
    desired = replace(home.desired(), dvrs=(replace(target, record=record),))
    changes = {"ledger": replace(ledger, dvrs={"news": record}), "desired": desired}
    return replace(home, changes=changes).planned()


@pytest.mark.accepts("PLN-5")
def test_what_is_gone() -> None:
    """The tuner with its DVR, or the DVR alone: by the key it had, where it is known."""
    gone = replace(NEWS, absent=frozenset({"news"}))
    again = "register it again, with a new DVR"
    assert (DriftItem("news", "tuner", "tuner 17", "", again, "tuner 17 is gone from Plex"),) == items(gone)
    (bare,) = without_keys(gone, device_key="").plan.drift
    assert ("tuner", "tuner is gone from Plex") == (bare.recorded, bare.note)
    alone = replace(NEWS, devices={"news": {"parent": "", "pairs": ()}})
    note = "DVR 18 is gone from Plex, and its recording rules with it"
    assert (DriftItem("news", "dvr", "DVR 18", "", "create it again", note),) == items(alone)
    (bare,) = without_keys(alone, dvr_key="").plan.drift
    assert ("DVR", "DVR is gone from Plex, and its recording rules with it") == (bare.recorded, bare.note)


@pytest.mark.accepts("PLN-5", "APP-6")
def test_an_address_that_was_changed() -> None:
    """Both addresses, and the port to which it is set again."""
    own = f"{HOST}:{port('news')}"
    moved = replace(NEWS, devices={"news": {"uri": "http://10.0.0.9:1"}})
    assert (
        DriftItem(
            "news",
            "tuner.uri",
            own,
            "http://10.0.0.9:1",
            f"set to :{port('news')}",
            "tuner address is http://10.0.0.9:1",
        ),
    ) == items(moved)


@pytest.mark.accepts("PLN-5", "APP-6")
def test_a_guide_that_was_changed() -> None:
    """No call of Plex does that, somebody's hand in its database does: told apart from an address the spec changed."""
    own = f"{HOST}:{port('news')}/guide.xml"
    else_ = "http://10.0.0.9/guide.xml"
    moved = replace(NEWS, plex_dvrs={"news": {"lineup": lineup_uri(else_, "news")}})
    told = DriftItem(
        "news", "guide.url", own, else_, "replace the DVR, with --allow replace:news", f"its guide is {else_}"
    )
    assert (told,) == items(moved)
    (change,) = moved.planned().plan.changes
    assert (("drift",), "drift") == (change.causes, change.fields[0].cause)
    house = Home({"news": TEN}, {"news": TEN}, host_after="http://nas")
    assert () == items(house)
    both = replace(house, plex_dvrs=moved.plex_dvrs)
    assert [told] == [item for item in items(both) if item.path == "guide.url"]
    (change,) = both.planned().plan.changes
    assert ("drift", "spec") == change.causes


@pytest.mark.accepts("PLN-5")
def test_settings_that_were_changed() -> None:
    """The name the tuner was given, and the one it has; and that it is off."""
    assert (
        DriftItem("news", "tuner.title", "news", "Den", 'name it "news" again'),
        DriftItem(
            "news", "tuner.state", "enabled", "disabled", "switch it on", "tuner is switched off in Plex"
        ),
    ) == items(replace(NEWS, devices={"news": {"title": "Den", "state": "disabled"}}))


@pytest.mark.accepts("PLN-5")
def test_a_map_that_was_changed() -> None:
    """Off, on and crossed, each told with four names and how many more."""
    crossed = ChannelPair("1009", "1008", "1008")
    odd = {2000 + i: "" for i in range(3)}
    found = (*pairs([1006, 1007, 1008, *odd]), crossed)
    assert (
        DriftItem(
            "news", "channels", "10 on", "7 on", "switch on again",
            "6 channels switched off in Plex: 1000 c0, 1001 c1, 1002 c2, 1003 c3 and 2 more",
        ),
        DriftItem(
            "news", "channels", "10 on", "7 on", "switch off again",
            "3 channels switched on in Plex: 2000, 2001, 2002",
        ),
        DriftItem(
            "news", "channels", "own guide", "another's guide", "pair again",
            "1 channel paired with another guide channel in Plex: 1009 c9",
        ),
    ) == items(replace(NEWS, devices={"news": {"pairs": found}}))  # fmt: skip


@pytest.mark.accepts("PLN-5")
def test_a_map_whose_generation_is_gone() -> None:
    """What was on is not known channel by channel any more: only counts are told, and all is set again."""
    planned = replace(NEWS, devices={"news": {"pairs": pairs([1000, 1001])}}, inputs={"manifests": {}})
    note = "its channel map is not the one last applied (10 on then, 2 now)"
    assert (DriftItem("news", "channels", "10 on", "2 on", "set the whole map again", note),) == items(planned)  # fmt: skip
    assert "enable-channels" in [a.kind for a in planned.planned().plan.actions if a.dvr]


def test_all_that_is_wanted_was_switched_on_by_hand() -> None:
    """Every channel of the lineup came from somebody's hand, one of them crossed: all are wanted, and kept."""
    found = (*pairs(dict(list(TEN.items())[:9])), ChannelPair("1009", "1008", "1008"))
    home = Home({"news": {900: "old"}}, {"news": TEN}, devices={"news": {"pairs": found}})
    assert ["none: the spec no longer wants them", "keep: wanted now", "pair again"] == [
        item.resolution for item in items(home)
    ]
