"""`ptctl doctor`: nothing wrong is exit 0; each thing that is wrong is named once, with the next command."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.planning.diagnosis import Finding, of_clients, of_clock, of_plex
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed, Server
from reconciler.sandbox.faults import Fault
from tests.cli.settled import settled
from tests.conftest import Run
from tests.e2e.world import PASSWORD, SPEC, TOKEN, USER, World, world
from tests.planning.worlds import Home
from tests.serving.stage import discovery_is_free

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
            assert 'does not reach the tuner of "locals"' in of(found, "tuners")
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
        await discovery_is_free()
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
