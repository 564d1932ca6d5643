"""Exports play through the relay: a bucket without a DVR, films with seeking; no credential in any playlist."""

from pathlib import Path

import httpx
import pytest
import trio

from reconciler.tls import trusted
from tests.conftest import Run
from tests.e2e.test_secrets import head_of
from tests.e2e.world import PASSWORD, SPEC, USER, world


@pytest.mark.accepts("TVG-4", "HLS-5")
def test_films_and_loose_buckets_play(run: Run[None], tmp_path: Path) -> None:
    """`/vod.m3u` and the M3U of a bucket without a DVR are served, hold no credential, and what they name plays."""

    async def main() -> None:
        text = SPEC.replace("credentials: panel}}", "credentials: panel, content: [live, vod]}}").replace(
            "  rest: {{}}\n", ""
        )
        async with world(tmp_path, spec=text) as home:
            assert 0 == (await home.ptctl("refresh")).code
            async with (
                home.serving(),
                httpx.AsyncClient(trust_env=False, timeout=20, verify=trusted()) as client,
            ):
                hub = f"http://127.0.0.1:{home.hub}"
                films = (await client.get(f"{hub}/vod.m3u")).text
                rest = (await client.get(f"{hub}/dvr-rest.m3u")).text
                assert all(secret not in films + rest for secret in (USER, PASSWORD, "/movie/"))
                film = next(line for line in films.splitlines() if line.startswith("http"))
                whole = await client.get(film)
                assert whole.status_code == 200
                assert len(whole.content) > 10_000
                part = await client.get(film, headers={"Range": "bytes=100-299"})
                assert part.status_code == 206
                assert whole.content[100:300] == part.content
                assert "#EXTINF" in rest, rest
                live = next(line for line in rest.splitlines() if line.startswith("http"))
                with trio.fail_after(20):
                    assert b"video/mp2t" in await head_of(httpx.URL(live))
                unknown = await client.get(f"{hub}/play/panel/nothing")
                assert unknown.status_code == 404
                foreign = await client.get(f"{hub}/play/http%3A%2F%2F169.254.169.254%2Fmeta")
                assert foreign.status_code == 404

    run(main)
