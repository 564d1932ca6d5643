"""Notifications: each condition once, its end once, nothing secret, nothing lost when the listener is away."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from reconciler.secret import Secret, SecretRef
from reconciler.serving.notify import conditions, deliver, news, unsure
from reconciler.spec.model import Notify
from tests.conftest import Run

BUSY: dict[str, Any] = {
    "exit": 6,
    "blocked": [
        {"code": "S101", "dvr": "moviesprem", "message": "shrink 42.0 % > 30 %", "lift": "shrink:moviesprem"}
    ],
    "stale": ["backup"],
    "drift": [{"dvr": "newsus", "path": "channels", "found": "209", "note": "2 channels switched off"}],
    "actions": [
        {
            "id": "create-dvr:latin",
            "dvr": "latin",
            "state": "failed",
            "text": "Plex answered 500",
            "seconds": 1,
        }
    ],
}
EVERYTHING = ("blocked", "stale", "failed", "drift", "recovered")


def test_a_report_becomes_conditions() -> None:
    """One condition for each thing that is the matter; a run that died is one too."""
    assert {"blocked", "stale", "drift", "failed"} == {e.kind for e in conditions(BUSY).values()}
    assert ["failed"] == [
        e.kind for e in conditions({"exit": 1, "errors": [{"message": "no source"}]}).values()
    ]
    assert {} == conditions({"exit": 0})


def test_unknown_is_not_over() -> None:
    """A run that failed, or that could not read Plex, ends no condition it did not look at; the next good one does."""
    told = sorted(conditions(BUSY))
    failed = {"format": "ptctl-error/1", "exit": 1, "errors": [{"message": "no source"}]}
    assert ["failed run"] == [e.about for e in news(told, conditions(failed), unsure(failed, told))]
    unread = [{"code": "S401", "dvr": d, "message": "unknown", "lift": ""} for d in ("newsus", "latin")]
    away = {
        "exit": 1,
        "plex": "unknown",
        "plex_why": "no answer",
        "stale": [],
        "drift": [],
        "blocked": unread,
    }
    about = [(e.kind, e.about) for e in news(told, conditions(away), unsure(away, told))]
    assert [("failed", "failed plex"), ("recovered", "stale backup")] == about
    assert "failed plex" in unsure(failed, ["failed plex"])
    assert ["failed run"] == list(conditions({"exit": 3})), "a spec that became invalid is told, too"
    assert 4 == len(news(told, {}, unsure({"exit": 0, "blocked": [], "plex": "known"}, told)))


def test_news_are_differences() -> None:
    """What lasts is no news; what ended is."""
    now = conditions(BUSY)
    assert 4 == len(news([], now))
    assert () == news(now, now)
    assert {"recovered"} == {e.kind for e in news(now, {})}


@pytest.mark.accepts("NTF-1")
def test_each_is_told_once(run: Run[None], tmp_path: Path) -> None:
    """Blocked, stale, failed and drift are told once however often the run repeats, and recovered once."""

    async def main() -> None:
        got: list[dict[str, str]] = []
        away = False

        async def listener(exchange: Exchange) -> None:
            if away:
                await exchange.respond(503)
                return
            got.append(json.loads(exchange.request.body))
            await exchange.respond(200)

        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, listener)
            secret = f"http://127.0.0.1:{port}/topic-s3cr3t"
            wanted = (Notify(SecretRef("env", "NTFY_URL"), EVERYTHING),)  # type: ignore[arg-type]  # the literals above
            memory = tmp_path / "told.json"

            async def tell(report: dict[str, Any]) -> None:
                await deliver(report, wanted, memory, lambda _: Secret(secret))

            await tell(BUSY)
            await tell(BUSY)
            assert ["blocked", "drift", "failed", "stale"] == sorted(m["kind"] for m in got)
            away = True
            fine = {"exit": 0, "blocked": [], "plex": "known"}
            await tell(fine)
            away = False
            await tell(fine)
            await tell(fine)
            assert 4 == sum(m["kind"] == "recovered" for m in got)
            assert all("s3cr3t" not in json.dumps(m) for m in got)
            assert "s3cr3t" not in memory.read_text()
            nursery.cancel_scope.cancel()

    run(main)


def test_one_that_is_away_costs_the_others_nothing(run: Run[None], tmp_path: Path) -> None:
    """It gets what it missed later, and the others are told nothing twice and wait for nobody."""

    async def main() -> None:
        got: list[tuple[str, str]] = []
        back = trio.Event()
        first = trio.Event()

        async def listener(exchange: Exchange) -> None:
            who = exchange.request.path
            if who == "/slow":
                await first.wait()  # answers when the other one has been told
                await exchange.respond(200 if back.is_set() else 503)
                if not back.is_set():
                    return
            else:
                await exchange.respond(200)
            got.append((who, json.loads(exchange.request.body)["about"]))
            if len(got) == 4:
                first.set()

        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, listener)
            kinds = EVERYTHING
            wanted = tuple(Notify(SecretRef("env", name), kinds) for name in ("slow", "quick"))  # type: ignore[arg-type]  # the literals above

            async def tell(report: dict[str, Any]) -> int:
                return await deliver(
                    report,
                    wanted,
                    tmp_path / "told.json",
                    lambda ref: Secret(f"http://127.0.0.1:{port}/{ref.place}"),
                )

            assert 4 == await tell(BUSY)
            assert {"/quick"} == {who for who, _ in got}
            back.set()
            assert 4 == await tell(BUSY)
            assert 0 == await tell(BUSY)
            assert sorted(got) == sorted(
                (who, about) for who in ("/quick", "/slow") for about in conditions(BUSY)
            )
            nursery.cancel_scope.cancel()

    run(main)


def test_only_what_is_wanted_is_told(run: Run[None], tmp_path: Path) -> None:
    """A listener for drift hears of drift alone."""

    async def main() -> None:
        got: list[str] = []

        async def listener(exchange: Exchange) -> None:
            got.append(json.loads(exchange.request.body)["kind"])
            await exchange.respond(200)

        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, listener)
            wanted = (Notify(SecretRef("env", "NTFY_URL"), ("drift",)),)
            await deliver(BUSY, wanted, tmp_path / "told.json", lambda _: Secret(f"http://127.0.0.1:{port}/"))
            assert ["drift"] == got
            nursery.cancel_scope.cancel()

    run(main)
