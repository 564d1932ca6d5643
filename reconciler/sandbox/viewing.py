"""Streams of a simulated panel: who is let in, where redirects lead, and what holds a seat.

Admission only: pacing is `delivery`'s, playlists are `playlists`', seats are counted in `seats`. This module refuses
to make up its mind about faults; the switchboard did.
"""

from dataclasses import dataclass
from typing import Final, Literal

import trio

from reconciler.sandbox.answers import Answer, ranged
from reconciler.sandbox.delivery import Delivery
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.misbehaviour import decisive, delay
from reconciler.sandbox.panel import Account, Channel
from reconciler.sandbox.playlists import HLS_TYPE, Playlists
from reconciler.sandbox.seats import Seat
from reconciler.sandbox.sessions import Session
from reconciler.sandbox.site import Site
from reconciler.sandbox.streams import Variant
from reconciler.sandbox.visits import Visit
from reconciler.sandbox.wire import Exchange

__all__ = ["Viewing"]

SLATE: Final = Channel(-1, "LIMIT")
FILM_TYPES: Final = {"mp4": "video/mp4", "mkv": "video/x-matroska", "ts": "video/mp2t"}
CHANGED: Final[dict[str, Variant]] = {"pid-change": "other-pids", "codec-change": "mpeg2"}
IN_STREAM_START: Final = frozenset({"pid-change", "codec-change", "truncated", "corrupt"})


