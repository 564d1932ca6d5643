"""What the hosts of a simulated panel answer: from a request to a page, a playlist, a segment or a stream.

Every request becomes a visit in the journal, is offered to the fault switchboard, and only then answered. This module
refuses to know how a page is made, a stream is paced or a fault is carried out; it knows who does.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from reconciler.errors import OperatorError
from reconciler.sandbox.answers import Answer, cached, ranged
from reconciler.sandbox.delivery import Delivery
from reconciler.sandbox.documents import Address, action_json, login_json, playlist
from reconciler.sandbox.faults import Fault, Faults
from reconciler.sandbox.figures import logo_png
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.misbehaviour import answer, decisive, delay
from reconciler.sandbox.origin import Origin
from reconciler.sandbox.panel import Account, Channel, Panel
from reconciler.sandbox.playlists import HLS_TYPE, Playlists
from reconciler.sandbox.seats import Seat, Seats
from reconciler.sandbox.sessions import Session, Sessions
from reconciler.sandbox.streams import Variant
from reconciler.sandbox.visits import Journal, Visit
from reconciler.sandbox.wire import Exchange, Request

__all__ = ["Site"]

NOWHERE: Final = Address("dead.invalid", 8080)
SLATE: Final = Channel(-1, "LIMIT")
XML: Final = "application/xml"
M3U: Final = "audio/x-mpegurl"
TOS: Final = b"<!DOCTYPE html><html><body><h1>This content violates the terms of service</h1></body></html>"
FILM_TYPES: Final = {"mp4": "video/mp4", "mkv": "video/x-matroska", "ts": "video/mp2t"}
CHANGED: Final[dict[str, Variant]] = {"pid-change": "other-pids", "codec-change": "mpeg2"}
IN_STREAM_START: Final = frozenset({"pid-change", "codec-change", "truncated"})

Maker = Callable[[], Awaitable[Answer]]


@dataclass(slots=True)
class Site:
    """The panel behind all hosts: content, habits, failures, and what the clients have done so far."""

    panel: Panel
    manners: Manners
    faults: Faults
    journal: Journal
    seats: Seats
    origin: Origin
    clock: Callable[[], float]
    addresses: tuple[Address, ...] = ()
    sessions: Sessions = field(default_factory=Sessions)
    _pages: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    _calls: deque[float] = field(default_factory=deque)

    def replace(self, panel: Panel) -> None:
        """Exchange the content."""
        self.panel = panel
        self._pages.clear()

    def seated(self) -> list[Seat]:
        """Every connection that counts now."""
        manners = self.manners
        return [
            seat
            for account in self.panel.accounts
            for seat in self.seats.held(account.username, notice=manners.notice, hold=manners.hls_hold)
        ]

    async def handle(self, host: int, exchange: Exchange) -> None:
        """Answer one request on one host. A client that leaves is not an error."""
        request = exchange.request
        visit = Visit(
            number=self.journal.next_number(),
            opened=self.clock(),
            host=host,
            method=request.method,
            target=request.target,
            kind="other",
            agent=request.headers.get("user-agent", ""),
            referer=request.headers.get("referer", ""),
            cookie=request.headers.get("cookie", ""),
            peer=request.peer,
            range=request.headers.get("range", ""),
        )
        self.journal.visits.append(visit)
        try:
            await self._route(visit, exchange)
        except (OperatorError, ValueError) as error:
            # No ffmpeg, or an ffmpeg whose output is not what it should be: say so where the client sees it.
            if not exchange.started:
                await exchange.respond(500, str(error), "text/plain")
        finally:
            visit.closed = self.clock()
            visit.status = visit.status or exchange.status
            visit.bytes_sent = visit.bytes_sent or exchange.sent_bytes

    async def _route(self, visit: Visit, exchange: Exchange) -> None:
        request = exchange.request
        match request.segments:
            case ("player_api.php",):
                await self._page(visit, exchange, "player_api", lambda: self._api(visit.host, request))
            case ("get.php",):
                await self._page(visit, exchange, "get", lambda: self._get(visit.host, request))
            case ("xmltv.php",):
                await self._page(
                    visit, exchange, "xmltv", lambda: self._guide(visit.host, request, login=True)
                )
            case ("guide.xml" | "guide.xml.gz",):
                await self._page(
                    visit, exchange, "xmltv", lambda: self._guide(visit.host, request, login=False)
                )
            case ("list.m3u" | "list.m3u.gz",):
                await self._page(visit, exchange, "list", lambda: self._list(visit.host, request))
            case ("logos", name) if name.endswith(".png"):
                await self._page(visit, exchange, "logo", lambda: self._logo(name))
            case ("tos",):
                await exchange.respond(200, TOS, "text/html")
            case ("play", name):
                await self._channel(visit, exchange, None, name)
            case ("edge", name):
                await self._edge(visit, exchange, name)
            case ("hls", token, number, track, name):
                await self._hls(visit, exchange, token, number, track=track, name=name)
            case ("live", user, word, name) | (user, word, name):
                await self._channel(visit, exchange, (user, word), name)
            case ("movie" | "series", user, word, name):
                await self._film(visit, exchange, (user, word), name)
            case _:
                await self._refuse(visit, exchange, 404)

    # ---- pages

    async def _page(
        self,
        visit: Visit,
        exchange: Exchange,
        kind: str,
        make: Maker,
        claimed: tuple[Fault, ...] | None = None,
    ) -> None:
        """Answer with a whole page, after asking the switchboard what is to go wrong with it."""
        visit.kind = kind
        faults = self._claim(visit) if claimed is None else claimed
        visit.account = visit.account or exchange.request.arg("username")
        if kind == "player_api" and (wait := self._too_many()):
            headers = (("Retry-After", str(wait)),)
            await exchange.respond(429, b"too many requests", "text/plain", headers)
            return
        await answer(exchange, make, faults, self.addresses[visit.host].base)

    def _claim(self, visit: Visit) -> tuple[Fault, ...]:
        faults = self.faults.claim(visit.host, visit.kind, visit.channel, visit.agent)
        visit.fault = ",".join(f.kind for f in faults)
        return faults

    def _too_many(self) -> int:
        """Seconds to wait where the API is asked more often than it likes, else 0."""
        if self.manners.api_rate is None:
            return 0
        count, seconds = self.manners.api_rate
        now = trio.current_time()
        while self._calls and self._calls[0] <= now - seconds:
            self._calls.popleft()
        if len(self._calls) >= count:
            return max(1, int(self._calls[0] + seconds - now) + 1)
        self._calls.append(now)
        return 0

    def _login(self, request: Request) -> Account | None:
        return self.panel.account(request.arg("username"), request.arg("password"))

    def _barred(self, account: Account) -> bool:
        ended = account.expires is not None and account.expires < self.clock()
        return ended or account.status not in ("Active", "Trial")

    async def _made(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """A page from the cache, or made in a thread: lists of tens of thousands take their time."""
        if key not in self._pages:
            panel = self.panel
            body = await trio.to_thread.run_sync(make)
            if panel is not self.panel:
                return body
            self._pages[key] = body
        return self._pages[key]

    async def _api(self, host: int, request: Request) -> Answer:
        panel, now, messy = self.panel, self.clock(), self.manners.messy
        account, base = self._login(request), self.addresses[host].base
        action = request.arg("action")
        if not action or account is None:
            active = 0
            if account is not None:
                hold, notice = self.manners.hls_hold, self.manners.notice
                active = len(self.seats.held(account.username, notice=notice, hold=hold))
            named = self.manners.advertised_host
            address = self.addresses[host if named is None else named] if named != -1 else NOWHERE
            body = login_json(panel, account, address, now, active=active, messy=messy)
        elif self._barred(account):
            body = b"[]"
        elif action.startswith("get_live_streams"):
            key = (action, request.arg("category_id"), base, messy)
            body = await self._made(
                key, lambda: action_json(panel, action, request.arg, base, now, messy=messy)
            )
        else:
            body = await trio.to_thread.run_sync(
                lambda: action_json(panel, action, request.arg, base, now, messy=messy)
            )
        return Answer(200, body, "application/json")

    async def _get(self, host: int, request: Request) -> Answer:
        account = self._login(request)
        if account is None or self._barred(account):
            return Answer(401 if account is None else 403)
        panel, base = self.panel, self.addresses[host].base
        plus = request.arg("type", "m3u_plus") == "m3u_plus"
        hls = request.arg("output", "ts") in ("hls", "m3u8")
        films = self.manners.list_with_films

        def make() -> bytes:
            return playlist(panel, account, base, plus=plus, hls=hls, films=films, directives=False)

        body = await self._made(("get", account, base, plus, hls, films), make)
        name = (("Content-Disposition", 'attachment; filename="playlist.m3u"'),)
        said = cached(request, body, M3U, modified=self._midnight(), zipped=False)
        return said.with_headers(*name)

    async def _list(self, host: int, request: Request) -> Answer:
        panel, base = self.panel, self.addresses[host].base
        hls = request.arg("output") in ("hls", "m3u8")

        def make() -> bytes:
            return playlist(panel, None, base, plus=True, hls=hls, films=False, directives=True)

        body = await self._made(("list", base, hls), make)
        zipped = request.path.endswith(".gz")
        return cached(request, body, M3U, modified=self._midnight(), zipped=zipped)

    async def _guide(self, host: int, request: Request, *, login: bool) -> Answer:
        if login:
            account = self._login(request)
            if account is None or self._barred(account):
                return Answer(401 if account is None else 403)
        guide, now = self.panel.guide, self.clock()
        if guide is None:
            return Answer(200, b"", XML)
        base = self.addresses[host].base.encode()
        key = ("guide", base, int(now // 86400))
        body = await self._made(key, lambda: guide.document(now).replace(b"{base}", base))
        zipped = request.path.endswith(".gz")
        return await trio.to_thread.run_sync(
            lambda: cached(request, body, XML, modified=self._midnight(), zipped=zipped)
        )

    def _midnight(self) -> float:
        return self.clock() // 86400 * 86400

    async def _logo(self, name: str) -> Answer:
        return Answer(200, logo_png(name.removesuffix(".png")), "image/png")

    # ---- streams

    async def _refuse(self, visit: Visit, exchange: Exchange, status: int) -> None:
        async def make() -> Answer:
            return Answer(status)

        await answer(exchange, make, self._claim(visit), self.addresses[visit.host].base)

    async def _channel(
        self, visit: Visit, exchange: Exchange, login: tuple[str, str] | None, name: str
    ) -> None:
        """A live URL, with credentials in its path or (plain list) without."""
        stem, _, ending = name.partition(".")
        channel = self.panel.channel(int(stem)) if stem.isdecimal() else None
        visit.kind = "playlist" if ending == "m3u8" else "live"
        visit.channel = channel.id if channel is not None else None
        account = None
        if login is not None:
            visit.account = login[0]
            account = self.panel.account(*login)
            if account is None or self._barred(account):
                await self._refuse(visit, exchange, 403)
                return
        if channel is None:
            await self._refuse(visit, exchange, 404)
            return
        if channel.kind != "live":
            await self._film(visit, exchange, login, name)
            return
        if self.manners.redirect:
            await self._send_on(visit, exchange, account, channel, name)
            return
        claimed = self._claim(visit)
        if ending == "m3u8":
            client = self._client(visit)
            session = self.sessions.of_client(account, channel.id, client)
            if session is None or self.sessions.find(session.token) is None:
                session = self.sessions.begin(account, channel.id, client, None)
            await self._playlist(visit, exchange, session, channel, claimed, track="main", name="")
        else:
            await self._stream(visit, exchange, account, channel, claimed)

    async def _send_on(
        self, visit: Visit, exchange: Exchange, account: Account | None, channel: Channel, name: str
    ) -> None:
        """A redirect to the next host, with a token that ages."""

        async def make() -> Answer:
            session = self.sessions.begin(account, channel.id, self._client(visit), self.manners.token_life)
            other = self.addresses[(visit.host + 1) % len(self.addresses)].base
            return Answer(302, b"", "", (("Location", f"{other}/edge/{name}?token={session.token}"),))

        await answer(exchange, make, self._claim(visit), self.addresses[visit.host].base)

    async def _edge(self, visit: Visit, exchange: Exchange, name: str) -> None:
        """Where redirects lead."""
        visit.kind = "playlist" if name.endswith(".m3u8") else "live"
        session, channel = self._admitted(exchange.request.arg("token"), name.partition(".")[0], visit)
        if session is None or channel is None:
            await self._refuse(visit, exchange, 403)
            return
        claimed = self._claim(visit)
        if visit.kind == "playlist":
            await self._playlist(visit, exchange, session, channel, claimed, track="main", name="")
        else:
            await self._stream(visit, exchange, session.account, channel, claimed)

    def _admitted(self, token: str, number: str, visit: Visit) -> tuple[Session | None, Channel | None]:
        """The session of a token that is still good, and its channel."""
        session = self.sessions.find(token)
        if session is None or str(session.channel) != number:
            return None, None
        visit.channel = session.channel
        visit.account = session.account.username if session.account else ""
        place = (visit.host, visit.kind, session.channel, visit.agent)
        for fault in self.faults.matching("token-expiry", *place):
            given = trio.current_time() - fault.after_s if fault.after_s else self.faults.since(fault)
            if session.begun < given:
                self.sessions.end(session)
                return None, None
        return session, self.panel.channel(session.channel)

    @staticmethod
    def _client(visit: Visit) -> str:
        return f"{visit.peer[0]} {visit.agent}"

    async def _stream(
        self,
        visit: Visit,
        exchange: Exchange,
        account: Account | None,
        channel: Channel,
        claimed: tuple[Fault, ...],
    ) -> None:
        """A TS stream, once there is a seat for it."""

        async def head_only() -> Answer:
            return Answer(200, b"", "video/mp2t")

        fault = decisive(claimed)
        spoilt = fault is not None and fault.kind not in IN_STREAM_START
        if exchange.request.method == "HEAD" or spoilt:
            await answer(exchange, head_only, claimed, self.addresses[visit.host].base)
            return
        await delay(claimed)
        seat = None
        if account is not None:
            seat = self._seat(account, channel.id, self._client(visit), "ts")
            if seat is None:
                if self.manners.limit_answer != "slate":
                    await exchange.respond(self.manners.limit_answer, self.manners.limit_text, "text/html")
                    return
                channel = SLATE
        delivery = Delivery(exchange, visit, channel, self.origin, self.manners, self.faults, claimed)
        with trio.CancelScope() as scope:
            if seat is not None:
                seat.scope = scope
            try:
                await delivery.run()
            finally:
                if seat is not None:
                    self.seats.release(seat)

    def _seat(self, account: Account, channel: int, client: str, kind: str) -> Seat | None:
        manners = self.manners
        return self.seats.take(
            account,
            channel,
            client,
            "hls" if kind == "hls" else "ts",
            notice=manners.notice,
            hold=manners.hls_hold,
            policy=manners.limit_policy,
        )

    async def _hls(
        self, visit: Visit, exchange: Exchange, token: str, number: str, *, track: str, name: str
    ) -> None:
        """A playlist, a segment or a key below a token."""
        visit.kind = "playlist" if name.endswith(".m3u8") else "key" if name.endswith(".bin") else "segment"
        session, channel = self._admitted(token, number, visit)
        if session is None or channel is None:
            await self._refuse(visit, exchange, 403)
            return
        claimed = self._claim(visit)
        if visit.kind == "playlist":
            await self._playlist(visit, exchange, session, channel, claimed, track=track, name=name)
            return
        if session.seat is not None and not self.seats.holds(session.seat):
            await exchange.respond(403)
            return
        if session.seat is not None:
            self.seats.touch(session.seat)
        if channel.shape.cookie and session.cookie not in visit.cookie:
            await exchange.respond(403)
            return
        pages = self._playlists(visit, session, channel, claimed)
        fault = decisive(claimed)
        variant = CHANGED.get(fault.kind) if fault is not None else None
        await answer(
            exchange,
            lambda: pages.piece(exchange.request, track, name, variant),
            claimed,
            self.addresses[visit.host].base,
        )

    async def _playlist(
        self,
        visit: Visit,
        exchange: Exchange,
        session: Session,
        channel: Channel,
        claimed: tuple[Fault, ...],
        *,
        track: str,
        name: str,
    ) -> None:
        """A playlist, once there is a seat for its client; it counts while it goes on asking."""

        async def make() -> Answer:
            session.slate = False
            if session.account is not None:
                session.seat = self._seat(session.account, channel.id, session.client, "hls")
                if session.seat is None:
                    if self.manners.limit_answer != "slate":
                        return Answer(
                            self.manners.limit_answer, self.manners.limit_text.encode(), "text/html"
                        )
                    session.slate = True
            pages = self._playlists(visit, session, channel, claimed)
            text = pages.text(track, name, exchange.request)
            headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-cache"),)
            if channel.shape.cookie:
                headers += (("Set-Cookie", f"{session.cookie}; Path=/"),)
            return Answer(200, (await text).encode(), HLS_TYPE, headers)

        await answer(exchange, make, claimed, self.addresses[visit.host].base)

    def _playlists(
        self, visit: Visit, session: Session, channel: Channel, claimed: tuple[Fault, ...]
    ) -> Playlists:
        address = self.addresses[visit.host]
        channel = SLATE if session.slate else channel
        return Playlists(self.origin, self.manners, self.faults, channel, session, address, visit, claimed)

    async def _film(self, visit: Visit, exchange: Exchange, login: tuple[str, str] | None, name: str) -> None:
        """A film or an episode: a file with a length and ranges, counted while it is being sent."""
        stem = name.partition(".")[0]
        film = self.panel.channel(int(stem)) if stem.isdecimal() else None
        visit.kind = "film"
        visit.channel = film.id if film is not None else None
        account = self.panel.account(*login) if login is not None else None
        visit.account = login[0] if login is not None else ""
        if login is not None and (account is None or self._barred(account)):
            await self._refuse(visit, exchange, 403)
            return
        if film is None or film.kind == "live":
            await self._refuse(visit, exchange, 404)
            return

        async def make() -> Answer:
            path = await self.origin.library.file(self.origin.label(film), film.container)
            body = await trio.to_thread.run_sync(path.read_bytes)
            return ranged(exchange.request, body, FILM_TYPES[film.container])

        seat = None
        if account is not None and exchange.request.method != "HEAD":
            seat = self._seat(account, film.id, self._client(visit), "ts")
            if seat is None:
                limit = self.manners.limit_answer
                await exchange.respond(403 if limit == "slate" else limit, self.manners.limit_text)
                return
        try:
            await answer(exchange, make, self._claim(visit), self.addresses[visit.host].base)
        finally:
            if seat is not None:
                self.seats.release(seat)
