"""Hosts that fail: what waiting they cost, who is asked first afterwards, and user agents that are refused."""

from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.sandbox.faults import Fault
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.guides import load_guides
from reconciler.sources.host_health import load_health, order_of, save_health
from reconciler.sources.web import Limits
from reconciler.spec.model import Guide
from tests.conftest import Run
from tests.ports import free_port
from tests.sources.panels import ENVIRON, NOW, QUICK, a_spec, panel_source, provider

HOUR = 3600.0
HOSTS = ("http://one.example.net", "http://two.example.net", "http://three.example.net")


def nobody() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def test_failures_fade(tmp_path: Path) -> None:
    """One failure sends a host to the end for an hour; a success forgives; the worst is asked last."""
    assert [0, 1, 2] == order_of(HOSTS, load_health(tmp_path, now=NOW))
    save_health(tmp_path, {}, {HOSTS[0]: False, HOSTS[1]: True, HOSTS[2]: False}, now=NOW)
    health = load_health(tmp_path, now=NOW + 60)
    save_health(tmp_path, health, {HOSTS[0]: False}, now=NOW + 60)
    assert [1, 2, 0] == order_of(HOSTS, load_health(tmp_path, now=NOW + 61))
    assert [1, 2, 0] == order_of(HOSTS, load_health(tmp_path, now=NOW + 0.9 * HOUR))
    assert [1, 2, 0] == order_of(HOSTS, load_health(tmp_path, now=NOW + 1.5 * HOUR))
    assert [0, 1, 2] == order_of(HOSTS, load_health(tmp_path, now=NOW + 4 * HOUR))
    save_health(tmp_path, load_health(tmp_path, now=NOW + 61), {HOSTS[0]: True}, now=NOW + 61)
    assert [0, 1, 2] == order_of(HOSTS, load_health(tmp_path, now=NOW + 2 * HOUR))
    assert b"example" not in (tmp_path / "state.db").read_bytes()


def test_a_host_that_failed_is_asked_last(run: Run[Any], tmp_path: Path) -> None:
    """Down: the second is used. Up again: the second is asked first, and the report names the first as ever."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            source = panel_source(*handle.urls)

            async def load(now: float) -> Any:
                before = len(handle.journal.visits)
                catalog = await load_catalog(
                    a_spec(source), tmp_path / "cache", state=tmp_path, now=now, environ=ENVIRON, limits=QUICK
                )
                report = catalog.reports["main"]
                return report, [
                    v.host for v in list(handle.journal.visits)[before:] if "action" not in v.target
                ]

            report, asked = await load(NOW)
            assert (1, 0) == (report.host, asked[0])
            down = Fault("status", host=0, path="api", status=503)
            handle.faults.switch_on(down)
            report, asked = await load(NOW + 1)
            assert (2, 0) == (report.host, asked[0])
            handle.faults.switch_off(down)
            report, asked = await load(NOW + 2)
            assert (1, 1) == (report.host, asked[0])
            report, asked = await load(NOW + 3)
            assert (1, 0) == (report.host, asked[0])

    run(main)


def test_refused_connections_cost_no_wait(run: Run[Any], tmp_path: Path) -> None:
    """With the usual limits: one dead host of two, or all of them with a copy, for lists and guide, within two seconds."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            guides = {"main": Guide("main", source="main")}
            cache = tmp_path / "cache"

            async def load(*hosts: str) -> tuple[str, str, float]:
                spec = a_spec(panel_source(*hosts))
                spec = type(spec)(
                    **{f: getattr(spec, f) for f in spec.__dataclass_fields__} | {"guides": guides}
                )
                begun = trio.current_time()
                catalog = await load_catalog(spec, cache, now=NOW, environ=ENVIRON, limits=Limits())
                found = await load_guides(spec, catalog, cache, now=NOW, environ=ENVIRON, limits=Limits())
                took = trio.current_time() - begun
                return catalog.reports["main"].fetched, found["main"].report.fetched, took

            first = await load(nobody(), handle.urls[0])
            assert ("fresh", "fresh") == first[:2]
            assert first[2] < 3
            again = await load(nobody(), nobody())
            assert ("cached", "cached") == again[:2]
            assert again[2] < 2

    run(main)


@pytest.mark.accepts("M3U-2")
def test_another_user_agent_is_tried_once(run: Run[Any], tmp_path: Path) -> None:
    """A panel that refuses players and lets browsers pass: the lists come, and the note says what to write."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle.faults.switch_on(Fault("status", status=461, agent="VLC*"))
            catalog = await load_catalog(
                a_spec(panel_source(handle.urls[0])),
                tmp_path / "cache",
                now=NOW,
                environ=ENVIRON,
                limits=QUICK,
            )
            report = catalog.reports["main"]
            assert "fresh" == report.fetched, report.notes
            assert any("user_agent:" in note for note in report.notes)
            refused = [v for v in handle.journal.visits if v.status == 461]
            assert 1 == len(refused)

    run(main)
