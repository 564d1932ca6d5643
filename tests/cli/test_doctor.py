"""`ptctl doctor`: nothing wrong is exit 0; each thing that is wrong is named once, with the next command."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from reconciler.planning.diagnosis import Finding, of_clients, of_clock, of_plex, of_serve
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed, Server
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from tests.cli.settled import settled
from tests.conftest import Run
from tests.e2e.world import PASSWORD, SPEC, TOKEN, USER, World, world
from tests.planning.worlds import Home
from tests.ports import free_port
from tests.serving.stage import Stage, discovery, served
from tests.serving.valkey import valkey

OLD = {"news": {1000: "BBC", 1001: "CNN"}}


async def examined(home: World, **more: Any) -> tuple[int, list[dict[str, str]]]:
    """The exit status and the findings; every bad one has a next step, and nothing secret is said."""
    shown = await home.ptctl("doctor", "-f", "json", **more)
    found: list[dict[str, str]] = json.loads(shown.out)["findings"]
    assert all(f["next_step"] for f in found if f["level"] in {"bad", "warn"}), found
    assert (shown.code == 1) == any(f["level"] == "bad" for f in found), shown.text
    for secret in (USER, PASSWORD, TOKEN):
        assert secret not in shown.out + shown.err
    return shown.code, found


def of(found: list[dict[str, str]], check: str, level: str = "bad") -> str:
    """The texts of one check at one level."""
    return "; ".join(f["text"] for f in found if f["check"] == check and f["level"] == level)


@pytest.mark.accepts("DOC-1", "DOC-2")
def test_a_healthy_home_has_nothing_bad(run: Run[None], tmp_path: Path) -> None:
    """Applied and served: exit 0; then the provider, the token and a stranger's numbers are each found, Plex unwritten."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            writes = len(home.plex.writes())
            code, found = await examined(home)
            assert code == 0, found
            checks = {f["check"] for f in found if f["level"] == "good"}
            assert {
                "state",
                "provider",
                "clock",
                "serve",
                "tuners",
                "token",
                "plex version",
                "device ids",
                "cloud guide",
                "numbers",
                "access",
            } <= checks, found
            assert "restart Plex" in next(f["next_step"] for f in found if f["check"] == "hidden grabs")
            home.plex.add_foreign_dvr("10ABCDE5", channels=("1000", "1001"))
            home.plex.set_alive(
                json.loads((home.state / "ledger.json").read_text())["dvrs"][0]["device_id"], alive=False
            )
            code, found = await examined(home)
            assert code == 1, found
            assert "numbers 1000-1001" in of(found, "numbers")
            assert 'shows the tuner of "locals" at ' in of(found, "tuners")
            _, found = await examined(home, env={"TEST_TOKEN": "wrong"})
            assert "token" in of(found, "token")
            home.provider.faults.switch_on(Fault("auth-0"))
            _, found = await examined(home, env={"TEST_TOKEN": ""})
            assert "TEST_TOKEN" in of(found, "token")
            assert "wrong user name or password" in of(found, "provider")
            assert writes == len(home.plex.writes())

    run(main)


