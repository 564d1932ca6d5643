"""One attempt at one way: lease, credentials, connection, verdict, and the upstream that comes of it.

Everything before the first packet happens here, within the way's own deadlines (connect, then first byte), so that the
viewer's answer can still be a refusal (E20-1). This module refuses to choose among ways.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import trio

from reconciler.errors import CredentialError
from reconciler.serving.blocks import Blocks
from reconciler.serving.body import BodyBroken
from reconciler.serving.clocks import offset_s
from reconciler.serving.dial import DialFailed, Dialler, Guard, Names, Reply
from reconciler.serving.ffmpeg import FfmpegUpstream
from reconciler.serving.hls import HlsUpstream, NeedsMuxer
from reconciler.serving.packets import SYNC
from reconciler.serving.pool import Account, Lease, Pool, PoolFull
from reconciler.serving.settings import Terms, TimeLimits
from reconciler.serving.transport import Container, NotTransport, Packets, Whole
from reconciler.serving.upstream import TsUpstream, Upstream, UpstreamEnded
from reconciler.serving.ways import CredentialReader, Target, Way
from reconciler.sources.classify import ENOUGH_BYTES, classify_response, sound_alone

__all__ = ["Attempt", "AttemptFailed", "Won", "first_bytes"]

READ_BYTES: Final = 64 * 1024
LEAST_JUDGED_BYTES: Final = 3 * 204 + 204
HEADER: Final = b"#EXTM3U"
GATHER_S: Final = 0.3
"""After the first bytes: so long for enough to judge something that is no transport stream."""
LIMIT_CAUSES: Final = frozenset({"limit", "denied"})
SEATED: Final = frozenset(
    {"timeout", "reset", "empty", "short", "not-ts", "muxer", "encrypted", "no-segment", "empty-segment"}
)
"""Of whom this is said, the provider had let in, and may count for a while."""
FIRST_AGAIN_S: Final = 0.3
"""Most panels notice a close within a blink; those that do not are asked once a second."""
AGAIN_S: Final = 1.0


class AttemptFailed(Exception):
    """No stream this way. `connected`: a provider answered at all. `allowed` and `wait_s` as in `sources.classify`."""

    def __init__(
        self,
        cause: str,
        detail: str,
        *,
        connected: bool,
        allowed: int | None = None,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.connected = connected
        self.allowed = allowed
        self.wait_s = wait_s


@dataclass(slots=True)
class Won:
    """A stream that plays, and what it holds."""

    way: Way
    upstream: Upstream
    lease: Lease


@dataclass(frozen=True, slots=True)
class Attempt:
    """What attempts need of the process."""

    pool: Pool
    names: Names
    credentials: CredentialReader
    blocks: Blocks

    async def make(self, way: Way, terms: Terms, *, held: Callable[[Lease], None] | None = None) -> Won:
        """Try a way. Raises AttemptFailed; cancelling frees lease and connection.

        Where the account refuses and one of its connections was closed a moment ago, it is asked again: panels notice
        late (iptv-streams.md B4). `held` is told of the lease before anything is asked with it.
        """
        lease = await self._lease(way, terms.limits)
        if held is not None:
            held(lease)
        account = next(a for a in way.accounts if a.key == lease.account)
        try:
            # Whoever zaps is refused once, not once a channel: who asks on and on is banned (iptv-streams.md B4).
            await trio.sleep(min(terms.limits.slot_s, self.pool.held_off_s(account)))
            upstream = await self._patiently(way, lease, account, terms)
        except AttemptFailed as error:
            if error.cause == "limit" and error.wait_s is not None and way.is_of_an_account:
                self.pool.rest(lease.account, error.wait_s)
            self.pool.release(lease, served=error.connected and error.cause in SEATED)
            raise
        except BaseException:
            self.pool.release(lease, served=lease.asking)
            raise
        return Won(way, upstream, lease)

    async def _lease(self, way: Way, limits: TimeLimits) -> Lease:
        rests = {account: self.pool.resting_s(account.key) for account in way.accounts}
        accounts: tuple[Account, ...] = tuple(account for account, left_s in rests.items() if not left_s)
        if not accounts:
            why = f"asked to come back later, in {min(rests.values()):.0f} s"
            raise AttemptFailed("limit", why, connected=False)
        try:
            return await self.pool.acquire(accounts, "viewer", wait_s=limits.slot_s)
        except PoolFull as error:
            raise AttemptFailed("pool", str(error), connected=False) from error

    async def _patiently(self, way: Way, lease: Lease, account: Account, terms: Terms) -> Upstream:
        """Ask; while the account cools again: soon, then once a second, or when the provider says, unless that is too long."""
        slot_s, key = terms.limits.slot_s, account.key
        until = trio.current_time() + slot_s
        told = waited = False
        while True:
            lease.asking = True
            try:
                upstream = await self._open(way, key, terms)
            except AttemptFailed as error:
                lease.asking = False
                if error.cause == "limit" and not told:
                    told = True
                    self.pool.count_refusal(key)
                    if way.is_of_an_account:
                        self.pool.learn(account, error.allowed)
                step_s = AGAIN_S if self.pool.refused_since_close(key) else FIRST_AGAIN_S
                pause_s = error.wait_s or min(step_s, slot_s / 3)
                if error.cause not in LIMIT_CAUSES or pause_s >= slot_s or not self.pool.cooling(key):
                    raise
                self.pool.hold_off(key, pause_s, "" if error.cause == "limit" else way.channel)
                if trio.current_time() + pause_s >= until:
                    raise
            else:
                self.pool.served(key, waited=waited)
                return upstream
            waited = True
            await trio.sleep(pause_s)

    async def _open(self, way: Way, account: str, terms: Terms) -> Upstream:
        limits = terms.limits
        try:
            if self.credentials.may_wait:
                target = await trio.to_thread.run_sync(self.credentials.target, way, account)
            else:
                target = self.credentials.target(way, account)
        except CredentialError as error:
            raise AttemptFailed("credentials", error.message, connected=False) from error
        dialler = self.dialler(way, target, limits)
        connected = False
        with trio.CancelScope() as scope:

            def heard() -> None:
                nonlocal connected
                connected = True
                scope.deadline = trio.current_time() + limits.first_byte_s

            dialler.connected = heard
            try:
                return await _open_stream(dialler, target.url.reveal(), terms, self.blocks, heard)
            except UpstreamEnded as error:
                dialler.close()
                raise AttemptFailed(
                    error.cause,
                    error.detail,
                    connected=connected,
                    allowed=error.allowed,
                    wait_s=error.wait_s,
                ) from error
            except (DialFailed, NotTransport) as error:
                dialler.close()
                raise AttemptFailed(error.cause, error.detail, connected=connected) from error
            except NeedsMuxer as error:
                dialler.close()
                raise AttemptFailed(
                    "muxer", f"{error.why}: needs the profile 'remux'", connected=True
                ) from error
            except BaseException:
                dialler.close()
                raise
        raise AttemptFailed("timeout", f"no stream within {limits.first_byte_s:g} s", connected=connected)

    def dialler(self, way: Way, target: Target, limits: TimeLimits) -> Dialler:
        """Connections for one stream of this way, with its headers and the guard of its source."""
        headers = list(target.headers)
        if target.user_agent and not any(name.lower() == "user-agent" for name, _ in headers):
            headers.insert(0, ("User-Agent", target.user_agent))
        return Dialler(
            Guard(private=way.private),
            self.names,
            headers=tuple(headers),
            own_headers=tuple((name, value.reveal()) for name, value in target.own_headers),
            own_hosts=target.own_hosts,
            connect_s=limits.connect_s,
        )


async def _open_stream(
    dialler: Dialler, url: str, terms: Terms, blocks: Blocks, restart_clock: Callable[[], None]
) -> Upstream:
    """Ask, judge the first bytes, and make the upstream that fits them."""
    raw = terms.profile != "copy"
    container: Container
    reply = await dialler.get(url, keep=True)
    try:
        first = await first_bytes(reply)
        verdict = classify_response(reply.status, reply.headers, reply.url, first, asked_url=url)
        if verdict.kind == "hls":
            restart_clock()
            return await _open_hls(dialler, url, replace(reply, first=first), terms, blocks)
        sound = sound_alone(verdict, first)
        if verdict.kind == "ts" or ((verdict.kind == "fmp4" or sound) and raw):
            cutter = Packets() if verdict.kind == "ts" else Whole()
            plain = TsUpstream(reply, dialler, first, blocks, terms.limits.silence_s, packets=cutter)
            container = sound or ("mp4" if verdict.kind == "fmp4" else "mpegts")
            return FfmpegUpstream([plain], terms.profile, [container]) if raw else plain
    except BaseException:
        reply.link.close()
        raise
    reply.link.close()
    if verdict.kind == "fmp4":
        raise NeedsMuxer("the stream is fragmented MP4")
    if sound:
        raise NeedsMuxer("the stream is sound alone")
    if verdict.kind == "dash":
        raise UpstreamEnded("not-ts", "a DASH manifest, which cannot be relayed")
    raise UpstreamEnded.of(verdict)


async def _open_hls(dialler: Dialler, url: str, reply: Reply, terms: Terms, blocks: Blocks) -> Upstream:
    raw = terms.profile != "copy"
    after = None if raw else terms.after
    hls = HlsUpstream(dialler, url, terms.limits, blocks, raw=raw, after=after, alone=terms.alone)
    try:
        await hls.open(reply)
        if not raw:
            return hls
        readers = [hls]
        if hls.audio_url and terms.profile == "remux":
            sound = HlsUpstream(dialler, hls.audio_url, terms.limits, blocks, raw=True, alone=terms.alone)
            readers.append(sound)
            await sound.open(await dialler.get(hls.audio_url, keep=True))
            await sound.skip_to(hls.begins_s)
            await hls.skip_to(sound.begins_s)
        return FfmpegUpstream(
            readers,
            terms.profile,
            [reader.container for reader in readers],
            sound_after_s=offset_s(hls.begins_s, readers[-1].begins_s),
        )
    except BaseException:
        hls.close()
        raise


async def first_bytes(reply: Reply) -> bytes:
    """Enough of a body to judge it: a few packets, or what comes shortly after the first byte.

    What has begun as a stream begins is waited for as long as the caller's deadline allows: panels send the first packet
    and then wait for their own source. Endless chunks of nothing run into that deadline too.
    """
    data = reply.first
    with trio.CancelScope() as scope:
        while len(data) < ENOUGH_BYTES and not reply.body.complete:
            if data and scope.deadline == float("inf"):
                scope.deadline = trio.current_time() + GATHER_S
            if len(data) >= LEAST_JUDGED_BYTES:
                verdict = classify_response(reply.status, reply.headers, reply.url, data)
                if verdict.kind in {"ts", "hls"}:
                    break
            data += await _more_of(reply)
    while _undecided(data) and not reply.body.complete:
        data += await _more_of(reply)
    return data


async def _more_of(reply: Reply) -> bytes:
    """The next bytes of a body; nothing at its end."""
    try:
        more = await reply.link.receive(READ_BYTES)
        if not more:
            reply.body.end()
            return b""
        return bytes(reply.body.feed(more))
    except BodyBroken as error:
        raise UpstreamEnded("not-ts", str(error)) from error
    except OSError as error:
        raise UpstreamEnded("reset", "the provider cut the connection") from error


def _undecided(data: bytes) -> bool:
    """Whether a beginning may still become a stream: fewer than three packets, or not yet a whole `#EXTM3U`."""
    head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return (data[:1] == bytes((SYNC,)) and len(data) < LEAST_JUDGED_BYTES) or HEADER.startswith(head)
