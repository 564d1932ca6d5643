"""The loop's runs over a Plex that somebody changes: what `serve.reconcile` finds, mends, shows and tells."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from reconciler.cli.reconciling import Reconciling
from reconciler.sandbox.plex import FaultRule
from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from reconciler.serving.drift import DriftSeen
from reconciler.spec.loading import load
from tests import warm
from tests.cli.settled import Guard, settled
from tests.conftest import Run
from tests.e2e.world import SPEC, World

TELLING = SPEC + 'notify: [{{url: "env:NTFY_URL", on: [blocked, stale, failed, drift, recovered]}}]\n'


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    """A receiver of notifications: its address, and kind and condition of each message."""
    heard: list[tuple[str, str]] = []

    async def listener(exchange: Exchange) -> None:
        message = json.loads(exchange.request.body)
        heard.append((message["kind"], message["about"]))
        await exchange.respond(200)

    async with trio.open_nursery() as nursery:
        port = await nursery.start(wire_serve, listener)
        yield f"http://127.0.0.1:{port}/topic", heard
        nursery.cancel_scope.cancel()


def looking(home: World, mode: str) -> tuple[Reconciling, list[DriftSeen]]:
    """The loop's job for this home, and what it saw."""
    home.write_spec(TELLING.replace('reconcile: "off"', f"reconcile: {mode}"))
    spec, found, _ = load(home.spec)
    assert spec is not None, found
    job = Reconciling(spec, str(home.spec), env=None, allow_exec=False)
    seen: list[DriftSeen] = []
    job.seen = seen.append
    return job, seen


def switch_off(home: World, dvr: str) -> None:
    """Somebody switches a channel off in Plex."""
    record = next(d for d in json.loads((home.state / "ledger.json").read_text())["dvrs"] if d["name"] == dvr)
    rows = json.loads((home.state / "artifacts/current" / dvr / "lineup.json").read_text("utf-8"))
    home.plex.set_channel(record["device_id"], rows[0]["GuideNumber"], enabled=False)


@pytest.mark.accepts("NTF-1", "PLN-5", "PLN-8")
@pytest.mark.parametrize("mode", ["plan", "content", "apply"])
def test_what_somebody_changed_is_seen_and_told(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A channel switched off by hand is drift: `plan` reports it and writes nothing, the others switch it on again, and their
    pages do not go on showing it. While Plex is away drift is unknown, and nothing told before counts as over.
    """

    async def main() -> None:
        async with settled(tmp_path) as home, listening() as (url, heard):
            for name, value in {**home.environment, "NTFY_URL": url}.items():
                monkeypatch.setenv(name, value)
            for name in [name for name in os.environ if name.startswith("PYTHON")]:
                monkeypatch.delenv(name)
            monkeypatch.setattr("sys.executable", warm.python())
            job, seen = looking(home, mode)
            guard = Guard(home)
            assert await job.run("a test")
            assert ("", ()) == (seen[-1].failed, seen[-1].items)
            assert [] == heard
            switch_off(home, "locals")
            assert await job.run("a test")
            assert ["drift"] == [kind for kind, _ in heard], heard
            assert (mode != "plan") == bool(guard.writes())
            assert (mode == "plan") == bool(seen[-1].items), "what was mended is not shown as drift"
            home.plex.add_fault(FaultRule("500", "GET", "^/identity$", times=0))
            assert not await job.run("a test"), "it is tried again soon"
            assert seen[-1].failed.startswith("Plex could not be read: ")
            assert [("failed", "failed plex")] == heard[1:]
            home.plex.reset_faults()
            assert await job.run("a test")
            assert "" == seen[-1].failed
            over = {about for kind, about in heard[2:] if kind == "recovered"}
            drift = heard[0][1]
            assert over == {"failed plex", *([] if mode == "plan" else [drift])}, heard

    run(main)
