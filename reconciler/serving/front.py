"""What happens with a request: documents and files at once, streams to the relay, the rest to the ASGI application.

Tuner documents and streams are answered here on the raw connection, because an event layer costs more than they do
(performance.md 1). Pages and the API, where comfort counts, are handed to Hypercorn together with their connection.
The request's Host is never looked at. This module refuses to make documents and to touch an upstream.
"""

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from reconciler.serving import hdhr
from reconciler.serving.access import Access
from reconciler.serving.answers import HTML, JSON, M3U, XML, Answer, answer_head, etag_matches, refusal
from reconciler.serving.fetches import FETCHES_PATH, GuideFetch, GuideFetches
from reconciler.serving.films import exported_live, is_film
from reconciler.serving.generations import Generation, Live, Tuner
from reconciler.serving.heads import BadRequest, Reader, Request
from reconciler.serving.relay import Relay
from reconciler.serving.wire import Wire

__all__ = ["Front", "HandOver"]

log = logging.getLogger(__name__)

STREAM_PATH: Final = re.compile(r"(?:auto/v|stream/|tuner(?P<tuner>[0-9]{1,3})/v)(?P<number>[^/]{1,32})")
STATUS_PATH: Final = re.compile(r"(?:tuner(?P<tuner>[0-9]{1,3})/)?status\.json|tuners\.html")
FREQUENCY_PATH: Final = re.compile(r"(?:auto|tuner[0-9]{1,3})/ch.*")
FRESH: Final = (("Cache-Control", "no-cache"), ("Access-Control-Allow-Origin", "*"))
NOT_ALLOWED: Final = Answer(405, headers=(("Allow", "GET, HEAD"),))
NOT_FOUND: Final = Answer(404)
FORBIDDEN: Final = Answer(403)
STARTING: Final = refusal(803)
UNREADABLE: Final = Answer(503)
"""A published file that cannot be opened now (a mount away, too many files open): that is not the same as none."""
ACCEPTS_ALL: Final = ("GET", "HEAD")

HandOver = Callable[[Wire, bytes], Awaitable[None]]
"""Takes a connection over with the bytes read from it so far, and ends it."""


