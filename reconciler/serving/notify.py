"""Word to whoever wants it: what became blocked, stale, failed or drifted, and what recovered. Each once (NTF-1).

A condition that lasts is told once; when it ends, that is told once too. What was told is kept in a file, so that a
restart repeats nothing. Messages name DVRs and codes, never a secret or a URL. The address itself is a secret: it is
resolved at the moment of sending and shown nowhere. This module refuses to retry: the next run tells again what was
not delivered.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import trio

from reconciler.errors import CredentialError
from reconciler.ledger.atomic import replace_file
from reconciler.secret import Secret, SecretRef
from reconciler.spec.model import Notify
from reconciler.tls import trusted

if TYPE_CHECKING:
    import httpx  # `serve` begins without: loading it takes as long as a tenth of its start

__all__ = ["Event", "Kind", "conditions", "deliver", "news", "unsure"]

log = logging.getLogger(__name__)

Kind = Literal["blocked", "stale", "failed", "drift", "recovered"]
SEND_S: Final = 10.0
AT_ONCE: Final = 8
"""So many listeners are told at a time."""
EVERYBODY: Final = ""
UNKNOWN_STATE: Final = "S401"
FINE: Final = frozenset({None, 0, 4, 6, 8})
"""Ends that are no failure of the run: done, or something is blocked or undone, which has conditions of its own."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell. `about` identifies the condition ("blocked moviesprem S101")."""

    kind: Kind
    about: str
    text: str


def conditions(report: Mapping[str, Any]) -> dict[str, Event]:
    """What a run's report (`ptctl-run-report/1`) says is the matter now, by condition. Pure."""
    # Any: JSON of our own making
    found: dict[str, Event] = {}

    def note(kind: Kind, about: str, text: str) -> None:
        found[f"{kind} {about}"] = Event(kind, f"{kind} {about}", text)

    away = report.get("plex") == "unknown"
    if away:
        note("failed", "plex", f"Plex could not be read: {report.get('plex_why') or 'no answer'}")
    for block in report.get("blocked", ()):
        if away and block["code"] == UNKNOWN_STATE:
            continue  # all of Plex's DVRs are: that it is away tells it once
        note(
            "blocked",
            f"{block['dvr']} {block['code']}",
            f"{block['dvr'] or 'all'}: {block['code']} {block['message']}",
        )
    for name in report.get("stale", ()):
        note("stale", name, f"source {name} could not be fetched; its last good copy is in use")
    for item in report.get("drift", ()):
        note(
            "drift",
            f"{item['dvr']} {item['path']}",
            f"{item['dvr']}: {item['note'] or item['path'] + ' differs'}",
        )
    failed = [a for a in report.get("actions", ()) if a["state"] == "failed"]
    for action in failed:
        note("failed", action["id"], f"{action['dvr'] or 'files'}: {action['text']}")
    if report.get("exit") not in FINE and not failed and not away:
        said = "; ".join(str(error["message"]) for error in report.get("errors", ()))
        note("failed", "run", said or "the run failed")
    return found


def unsure(report: Mapping[str, Any], told: Iterable[str]) -> frozenset[str]:
    """Which of the conditions told before a run's report says nothing about: unknown is not over. Pure."""
    if "blocked" in report and report.get("plex") != "unknown":
        return frozenset()
    # A run that failed looked at nothing; one that could not read Plex knows that, and how its sources did.
    looked_at = ("failed run", *(("failed plex", "stale ") if "stale" in report else ()))
    return frozenset(key for key in told if not key.startswith(looked_at))


def news(
    before: Iterable[str], now: Mapping[str, Event], unknown: frozenset[str] = frozenset()
) -> tuple[Event, ...]:
    """What to tell: conditions that are new, and those that ended. Pure; in the order of their names."""
    known = set(before)
    fresh = [now[key] for key in sorted(now.keys() - known)]
    ended = [Event("recovered", key, f"over: {key}") for key in sorted(known - now.keys() - unknown)]
    return (*fresh, *ended)


async def deliver(
    report: Mapping[str, Any],
    wanted: Sequence[Notify],
    memory: Path,
    resolve: Callable[[SecretRef], Secret],
) -> int:
    """Tell everybody what they want to know; how many messages went out. `memory` is the file of what was told to whom.

    POSTs one JSON object a message (`{"kind", "about", "text"}`, `text` also as the title ntfy and others show). Those
    who listen are told side by side: one that is slow or away delays nobody and has nobody told twice. To one that does
    not take a message nothing more is sent; it gets the rest next time. Each send is limited to 10 s.
    """
    before = _told(memory)
    now = conditions(report)
    told: dict[str, list[str]] = {}
    sent: list[Event] = []
    limit = trio.CapacityLimiter(AT_ONCE)

    async def tell(listener: Notify) -> None:
        who = _who(listener.url)
        known = before.get(who, before.get(EVERYBODY, []))
        unknown = unsure(report, known)
        events = news(known, now, unknown)
        wants = [event for event in events if event.kind in listener.on]
        async with limit:
            count = await _sent(client, resolve, listener.url, wants)
        sent.extend(wants[:count])
        missed = {event.about for event in wants[count:]}
        stays = {key for key in known if key in now or key in unknown or key in missed}
        mine = stays | (now.keys() - missed)
        told[who] = sorted(mine & set(told.get(who, mine)))  # one that is named twice

    import httpx

    async with (
        httpx.AsyncClient(
            timeout=SEND_S, trust_env=False, follow_redirects=False, verify=trusted()
        ) as client,
        trio.open_nursery() as nursery,
    ):
        for listener in wanted:
            nursery.start_soon(tell, listener)
    if told != before:
        replace_file(memory, (json.dumps(told, indent=1, sort_keys=True) + "\n").encode())
    return len(sent)


def _told(memory: Path) -> dict[str, list[str]]:
    """What was told, by the reference of who listens; of everybody alike where a list of an earlier version says so."""
    try:
        found = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    if isinstance(found, list):
        return {EVERYBODY: [str(key) for key in found]}
    return {str(k): [str(key) for key in v] for k, v in found.items()} if isinstance(found, dict) else {}


def _who(ref: SecretRef) -> str:
    """A listener by its reference in full: two may be read by the same command."""
    return " ".join((str(ref), *ref.argv[1:]))


async def _sent(
    client: "httpx.AsyncClient",
    resolve: Callable[[SecretRef], Secret],
    ref: SecretRef,
    events: Sequence[Event],
) -> int:
    """How many of these messages, in their order, somebody took."""
    for count, event in enumerate(events):
        if not await _send(client, resolve, ref, event):
            return count
    return len(events)


async def _send(
    client: "httpx.AsyncClient", resolve: Callable[[SecretRef], Secret], ref: SecretRef, event: Event
) -> bool:
    import httpx

    try:
        answer = await client.post(
            resolve(ref).reveal(),
            json={"kind": event.kind, "about": event.about, "text": event.text, "message": event.text},
        )
    except CredentialError as error:
        log.warning("a notification could not be sent: %s", error.message)
        return False
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("a notification could not be sent: %s", type(error).__name__)
        return False
    if answer.status_code >= 300:
        log.warning("a notification was refused with %d", answer.status_code)
        return False
    return True
