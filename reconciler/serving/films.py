"""`/play/<channel id>`: what exports name. Live channels go through the relay, films and episodes through as they are.

A film is a file: the client's `Range` goes to the provider and the provider's answer comes back byte for byte, so that
seeking works. It takes a connection of the account's pool like any viewer. Only ids of the generation's routes are
known: no address a client could name is ever fetched (SEC-1). This module refuses to convert and to share: two viewers of
a film are two connections.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from reconciler.errors import CredentialError
from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.answers import Answer, answer_head, refusal
from reconciler.serving.attempt import Attempt, first_bytes
from reconciler.serving.body import BodyBroken
from reconciler.serving.dial import DialFailed, Reply
from reconciler.serving.generations import Generation, Tuner
from reconciler.serving.heads import Request
from reconciler.serving.pool import PoolFull
from reconciler.serving.settings import TimeLimits
from reconciler.serving.upstream import UpstreamEnded
from reconciler.serving.ways import Way
from reconciler.serving.wire import Wire
from reconciler.sources.classify import classify_response

__all__ = ["Films", "exported_live", "is_film"]

log = logging.getLogger(__name__)

MOST_VIEWERS: Final = 1_000
"""Exports have no tuner count of their own: the accounts' pools are the limit."""
READ_BYTES: Final = 256 * 1024
SILENCE_S: Final = 30.0
ASKED: Final = ("range", "if-range")
NO_FILM: Final = frozenset({"empty", "html", "json", "text", "limit", "elsewhere"})
"""What the detector says of pages. Of a film's own bytes it only says that they are no transport stream."""
JUDGED_BYTES: Final = 512
"""Two bytes that a player asks for first may look like anything."""
TOLD: Final = ("content-type", "content-length", "content-range", "accept-ranges", "last-modified", "etag")


def is_film(generation: Generation, channel: str) -> bool:
    """Whether the id is a film or an episode."""
    ways = generation.routes.channels.get(channel, ())
    return bool(ways) and ways[0].kind != "live"


def exported_live(generation: Generation, channel: str) -> Tuner | None:
    """A live channel of an export as a tuner of its own that the relay can serve; None where there is no such id."""
    if channel not in generation.routes.channels or is_film(generation, channel):
        return None
    dvr = DvrManifest(
        name="export",
        slug="",
        device_id="",
        friendly_name="",
        port=None,
        base_url="",
        tuners=MOST_VIEWERS,
        scan_possible=False,
        channels={channel: channel},
        profile="",
    )
    return Tuner(dvr, Path(), {}, {}, {channel: channel})


class Films:
    """Passes films through, one way after the other until one answers."""

    def __init__(self, attempt: Attempt, limits: TimeLimits) -> None:
        self._attempt = attempt
        self._limits = limits

    async def send(self, wire: Wire, request: Request, ways: list[Way]) -> Answer | None:
        """Serve it to its end and return None, or return why not. Raises OSError when the client leaves."""
        extra = [(name.title(), request.headers[name]) for name in ASKED if name in request.headers]
        if request.head_only:
            return Answer(200, headers=(("Accept-Ranges", "bytes"),))  # asks nobody (hdhomerun.md 2.8)
        code = 806
        for way in ways:
            try:
                lease = await self._attempt.pool.acquire(way.accounts, "viewer", wait_s=self._limits.slot_s)
            except PoolFull:
                code = 805
                continue
            try:
                if await self._through(wire, way, lease.account, extra):
                    return None
            except (DialFailed, UpstreamEnded, CredentialError, trio.TooSlowError) as error:
                log.info("a film of source %s did not play: %s", way.source.name, type(error).__name__)
            finally:
                self._attempt.pool.release(lease)
        return refusal(code)

    async def _through(self, wire: Wire, way: Way, account: str, extra: list[tuple[str, str]]) -> bool:
        """False: this way has no such file. Once the head is out, the answer is given whatever follows."""
        target = await trio.to_thread.run_sync(self._attempt.credentials.target, way, account)
        dialler = self._attempt.dialler(way, target, self._limits)
        try:
            with trio.fail_after(self._limits.tune_s):
                reply = await dialler.get(target.url.reveal(), extra=extra)
            try:
                if reply.status not in {200, 206, 416} or "html" in reply.headers.get("content-type", ""):
                    return False
                if reply.status != 416 and _from_the_beginning(reply):
                    with trio.fail_after(self._limits.first_byte_s):
                        reply = replace(reply, first=await first_bytes(reply))
                    verdict = classify_response(reply.status, reply.headers, reply.url, reply.first)
                    if verdict.cause in NO_FILM and (reply.status == 200 or len(reply.first) >= JUDGED_BYTES):
                        return False
                headers = [
                    (name.title(), reply.headers[name])
                    for name in TOLD
                    if name in reply.headers
                    and reply.headers[name].isprintable()
                    and not (name == "content-length" and reply.body.packed)
                ]
                await wire.send_all(answer_head(reply.status, headers, close=True))
                await _body(wire, reply)
                return True
            finally:
                reply.link.close()
        finally:
            dialler.close()


def _from_the_beginning(reply: Reply) -> bool:
    """Whether the body begins where the file does: what stands in its middle says nothing."""
    return reply.status == 200 or reply.headers.get("content-range", "").startswith("bytes 0-")


async def _body(wire: Wire, reply: Reply) -> None:
    data = reply.first
    while True:
        if data:
            await wire.send_all(data)
        if reply.body.complete:
            return
        with trio.move_on_after(SILENCE_S) as waited:
            more = await reply.link.receive(READ_BYTES)
        if waited.cancelled_caught or not more:
            return
        try:
            data = bytes(reply.body.feed(more))
        except BodyBroken:
            return
