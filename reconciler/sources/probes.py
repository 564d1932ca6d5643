"""Trying streams before they are published: whose turn it is, how many at once, and when to stop (SMK-1..6, PVL-1..6).

A probe may never cost a viewer a connection: each account keeps its last one free, and those in use are counted
(SMK-3, STM-1). Hosts are paced. The run stops when its time is spent, when whoever started it says so, and when so much
fails that it must be the provider (SMK-4): then nothing is changed. This module refuses to write what it found and to
decide which channels leave a lineup.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

import trio

from reconciler.catalog.address import PASSWORD, USERNAME, fill, host_of
from reconciler.lineups.manifest import Alternative, Routes, SourceRoute
from reconciler.secret import Secret
from reconciler.sources.access import Access, request_headers, source_accounts
from reconciler.sources.accounts import Account
from reconciler.sources.lending import Lender, Loan
from reconciler.sources.pace import Pace, PaceExceeded
from reconciler.sources.probe_outcome import (
    Known,
    Subject,
    Tried,
    breaker_fires,
    due,
    known_after,
    summed_up,
)
from reconciler.sources.probe_seats import HLS_COOLING_S, Seats
from reconciler.sources.probe_stream import Look, ffprobe_path, try_address
from reconciler.sources.progress import Progress, Step, silent
from reconciler.sources.stream_addresses import addresses
from reconciler.sources.web import Limits, Web, is_private_host, open_web
from reconciler.spec.model import Spec

__all__ = ["ProbeRun", "probe", "subjects_of"]

EACH_S: Final = 8.0
EARLY: Final = 10
"""So many tries before the breaker may stop a run that is still going."""
BETWEEN_S: Final = 0.2
"""Between two tries of one host. A budget below what this allows would leave long lists undecided."""
PROBES_PER_MINUTE: Final = round(60 / BETWEEN_S) + 1
UNCOUNTED: Final = 1_000_000
"""Connections of an account without a known limit: only `probes.concurrency` bounds them."""
_REFUSALS: Final = frozenset({"limit", "denied"})
_SERVED: Final = frozenset({"", "empty-segment", "not-ts", "short", "timeout", "stall"})
"""What is found when a panel took us in: a page or an empty answer instead of a playlist is nobody's connection."""


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """What a run came to. `found` is to be saved; empty when the breaker fired, whatever was seen.

    `stopped`: "" ran to its end; otherwise why not. Counts are of channels; `waiting` were due and not tried.
    """

    found: tuple[Known, ...]
    stopped: Literal["", "breaker", "budget", "asked"] = ""
    tried: int = 0
    good: int = 0
    bad: int = 0
    inconclusive: int = 0
    waiting: int = 0
    notes: tuple[str, ...] = ()


def subjects_of(routes: Routes, names: Mapping[str, str], radio: Sequence[str] = ()) -> list[Subject]:
    """The channels of `routes` that are in `names` (id -> name), as subjects."""
    return [
        Subject(channel, names[channel], alternatives, channel in radio)
        for channel, alternatives in routes.channels.items()
        if channel in names
    ]


async def probe(
    spec: Spec,
    routes: Routes,
    subjects: Sequence[Subject],
    known: Mapping[str, Known],
    *,
    now: float,
    viewers: Mapping[str, int] | None,
    environ: Mapping[str, str] | None = None,
    allow_exec: bool = False,
    every: bool = False,
    stop: trio.Event | None = None,
    lender: Lender | None = None,
    progress: Progress = silent,
    limits: Limits | None = None,
) -> ProbeRun:
    """Try the channels that are due (with `every`, all of them), by `spec.probes`.

    `lender`: a running `serve`, which gives each connection out of its pool. Without one, `viewers` are upstream connections
    in use now by source (None: `serve` did not say, which is noted), and setting `stop` ends the run within a moment and keeps
    what was found. Raises CredentialError before any request. Cancelling loses the run.
    """
    options = spec.probes
    waiting = list(subjects) if every else due(subjects, known, now=now, every_s=options.every_s)
    access = Access(os.environ if environ is None else environ, allow_exec)
    run = _Run(spec, routes, known, now, progress, viewers or {}, lender)
    if viewers is None and lender is None and waiting:
        run.notes[
            "serve does not answer: probes leave one connection of each account free and hope for the rest"
        ] = None
    ffprobe = ffprobe_path() if options.mode == "deep" else None
    if options.mode == "deep" and ffprobe is None:
        run.notes["ffprobe is not installed: only first bytes are looked at"] = None
    used = {a.source for s in waiting for a in s.alternatives}
    for name in sorted(used & spec.sources.keys()):
        source = spec.sources[name]
        accounts = source_accounts(spec, source, access)
        headers = request_headers(
            spec, access, source.headers, source.stream.headers, user_agent=source.stream.user_agent
        )
        run.means[name] = _Means(accounts, headers, ffprobe)
    async with open_web(limits or Limits()) as web:
        with trio.move_on_after(options.budget_s) as budget:
            await run.all(web, waiting, stop)
    return run.result(len(waiting), out_of_time=budget.cancelled_caught)


