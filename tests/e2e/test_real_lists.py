"""The real lists and guides of the shared samples, through thirteen DVRs, into the simulated Plex."""

import time
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from lxml import etree

from reconciler.sandbox.panel import Panel
from reconciler.sandbox.plex import PlexHandle
from reconciler.tls import trusted
from tests.conftest import Run
from tests.e2e.world import TOKEN, World, world

BUCKETS: Final = """\
version: 1
name: real-home
credentials:
  panel: {{username: "env:TEST_USER", password: "env:TEST_PASS"}}
  plex: {{token: "env:TEST_TOKEN"}}
sources:
  panel: {{kind: xtream, hosts: [{hosts}], credentials: panel}}
guides:
  panel: {{source: panel, match: [id, name]}}
filters:
  - {{name: radio, drop: {{group: "Radio*"}}}}
  - {{name: need-guide, only: {{guide: listed}}}}
buckets:
  - {{name: bcastus, match: {{group: "United States| Local*"}}}}
  - {{name: newsus, match: {{group: ["United States| News*", "Canada| News*"]}}}}
  - {{name: sportsa, match: {{group: ["United States| *Sports*", "Canada| Sports*"]}}}}
  - {{name: sportsb, match: {{group: ["*| Sport*", "*| Deporte*"]}}}}
  - {{name: moviesprem, match: {{group: ["*| Film*", "*| Movies", "*| Cin*"]}}}}
  - {{name: generalent, match: {{group: "United States|*"}}}}
  - {{name: docsfam, match: {{group: ["*| Doku*", "*| Docu*", "*| Kids", "*Nature*"]}}}}
  - {{name: ukie, match: {{group: "United Kingdom|*"}}}}
  - {{name: eunordics, match: {{group: ["Germany|*", "Austria|*", "Switzerland|*"]}}}}
  - {{name: eusouth, match: {{group: ["Italy|*", "Spain|*"]}}}}
  - {{name: eueast, match: {{group: "France|*"}}}}
  - {{name: latin, match: {{group: "India|*"}}}}
  - {{name: otherworld, match: {{}}, overflow: drop}}
dvrs: {{bcastus: {{}}, newsus: {{}}, sportsa: {{}}, sportsb: {{}}, moviesprem: {{}}, generalent: {{}}, docsfam: {{}}, ukie: {{}},
  eunordics: {{}}, eusouth: {{}}, eueast: {{}}, latin: {{}}, otherworld: {{}}}}
plex: {{url: "{plex}", credentials: plex, pace: 5ms, poll: 100ms}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}, reconcile: "off"}}
"""
LISTS_LIMIT_S: Final = 90


def panel_of(shared: Path) -> Panel:
    """All samples in one panel; the guide starts yesterday."""
    return Panel.from_files(sorted(shared.glob("*.m3u")), sorted(shared.glob("*.xml.gz")), guide_days=1)


async def shown(plex: PlexHandle) -> dict[str, tuple[int, int]]:
    """Per DVR title: channels in Plex's guide, and how many of them have a programme today."""
    headers = {"X-Plex-Token": TOKEN, "Accept": "application/json"}
    found: dict[str, tuple[int, int]] = {}
    async with httpx.AsyncClient(
        base_url=plex.url, headers=headers, timeout=60, trust_env=False, verify=trusted()
    ) as client:

        async def get(path: str, **params: str) -> dict[str, Any]:  # Any: Plex's JSON
            answer = await client.get(path, params=params)
            assert answer.status_code == 200, f"{path}: {answer.status_code}"
            container: dict[str, Any] = answer.json()["MediaContainer"]
            return container

        day = time.strftime("%Y-%m-%d", time.gmtime())
        for dvr in (await get("/livetv/dvrs"))["Dvr"]:
            provider = dvr["epgIdentifier"]
            channels = (await get(f"/{provider}/lineups/dvr/channels")).get("Channel", [])
            with_programmes = 0
            for channel in channels:
                grid = await get(f"/{provider}/grid", channelGridKey=channel["gridKey"], date=day)
                with_programmes += bool(grid.get("Metadata"))
            found[dvr["lineupTitle"]] = (len(channels), with_programmes)
    return found


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.accepts("MUL-1", "M3U-4", "ACT-5")
def test_real_lists_reach_plex(run: Run[None], tmp_path: Path, shared: Path) -> None:
    """Every channel that a guide knows is on in Plex with programmes, in thirteen DVRs; a second apply does nothing."""

    async def main() -> None:
        async with world(tmp_path, panel=panel_of(shared), spec=BUCKETS) as home, home.serving(ready=False):
            first = await home.ptctl("apply", "--yes", "--wait", "30s")
            assert first.code == 0, first.text
            guide = await shown(home.plex)
            assert len(guide) == 13 - 1, guide  # the samples have no local stations
            assert all(0 < channels <= 480 for channels, _ in guide.values()), guide
            assert sum(c for c, _ in guide.values()) > 2_000, guide
            assert {t: c for t, (c, _) in guide.items()} == {t: c for t, (c, _) in served(home).items()}
            assert {t: p for t, (_, p) in guide.items()} == {t: p for t, (_, p) in served(home).items()}
            await again_changes_nothing(home)

    run(main)


def served(home: World) -> dict[str, tuple[int, int]]:
    """Per DVR: channels of its guide.xml, and how many of them have a programme in it (a dozen of the samples have none)."""
    found = {}
    for path in sorted((home.state / "artifacts/current").glob("*/guide.xml")):
        guide = etree.parse(path)
        channels = {channel.get("id") for channel in guide.iterfind("channel")}
        found[path.parent.name] = (
            len(channels),
            len({p.get("channel") for p in guide.iterfind("programme")}),
        )
    return found


async def again_changes_nothing(home: World) -> None:
    """Apply once more: no write to Plex, no file touched."""
    writes, files = len(home.plex.writes()), home.files()
    second = await home.ptctl("apply", "--yes", "--wait", "30s")
    assert second.code == 0, second.text
    assert len(home.plex.writes()) == writes
    assert home.files() == files
