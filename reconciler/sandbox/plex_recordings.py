"""`/media/subscriptions`: recording rules of the simulated Plex, kept so that they can be lost with their DVR.

Shape after the plex API documentation ("Media Subscriptions"): `hints[…]` describe what to record, `prefs[…]` how,
`params[mediaProviderID]` through which guide. Rules are kept and listed; what they would record is not worked out.
"""

from typing import Final

from reconciler.sandbox.plex_answers import Answer, Element, Refused, container, empty, error
from reconciler.sandbox.plex_database import Rule
from reconciler.sandbox.plex_machine import Call, Machine, Route, route
from reconciler.sandbox.plex_records import Dvr
from reconciler.sandbox.plex_sessions import operation_element

__all__ = ["ROUTES"]


def rule_element(rule: Rule) -> Element:
    """A rule, with the programme it is bound to by guid (7.4)."""
    kind = {1: "movie", 2: "show", 4: "episode"}.get(rule.type, "show")
    name = "Video" if rule.type in {1, 4} else "Directory"
    return Element(
        "MediaSubscription",
        {
            "key": str(rule.id),
            "type": rule.type,
            "targetLibrarySectionID": rule.section,
            "createdAt": rule.created_at,
            "title": rule.title,
            "mediaProviderID": rule.dvr,
        },
        (
            Element(name, {"guid": rule.guid, "title": rule.title, "type": kind}, (), name),
            *[
                Element("Setting", {"id": k, "value": v, "hidden": False, "advanced": False})
                for k, v in rule.prefs
            ],
        ),
    )


async def rules(machine: Machine, _: Call) -> Answer:
    """All rules."""
    return Answer(body=container(*[rule_element(rule) for rule in machine.state.rules.values()]))


async def rule(machine: Machine, call: Call) -> Answer:
    """One rule."""
    return Answer(body=container(rule_element(_rule(machine, call))))


async def add(machine: Machine, call: Call) -> Answer:
    """A new rule; 400 if it does not say what to record or through which guide."""
    dvr = _guide(machine, call.arg("params[mediaProviderID]"))
    title, kind = call.arg("hints[title]"), call.arg("type")
    if dvr is None or not title or not kind.isdigit():
        raise Refused(error(400))
    prefs = {k[6:-1]: v for k, v in call.request.query if k.startswith("prefs[") and k.endswith("]")}
    made = machine.state.add_rule(
        kind=int(kind),
        dvr=dvr,
        title=title,
        guid=call.arg("hints[guid]"),
        section=call.arg("targetLibrarySectionID"),
        prefs=prefs.items(),
    )
    return Answer(body=container(rule_element(made)))


async def remove(machine: Machine, call: Call) -> Answer:
    """A rule less."""
    machine.state.drop_rules(_rule(machine, call).id)
    return empty()


async def scheduled(machine: Machine, _: Call) -> Answer:
    """The recordings that run."""
    running = [grab for grab in machine.grabs.running if not grab.rolling]
    return Answer(body=container(*[operation_element(grab) for grab in running]))


def _rule(machine: Machine, call: Call) -> Rule:
    found = machine.state.rules.get(int(call.groups["id"]))
    if found is None:
        raise Refused(error(404))
    return found


def _guide(machine: Machine, named: str) -> Dvr | None:
    for dvr in machine.state.listed():
        if named in {str(dvr.key), str(dvr.provider_key), dvr.epg_identifier}:
            return dvr
    return None


ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/media/subscriptions", rules, admin=True),
    route("POST", "/media/subscriptions", add, admin=True),
    route("GET", "/media/subscriptions/scheduled", scheduled, admin=True),
    route("GET", "/media/subscriptions/<id>", rule, admin=True),
    route("DELETE", "/media/subscriptions/<id>", remove, admin=True),
)
