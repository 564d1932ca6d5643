"""Other people's clients get along with the simulated Plex, and a fleet of big guides does not stall it."""

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from plexapi.exceptions import Unauthorized
from plexapi.server import PlexServer

from reconciler.sandbox.plex import PlexOptions
from tests.conftest import Run
from tests.sandbox.plex_bench import TOKEN, Tuner, guide, programme, world

plex_server: Any = PlexServer  # the package has no types


def test_python_plexapi_connects(tmp_path: Path, run: Run[Any]) -> None:
    """The widely used client connects with the token, knows the server, sees activities and sessions."""

    def visit(url: str) -> tuple[str, str, bool, list[str], int]:
        server: Any = plex_server(url, TOKEN, timeout=10)
        try:
            types = [activity.type for activity in server.activities]
            return (
                server.friendlyName,
                server.machineIdentifier,
                server.myPlexSubscription,
                types,
                len(server.sessions()),
            )
        finally:
            server._session.close()

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            await w.put_map(dvr["Device"][0]["key"], ["1001"])
            w.plex.set(stuck_load=True)
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/channels/1001/tune")
            seen = await trio.to_thread.run_sync(partial(visit, w.plex.url))
            assert ("sandbox", w.plex.machine_identifier, True, ["provider.epg.load"], 1) == seen
            with pytest.raises(Unauthorized):
                await trio.to_thread.run_sync(lambda: plex_server(w.plex.url, "wrong", timeout=10))

    run(main)


@pytest.mark.slow
def test_big_guides_do_not_stall_the_server(tmp_path: Path, run: Run[Any]) -> None:
    """While guides of thousands of programmes are indexed side by side, requests are answered promptly."""
    numbers = [str(n) for n in range(1000, 1300)]
    shows = "".join(
        programme(n, f"202612{d:02}{h:02}0000 +0000", f"202612{d:02}{h:02}5900 +0000", f"Show {h}")
        for n in numbers
        for d in (1, 2)
        for h in range(24)
    )
    tuner = Tuner(numbers=numbers, guide=guide([(n, n) for n in numbers], shows))

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0), tuner) as w:
            dvr, _ = await w.active()
            for n in range(3):
                w.plex.add_foreign_dvr(
                    f"2040ABC{n}", lineup=tuner.lineup_uri(str(n)), uri=tuner.url, channels=numbers
                )
            await w.send("POST", "/butler/RefreshEpgGuides")
            longest = 0.0
            while w.plex.machine.loads.running:
                # what this process did meanwhile: others may keep it from working, only a load can keep it from answering
                begun = time.process_time()
                await w.get("/identity")
                longest = max(longest, time.process_time() - begun)
                await trio.sleep(0.02)
            assert longest < 1.0
            assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 300
            assert (
                sum(
                    len(m["Media"])
                    for m in (
                        await w.get(
                            f"/{dvr['epgIdentifier']}/grid?channelGridKey="
                            f"{(await w.get('/' + dvr['epgIdentifier'] + '/lineups/dvr/channels'))['Channel'][0]['gridKey']}"
                        )
                    )["Metadata"]
                )
                == 48
            )

    run(main)
    assert threading.active_count() < 50