@dataclass(frozen=True, slots=True)
class _Means:
    accounts: list[Account]
    headers: dict[str, str | Secret]
    ffprobe: str | None


@dataclass(frozen=True, slots=True)
class _Way:
    """One alternative of a channel, and what trying it needs."""

    web: Web
    route: SourceRoute
    means: _Means
    alternative: Alternative
    radio: bool


@dataclass(slots=True)
class _Run:
    spec: Spec
    routes: Routes
    known: Mapping[str, Known]
    now: float
    progress: Progress
    viewers: Mapping[str, int]
    lender: Lender | None = None
    means: dict[str, _Means] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    found: dict[str, Known] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    newly_bad: int = 0
    fired: bool = False
    asked: bool = False
    _seats: Seats = field(default_factory=Seats)
    _private: dict[str, bool] = field(default_factory=dict)
    _pace: Pace = field(default_factory=lambda: Pace(PROBES_PER_MINUTE, BETWEEN_S))

    async def all(self, web: Web, waiting: Sequence[Subject], stop: trio.Event | None) -> None:
        """Try them in order, several at once."""
        queue = iter(waiting)
        total = len(waiting)

        async def worker() -> None:
            for subject in queue:
                tried = await self.one(web, subject)
                self.note(subject, tried, total)
                if self.fired:
                    nursery.cancel_scope.cancel()

        async def listen(event: trio.Event) -> None:
            await event.wait()
            self.asked = True
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            if stop is not None:
                nursery.start_soon(listen, stop)
            async with trio.open_nursery() as workers:
                for _ in range(max(1, self.spec.probes.concurrency)):
                    workers.start_soon(worker)
            nursery.cancel_scope.cancel()

    def note(self, subject: Subject, tried: Tried | None, total: int) -> None:
        """Take a channel's outcome into account; None: it was not tried."""
        if tried is None:
            return
        before = self.known.get(subject.channel)
        self.outcomes[tried.outcome] += 1
        self.found[subject.channel] = known_after(before, subject, tried, now=self.now)
        if tried.outcome == "bad" and (before is None or before.outcome != "bad"):
            self.newly_bad += 1
        count = self.outcomes.total()
        self.progress(
            Step(subject.name, "probe", count, total_bytes=total, detail=tried.detail or tried.outcome)
        )
        if count >= EARLY:
            self.fired = self._breaks(count)

    def _breaks(self, tried: int) -> bool:
        return breaker_fires(tried=tried, newly_bad=self.newly_bad, threshold=self.spec.probes.breaker)

    def result(self, waiting: int, *, out_of_time: bool) -> ProbeRun:
        """The run as a value."""
        tried = self.outcomes.total()
        self.fired = self.fired or self._breaks(tried)
        stopped: Literal["", "breaker", "budget", "asked"] = "budget" if out_of_time else ""
        if self.asked:
            stopped = "asked"
        if self.fired:
            stopped = "breaker"
            share = f"{self.spec.probes.breaker:.0%}"
            self.notes[
                f"{self.newly_bad} of {tried} streams that worked before fail, more than {share}: nothing is changed"
            ] = None
        return ProbeRun(
            found=() if self.fired else tuple(self.found.values()),
            stopped=stopped,
            tried=tried,
            good=self.outcomes["good"],
            bad=self.outcomes["bad"],
            inconclusive=self.outcomes["inconclusive"],
            waiting=waiting - tried,
            notes=tuple(self.notes),
        )

    # --- one channel -----------------------------------------------------------------------------------------

    async def one(self, web: Web, subject: Subject) -> Tried | None:
        """All alternatives of a channel until one is good; None where no connection may be used."""
        tries: list[Tried] = []
        for alternative in subject.alternatives:
            route = self.routes.sources.get(alternative.source)
            means = self.means.get(alternative.source)
            if route is None or means is None:
                continue
            way = _Way(web, route, means, alternative, subject.radio)
            for url in addresses(route, alternative):
                tried = await self._settled(way, url)
                if tried is None:
                    break
                tries.append(tried)
                if tried.outcome == "good":
                    return tried
                if tried.cause == "limit":
                    break  # the account is full at every host
        return summed_up(tries) if tries else None

    async def _settled(self, way: "_Way", url: str) -> Tried | None:
        """One address; once more after a pause where a refusal may be about what we closed ourselves a moment ago."""
        tried = await self._seated(way, url)
        if tried is None or tried.cause not in _REFUSALS:
            return tried
        group = self._group(way.route)
        if not self._seats.refused(group, for_limit=tried.cause == "limit"):
            return tried
        again = await self._seated(way, url)
        if again is None:
            return tried
        self._seats.told(group, cured=again.cause not in _REFUSALS)
        return again

    async def _seated(self, way: "_Way", url: str) -> Tried | None:
        """One address with a connection of its account; None where there is none to use."""
        group = self._group(way.route)
        if not await self._seats.take(group, lambda: self._spare(way.route)):
            name = way.route.name
            if self._seats.closed(group):
                return None  # why was noted then
            why = (
                f"source {name!r} refuses for its limit of connections: its channels wait for the next run"
                if self._seats.given_up(group)
                else f"source {name!r} has no connection to spare: its channels were not tried"
            )
            self.notes[why] = None
            return None
        loan = await self._loan(way.route, group)
        if loan is not None and loan.refused:
            return None
        tried: Tried | None = None
        try:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    if loan is not None:
                        nursery.start_soon(_cancelled_by, loan.revoked, scope)
                    tried = await self._address(way, url)
                    nursery.cancel_scope.cancel()
        finally:
            counted = way.route.connections is not None and way.route.format == "hls"
            held = counted and (tried is None or tried.cause in _SERVED)
            self._seats.leave(group, cooling_s=HLS_COOLING_S if held else 0.0)
            if loan is not None:
                loan.give_back(after_s=HLS_COOLING_S if held and tried else 0.0)
        if tried is None:
            self.notes[
                "a viewer needed a connection that a probe had: its channel waits for the next run"
            ] = None
            return None
        if tried.outcome == "good":
            self._seats.played(group)
        return tried

    async def _loan(self, route: SourceRoute, group: tuple[str, ...]) -> Loan | None:
        """A connection out of `serve`'s pool for a seat that was taken; None: there is no pool. A refused one frees the seat."""
        if self.lender is None:
            return None
        loan = Loan(refused="not lent")
        try:
            loan = await self.lender.borrow(route.name)
        finally:
            if loan.refused:
                self._seats.leave(group, cooling_s=0.0)
        if loan.refused:
            self._seats.close(group)
            self.notes[f"source {route.name!r}: {loan.refused}; its other channels were not tried"] = None
        return loan

    async def _address(self, way: "_Way", url: str) -> Tried:
        means, route = way.means, way.route
        secret = Secret(url)
        if USERNAME in url or PASSWORD in url:
            if not means.accounts:
                return Tried("inconclusive", "denied", "there are no credentials for this address")
            secret = fill(url, means.accounts[0].username, means.accounts[0].password)
        headers = {**means.headers, **dict(way.alternative.headers)}
        private_ok = await self._private_ok(route)
        look = Look(headers, EACH_S, private_ok, means.ffprobe, way.radio)
        try:
            async with self._pace.turn(host_of(url)):
                pass  # a breath between two tries of one host; they may run side by side
        except PaceExceeded as error:
            return Tried("inconclusive", "busy", str(error))
        return await try_address(way.web.client, secret, look)

    async def _private_ok(self, route: SourceRoute) -> bool:
        """Private addresses are in order where the source's own host is one, or it is a file."""
        if route.name not in self._private:
            own = route.hosts or ((route.base,) if "://" in route.base else ())
            private = not own
            for host in own:
                private = private or await is_private_host(urlsplit(host).hostname or "")
            self._private[route.name] = private
        return self._private[route.name]

    # --- connections -----------------------------------------------------------------------------------------

    def _group(self, route: SourceRoute) -> tuple[str, ...]:
        source = self.spec.sources[route.name]
        return source.credentials or (route.name,)

    def _spare(self, route: SourceRoute) -> int:
        """Connections a probe may use now: the limit without the last one and without those of viewers.

        Of several accounts probes use the first; where viewers are is not known, so all of them count against it.
        """
        if route.connections is None:
            return UNCOUNTED
        group = self._group(route)
        sharing = [n for n, s in self.spec.sources.items() if (s.credentials or (n,)) == group]
        return route.connections - 1 - sum(self.viewers.get(n, 0) for n in sharing)


async def _cancelled_by(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
