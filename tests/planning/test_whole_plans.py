"""Whole plans where Plex plays no part, is away, stopped, or another one: compared with stored files.

`PTCTL_STORE=1 python -m pytest tests/planning/test_whole_plans.py` writes them again; the change is read in review.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from reconciler.lineups.model import Block
from reconciler.planning.inputs import Estimate
from reconciler.plex.model import DatabaseRow, DatabaseView, Server, Unknown
from reconciler.plex.requests import lineup_uri
from tests.planning.test_situations import MORE, NEWS, STORE, STORED, check, home, seen, story
from tests.planning.worlds import MACHINE, Home, device_id, port

OLD_GUIDE: Final = f"http://old:{port('news')}/guide.xml"
FILES: Final = {"news/lineup.json": b"1", "news/guide.xml": b"2"}


def alone(before: Any = NEWS, after: Any = NEWS, **more: Any) -> Home:
    """A spec without Plex. Any: the fields of a `Home`."""
    spec = {"plex": None, **more.pop("spec", {})}
    return home(before, after, changes={"observed": None, **more.pop("changes", {})}, spec=spec, **more)


def stopped(rows: Mapping[int, dict[str, Any]] | None = None, *, machine: str = MACHINE, **more: Any) -> Home:
    """Plex is stopped, and its rows have the address of before; `rows` are changes of rows by id, None for a row that is gone."""
    known = {
        17: DatabaseRow(17, 18, 4, "", "http://old:1", f"device://x/{device_id('news')}", {"at:deviceId": device_id("news")}),
        18: DatabaseRow(18, None, 1, "", "", "uuid-18", {"pv:lineup": lineup_uri(OLD_GUIDE, "news")}),
        19: DatabaseRow(19, 18, 3, "", OLD_GUIDE, "uuid-19", {}),
    }  # fmt: skip
    for id_, changes in (rows or {}).items():
        if changes:
            known[id_] = replace(known.get(id_, known[17]), **changes)
        else:
            del known[id_]
    view = DatabaseView(Server(machine, "1.43.2", ""), tuple(known.values()))
    away = {"observed": Unknown("connection refused"), "database": view}
    return home(**{"changes": {**away, **more.pop("world", {})}, **more})


PLANS: Final[dict[str, Callable[[], Home]]] = {
    "alone-new": lambda: alone({}, inputs={"files": FILES}),
    "alone-same": alone,
    "alone-channel-new": lambda: alone(after=MORE),
    "alone-guide-moved": lambda: alone(guide_after="g2"),
    "alone-blocked": lambda: alone(blocks=(Block("S303", "news", "no number", "reuse:news", "numbers"),)),
    "alone-renamed": lambda: alone({"old": NEWS["news"]}, old_names={"news": "old"}),
    "alone-emptied": lambda: alone({**NEWS, "big": {2000 + n: f"b{n}" for n in range(20)}}, {"news": {}, "big": {2000 + n: f"b{n}" for n in range(20)}}),
    "not-asked": lambda: home(after=MORE, changes={"observed": None}),
    "away": lambda: home(after=MORE, changes={"observed": Unknown("connection refused")}),
    "left-alone": lambda: home(after=MORE, changes={"skip": ("news",)}),
    "another-server": lambda: seen(home(after=MORE), server=Server("other", "1.44")),
    "server-not-known": lambda: seen(home(after=MORE), server=Unknown("500")),
    "estimated": lambda: home(
        after=MORE, inputs={"estimate": Estimate(90.0, "median of 3 runs"), "files": FILES, "requests": 7, "seconds": 1.5}
    ),
    "estimate-without-loads": lambda: home(inputs={"estimate": Estimate(90.0, "median of 3 runs"), "files": FILES}),
    "words-used": lambda: home(
        {**NEWS, "old": {2000: "Old"}}, NEWS, changes={"allow": ("delete:old", "shrink:all", "empty:old", "moved:x")}
    ),
    "gone-everywhere": lambda: home(
        {**NEWS, "old": {2000: "Old"}}, NEWS, absent=frozenset({"old"}), changes={"allow": ("delete:old", "shrink:all")}
    ),
    "stopped": stopped,
    "stopped-as-it-shall-be": lambda: stopped(
        {17: {"uri": f"http://ptctl:{port('news')}"}, 18: {"extra": {"pv:lineup": lineup_uri(f"http://ptctl:{port('news')}/guide.xml", "news")}}}
    ),
    "stopped-new": lambda: stopped(before={}, after=NEWS),
    "stopped-left-alone": lambda: stopped(world={"skip": ("news",)}),
    "stopped-other-server": lambda: stopped(machine="other"),
    "stopped-no-rows": lambda: stopped({17: {}, 18: {}}),
    "stopped-no-tuner": lambda: stopped({17: {}}),
    "stopped-no-dvr": lambda: stopped({18: {}}),
    "stopped-other-tuner": lambda: stopped({17: {"extra": {}, "uuid": "device://x/10AAAAAA"}}),
    "stopped-other-dvr": lambda: stopped({18: {"uuid": "uuid-99"}}),
    "stopped-tuner-elsewhere": lambda: stopped({17: {"parent": 99}}),
    "stopped-with-company": lambda: stopped({20: {"id": 20}}),
    "stopped-no-provider": lambda: stopped({19: {"uri": ""}}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_as_stored(name: str) -> None:
    """What it says of Plex, its costs, its warnings and blocks that belong to no DVR, and what is done."""
    made = PLANS[name]()
    planned = made.planned()
    plan = planned.plan
    facts = {
        "plex": " ".join(filter(None, (plan.plex, plan.plex_why))),
        "server": " ".join(filter(None, (plan.server_name, plan.server_machine, plan.server_version))),
        "summary": ", ".join(f"{n} {kind}" for kind in plan.summary.__slots__ if (n := getattr(plan.summary, kind))),
        "loads": f"{plan.guide_loads}, {plan.estimate_s} s ({plan.estimate_basis})" if plan.guide_loads else "",
        "files": ", ".join(plan.files_written),
        "requests": f"{plan.requests}, {plan.seconds} s" if plan.requests else "",
        "allowed": ", ".join(plan.allowed),
        "sources": ", ".join(source.name for source in plan.sources),
        "ledger": f"serial {plan.ledger_serial} -> {planned.ledger.serial}, {', '.join(planned.ledger.dvrs) or 'nothing'}",
        "rests on": f"{len(plan.digests.plex)} of Plex" if plan.digests.plex else "",
    }  # fmt: skip
    lines = [f"{what}: {said}" for what, said in facts.items() if said]
    lines += [f"{w.code}: {w.message}   {w.next_step}" for w in plan.warnings if not w.dvr]
    lines += [f"{b.code} for all: {b.message} {b.lift} {b.what}" for b in plan.blocks if not b.dvr]
    check(f"plans/{name}", "\n".join(lines) + "\n\n" + story(made))


@pytest.mark.parametrize(
    ("rows", "does"),
    [
        ({}, "3 values of this DVR's rows are changed, after a copy"),
        ({19: {"uri": ""}}, "2 values of this DVR's rows are changed, after a copy"),
        ({17: {"extra": {}}}, "3 values of this DVR's rows are changed, after a copy"),
        ({17: {"uuid": "device://x/10AAAAAA"}}, "3 values of this DVR's rows are changed, after a copy"),
        ({17: {"type": 3}}, "unknown: Plex's database has no tuner row 17"),
        ({18: {"type": 4}}, "unknown: Plex's database has no DVR row 18"),
        (
            {20: {"id": 20}, 21: {"id": 21}},
            "unknown: DVR row 18 also holds tuner row 20, 21, which is not ours",
        ),
    ],
)
def test_rows_are_ours_by_what_they_are(rows: dict[int, dict[str, Any]], does: str) -> None:
    """By id and type, then by the DeviceID that Plex noted or, without, by the one in its uuid."""
    plan = stopped(rows).planned().plan
    done = [a.effect for a in plan.actions if a.kind == "database-update"]
    assert [does] == [*done, *(b.message for c in plan.changes for b in c.blocks)]


def test_every_stored_plan_is_tested() -> None:
    """None is left behind when a plan goes."""
    assert set(PLANS) == {path.stem for path in (STORED / "plans").glob("*.txt")} or STORE