class Front:
    """One for the whole process. `door` is the DVR whose port was knocked at, or "" for the hub."""

    def __init__(
        self,
        live: Live,
        access: Access,
        relay: Relay,
        fetches: GuideFetches,
        hand_over: HandOver,
        *,
        by_path: bool,
    ) -> None:
        self._live = live
        self._access = access
        self._relay = relay
        self._fetches = fetches
        self._hand_over = hand_over
        self._by_path = by_path

    async def connection(self, wire: Wire, door: str) -> None:
        """Answer the requests of one connection until it ends. Closes it. Cancelling closes it too."""
        try:
            if not self._access.admits(wire.peer):
                self._access.note_refused(wire.peer)
                await self._send(wire, FORBIDDEN)
                return
            reader = Reader(wire)
            try:
                while (request := await reader.next()) is not None:
                    if not await self._respond(wire, request, door):
                        break
            except BadRequest as error:
                await self._send(wire, Answer(error.status))
        except OSError:
            pass  # the client has gone: nobody is left to tell
        finally:
            wire.close()

    async def _send(self, wire: Wire, answer: Answer) -> None:
        await wire.send_all(answer.wire(close=True, head_only=False))
        await wire.linger()

    async def _respond(self, wire: Wire, request: Request, door: str) -> bool:
        """Answer one request. True if the connection goes on."""
        path = request.path.removeprefix("/")
        generation = self._live.generation
        if door:
            tuner = generation.tuners.get(door) if generation else None
            return await self._tuner(wire, request, generation, tuner, path)
        if self._by_path:
            slug, slash, rest = path.partition("/")
            if generation is not None and slug in generation.slugs:
                return await self._tuner(wire, request, generation, generation.slugs[slug], rest)
            if generation is None and slash and self._looks_like_tuner(rest):
                return await self._finish(wire, request, STARTING)
        if generation is not None and path in generation.exports:
            return await self._file(wire, request, generation, generation.exports[path], kind=M3U, dvr="")
        if generation is not None and path.startswith("play/"):
            return await self._play(wire, request, generation, unquote(path.removeprefix("play/")))
        if request.method == "PRI":  # the preface of HTTP/2, which would carry many requests behind our back
            return await self._finish(wire, request, NOT_ALLOWED)
        await self._hand_over(wire, request.raw)  # what follows on the connection is not answered: it closes
        return False

    def _looks_like_tuner(self, path: str) -> bool:
        known = path in {"discover.json", "lineup.json", "lineup_status.json", "guide.xml", "device.xml"}
        return known or STREAM_PATH.fullmatch(path) is not None

    async def _tuner(
        self, wire: Wire, request: Request, generation: Generation | None, tuner: Tuner | None, path: str
    ) -> bool:
        if tuner is None or generation is None:
            # The port is still open while the DVR has gone, or nothing is published yet.
            return await self._finish(wire, request, STARTING if generation is None else NOT_FOUND)
        if path == "lineup.post" and request.method in {"POST", *ACCEPTS_ALL}:
            status = hdhr.scan_status([key for key, _ in request.query])
            return await self._finish(wire, request, Answer(status))
        if request.method not in ACCEPTS_ALL:
            return await self._finish(wire, request, NOT_ALLOWED)
        document = tuner.documents.get(path)
        if document is not None:
            known = request.headers.get("if-none-match", "")
            keep = request.keep_alive
            await wire.send_all(document.wire(close=not keep, head_only=request.head_only, known=known))
            return keep
        if path in tuner.files:
            file, kind = tuner.files[path]
            return await self._file(wire, request, generation, file, kind=kind, dvr=tuner.dvr.name)
        if f"/{path}" == FETCHES_PATH:
            name = tuner.dvr.name
            told = self._fetches.answer(request.arg("since") or "0", [name], only=name)
            return await self._finish(wire, request, told)
        in_use = STATUS_PATH.fullmatch(path)
        if in_use is not None:
            return await self._finish(wire, request, self._in_use(tuner, path, in_use["tuner"]))
        stream = STREAM_PATH.fullmatch(path)
        if stream is not None:
            return await self._stream(wire, request, tuner, stream)
        if FREQUENCY_PATH.fullmatch(path):
            return await self._finish(wire, request, refusal(801))
        return await self._finish(wire, request, NOT_FOUND)

    def _in_use(self, tuner: Tuner, path: str, one: str | None) -> Answer:
        """Which tuners play what: for dashboards in browsers, with the headers of a device's documents."""
        rows = hdhr.status_rows(tuner.dvr.tuners, self._relay.busy(tuner))
        if path == "tuners.html":
            return Answer(200, hdhr.tuners_page(tuner.dvr, rows), HTML, FRESH)
        if one is None:
            return Answer(200, hdhr.status_json(rows), JSON, FRESH)
        row = next((row for row in rows if row["Resource"] == f"tuner{int(one)}"), None)
        return NOT_FOUND if row is None else Answer(200, hdhr.status_json(row), JSON, FRESH)

    async def _stream(self, wire: Wire, request: Request, tuner: Tuner, match: re.Match[str]) -> bool:
        number = match["number"]
        if number not in tuner.dvr.channels:
            return await self._finish(wire, request, refusal(801))
        if request.head_only:  # never tunes: Jellyfin asks like this (hdhomerun.md 2.8)
            await wire.send_all(self._relay.stream_head(http11=False, resource=""))
            return False
        wish = int(match["tuner"]) if match["tuner"] else None
        answer = await self._relay.watch(wire, request, tuner, number, wish)
        if answer is not None:
            return await self._finish(wire, request, answer)
        return False

    async def _play(self, wire: Wire, request: Request, generation: Generation, channel: str) -> bool:
        if request.method not in ACCEPTS_ALL:
            return await self._finish(wire, request, NOT_ALLOWED)
        tuner = exported_live(generation, channel)
        if tuner is not None and not request.head_only:
            answer = await self._relay.watch(wire, request, tuner, channel, None)
        elif tuner is not None:
            answer = Answer(200, headers=(("Content-Type", "video/mp2t"),))
        elif is_film(generation, channel):
            answer = await self._relay.film(wire, request, generation, channel)
        else:
            answer = refusal(801)
        return False if answer is None else await self._finish(wire, request, answer)

    async def _finish(self, wire: Wire, request: Request, answer: Answer) -> bool:
        keep = request.keep_alive
        await wire.send_all(answer.wire(close=not keep, head_only=request.head_only))
        return keep

    async def _file(
        self, wire: Wire, request: Request, generation: Generation, path: Path, *, kind: str, dvr: str
    ) -> bool:
        if request.method not in ACCEPTS_ALL:
            return await self._finish(wire, request, NOT_ALLOWED)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            log.warning("cannot open %s: %s", path, error.strerror)
            return await self._finish(wire, request, UNREADABLE)
        sent = size = status = 0
        try:
            size = os.fstat(file).st_size
            etag = f'"{self._digest(generation, path, dvr)}-{size:x}"'
            keep = request.keep_alive
            if etag_matches(request.headers.get("if-none-match", ""), etag):
                status, size = 304, 0
                await wire.send_all(answer_head(304, [("ETag", etag)], close=not keep))
                return keep
            status = 200
            headers = [("Content-Type", kind), ("Content-Length", str(size)), ("ETag", etag)]
            await wire.send_all(answer_head(200, [*headers, ("Cache-Control", "no-cache")], close=not keep))
            if request.head_only:
                return keep
            sent = await wire.send_file(file, 0, size)
            return keep and sent == size
        finally:
            os.close(file)
            if kind == XML and not request.head_only:
                self._fetches.note(
                    GuideFetch(
                        at=time.time(),
                        dvr=dvr,
                        path=request.path,
                        user_agent=request.headers.get("user-agent", "")[:200],
                        client=wire.peer,
                        status=status,
                        size_bytes=sent,
                        complete=sent == size,
                        generation=generation.id,
                    )
                )

    def _digest(self, generation: Generation, path: Path, dvr: str) -> str:
        """What names a file's content: the guide's own digest, so that it stays when only other files changed."""
        if dvr and path.name == "guide.xml":
            digest = generation.tuners[dvr].dvr.guide_digest
            if digest:
                return digest[:32]
        return generation.id[:32]