@dataclass(frozen=True, slots=True)
class Viewing:
    """The streams of one site."""

    site: Site

    async def channel(
        self, visit: Visit, exchange: Exchange, login: tuple[str, str] | None, name: str
    ) -> None:
        """A live URL, with credentials in its path or (plain list) without."""
        stem, _, ending = name.partition(".")
        channel = self.site.panel.channel(int(stem)) if stem.isdecimal() else None
        visit.kind = "playlist" if ending == "m3u8" else "live"
        visit.channel = channel.id if channel is not None else None
        account = None
        if login is not None:
            visit.account = login[0]
            account = self.site.panel.account(*login)
            if account is None or self.site.barred(account):
                await self.site.refuse(visit, exchange, 403)
                return
        if channel is None:
            await self.site.refuse(visit, exchange, 404)
            return
        if channel.kind != "live":
            await self.film(visit, exchange, login, name)
            return
        if self.site.manners.redirect:
            await self._send_on(visit, exchange, account, channel, name)
            return
        claimed = self.site.claim(visit)
        if ending == "m3u8":
            client = self._client(visit)
            session = self.site.sessions.of_client(account, channel.id, client)
            if session is None or self.site.sessions.find(session.token) is None:
                session = self.site.sessions.begin(account, channel.id, client, None)
            await self._playlist(visit, exchange, session, channel, claimed, track="main", name="")
        else:
            await self._stream(visit, exchange, account, channel, claimed)

    async def edge(self, visit: Visit, exchange: Exchange, name: str) -> None:
        """Where redirects lead."""
        visit.kind = "playlist" if name.endswith(".m3u8") else "live"
        session, channel = self._admitted(exchange.request.arg("token"), name.partition(".")[0], visit)
        if session is None or channel is None:
            await self.site.refuse(visit, exchange, 403)
            return
        claimed = self.site.claim(visit)
        if visit.kind == "playlist":
            await self._playlist(visit, exchange, session, channel, claimed, track="main", name="")
        else:
            await self._stream(visit, exchange, session.account, channel, claimed)

    async def hls(
        self, visit: Visit, exchange: Exchange, token: str, number: str, *, track: str, name: str
    ) -> None:
        """A playlist, a segment or a key below a token."""
        visit.kind = "playlist" if name.endswith(".m3u8") else "key" if name.endswith(".bin") else "segment"
        session, channel = self._admitted(token, number, visit)
        if session is None or channel is None:
            await self.site.refuse(visit, exchange, 403)
            return
        claimed = self.site.claim(visit)
        if visit.kind == "playlist":
            await self._playlist(visit, exchange, session, channel, claimed, track=track, name=name)
            return
        if session.seat is not None and not self.site.seats.holds(session.seat):
            await exchange.respond(403)
            return
        if session.seat is not None:
            self.site.seats.touch(session.seat)
        if channel.shape.cookie and session.cookie not in visit.cookie:
            await exchange.respond(403)
            return
        pages = self._playlists(visit, session, channel, claimed)
        fault = decisive(claimed)
        variant = CHANGED.get(fault.kind) if fault is not None else None
        await self.site.respond(
            visit, exchange, lambda: pages.piece(exchange.request, track, name, variant), claimed
        )

    async def film(self, visit: Visit, exchange: Exchange, login: tuple[str, str] | None, name: str) -> None:
        """A film or an episode: a file with a length and ranges, counted while it is being sent."""
        stem = name.partition(".")[0]
        film = self.site.panel.channel(int(stem)) if stem.isdecimal() else None
        visit.kind = "film"
        visit.channel = film.id if film is not None else None
        account = self.site.panel.account(*login) if login is not None else None
        visit.account = login[0] if login is not None else ""
        if login is not None and (account is None or self.site.barred(account)):
            await self.site.refuse(visit, exchange, 403)
            return
        if film is None or film.kind == "live":
            await self.site.refuse(visit, exchange, 404)
            return

        async def make() -> Answer:
            path = await self.site.origin.library.file(self.site.origin.label(film), film.container)
            body = await trio.to_thread.run_sync(path.read_bytes)
            return ranged(exchange.request, body, FILM_TYPES[film.container])

        seat = None
        if account is not None and exchange.request.method != "HEAD":
            seat = self._seat(account, film.id, self._client(visit), "ts")
            if seat is None:
                await self._turn_away(exchange)
                return
        try:
            await self.site.respond(visit, exchange, make, self.site.claim(visit))
        finally:
            if seat is not None:
                self.site.seats.release(seat)

    async def _send_on(
        self, visit: Visit, exchange: Exchange, account: Account | None, channel: Channel, name: str
    ) -> None:
        """A redirect to the next host, with a token that ages."""

        async def make() -> Answer:
            session = self.site.sessions.begin(
                account, channel.id, self._client(visit), self.site.manners.token_life
            )
            other = self.site.addresses[(visit.host + 1) % len(self.site.addresses)].base
            return Answer(302, b"", "", (("Location", f"{other}/edge/{name}?token={session.token}"),))

        await self.site.respond(visit, exchange, make, self.site.claim(visit))

    def _admitted(self, token: str, number: str, visit: Visit) -> tuple[Session | None, Channel | None]:
        """The session of a token that is still good, and its channel."""
        session = self.site.sessions.find(token)
        if session is None or str(session.channel) != number:
            return None, None
        visit.channel = session.channel
        visit.account = session.account.username if session.account else ""
        place = (visit.host, visit.kind, session.channel, visit.agent)
        for fault in self.site.faults.matching("token-expiry", *place):
            given = trio.current_time() - fault.after_s if fault.after_s else self.site.faults.since(fault)
            if session.begun < given:
                self.site.sessions.end(session)
                return None, None
        return session, self.site.panel.channel(session.channel)

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
            await self.site.respond(visit, exchange, head_only, claimed)
            return
        await delay(claimed)
        seat = None
        if account is not None:
            seat = self._seat(account, channel.id, self._client(visit), "ts")
            if seat is None:
                if self.site.manners.limit_answer != "slate":
                    await self._turn_away(exchange)
                    return
                channel = SLATE
        delivery = Delivery(
            exchange, visit, channel, self.site.origin, self.site.manners, self.site.faults, claimed
        )
        with trio.CancelScope() as scope:
            if seat is not None:
                seat.scope = scope
            try:
                await delivery.run()
            finally:
                if seat is not None:
                    self.site.seats.release(seat)

    def _full(self) -> Answer:
        """What a client over the limit is told, where it is told at all."""
        manners = self.site.manners
        status = 403 if manners.limit_answer == "slate" else manners.limit_answer
        return Answer(status, manners.limit_text.encode(), "text/html")

    async def _turn_away(self, exchange: Exchange) -> None:
        said = self._full()
        await exchange.respond(said.status, said.body, said.content_type)

    def _seat(self, account: Account, channel: int, client: str, kind: Literal["ts", "hls"]) -> Seat | None:
        manners = self.site.manners
        return self.site.seats.take(
            account,
            channel,
            client,
            kind,
            notice=manners.notice,
            hold=manners.hls_hold,
            policy=manners.limit_policy,
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
                    if self.site.manners.limit_answer != "slate":
                        return self._full()
                    session.slate = True
            pages = self._playlists(visit, session, channel, claimed)
            text = pages.text(track, name, exchange.request)
            headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-cache"),)
            if channel.shape.cookie:
                headers += (("Set-Cookie", f"{session.cookie}; Path=/"),)
            return Answer(200, (await text).encode(), HLS_TYPE, headers)

        await self.site.respond(visit, exchange, make, claimed)

    def _playlists(
        self, visit: Visit, session: Session, channel: Channel, claimed: tuple[Fault, ...]
    ) -> Playlists:
        address = self.site.addresses[visit.host]
        channel = SLATE if session.slate else channel
        return Playlists(
            self.site.origin, self.site.manners, self.site.faults, channel, session, address, visit, claimed
        )
