"""A panel that was swapped for another, while the loops of `serve` go on: nothing is given away before a person decides."""

from dataclasses import replace

import pytest

from reconciler.lineups.model import Desired
from reconciler.planning.inputs import Judgement, World
from reconciler.planning.safety import judge
from reconciler.spec.model import Bucket, Serve
from tests.lineups.worlds import entry, everything, field, many, numbers, run, simple_spec

SPEC = simple_spec(Bucket("news", field("group", "*NEWS*")), Bucket("rest", everything))
BEFORE = run(SPEC, [entry(i, f"Channel {i}", "US|NEWS", guide_id=f"c{i}") for i in range(30)])
SWAPPED = [entry(1000 + i, f"Channel {i}", "Nachrichten", guide_id=f"c{i}") for i in range(30)]
"""New ids under a new group, so that the rules lead elsewhere."""


def judged(desired: Desired, **changes: object) -> Judgement:
    """What safety says of it after `BEFORE`."""
    world = World(SPEC, desired, BEFORE.ledger, "2026-03-04T04:12:40Z")
    return judge(replace(world, **changes))  # type: ignore[arg-type]  # names are checked by replace


@pytest.mark.accepts("NUM-5", "PLN-7")
def test_a_refresh_in_between_takes_no_number_away_from_the_rematch() -> None:
    """`refresh` goes on with what is not blocked: were the new ids given numbers meanwhile, no word could match them again."""
    blocked = judged(run(SPEC, SWAPPED, BEFORE.ledger))
    assert {("S105", "news"), ("S105", "rest")} == {
        (b.code, b.dvr) for b in blocked.blocks if b.code == "S105"
    }
    assert {"news", "rest"} == blocked.carried
    assert BEFORE.ledger.channels == blocked.ledger.channels
    later = run(SPEC, SWAPPED, blocked.ledger, allow=["rematch:main"])
    assert {n + 1000 for n in range(30)} == set(numbers(later, "news").values())
    assert () == later.blocks


@pytest.mark.accepts("NUM-5")
def test_what_is_left_alone_is_held_back_by_no_swap() -> None:
    """`--only` of a DVR that the swapped panel has nothing to do with goes ahead."""
    others = [entry(f"x{i}", f"Local {i}", "Locals", source="locals") for i in range(3)]
    spec = replace(SPEC, buckets=(*SPEC.buckets[:1], Bucket("rest", field("group", "Locals"))))
    desired = run(spec, [*SWAPPED, *others], BEFORE.ledger)
    world = {"spec": spec, "only": ("rest",)}
    assert () == judged(desired, **world).blocks
    assert {"news"} == judged(desired, **world).carried


def test_a_part_without_a_port_waits_alone() -> None:
    """S303 for the further device of a split bucket: it has no address that Plex could be told; the first goes ahead."""
    news = Bucket("news", everything, overflow="split")
    spec = simple_spec(news, serve=Serve(ports=(5005, 5005)))
    desired = run(spec, many(481))
    found = judge(World(spec, desired, run(spec, []).ledger, "2026-03-04T04:12:40Z"))
    text = "no free port left in serve.ports 5005-5005: widen it, or give another DVR its own port"
    assert [("S303", "news-2", text, "")] == [(b.code, b.dvr, b.message, b.lift) for b in found.blocks]
    assert {"news-2"} == found.carried
    assert {"news"} == found.ledger.dvrs.keys()
    assert {"news"} == {record.dvr for record in found.ledger.channels.values()}
