"""The pages of a simulated panel that are not streams: API, lists, guide, logos.

`documents` and `listings` make the bytes; here is who may have them, what is kept for the next client, and what a
client that has them already gets. This module refuses to stream.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from reconciler.sandbox.answers import Answer, cached
from reconciler.sandbox.documents import Address, action_json, login_json, playlist
from reconciler.sandbox.figures import logo_png
from reconciler.sandbox.panel import Account
from reconciler.sandbox.site import Site
from reconciler.sandbox.visits import Visit
from reconciler.sandbox.wire import Exchange, Request

__all__ = ["Pages"]

NOWHERE: Final = Address("dead.invalid", 8080)
XML: Final = "application/xml"
M3U: Final = "audio/x-mpegurl"
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one site."""

    site: Site

    async def send(self, visit: Visit, exchange: Exchange, kind: str) -> None:
        """The page of this kind, or what the faults make of it. The API's rate is minded before anything else."""
        request, site = exchange.request, self.site
        visit.kind = kind
        visit.account = request.arg("username")
        claimed = site.claim(visit)
        if kind == "player_api" and (wait := site.too_many_calls()):
            headers = (("Retry-After", str(wait)),)
            await exchange.respond(429, b"too many requests", "text/plain", headers)
            return

        async def make() -> Answer:
            match kind:
                case "player_api":
                    return await self._api(visit.host, request)
                case "get":
                    return await self._get(visit.host, request)
                case "xmltv":
                    return await self._guide(visit.host, request)
                case "list":
                    return await self._list(visit.host, request)
                case _:
                    return Answer(200, logo_png(request.segments[-1].removesuffix(".png")), "image/png")

        await site.respond(visit, exchange, make, claimed)

    def _login(self, request: Request) -> Account | None:
        return self.site.panel.account(request.arg("username"), request.arg("password"))

    async def _api(self, host: int, request: Request) -> Answer:
        panel, now, messy = self.site.panel, self.site.clock(), self.site.manners.messy
        account, base = self._login(request), self.site.addresses[host].base
        action = request.arg("action")
        if not action or account is None:
            active = self.site.active(account) if account is not None else 0
            named = self.site.manners.advertised_host
            address = self.site.addresses[host if named is None else named] if named != -1 else NOWHERE
            body = login_json(panel, account, address, now, active=active, messy=messy)
        elif self.site.barred(account):
            body = b"[]"
        elif action.startswith("get_live_streams"):
            key = (action, request.arg("category_id"), base, messy)
            body = await self.site.made(
                key, lambda: action_json(panel, action, request.arg, base, now, messy=messy)
            )
        else:
            body = await trio.to_thread.run_sync(
                lambda: action_json(panel, action, request.arg, base, now, messy=messy)
            )
        return Answer(200, body, "application/json")

    async def _get(self, host: int, request: Request) -> Answer:
        account = self._login(request)
        if account is None or self.site.barred(account):
            return Answer(401 if account is None else 403)
        panel, base = self.site.panel, self.site.addresses[host].base
        plus = request.arg("type", "m3u_plus") == "m3u_plus"
        hls = request.arg("output", "ts") in ("hls", "m3u8")
        films = self.site.manners.list_with_films

        def make() -> bytes:
            return playlist(panel, account, base, plus=plus, hls=hls, films=films, directives=False)

        body = await self.site.made(("get", account, base, plus, hls, films), make)
        name = (("Content-Disposition", 'attachment; filename="playlist.m3u"'),)
        said = cached(request, body, M3U, modified=self._midnight())
        return said.with_headers(*name)

    async def _list(self, host: int, request: Request) -> Answer:
        panel, base = self.site.panel, self.site.addresses[host].base
        hls = request.arg("output") in ("hls", "m3u8")

        def make() -> bytes:
            return playlist(panel, None, base, plus=True, hls=hls, films=False, directives=True)

        return await self._perhaps_zipped(request, ("list", base, hls), make, M3U)

    async def _guide(self, host: int, request: Request) -> Answer:
        if request.segments == ("xmltv.php",):
            account = self._login(request)
            if account is None or self.site.barred(account):
                return Answer(401 if account is None else 403)
        guide, now = self.site.panel.guide, self.site.clock()
        if guide is None:
            return Answer(200, b"", XML)
        base = self.site.addresses[host].base.encode()
        key = ("guide", base, int(now // DAY_S))
        return await self._perhaps_zipped(
            request, key, lambda: guide.document(now).replace(b"{base}", base), XML
        )

    async def _perhaps_zipped(
        self, request: Request, key: tuple[object, ...], make: Callable[[], bytes], content_type: str
    ) -> Answer:
        """A page under its own name or gzipped under `.gz`; either is made once."""
        body = await self.site.made(key, make)
        if request.path.endswith(".gz"):
            content_type = "application/gzip"
            plain = body
            body = await self.site.made((*key, "gz"), lambda: gzip.compress(plain, 6, mtime=0))
        return await trio.to_thread.run_sync(
            lambda: cached(request, body, content_type, modified=self._midnight())
        )

    def _midnight(self) -> float:
        return self.site.clock() // DAY_S * DAY_S
