"""`/media/subscriptions`: recording rules of the simulated Plex, kept so that they can be lost with their DVR.

Shape after the Plex API documentation ("Media Subscriptions") and a debugging log of a 2026 server with an XMLTV guide:
`hints[…]` say what to record, `prefs[…]` how, `params[mediaProviderID]` through which guide, by the id that
`/media/providers` gives it; a rule without `hints[title]` is taken and stays an empty entry. Nothing is recorded by
itself.
"""

import time
from functools import partial
from typing import Final

import trio

from reconciler.sandbox.plex_answers import Answer, Element, Refused, container, empty, error
from reconciler.sandbox.plex_database import Rule, percent
from reconciler.sandbox.plex_epg import programme_elements
from reconciler.sandbox.plex_guide import Airing, airings
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import Dvr
from reconciler.sandbox.plex_sessions import operation_element
from reconciler.sandbox.plex_xmltv import EPISODE, MOVIE, SHOW

__all__ = ["ROUTES"]


def _rule_element(machine: Machine, rule: Rule, *grabs: Element) -> Element:
    """A rule: what it is bound to, by guid and title (7.4), and the guide it records through."""
    dvr = machine.state.dvrs.get(rule.dvr)
    name = "Directory" if rule.type == SHOW else "Video"
    bound: dict[str, str | int | bool] = {"type": {MOVIE: "movie", SHOW: "show"}.get(rule.type, "episode")}
    if rule.guid:
        bound |= {"ratingKey": percent(rule.guid), "guid": rule.guid}
    if rule.title:
        bound["title"] = rule.title
    bound["mediaProviderID"] = dvr.provider_key if dvr else 0
    return Element(
        "MediaSubscription",
        {
            "key": str(rule.id),
            "type": rule.type,
            "targetLibrarySectionID": rule.section,
            "createdAt": rule.created_at,
            "title": "All Episodes" if rule.type == SHOW else "This Episode",
        },
        (
            Element(name, bound, (), name),
            *grabs,
            *[
                Element("Setting", {"id": k, "value": v, "hidden": False, "advanced": False})
                for k, v in rule.prefs
            ],
        ),
    )


async def _shown(machine: Machine, call: Call, *rules: Rule) -> Answer:
    """Rules, with the recordings they will make where the client asks for them."""
    grabs: dict[int, list[Element]] = {rule.id: [] for rule in rules}
    if call.arg("includeGrabs") == "1":
        for rule in rules:
            grabs[rule.id] = await _scheduled(machine, rule)
    return Answer(body=container(*[_rule_element(machine, rule, *grabs[rule.id]) for rule in rules]))


async def _scheduled(machine: Machine, rule: Rule) -> list[Element]:
    dvr = machine.state.dvrs.get(rule.dvr)
    if dvr is None:
        return []
    found = await trio.to_thread.run_sync(partial(airings, machine.loads.database(dvr)))
    now = time.time()
    return [
        Element(
            "MediaGrabOperation",
            {
                "mediaSubscriptionID": rule.id,
                "beginsAt": airing.begins_at,
                "endsAt": airing.ends_at,
                "status": "scheduled",
                "title": airing.title,
            },
            tuple(programme_elements(machine, dvr, [airing])),
        )
        for airing in found
        if airing.ends_at > now and _records(rule, airing)
    ]


def _records(rule: Rule, airing: Airing) -> bool:
    if rule.type == SHOW:
        return airing.type == EPISODE and airing.show == rule.title
    return airing.guid == rule.guid


async def rules(machine: Machine, call: Call) -> Answer:
    """All rules."""
    return await _shown(machine, call, *machine.state.rules.values())


async def rule(machine: Machine, call: Call) -> Answer:
    """One rule."""
    return await _shown(machine, call, _rule(machine, call))


async def add(machine: Machine, call: Call) -> Answer:
    """A new rule; 400 without a type or a known guide."""
    dvr = _guide(machine, call.arg("params[mediaProviderID]"))
    if dvr is None or not call.arg("type").isdigit():
        raise Refused(error(400))
    prefs = {k[6:-1]: v for k, v in call.request.query if k.startswith("prefs[") and k.endswith("]")}
    made = machine.state.add_rule(
        kind=int(call.arg("type")),
        dvr=dvr,
        title=call.arg("hints[title]"),
        guid=call.arg("hints[guid]"),
        section=call.arg("targetLibrarySectionID"),
        prefs=prefs.items(),
    )
    return await _shown(machine, call, made)


async def remove(machine: Machine, call: Call) -> Answer:
    """A rule less."""
    machine.state.drop_rules(_rule(machine, call).id)
    return empty()


async def scheduled(machine: Machine, _: Call) -> Answer:
    """The recordings that run and those to come."""
    running = [operation_element(grab) for grab in machine.grabs.running if not grab.rolling]
    to_come = [grab for rule in machine.state.rules.values() for grab in await _scheduled(machine, rule)]
    return Answer(body=container(*running, *to_come))


def _rule(machine: Machine, call: Call) -> Rule:
    found = machine.state.rules.get(int(call.groups["id"]))
    if found is None:
        raise Refused(error(404))
    return found


def _guide(machine: Machine, provider_id: str) -> Dvr | None:
    return next((dvr for dvr in machine.state.listed() if provider_id == str(dvr.provider_key)), None)


ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/media/subscriptions", rules, admin=True),
    route("POST", "/media/subscriptions", add, admin=True),
    route("GET", "/media/subscriptions/scheduled", scheduled, admin=True),
    route("GET", "/media/subscriptions/<id>", rule, admin=True),
    route("DELETE", "/media/subscriptions/<id>", remove, admin=True),
)
