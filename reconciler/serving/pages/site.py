"""The pages as an ASGI application: which address shows what, and with which headers.

    /                             status
    /guide?dvr=…&at=…&q=…         the grid
    /channel/<dvr>/<number>       one channel explained
    /events?for=status|guide      changes, as server-sent events
    /assets/…                     style, script, icon: named by content, kept for ever

Everything is read-only; nothing fetches an address a client named. What a page needs is gathered here from the live
state and the readers, and given to the page as a value. This module refuses to make HTML.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import trio

from reconciler.catalog.address import PASSWORD, USERNAME, host_of
from reconciler.lineups.manifest import Routes
from reconciler.serving.answers import HTML
from reconciler.serving.asgi import Receive, Scope, Send
from reconciler.serving.drift import DriftLog
from reconciler.serving.events import EVENTS_KIND, Events, Snapshot, snapshot
from reconciler.serving.fetches import GuideFetches
from reconciler.serving.generations import Generation, Live, Tuner
from reconciler.serving.health import Health
from reconciler.serving.pages.assets import assets
from reconciler.serving.pages.channel_page import AHEAD_S, BEFORE_S, ChannelShown, WayShown, channel_page
from reconciler.serving.pages.guide_page import GuideAsked, GuideShown, guide_page, window_of
from reconciler.serving.pages.layout import POLICY, Frame, page
from reconciler.serving.pages.markup import Html, element, join
from reconciler.serving.pages.status_page import pulse, regions, status_page
from reconciler.serving.programmes import Programme, Programmes
from reconciler.serving.records import Recorded, Records
from reconciler.serving.relay import Relay
from reconciler.serving.status import LastFetches, Status, host_label, status_of
from reconciler.serving.suspending import Suspensions
from reconciler.serving.ways import ways_of

__all__ = ["Pages"]


READS: Final = frozenset({"GET", "HEAD"})
GUARDS: Final = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
FRESH: Final = ("Cache-Control", "no-cache")
FOR_EVER: Final = ("Cache-Control", "public, max-age=31536000, immutable")
EARLIEST_S: Final = 14 * 86400
"""How far from now the guide may be asked for, either way."""
MOST_WORDS: Final = 80


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = (FRESH,)


class Pages:
    """ASGI. `owns` says which paths are its own. `drift` is for whoever looks at Plex to note what it saw."""

    def __init__(
        self,
        live: Live,
        relay: Relay,
        health: Health,
        fetches: GuideFetches,
        records: Records,
        drift: DriftLog,
        suspensions: Suspensions,
        *,
        plex: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._live = live
        self._plex = plex
        self._relay = relay
        self._health = health
        self._fetched = LastFetches(fetches)
        self._records = records
        self._drift = drift
        self._suspensions = suspensions
        self._clock = clock
        self._programmes = Programmes()
        self._events = {"status": Events(self._status_event), "guide": Events(self._guide_event)}
        self._last_status: tuple[Status, Snapshot] | None = None

    def owns(self, path: str) -> bool:
        """Whether a request for `path` belongs here."""
        return path in {"/", "/guide", "/events"} or path.startswith(("/assets/", "/channel/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Every answer closes its connection (see `handover`)."""
        method, path = scope["method"], scope["path"]
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if method not in READS:
            await _send(send, method, _Answer(b"", 405, "", (("Allow", "GET, HEAD"),)))
        elif path == "/events":
            headers = {k.lower(): v for k, v in scope["headers"]}
            await self._stream(method, query, headers.get(b"last-event-id", b""), receive, send)
        else:
            await _send(send, method, await self._answer(path, query))

    async def _answer(self, path: str, query: Mapping[str, str]) -> _Answer:
        if path == "/":
            return _Answer(status_page(await self.status()))
        if path == "/guide":
            return await self._guide(query)
        if path.startswith("/assets/"):
            asset = assets().at(path[1:])
            if asset is not None:
                return _Answer(asset.body, 200, asset.content_type, (FOR_EVER,))
        parts = path.split("/")
        if parts[1] == "channel" and len(parts) == 4:
            return await self._channel(parts[2], parts[3])
        return self._refused(404, "There is no such page.", depth=path.count("/") - 1)

    # --- status ----------------------------------------------------------------------------------------------

    async def status(self) -> Status:
        """The state of this moment, with what is on for each stream."""
        recorded = await self._recorded()
        now = self._clock()
        return self._status(recorded, now, await self._on_now(now))

    def _status(self, recorded: Recorded, now: float, on_now: Mapping[tuple[str, str], Programme]) -> Status:
        return status_of(
            self._live,
            self._relay,
            self._health,
            self._fetched.table(),
            recorded,
            self._drift.latest,
            self._suspensions,
            now=now,
            on_now=on_now,
            plex=self._plex,
        )

    async def _recorded(self) -> Recorded:
        generation = self._live.generation
        return await self._records.read(generation.routes.sources if generation else ())

    async def _on_now(self, now: float) -> dict[tuple[str, str], Programme]:
        """What is on for every tuner in use."""
        generation = self._live.generation
        found: dict[tuple[str, str], Programme] = {}
        for name in self._relay.seats.dvrs() if generation else ():
            tuner = generation.tuners.get(name) if generation else None
            if tuner is None:
                continue
            numbers = [seat.number for seat in self._relay.seats.of(name)]
            listings = await self._programmes.listings(tuner, numbers, int(now), int(now) + 1)
            for number in numbers:
                programme = listings.at(number, now)
                if programme is not None:
                    found[name, number] = programme
        return found

    async def _status_event(self) -> Snapshot:
        status = await self.status()
        if self._last_status is not None and self._last_status[0] == status:
            return self._last_status[1]
        made = snapshot({"regions": regions(status), "mark": status.generation})
        self._last_status = (status, made)
        return made

    async def _guide_event(self) -> Snapshot:
        status = self._status(Recorded(), self._clock(), {})
        await trio.lowlevel.checkpoint()
        return snapshot({"regions": {"pulse": pulse(status)}, "mark": status.generation})

    # --- guide -----------------------------------------------------------------------------------------------

    async def _guide(self, query: Mapping[str, str]) -> _Answer:
        now = self._clock()
        generation = self._live.generation
        if generation is None or not generation.tuners:
            why = join(
                ["Nothing is published yet, so there is no guide. Next: ", element("code", "ptctl apply")]
            )
            return self._refused(503, why, here="guide")
        dvr = query.get("dvr") or next(iter(generation.tuners))
        tuner = generation.tuners.get(dvr)
        if tuner is None:
            return self._refused(404, f"There is no DVR “{dvr}”.", here="guide")
        at = _moment(query.get("at", ""))
        if query.get("at") and (at is None or abs(at - now) > EARLIEST_S):
            return self._refused(400, "“at” is no time within two weeks (seconds since 1970, or 2026-11-24T18:00Z).",
                                 here="guide")  # fmt: skip
        asked = GuideAsked(dvr, at, query.get("q", "")[:MOST_WORDS])
        begin, end = window_of(asked, now)
        listings = await self._programmes.listings(tuner, tuner.dvr.channels, begin, end)
        shown = GuideShown(
            home=generation.manifest.name,
            mark=generation.id,
            dvrs=tuple(generation.tuners),
            asked=asked,
            names=_names(tuner),
            logos=fit_logos(await self._programmes.logos(tuner), generation.routes),
            listings=listings,
            off=frozenset(tuner.dvr.off),
        )
        beat = self._pulse(now)
        return _Answer(await trio.to_thread.run_sync(guide_page, shown, now, beat))

    def _pulse(self, now: float) -> Html:
        return pulse(self._status(Recorded(), now, {}))

    # --- one channel -----------------------------------------------------------------------------------------

    async def _channel(self, dvr: str, number: str) -> _Answer:
        now = self._clock()
        generation = self._live.generation
        tuner = generation.tuners.get(dvr) if generation else None
        if generation is None or tuner is None or number not in tuner.dvr.channels:
            return self._refused(404, f"DVR “{dvr}” has no channel {number}.", depth=2)
        id_ = tuner.dvr.channels[number]
        recorded = await self._recorded()
        begin = int(now) - BEFORE_S
        listings = await self._programmes.listings(tuner, (number,), begin, int(now) + AHEAD_S)
        logos = fit_logos(await self._programmes.logos(tuner), generation.routes)
        status = self._status(recorded, now, {})
        shown = ChannelShown(
            home=generation.manifest.name,
            mark=generation.id,
            dvr=dvr,
            title=tuner.dvr.friendly_name,
            number=number,
            id=id_,
            name=tuner.names.get(number, ""),
            logo=logos.get(number, ""),
            off=number in tuner.dvr.off,
            listings=listings,
            ways=self._ways(id_, dvr, generation),
            record=recorded.ledger.channels.get(id_) if recorded.ledger else None,
            ledger_known=recorded.ledger is not None,
            streams=[s for s in status.streams if (s.dvr, s.number) == (dvr, number)],
        )
        return _Answer(channel_page(shown, now, pulse(status)))

    def _ways(self, channel: str, dvr: str, generation: Generation) -> list[WayShown]:
        shown = []
        addresses: dict[int, int] = {}
        for way in ways_of(channel, generation.routes, self._health, dvr):
            # By its place among the source's hosts on every page, whatever order this DVR tries them in.
            place = host_label(generation.routes.sources[way.source.name], way.host)
            if not place:
                nth = addresses[way.place] = addresses.get(way.place, 0) + 1
                place = f"address {nth}"
            resting = max(self._health.penalty(way.host_key), self._health.penalty(way.stream_key)) > 0
            shown.append(WayShown(way.source.name, way.source.kind, place, resting, way.pinned))
        return shown

    # --- the rest --------------------------------------------------------------------------------------------

    def _refused(self, status: int, why: str | Html, *, here: str = "", depth: int = 0) -> _Answer:
        now = self._clock()
        generation = self._live.generation
        title = HTTPStatus(status).phrase
        home = generation.manifest.name if generation else ""
        frame = Frame(title, home, here, depth=max(0, depth), pulse=self._pulse(now))
        main = join([element("h1", title), element("p", why),
                     element("p", element("a", "To the status page", href=frame.to()))])  # fmt: skip
        return _Answer(page(frame, main), status, HTML, (("Cache-Control", "no-store"),))

    async def _stream(
        self, method: str, query: Mapping[str, str], seen: bytes, receive: Receive, send: Send
    ) -> None:
        events = self._events.get(query.get("for", "status"))
        if events is None:
            await _send(send, method, _Answer(b"", 404, ""))
        elif events.full:
            await _send(send, method, _Answer(b"", 503, "", (("Retry-After", "30"),)))
        else:
            # `X-Accel-Buffering`: nginx otherwise keeps events until a buffer is full.
            headers = (("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
            head = _Answer(b"", 200, EVENTS_KIND, headers)
            await send({"type": "http.response.start", "status": 200, "headers": _lines(head, length=False)})
            if method == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            else:
                await events.serve(receive, send, seen.decode("latin-1"))


def fit_logos(logos: Mapping[str, str], routes: Routes) -> Mapping[str, str]:
    """Logos that a browser may be pointed at: not those on a provider's own host, nor with a credential's place in them."""
    own = {host_of(url).partition(":")[0] for source in routes.sources.values() for url in source.hosts}
    hosts: dict[str, bool] = {}
    kept = {}
    for number, url in logos.items():
        if not url.startswith(("http://", "https://")) or USERNAME in url or PASSWORD in url:
            continue
        try:
            parts = urlsplit(url)
        except ValueError:
            continue
        if "@" in parts.netloc:
            continue
        fits = hosts.get(parts.netloc)
        if fits is None:
            fits = hosts[parts.netloc] = (parts.hostname or "") not in own
        if fits:
            kept[number] = url
    return kept


def _names(tuner: Tuner) -> dict[str, str]:
    """Names by number, in the order of the lineup."""
    return {number: tuner.names.get(number, "") for number in sorted(tuner.dvr.channels, key=_order)}


def _order(number: str) -> tuple[float, str]:
    try:
        return float(number), number
    except ValueError:
        return float("inf"), number


def _moment(text: str) -> int | None:
    """Seconds since 1970 of an `at`: digits, or ISO with a zone (UTC where none is named)."""
    if text.isascii() and text.isdecimal() and len(text) <= 11:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


async def _send(send: Send, method: str, answer: _Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": _lines(answer)})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


def _lines(answer: _Answer, *, length: bool = True) -> list[tuple[bytes, bytes]]:
    headers = [*answer.headers, *GUARDS, ("Connection", "close")]
    if length:
        headers.append(("Content-Length", str(len(answer.body))))
    if answer.content_type:
        headers.append(("Content-Type", answer.content_type))
    return [(name.lower().encode(), value.encode()) for name, value in headers]
