"""Where a stream may lead: no private address out of a foreign list, no address out of a request."""

from pathlib import Path

import pytest
import trio

from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from reconciler.serving.dial import DialFailed, Dialler, Guard, Names
from reconciler.serving.ways import Way
from tests.conftest import Run
from tests.serving.stage import Stage, ask, served, watching


@pytest.mark.accepts("SEC-1")
@pytest.mark.parametrize(
    ("address", "foreign", "own"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("127.0.0.1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.1.1", False, True),
        ("::1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("fd00::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("240.0.0.1", False, False),
        ("100.64.0.9", False, True),
        ("64:ff9b::5db8:d822", True, True),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b::a01:203", False, True),
        ("2002:a9fe:a9fe::1", False, False),
        ("::7f00:1", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
    ],
)
def test_which_addresses_are_admitted(address: str, *, foreign: bool, own: bool) -> None:
    """Private addresses only for a source that is private itself; metadata, multicast and reserved ones never."""
    assert foreign == Guard(private=False).admits(address)
    assert own == Guard(private=True).admits(address)


@pytest.mark.parametrize(
    ("source", "private"),
    [
        (SourceRoute("a", "xtream", ("http://tv.example.net:8080",)), False),
        (SourceRoute("a", "xtream", ("http://192.168.1.9:8080",)), True),
        (SourceRoute("a", "xtream", ("http://panel:8080",)), True),
        (SourceRoute("a", "m3u", base="https://example.net/list.m3u"), False),
        (SourceRoute("a", "m3u"), True),
    ],
)
def test_a_source_is_private_by_its_own_host(source: SourceRoute, *, private: bool) -> None:
    """A panel or list on a public host may not name private addresses; one of the own network, or a file, may."""
    assert private == Way("a/1", source, 0, "h", "http://h/1").private


@pytest.mark.accepts("SEC-1", "HLS-5")
def test_a_foreign_list_cannot_reach_inside(run: Run[None], tmp_path: Path) -> None:
    """A public source's stream on loopback is refused without a connection; so is a redirect to one."""
    asked: list[str] = []

    async def inside(exchange: Exchange) -> None:
        asked.append(exchange.request.path)
        await exchange.respond(302, headers=[("Location", "http://169.254.169.254/latest/meta-data")])

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, inside)
            url = f"http://127.0.0.1:{port}/secret"
            stage = Stage(
                tmp_path,
                sources={"main": SourceRoute("main", "m3u", base="https://example.net/list.m3u")},
                channels={"main/1": (Alternative("main", url=url),)},
            )
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert (503, "806 Tune Failed") == (viewer.status, viewer.headers["x-hdhomerun-error"])
            assert [] == asked
            dialler = Dialler(Guard(private=True), Names())
            with pytest.raises(DialFailed, match="private or reserved"):
                await dialler.get(url)
            assert ["/secret"] == asked
            for form in ("2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]"):
                with pytest.raises(DialFailed, match="private or reserved"):
                    await dialler.get(f"http://{form}/latest/meta-data")
            for strange in ("file:///etc/passwd", "gopher://127.0.0.1/", "http://", "http://a b/"):
                with pytest.raises(DialFailed):
                    await dialler.get(strange)
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.accepts("HLS-5", "SEC-1")
def test_no_endpoint_fetches_what_a_client_names(run: Run[None], tmp_path: Path) -> None:
    """There is no proxy path, at a tuner or at the hub."""
    asked: list[str] = []

    async def inside(exchange: Exchange) -> None:
        asked.append(exchange.request.path)
        await exchange.respond(200, b"reached")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, inside)
            target = f"http://127.0.0.1:{port}/x"
            stage = Stage(tmp_path)
            stage.publish()
            async with served(stage) as serving:
                for place in (serving.hub, serving.dvrs["news"]):
                    for path in (
                        f"/proxy?u={target}",
                        f"/stream/{target}",
                        f"/auto/v{target}",
                        f"/?url={target}",
                    ):
                        assert b"reached" not in (await ask(place, path)).body
                    assert b"reached" not in (await ask(place, target)).body
            assert [] == asked
            nursery.cancel_scope.cancel()

    run(main)
