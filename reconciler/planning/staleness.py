"""Digests of what a plan rests on, and what moved since a saved plan was made.

A saved plan is applied exactly or refused (design.md 4): spec, selection, Plex per touched DVR, ledger lineage and serial,
server. Times and liveness of Plex's objects are left out, they move by themselves. Pure; SHA-256 over sorted text.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from reconciler.lineups.model import DvrTarget
from reconciler.planning.addresses import normal_address
from reconciler.planning.model import Plan
from reconciler.planning.sight import Sighting
from reconciler.plex.model import ChannelPair, Device, Dvr, Unknown

__all__ = ["FOREIGN", "plex_digest", "selection_digest", "staleness", "text_digest"]

FOREIGN = "not ours"


def text_digest(value: object) -> str:
    """SHA-256 (hex) of a JSON value, keys sorted."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def selection_digest(targets: Iterable[DvrTarget]) -> str:
    """Which channel has which number in which DVR, with what guides and viewers show of it."""
    rows = sorted(
        (t.record.name, row.channel.id, row.number, row.channel.name, row.channel.guide_id, row.channel.logo)
        for t in targets
        for row in t.lineup.rows
    )
    return text_digest(rows)


def plex_digest(sightings: Mapping[str, Sighting], foreign: Iterable[Dvr]) -> dict[str, str]:
    """By DVR name what Plex has of it, and under "not ours" the others' keys and numbers."""
    found = {name: text_digest(_seen(sighting)) for name, sighting in sorted(sightings.items())}
    others = [[dvr.key, sorted(p.device for d in dvr.devices for p in d.enabled)] for dvr in foreign]
    found[FOREIGN] = text_digest(sorted(others))
    return found


def staleness(saved: Plan, fresh: Plan) -> tuple[str, ...]:
    """What moved between two plans of the same arguments, in sentences; empty when the saved one still holds."""
    moved: list[str] = []
    if saved.server_machine != fresh.server_machine:
        moved.append(
            f"the server is {fresh.server_machine or 'unknown'}, the plan was made for {saved.server_machine}"
        )
    if saved.ledger_lineage != fresh.ledger_lineage:
        moved.append("the ledger has another lineage: it is not the one the plan was made with")
    elif saved.ledger_serial != fresh.ledger_serial:
        moved.append(f"ledger serial {saved.ledger_serial} -> {fresh.ledger_serial}")
    if saved.digests.spec != fresh.digests.spec:
        moved.append(f"the spec was edited ({_short(saved.digests.spec)} -> {_short(fresh.digests.spec)})")
    if saved.digests.selection != fresh.digests.selection:
        moved.append(
            "the sources give another selection of channels "
            f"({_short(saved.digests.selection)} -> {_short(fresh.digests.selection)})"
        )
    if saved.digests.arguments != fresh.digests.arguments:
        moved.append("the arguments are not those of the plan")
    for name in sorted({*saved.digests.plex, *fresh.digests.plex}):
        was, now = saved.digests.plex.get(name, ""), fresh.digests.plex.get(name, "")
        if was != now:
            what = "DVRs that are not ours were changed in Plex"
            if name != FOREIGN:
                what = f"{name} was changed in Plex"
            moved.append(f"{what} ({_short(was)} -> {_short(now)})")
    if not moved and _intent(saved) != _intent(fresh):
        moved.append("the actions are not those of the plan")
    return tuple(moved)


def _intent(plan: Plan) -> list[tuple[str, str, dict[str, str]]]:
    # The generation may move on with the guide alone; who is written to, and with what, may not.
    return [
        (a.id, a.kind, {k: v for k, v in (a.args or {}).items() if a.dvr})
        for a in plan.actions
        if a.kind not in {"write-ledger", "publish", "load-guide"}
    ]


def _seen(sighting: Sighting) -> object:
    device: object = None
    dvr: object = None
    match sighting.device:
        case Device() as found:
            device = {
                "uuid": found.uuid,
                "uri": normal_address(found.uri),
                "enabled": found.state != "disabled",
                "title": found.title,
                "map": sorted(_line(pair) for pair in found.enabled),
            }
        case Unknown():
            device = "unknown"
        case _:
            pass
    match sighting.dvr:
        case Dvr() as found_dvr:
            dvr = {
                "uuid": found_dvr.uuid,
                "guide": normal_address(found_dvr.guide),
                "provider": found_dvr.provider,
                "title": found_dvr.title,
            }
        case Unknown():
            dvr = "unknown"
        case _:
            pass
    return {"device": device, "dvr": dvr}


def _line(pair: ChannelPair) -> str:
    return f"{pair.device}={pair.lineup}={pair.key}"


def _short(digest: str) -> str:
    return f"{digest[:4]}…" if digest else "none"
