"""From a request to whoever answers it: the paths of a simulated panel.

Every request becomes a visit in the journal before anything else happens to it. This module refuses to know how a
page is made or a client admitted.
"""

from typing import Final

from reconciler.errors import OperatorError
from reconciler.sandbox.pages import Pages
from reconciler.sandbox.site import Site
from reconciler.sandbox.viewing import Viewing
from reconciler.sandbox.visits import Visit
from reconciler.sandbox.wire import Exchange

__all__ = ["handle"]

TOS: Final = b"<!DOCTYPE html><html><body><h1>This content violates the terms of service</h1></body></html>"
PAGES: Final = {
    "player_api.php": "player_api",
    "get.php": "get",
    "xmltv.php": "xmltv",
    "guide.xml": "xmltv",
    "guide.xml.gz": "xmltv",
    "list.m3u": "list",
    "list.m3u.gz": "list",
}


async def handle(site: Site, host: int, exchange: Exchange) -> None:
    """Answer one request on one host. A client that leaves is not an error."""
    request = exchange.request
    visit = Visit(
        number=site.journal.next_number(),
        opened=site.clock(),
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
    site.journal.visits.append(visit)
    try:
        await _route(site, visit, exchange)
    except (OperatorError, OSError, ValueError) as error:
        # No ffmpeg, no room for a clip, an ffmpeg whose output is odd: say so where the client sees it.
        if not exchange.started:
            await exchange.respond(500, str(error), "text/plain")
    finally:
        visit.closed = site.clock()
        visit.status = visit.status or exchange.status
        visit.bytes_sent = visit.bytes_sent or exchange.sent_bytes


async def _route(site: Site, visit: Visit, exchange: Exchange) -> None:
    viewing = Viewing(site)
    match exchange.request.segments:
        case (name,) if name in PAGES:
            await Pages(site).send(visit, exchange, PAGES[name])
        case ("logos", name) if name.endswith(".png"):
            await Pages(site).send(visit, exchange, "logo")
        case ("tos",):
            await exchange.respond(200, TOS, "text/html")
        case ("play", name):
            await viewing.channel(visit, exchange, None, name)
        case ("edge", name):
            await viewing.edge(visit, exchange, name)
        case ("hls", token, number, track, name):
            await viewing.hls(visit, exchange, token, number, track=track, name=name)
        case ("live", user, word, name) | (user, word, name):
            await viewing.channel(visit, exchange, (user, word), name)
        case ("movie" | "series", user, word, name):
            await viewing.film(visit, exchange, (user, word), name)
        case _:
            await site.refuse(visit, exchange, 404)
