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
from typing import Any, Final, Literal

import httpx

from reconciler.ledger.atomic import replace_file
from reconciler.secret import Secret, SecretRef
from reconciler.spec.model import Notify
from reconciler.tls import trusted

__all__ = ["Event", "Kind", "conditions", "deliver", "news"]

log = logging.getLogger(__name__)

Kind = Literal["blocked", "stale", "failed", "drift", "recovered"]
SEND_S: Final = 10.0


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

    for block in report.get("blocked", ()):
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
    if report.get("exit") == 1 and not failed:
        note("failed", "run", str(report.get("error", "the run failed")))
    return found


def news(before: Iterable[str], now: Mapping[str, Event]) -> tuple[Event, ...]:
    """What to tell: conditions that are new, and those that ended. Pure; in the order of their names."""
    known = set(before)
    fresh = [now[key] for key in sorted(now.keys() - known)]
    ended = [Event("recovered", key, f"over: {key}") for key in sorted(known - now.keys())]
    return (*fresh, *ended)


async def deliver(
    report: Mapping[str, Any],
    wanted: Sequence[Notify],
    memory: Path,
    resolve: Callable[[SecretRef], Secret],
) -> int:
    """Tell everybody what they want to know; how many messages went out. `memory` is the file of what was told.

    POSTs one JSON object a message (`{"kind", "about", "text"}`, `text` also as the title ntfy and others show). What
    could not be delivered to anybody who wants it is told again next time. Each send is limited to 10 s.
    """
    before = _told(memory)
    now = conditions(report)
    told = {key for key in before if key in now}
    sent = 0
    async with httpx.AsyncClient(
        timeout=SEND_S, trust_env=False, follow_redirects=False, verify=trusted()
    ) as client:
        for event in news(before, now):
            listeners = [n for n in wanted if event.kind in n.on]
            results = [await _send(client, resolve(n.url), event) for n in listeners]
            sent += sum(results)
            delivered = all(results)
            if event.kind == "recovered":
                told |= set() if delivered else {event.about}
            elif delivered:
                told.add(event.about)
    if told != before:
        replace_file(memory, (json.dumps(sorted(told), indent=1) + "\n").encode())
    return sent


def _told(memory: Path) -> set[str]:
    try:
        return set(json.loads(memory.read_bytes()))
    except (OSError, ValueError, TypeError):
        return set()


async def _send(client: httpx.AsyncClient, url: Secret, event: Event) -> bool:
    try:
        answer = await client.post(
            url.reveal(),
            json={"kind": event.kind, "about": event.about, "text": event.text, "message": event.text},
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("a notification could not be sent: %s", type(error).__name__)
        return False
    if answer.status_code >= 300:
        log.warning("a notification was refused with %d", answer.status_code)
        return False
    return True
