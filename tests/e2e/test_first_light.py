"""The main job from the command line: plan, serve, apply, again; foreign things untouched; one clear error each."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio

from reconciler.converge import Orders, Settled, converge
from reconciler.pipeline import Request
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.plex import FaultRule
from reconciler.spec import load
from reconciler.tls import trusted
from tests.conftest import Run
from tests.e2e.world import PASSWORD, SPEC, TOKEN, USER, World, world

DAY_S: Final = 86400.0
THIRTEEN: Final = [
    "bcastus",
    "newsus",
    "sportsa",
    "sportsb",
    "moviesprem",
    "generalent",
    "docsfam",
    "ukie",
    "eunordics",
    "eusouth",
    "eueast",
    "latin",
    "otherworld",
]


async def plex_json(home: World, path: str) -> dict[str, Any]:  # Any: Plex's JSON
    """What Plex answers, without its wrapper."""
    headers = {"X-Plex-Token": TOKEN, "Accept": "application/json"}
    async with httpx.AsyncClient(
        base_url=home.plex.url, headers=headers, trust_env=False, verify=trusted()
    ) as client:
        answer = await client.get(path)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()["MediaContainer"]
        return found


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its mtime and size."""
    return {
        str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.mark.accepts("MUL-3", "APP-3", "DVR-2", "M3U-5", "STM-5", "DVR-7")
def test_apply_converges_and_the_second_time_does_nothing(run: Run[None], tmp_path: Path) -> None:
    """One apply makes every channel show; a second sends no write and touches no file; foreign things stay as they are."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.plex.add_foreign_dvr("10A1B2C3", title="Antenna", channels=("2.1", "4.1", "7.1"))
            foreign = home.plex.state_text()
            async with home.serving(ready=False):
                first = await home.ptctl("apply", "--yes", "--wait", "30s")
                assert first.code == 0, first.text
                assert "nothing is left" in first.out
                container = await plex_json(home, "/livetv/dvrs")
                ours = [d for d in container["Dvr"] if d["lineupTitle"] in {"locals", "sports", "rest"}]
                assert len(ours) == 3
                for dvr in ours:
                    on = [m for m in dvr["Device"][0]["ChannelMapping"] if m["enabled"] == "1"]
                    assert on, dvr["lineupTitle"]
                writes, files = len(home.plex.writes()), home.files()
                second = await home.ptctl("apply", "--yes", "--wait", "30s")
                assert second.code == 0, second.text
                assert "No changes" in second.out
                assert len(home.plex.writes()) == writes
                assert home.files() == files
            after = json.loads(home.plex.state_text())
            before = json.loads(foreign)
            for kind, objects in before.items():
                for thing in objects if isinstance(objects, list) else []:
                    assert thing in after[kind], f"{kind} of a stranger changed"

    run(main)


@pytest.mark.accepts("PLN-1", "PLN-2")
def test_plan_writes_nothing(run: Run[None], tmp_path: Path) -> None:
    """Two plans: no writing request to Plex, nothing on disk but the cache, the same bytes but for the time."""

    async def main() -> None:
        async with world(tmp_path) as home:
            first = await home.ptctl("plan", "-f", "json")
            assert first.code == 0, first.text
            assert [] == home.plex.writes()
            assert {"cache"} == {p.name for p in home.state.iterdir()}
            second = await home.ptctl("plan", "-f", "json")
            one, two = json.loads(first.out), json.loads(second.out)
            for volatile in ("made", "seconds", "requests"):
                one.pop(volatile), two.pop(volatile)
            for report in (*one["sources"], *two["sources"]):
                for volatile in ("fetched", "seconds", "age_s", "notes"):
                    report.pop(volatile)
            assert one == two
            code = await home.ptctl("plan", "--exit-code")
            assert code.code == 2, code.text

    run(main)


@pytest.mark.accepts("M3U-1", "TUN-1", "TUN-2", "TUN-8")
def test_thirteen_tuners_answer(run: Run[None], tmp_path: Path) -> None:
    """The demo's thirteen buckets: thirteen devices with own ids and addresses, thirteen M3U files served as on disk."""

    async def main() -> None:
        async with world(tmp_path, channels=120, dvrs=20) as home:
            home.write_spec(thirteen())
            async with home.serving(ready=False):
                applied = await home.ptctl("apply", "--yes", "--wait", "30s")
                assert applied.code == 0, applied.text
                manifest = json.loads((home.state / "artifacts/current/manifest.json").read_text())
                assert THIRTEEN == [d["name"] for d in manifest["dvrs"]]
                found = []
                async with httpx.AsyncClient(trust_env=False, verify=trusted()) as client:
                    for dvr in manifest["dvrs"]:
                        headers = {"Host": "evil.example"}
                        answer = await client.get(f"{dvr['base_url']}/discover.json", headers=headers)
                        found.append(answer.json())
                        m3u = await client.get(f"http://127.0.0.1:{home.hub}/dvr-{dvr['name']}.m3u")
                        assert m3u.status_code == 200
                        assert "mpegurl" in m3u.headers["content-type"]
                        assert m3u.headers["etag"]
                        disk = home.state / "artifacts/current" / dvr["slug"] / "playlist.m3u"
                        assert disk.read_bytes() == m3u.content
                for key in ("DeviceID", "FriendlyName", "BaseURL"):
                    assert 13 == len({d[key] for d in found}), key
                assert all(isinstance(d["TunerCount"], int) and isinstance(d["DeviceID"], str) for d in found)
                assert all(d["LineupURL"] == f"{d['BaseURL']}/lineup.json" for d in found)
                assert all("evil" not in json.dumps(d) for d in found)

    run(main)


def thirteen() -> str:
    """The demo's own spec with this world's addresses."""
    text = (Path(__file__).parents[2] / "reconciler/cli/demo.yaml").read_text("utf-8")
    text = text.replace("{", "{{").replace("}", "}}")
    for old, new in (
        ('"file:panel-user"', '"env:TEST_USER"'),
        ('"file:panel-password"', '"env:TEST_PASS"'),
        ('"file:plex-token"', '"env:TEST_TOKEN"'),
        ('hosts: ["http://127.0.0.1:1"]', "hosts: [{hosts}]"),
        ('url: "http://127.0.0.1:1"', 'url: "{plex}"'),
        ("127.0.0.1:5004", "127.0.0.1:{hub}"),
        ("5005-5030", "{first}-{last}"),
        ("poll: 200ms", "poll: 100ms"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.mark.accepts("CNT-1", "RLD-3")
def test_hours_later_nothing_and_a_day_later_content(run: Run[None], tmp_path: Path) -> None:
    """Unchanged sources give the same generation and an empty plan; the next day only the guide moves on, reloaded once."""

    async def main() -> None:
        async with (
            world(tmp_path, spec=SPEC.replace("serve: {{", "serve: {{guide_reload: 1h, ")) as home,
            AsyncExitStack() as stack,
        ):
            # published before serve starts, or its own first run would meet this one
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            await stack.enter_async_context(home.serving())
            spec, found, _ = load(str(home.spec), env=None, allow_exec=False, state=None)
            assert spec is not None, found
            # Away from midnight, so that five hours later is the same day, whenever this test runs.
            morning = time.time() // DAY_S * DAY_S + 6 * 3600.0

            async def at(now: float) -> Settled:
                request = Request(now=now, environ=home.environment)
                return await converge(spec, request, Orders(consent=agreed, command="apply"))

            async def agreed(_: object) -> bool:
                return True

            first = await at(morning)
            assert first.converged, first
            writes, generation = len(home.plex.writes()), (home.state / "artifacts/current").readlink()
            later = await at(morning + 5 * 3600)
            assert "nothing to do" == later.why
            assert later.plan.empty
            assert generation == (home.state / "artifacts/current").readlink()
            assert [] == home.plex.writes()[writes:]
            next_day = await at(morning + DAY_S)
            assert next_day.converged, next_day
            assert next_day.plan.empty
            assert all(change.content_only for change in next_day.plan.changes)
            assert generation != (home.state / "artifacts/current").readlink()
            loads = [f"{w.method} {w.target}" for w in home.plex.writes()[writes:]]
            assert 3 == len(loads), loads
            assert all(load.startswith("POST /livetv/dvrs/") and "/reloadGuide" in load for load in loads)
            again = await at(morning + DAY_S + 60)
            assert "nothing to do" == again.why
            assert writes + 3 == len(home.plex.writes())

    run(main)


def test_without_serve_nothing_is_written_to_plex(run: Run[None], tmp_path: Path) -> None:
    """Artifacts are published, Plex gets no write, exit 6 with the exact command."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(wait="")
            with trio.fail_after(90):
                result = await home.ptctl("apply", "--yes", "--wait", "30s")
            assert result.code == 6, result.text
            assert "ptctl serve" in result.text
            assert [] == home.plex.writes()
            assert (home.state / "artifacts/current/manifest.json").is_file()

    run(main)


@pytest.mark.accepts("UPD-3", "DOC-2")
def test_every_outage_is_one_clear_error(run: Run[None], tmp_path: Path) -> None:
    """No provider, no Plex, wrong token: exit 1, one sentence, a next step, nothing written, no secret."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.provider.faults.switch_on(Fault("refuse"))
            await check_refused(home, await home.ptctl("plan"), "source")
            home.provider.faults.replace(())
            wrong = await home.ptctl("plan", env={"TEST_TOKEN": "wrong"})
            await check_refused(home, wrong, "token")
            await home.plex.stop()
            gone = await home.ptctl("plan", "--exit-code")
            assert gone.code in {1, 4}, gone.text
            assert "could not be read" in gone.out + gone.err
            await home.plex.start()
            missing = await home.ptctl("plan", env={"TEST_PASS": ""})
            assert missing.code == 1, missing.text
            assert "TEST_PASS" in missing.err
            assert [] == home.plex.writes()

    run(main)


async def check_refused(home: World, result: Any, word: str) -> None:  # Any: Result
    """Exit 1, the word, a next step, no secret, nothing published."""
    assert result.code == 1, result.text
    assert word in result.err, result.text
    assert "Next:" in result.err, result.text
    for secret in (USER, PASSWORD, TOKEN):
        assert secret not in result.out + result.err
    assert not (home.state / "artifacts").exists()


def test_a_taken_port_is_named(run: Run[None], tmp_path: Path) -> None:
    """`serve` on a port in use: exit 1, the port and who wants it."""

    async def main() -> None:
        async with world(tmp_path) as home:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", home.hub))
                taken.listen()
                result = await home.ptctl("serve")
            assert result.code == 1, result.text
            assert str(home.hub) in result.err

    run(main)


def test_a_full_disk_leaves_nothing_half_written(run: Run[None], tmp_path: Path) -> None:
    """The state on a full file system: exit 1, a clear error, `current` as it was."""
    if os.geteuid() != 0 or not Path("/proc/mounts").exists():
        pytest.skip("needs root to mount a small file system")

    async def main() -> None:
        async with world(tmp_path) as home:
            home.state.mkdir()
            done = await trio.run_process(
                ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home.state)],
                check=False,
                capture_stderr=True,
            )
            if done.returncode:
                pytest.skip("mounting is not allowed here")
            try:
                result = await home.ptctl("apply", "--yes", "--wait", "30s")
                assert result.code == 1, result.text
                assert "no space" in result.err.lower(), result.text
                assert not (home.state / "artifacts/current").exists()
            finally:
                await trio.run_process(["umount", str(home.state)])

    run(main)


@pytest.mark.accepts("DEM-1")
@pytest.mark.timeout(120)
def test_the_demo_shows_everything(tmp_path: Path) -> None:
    """`ptctl demo --once`, as a stranger starts it: exit 0 well under two minutes; plan, apply, empty plan, a tuned channel,
    what is on.
    """
    shown = subprocess.run(
        [sys.executable, "-m", "reconciler", "demo", "--once"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for part in ("13 to add", "nothing is left", "No changes. 13 DVRs", "bytes of MPEG-TS", "On now"):
        assert part in shown.stdout, part


@pytest.mark.accepts("DEM-2")
def test_quickstart_needs_no_plex(run: Run[None], tmp_path: Path) -> None:
    """`ptctl plan examples/quickstart.yaml`: artifacts only, and what it would do with a Plex."""

    async def main() -> None:
        async with world(tmp_path, spec=None) as home:
            examples = Path(__file__).parents[2] / "examples"
            for name in ("quickstart.yaml", "quickstart.m3u"):
                (tmp_path / name).write_bytes((examples / name).read_bytes())
            shown = await home.ptctl("plan", "quickstart.yaml")
            assert shown.code == 0, shown.text
            assert "no plex section" in shown.out
            assert "With one, apply would" in shown.out

    run(main)


@pytest.mark.accepts("MUL-1")
def test_one_refusal_costs_one_dvr_and_the_next_run_finishes(run: Run[None], tmp_path: Path) -> None:
    """A 500 at one create fails that DVR, the others go on, exit 6; the next apply finishes."""

    async def main() -> None:
        async with world(tmp_path) as home, home.serving(ready=False):
            home.plex.add_fault(FaultRule("500", method="POST", path="/livetv/dvrs", nth=2))
            first = await home.ptctl("apply", "--yes", "--wait", "30s")
            assert first.code == 6, first.text
            assert "FAILED" in first.err
            second = await home.ptctl("apply", "--yes", "--wait", "30s")
            assert second.code == 0, second.text
            assert 3 == len((await plex_json(home, "/livetv/dvrs"))["Dvr"])

    run(main)
