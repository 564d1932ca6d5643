"""Watching through the simulated Plex reaches the tuner as Plex's ffmpeg would, and frees it again."""

from pathlib import Path
from typing import Any

import httpx

from reconciler.sandbox.plex import PlexOptions
from tests.conftest import Run
from tests.sandbox.plex_bench import Tuner, World, until, world

FAST = PlexOptions(load_delay_s=0, segment_s=0.05, tune_timeout_s=2.0)


async def _tune(w: World, channel: str = "1001", client: str = "bench") -> httpx.Response:
    dvr = w.plex.dvr_of("1040ABC5")
    return await w.client.post(
        f"/livetv/dvrs/{dvr.key}/channels/{channel}/tune", headers={"X-Plex-Client-Identifier": client}
    )


async def _freed(w: World) -> None:
    await until(lambda: not w.tuner.streaming)


def test_tune_reads_the_stream_as_lavf(tmp_path: Path, run: Run[Any]) -> None:
    """The lineup's URL is asked verbatim with ffmpeg's headers; HLS and sessions show it; deleting the grab ends it."""

    async def main() -> None:
        async with world(tmp_path, FAST) as w:
            await w.active()
            answer = await _tune(w)
            assert answer.status_code == 200
            (operation,) = answer.json()["MediaContainer"]["MediaSubscription"][0]["MediaGrabOperation"]
            assert (operation["status"], operation["rolling"]) == ("inprogress", True)
            _, target, headers = w.tuner.asked[-1]
            assert target == "/stream/1001"
            assert headers.pop("user-agent").startswith("Lavf/")
            assert {
                "host": f"127.0.0.1:{w.tuner.port}",
                "accept": "*/*",
                "range": "bytes=0-",
                "connection": "close",
                "icy-metadata": "1",
            } == headers
            (video,) = operation["Metadata"]
            part = video["Media"][0]["Part"][0]["key"]
            playlist = await w.client.get(part)
            assert playlist.text.startswith("#EXTM3U")
            name = next(line for line in playlist.text.splitlines() if line.endswith(".ts"))
            piece = await w.client.get(part.replace("index.m3u8", name))
            assert (piece.content[0], len(piece.content) % 188) == (0x47, 0)
            assert (await w.get("/livetv/sessions"))["size"] == 1
            assert (await w.get("/status/sessions"))["size"] == 1
            (grab,) = w.plex.grabs
            assert grab.received_bytes > 0
            assert (await w.send("DELETE", operation["key"])).status_code == 200
            await _freed(w)
            assert (await w.get("/livetv/sessions"))["size"] == 0
            assert (await w.send("DELETE", operation["key"])).status_code == 404

    run(main)


def test_tuners_are_counted(tmp_path: Path, run: Run[Any]) -> None:
    """A second viewer joins the stream of the first; more channels than tuners fail with 500 and no request."""

    async def main() -> None:
        async with world(tmp_path, FAST, Tuner(tuners=1)) as w:
            await w.active()
            assert [(await _tune(w, client=c)).status_code for c in ("one", "two")] == [200, 200]
            asked = len(w.tuner.asked)
            assert (await _tune(w, "1002")).status_code == 500
            assert asked == len(w.tuner.asked)
            assert (await _tune(w, "4711")).status_code == 404
            assert len(w.plex.grabs) == 1

    run(main)


def test_tune_fails_with_500(tmp_path: Path, run: Run[Any]) -> None:
    """Refusals, other content, silence and hidden grabs all end in 500 without a session."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0, tune_timeout_s=0.3, hidden_grab_wait_s=0.1)
        async with world(tmp_path, options) as w:
            await w.active()
            w.tuner.stream_status = 503
            assert (await _tune(w)).status_code == 500
            assert w.plex.grabs[-1].outcome == "the tuner answered 503"
            w.tuner.stream_status, w.tuner.stream = 200, b"<html>" * 20_000
            assert (await _tune(w)).status_code == 500
            assert w.plex.grabs[-1].outcome == "what the tuner sends is no transport stream"
            w.tuner.stream = b""
            assert (await _tune(w)).status_code == 500
            await _freed(w)
            w.plex.set(hidden_grabs=True)
            asked = len(w.tuner.asked)
            assert (await _tune(w)).status_code == 500
            assert asked == len(w.tuner.asked)
            await w.plex.restart()
            w.tuner.stream = Tuner().stream
            assert (await _tune(w)).status_code == 200

    run(main)


def test_rolling_grab_ends_without_pings(tmp_path: Path, run: Run[Any]) -> None:
    """A grab nobody pings ends by itself; a recording does not (6.1)."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0, rolling_grab_s=0.2)
        async with world(tmp_path, options) as w:
            await w.active()
            await _tune(w)
            recording = await w.plex.record("1040ABC5", "1002")
            await until(lambda: w.plex.grabs[0].outcome != "running")
            assert w.plex.grabs[0].outcome == "nobody watches"
            assert recording.outcome == "running"
            assert (await w.get("/livetv/sessions"))["size"] == 0
            assert (await w.get("/media/subscriptions/scheduled"))["size"] == 1
            w.plex.remove_device("1040ABC5")
            await _freed(w)
            assert recording.outcome == "its device is gone"

    run(main)