@pytest.mark.accepts("DOC-1")
def test_without_serve_ports_and_programs_are_looked_at(run: Run[None], tmp_path: Path) -> None:
    """`serve` away, a taken port, no ffmpeg for its profile, a list that keeps Plex out, a state that cannot be written."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(
                SPEC.replace(
                    'reconcile: "off"', 'reconcile: "off", access: {{allow: [10.9.9.0/24]}}'
                ).replace("  rest: {{}}\n", "  rest: {{stream: {{profile: salvage}}}}\n")
            )
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", home.hub))
                taken.listen()
                code, found = await examined(home, env={"PATH": ""})
            assert code == 1, found
            assert f"port {home.hub} of the hub" in of(found, "ports")
            assert "serve does not answer" in of(found, "serve")
            assert "does not admit Plex's host 127.0.0.1" in of(found, "access")
            blocked = tmp_path / "file"
            blocked.write_text("")
            _, found = await examined(home, env={"PTCTL_STATE": str(blocked / "state")})
            assert of(found, "state")
            shown = await home.ptctl("doctor")
            assert "BAD" in shown.out.splitlines()[0]

    run(main)


@pytest.mark.accepts("DOC-1", "DSC-1")
def test_discovery_is_tried(run: Run[None], tmp_path: Path) -> None:
    """With `udp+ssdp` every tuner is found both ways; what may not ask this machine is told so."""

    async def main() -> None:
        async with discovery():
            await tried()

    async def tried() -> None:
        spec = SPEC.replace('reconcile: "off"', 'reconcile: "off", discovery: udp+ssdp')
        async with settled(tmp_path, spec=spec) as home:
            code, found = await examined(home)
            assert code == 0, found
            told = of(found, "discovery", "good")
            assert "UDP discovery finds all 3 tuners" in told
            assert "SSDP finds all 3 tuners" in told
        async with world(tmp_path / "two", spec=spec) as home:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 65001))
                taken.listen()
                _, found = await examined(home)
            assert "port 65001 of discovery" in of(found, "ports")

    run(main)


@pytest.mark.accepts("DOC-1", "DOC-2")
def test_addresses_that_lead_elsewhere_are_named(run: Run[None], tmp_path: Path) -> None:
    """An advertised port nobody listens on, another installation behind it, a tuner of another pod that is not there, and one
    that is another device: each is named with its address; nothing else is.
    """

    async def main() -> None:
        async with world(tmp_path / "a", channels=60) as home:
            assert 0 == (await home.ptctl("refresh")).code
            async with home.serving("--only", "locals", "--only", "sports"):
                _, found = await examined(home)
                assert "serve answers at every address" in of(found, "addresses", "good")
                told = [f["text"] for f in found if f["check"] == "tuners"]
                assert 1 == len(told), "those that answer are not named"
                assert told[0].startswith('"rest" at ')
                assert "does not answer" in told[0]
                manifest = json.loads((home.state / "artifacts/current/manifest.json").read_text())
                port = next(urlsplit(d["base_url"]).port for d in manifest["dvrs"] if d["name"] == "rest")
                assert port is not None
                async with answering({"DeviceID": "10ABCDE5"}, port):
                    _, found = await examined(home)
                    assert "another device answers there: DeviceID 10ABCDE5" in of(found, "tuners")
                dead = f'advertise: {{{{plex: "http://127.0.0.1:{{hub}}", viewers: "http://127.0.0.1:{free_port()}"}}}}'
                home.write_spec(SPEC.replace('advertise: "http://127.0.0.1:{hub}"', dead))
                _, found = await examined(home)
                assert "which viewers are told (serve.advertise): no answer" in of(found, "addresses")
                other_home = Stage(tmp_path / "b")
                other_home.publish()
                async with served(other_home) as other:
                    home.write_spec(
                        SPEC.replace(
                            'advertise: "http://127.0.0.1:{hub}"',
                            f'advertise: "http://127.0.0.1:{other.hub[1]}"',
                        )
                    )
                    _, found = await examined(home)
                    assert 'another installation answers there: "home"' in of(found, "addresses")

    run(main)


@asynccontextmanager
async def answering(document: object, port: int) -> AsyncIterator[None]:
    """Something that answers everything with this document."""

    async def answer(exchange: Exchange) -> None:
        await exchange.respond(200, json.dumps(document).encode(), content_type="application/json")

    async with trio.open_nursery() as nursery:
        await nursery.start(partial(wire_serve, answer, port=port))
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.program("redis-server")
@pytest.mark.accepts("DOC-1", "DOC-2")
def test_the_shared_pool_is_asked(run: Run[None], tmp_path: Path) -> None:
    """A pool that counts is good; a wrong password, one that is away, and a reference that leads nowhere are bad. No password is
    shown.
    """

    async def main() -> None:
        async with world(tmp_path) as home:
            spec = SPEC.replace('reconcile: "off"', 'reconcile: "off", pool: "env:POOL"')
            home.write_spec(spec)
            async with valkey(tmp_path / "valkey", "--requirepass", "orchard-4711") as server:
                right = server.url.replace("//", "//:orchard-4711@")
                for url, level, said in (
                    (right, "good", "the shared pool answers and counts for us"),
                    (
                        server.url.replace("//", "//:meadow-4712@"),
                        "bad",
                        "does not take our name or password",
                    ),
                    (server.url, "bad", "does not take our name or password"),
                ):
                    shown = await home.ptctl("doctor", "-f", "json", env={"POOL": url})
                    found = json.loads(shown.out)["findings"]
                    assert said in of(found, "pool", level), found
                    assert "4711" not in shown.text
                    assert "4712" not in shown.text
            _, found = await examined(home, env={"POOL": right})
            assert "connection refused" in of(found, "pool")
            _, found = await examined(home)
            assert "POOL" in of(found, "pool")

    run(main)


def seen(home: Home, *extra: Dvr, version: str = "1.43.2") -> Observed:
    """What Plex has of a home, and more."""
    observed = home.observed()
    assert isinstance(observed.dvrs, tuple)
    assert isinstance(observed.devices, tuple)
    devices = (*observed.devices, *(device for dvr in extra for device in dvr.devices))
    return replace(observed, server=Server("m", version, "x"), dvrs=(*observed.dvrs, *extra), devices=devices)


def levels(home: Home, observed: Observed) -> dict[str, list[Finding]]:
    """The findings that are not good, by check."""
    found: dict[str, list[Finding]] = {}
    for finding in of_plex(home.world().spec, home.ledger(), observed):
        if finding.level != "good":
            found.setdefault(finding.check, []).append(finding)
    return found


@pytest.mark.accepts("DOC-1")
def test_what_plex_has_in_the_way_is_named() -> None:
    """A version nobody tested, our tuner in a cloud-guide DVR, its DeviceID twice, its numbers on elsewhere."""
    home = Home(OLD, OLD)
    assert {} == levels(home, seen(home))
    older = {
        "news": {"status": "1", "state": "1"}
    }  # as older versions write alive and enabled (plex-livetv.md 2.2)
    assert {} == levels(replace(home, devices=older), seen(replace(home, devices=older)))
    assert "of no tested release" in levels(home, seen(home, version="1.50.0"))["plex version"][0].text
    own = home.ledger().dvrs["news"].device_id
    twin = Device("90", "uuid-90", own.lower(), "http://elsewhere", pairs=(ChannelPair("1001", "1001", "x"),))
    cloud = Dvr("91", "u", "lineup://tv.plex.providers.epg.cloud/abc#Antenna", devices=(twin,))
    found = levels(home, seen(home, cloud))
    assert "have the DeviceID" in found["device ids"][0].text
    assert "is in DVR 91, which has a guide of Plex's own" in found["cloud guide"][0].text
    foreign = replace(cloud, devices=(replace(twin, device_id="10ABCDEF"),))
    found = levels(home, seen(home, foreign))
    assert {"numbers"} == found.keys()
    assert 'numbers 1001 of "news" are on in DVR 91' in found["numbers"][0].text


@pytest.mark.accepts("DOC-1")
@pytest.mark.parametrize(
    ("off_s", "level"), [(None, "hint"), (3.0, "good"), (-119.0, "good"), (900.0, "warn")]
)
def test_a_clock_that_is_off_is_told(off_s: float | None, level: str) -> None:
    """Two minutes either way are fine; more is a warning that says which way."""
    finding = of_clock("main", off_s)
    assert level == finding.level
    if off_s == 900.0:
        assert "900 s ahead of this machine" in finding.text


@pytest.mark.accepts("DOC-1")
def test_refused_clients_are_counted() -> None:
    """Plex among the refused is bad, others are a warning, an admitted Plex is good."""
    allow = ("192.168.0.0/16",)
    assert ["bad"] == [f.level for f in of_clients(allow, ["10.0.0.5"], {})]
    assert ["bad"] == [f.level for f in of_clients(allow, ["192.168.1.2"], {"192.168.1.2": 4})]
    assert ["warn"] == [f.level for f in of_clients(allow, ["192.168.1.2"], {"10.0.0.9": 4})]
    assert ["good"] == [f.level for f in of_clients(allow, ["192.168.1.2"], {})]


@pytest.mark.accepts("DOC-1")
def test_each_problem_of_serve_has_its_own_next_step() -> None:
    """Only a taken port is freed, of a DVR of any name; files and runs are made again, a pool mended, a suspension ended."""
    home = Home(OLD, OLD)
    status: dict[str, Any] = {
        "ready": False,
        "why": "",
        "generation": "g",
        "problems": [
            ["", "generation g cannot be served"],
            ["news", "port 5005 is taken"],
            ["pool", "port 5006 is taken"],
            ["refresh", "port 5007 is taken"],
            ["serve.pool", "the shared pool is out of reach"],
            ["serve.refresh", "the last run failed with exit 1"],
            ["suspension", "port 5008 is taken"],
            ["suspension.json", "it is broken"],
        ],
        "sources": [{"hosts": [{"good": 1, "bad": 0}]}],
    }

    def steps(document: dict[str, Any]) -> dict[str, str]:
        found = of_serve(home.world().spec, home.ledger(), document)
        return {f.text.partition(":")[0]: f.next_step for f in found}

    assert {
        "files": "ptctl refresh",
        "news": "free the port, or change it in the spec",
        **dict.fromkeys(("pool", "refresh", "suspension"), "free the port, or change it in the spec"),
        "serve.pool": "see that it runs, and that serve.pool has its address, name and password",
        "serve.refresh": "ptctl plan",
        "suspension.json": "DELETE /api/v1/suspension at the hub, or remove the file",
    } == steps(status)
    waiting = {**status, "why": "no artifacts yet", "problems": []}
    assert {"serve is not ready": "ptctl refresh"} == steps(waiting)
    ending = {**waiting, "why": "draining", "suspended": {"reason": "provider moves", "since": 1, "until": 2}}
    assert {
        "serve is not ready": "ptctl serve",
        "no run begins by itself for now": "if that is over: DELETE /api/v1/suspension at the hub",
    } == steps(ending)
