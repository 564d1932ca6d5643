"""Probes judge a stream as the relay would play it."""

import httpx
import pytest

from reconciler.sandbox.answers import zipped
from reconciler.secret import Secret
from reconciler.sources.probe_stream import Look, try_address
from reconciler.tls import trusted
from tests.conftest import Run
from tests.serving.origin import Asked, Origin, answer, origin, playlist

LOOK = Look({"User-Agent": "VLC/3.0.20", "Accept-Encoding": "gzip"}, 3.0, private_ok=True)
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nfirst.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nsecond.m3u8\n"


async def tried(provider: Origin, path: str) -> tuple[str, str]:
    """Outcome and cause of a probe."""
    async with httpx.AsyncClient(verify=trusted()) as client:
        said = await try_address(client, Secret(provider.url + path), LOOK)
    return said.outcome, said.cause


@pytest.mark.accepts("E20-2", "SMK-1")
@pytest.mark.parametrize("asked_for", [True, False], ids=["when asked", "always"])
def test_a_packed_playlist_is_a_playlist(run: Run[None], *, asked_for: bool) -> None:
    """A server that packs playlists, for who takes gzip or for everybody, has no dead channels for it."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()

            async def page(asked: Asked) -> None:
                text = playlist(1, ["1.ts", "2.ts", "3.ts"])
                plain = asked_for and "ccept-Encoding: gzip" not in asked.head
                packed = answer(zipped(text), "200 OK", ("Content-Encoding", "gzip"))
                await asked.stream.send_all(answer(text) if plain else packed)

            provider.pages["/live.m3u8"] = page
            assert ("good", "") == await tried(provider, "/live.m3u8")
            assert ["/1.ts"] == provider.paths("ts")

    run(main)


@pytest.mark.accepts("SEC-3")
def test_a_packed_answer_without_bounds(run: Run[None]) -> None:
    """What unpacks to more than any playlist is bad, and is not unpacked; what only says that it is packed is judged."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            coding = ("Content-Encoding", "gzip")
            provider.pages["/bomb.ts"] = answer(zipped(bytes(64 << 20)), "200 OK", coding)
            provider.pages["/live.m3u8"] = answer(playlist(1, ["1.ts"]), "200 OK", coding)
            assert ("bad", "too-large") == await tried(provider, "/bomb.ts")
            assert ("good", "") == await tried(provider, "/live.m3u8")

    run(main)


@pytest.mark.accepts("E20-2")
def test_a_variant_that_is_missing(run: Run[None]) -> None:
    """The next variant decides, as in the relay; where none is there the first one's fault is told."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.pages["/live.m3u8"] = answer(MASTER)
            assert ("bad", "missing") == await tried(provider, "/live.m3u8")
            provider.pages["/second.m3u8"] = answer(playlist(1, ["1.ts"]))
            assert ("good", "") == await tried(provider, "/live.m3u8")
            provider.pages["/first.m3u8"] = answer(status="403 Forbidden")
            provider.asked.clear()
            assert ("inconclusive", "denied") == await tried(provider, "/live.m3u8")
            assert ["/live.m3u8", "/first.m3u8"] == provider.paths()

    run(main)


@pytest.mark.accepts("E20-2")
def test_bare_sound_is_a_stream(run: Run[None]) -> None:
    """Radio as web players take it, without a container: the relay plays it with `remux`, so it is not dead."""

    async def main() -> None:
        async with origin() as provider:
            frame = bytes((0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC)) + bytes(9)
            provider.pages["/radio.aac"] = answer(frame * 2000)
            assert ("good", "") == await tried(provider, "/radio.aac")
            provider.pages["/radio.aac"] = answer(bytes(range(256)) * 100)
            assert ("bad", "not-ts") == await tried(provider, "/radio.aac")

    run(main)


@pytest.mark.accepts("E20-2")
def test_dash_is_no_stream(run: Run[None]) -> None:
    """The relay cannot pass it on, so the probe does not keep it."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages["/live.mpd"] = answer(
                b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'
            )
            assert ("bad", "not-ts") == await tried(provider, "/live.mpd")

    run(main)
