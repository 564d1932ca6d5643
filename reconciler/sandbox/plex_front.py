"""The door of the simulated Plex: journal, limits, faults, token, route, format, in this order.

What a proxy or the HTTP layer would refuse is refused before the token is looked at, as on a real server. Requests
below `/_sandbox/` steer the simulator; they need no token and stand in no journal.
"""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import trio

from reconciler.sandbox.plex_answers import Answer, Refused, error, rendered, unwilling
from reconciler.sandbox.plex_faults import Behaviour, FaultRule, PlexOptions
from reconciler.sandbox.plex_handle import PlexHandle
from reconciler.sandbox.plex_journal import JournalEntry
from reconciler.sandbox.plex_machine import Call, Machine, Route
from reconciler.sandbox.wire import Exchange, Request

__all__ = ["Front"]

ARRANGED: Final = ("/livetv/dvrs", "/media/grabbers/")
CONTROL: Final = "/_sandbox/"
PLEX_HEADERS: Final = (("X-Plex-Protocol", "1.0"), ("Cache-Control", "no-cache"))


class Front:
    """Answers requests for one run of the server."""

    def __init__(self, machine: Machine, routes: Sequence[Route], handle: PlexHandle) -> None:
        self._machine = machine
        self._routes = routes
        self._handle = handle
        self._journal = handle.journal

    async def handle(self, exchange: Exchange) -> None:
        """One request, answered or left without an answer, as the faults in force want it."""
        request = exchange.request
        if request.path.startswith(CONTROL):
            await self._control(exchange)
            return
        entry = self._journal.begin(request.method, request.target, request.headers.get("user-agent", ""))
        begun = trio.current_time()
        try:
            await self._answer(exchange, entry)
        finally:
            entry.took_s = trio.current_time() - begun

    async def _answer(self, exchange: Exchange, entry: JournalEntry) -> None:
        request = exchange.request
        behaviour = self._machine.behaviour
        if self._is_wedged():
            await _client_leaves(exchange)
            return
        if request.line_bytes > behaviour.options.request_line_limit_bytes:
            await self._send(exchange, entry, error(behaviour.options.request_line_status))
            return
        strike = behaviour.faults.strike(request.method, request.path)
        entry.fault = strike.rule.kind if strike else ""
        if strike is not None and not strike.rule.has_effect:
            await self._fail(exchange, entry, strike.rule)
            return
        if request.path.startswith("/livetv/dvrs"):
            if behaviour.options.fetch_stalls_api:
                await self._machine.loads.fetched()
            await trio.sleep_until(max(self._machine.stalled_until, trio.current_time()))
        arranges = request.method != "GET" and request.path.startswith(ARRANGED)
        if arranges and trio.current_time() < self._machine.wrote_at + behaviour.options.crash_within_s:
            await self._handle.ask_restart()
            await trio.sleep_forever()  # the run that was asked ends, and the connection with it
        answer = await self._routed(exchange)
        if arranges:
            self._machine.wrote_at = trio.current_time()
        if self._is_wedged():
            await _client_leaves(exchange)
        elif strike is not None:
            await self._fail(exchange, entry, strike.rule)
        else:
            await self._send(exchange, entry, answer)

    def _is_wedged(self) -> bool:
        return self._machine.behaviour.wedged

    async def _routed(self, exchange: Exchange) -> Answer:
        request = exchange.request
        method = "GET" if request.method == "HEAD" else request.method
        try:
            for candidate in self._routes:
                if candidate.method == method and (hit := candidate.pattern.fullmatch(request.path)):
                    self._admit(candidate, request)
                    call = Call(request, hit.groupdict(), lambda: _has_left(exchange))
                    return await candidate.handler(self._machine, call)
            self._admit(None, request)
        except Refused as refusal:
            return refusal.answer
        return error(404)

    def _admit(self, route: Route | None, request: Request) -> None:
        """401 without a good token, 403 with one that is not the admin's; a fresh server asks for none (1)."""
        options = self._machine.behaviour.options
        if (route is not None and route.is_open) or not options.claimed:
            return
        token = request.headers.get("x-plex-token", "") or request.arg("X-Plex-Token")
        if token in options.shared_tokens:
            if route is not None and (route.admin or route.method != "GET"):
                raise Refused(error(403))
        elif token != self._machine.token:
            raise Refused(error(401))

    async def _fail(self, exchange: Exchange, entry: JournalEntry, rule: FaultRule) -> None:
        match rule.kind:
            case "500" | "401" | "403" | "404":
                await self._send(exchange, entry, error(int(rule.kind)))
            case "refuse":
                await self._send(exchange, entry, unwilling(rule.message))
            case "empty":
                await self._send(exchange, entry, Answer())
            case "bad-xml":
                torn = b'<?xml version="1.0" encoding="UTF-8"?>\n<MediaContainer size="1"><Dvr key="'
                await self._send(exchange, entry, Answer(200, torn, "text/xml;charset=utf-8"))
            case "reset":
                await exchange.reset()
            case "timeout":
                await _client_leaves(exchange)

    async def _send(self, exchange: Exchange, entry: JournalEntry, answer: Answer) -> None:
        body, kind = rendered(
            answer,
            accept=exchange.request.headers.get("accept", ""),
            single_objects=self._machine.behaviour.options.single_objects,
        )
        entry.status = answer.status
        await exchange.respond(answer.status, body, kind, [*PLEX_HEADERS, *answer.headers])

    async def _control(self, exchange: Exchange) -> None:
        request = exchange.request
        behaviour = self._machine.behaviour
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "journal":
                since = int(request.arg("since", "0"))
                entries = [e.document() for e in self._journal.entries if e.n > since]
                await _document(exchange, {"journal": entries})
            case "GET", "state":
                await _document(exchange, self._handle.state())
            case "GET", "faults":
                await _document(exchange, _behaviour(behaviour))
            case "POST", "faults":
                try:
                    wanted = json.loads(request.body)
                    options = PlexOptions.from_json(behaviour.options, wanted.get("options", {}))
                    behaviour.faults.add_json(wanted.get("rules", []))
                except (ValueError, TypeError, AttributeError) as problem:
                    await _document(exchange, {"error": str(problem)}, status=400)
                    return
                behaviour.options = options
                await _document(exchange, _behaviour(behaviour))
            case "DELETE", "faults":
                behaviour.reset()
                await _document(exchange, _behaviour(behaviour))
            case "POST", "restart":
                await _document(exchange, {})
                await self._handle.ask_restart()
            case _:
                await _document(exchange, {"error": "no such control"}, status=404)


def _behaviour(behaviour: Behaviour) -> dict[str, Any]:
    return {"options": asdict(behaviour.options), "rules": [asdict(rule) for rule in behaviour.faults.rules]}


async def _document(exchange: Exchange, document: dict[str, Any], *, status: int = 200) -> None:
    await exchange.respond(status, json.dumps(document, indent=1), "application/json")


async def _client_leaves(exchange: Exchange) -> None:
    """Say nothing until the client has had enough."""
    while await exchange.stream.receive_some():
        pass


def _has_left(exchange: Exchange) -> bool:
    """Whether the client has closed its side, without reading what it may have sent."""
    with socket.socket(fileno=os.dup(exchange.stream.socket.fileno())) as peek:
        try:
            return peek.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
