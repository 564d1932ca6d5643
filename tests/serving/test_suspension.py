"""Runs that are suspended: who may ask for it, what is kept, who is told why, and that it ends by itself."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rendering.status_text import render_status
from reconciler.secret import Secret
from reconciler.serving.suspending import Suspensions
from reconciler.serving.suspension import Suspension, asked_for, suspension_bytes, suspension_of
from tests.conftest import Run
from tests.e2e.world import SPEC, world
from tests.serving.reading import text_of
from tests.serving.stage import Stage, ask, one_source, served, until

TOKEN = "correct-horse"
BEARER = ("Authorization", f"Bearer {TOKEN}")
PATH = "/api/v1/suspension"
WISH = b'{"reason": "provider moves house", "for": "2h"}'


def wish(**fields: object) -> bytes:
    """A body."""
    return json.dumps({"reason": "why", "for": "2h", **fields}).encode()


def test_what_may_be_asked_for() -> None:
    """A reason of one line and a duration as in the spec, at most 30 days; anything else is told what is wrong."""
    assert Suspension("provider moves house", 1000, 8200) == asked_for(WISH, 1000.0)
    assert Suspension("why", 1000, 1000 + 30 * 86400) == asked_for(wish(**{"for": "30d"}), 1000)
    assert Suspension("why", 1000, 6400) == asked_for(wish(**{"for": "1h30m"}), 1000)
    for body, said in (
        (b"", "JSON"),
        (b"[" * 4096, "JSON"),
        (b"[]", "nothing else"),
        (wish(until="tomorrow"), "nothing else"),
        (b'{"for": "2h"}', '"reason"'),
        (wish(reason=" "), '"reason"'),
        (wish(reason=7), '"reason"'),
        (wish(reason="two\nlines"), '"reason"'),
        (wish(reason="left\u202eright"), '"reason"'),
        (wish(reason="x" * 201), '"reason"'),
        (b'{"reason": "why"}', '"for"'),
        (wish(**{"for": 7200}), '"for"'),
        (wish(**{"for": "2 hours"}), '"for"'),
        (wish(**{"for": "31d"}), "from 1s to 30d"),
        (wish(**{"for": "0s"}), "from 1s to 30d"),
    ):
        wrong = asked_for(body, 1000)
        assert isinstance(wrong, str), body
        assert said in wrong


@given(st.binary(max_size=200))
def test_any_body_is_survived(body: bytes) -> None:
    """Noise is told what is wrong; what is taken can be kept."""
    found = asked_for(body, 1000)
    assert isinstance(found, str) or found == suspension_of(suspension_bytes(found))


def test_it_holds_until_its_end() -> None:
    """To the second."""
    made = Suspension("why", 1000, 2000)
    assert (True, False) == (made.holds(1999.9), made.holds(2000))
    assert "suspended until 1970-01-01T00:33:20Z: why" == str(made)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 5000,
        b"null",
        b'{"format": "ptctl-suspension/2"}',
        suspension_bytes(Suspension("why", 1000, 999)),
        suspension_bytes(Suspension("why", 1000, 1000 + 31 * 86400)),
        suspension_bytes(Suspension("why", 10**17, 10**17 + 5)),
        suspension_bytes(Suspension("a\nb", 1000, 2000)),
        suspension_bytes(Suspension("why", 1000, 2000)).replace(b"2000", b"1e9"),
        suspension_bytes(Suspension("why", 0, 1)).replace(b"1", b"true"),
    ],
)
def test_a_damaged_file_suspends_nothing_and_is_told(tmp_path: Path, data: bytes) -> None:
    """It counts as none, with the reason; a sound one in its place counts at once."""
    kept = Suspensions(tmp_path, now=lambda: 1500)
    (tmp_path / "suspension.json").write_bytes(data)
    assert kept.current() is None
    assert "suspension.json is broken and suspends nothing: " in kept.trouble()
    (tmp_path / "suspension.json").write_bytes(suspension_bytes(Suspension("sound again", 1000, 2000)))
    assert ("suspended until 1970-01-01T00:33:20Z: sound again", "") == (kept.why(), kept.trouble())


@pytest.mark.accepts("SEC-2")
def test_the_address_suspends_and_ends(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading is open, writing needs the token; a webhook is refused with reason and end; page, status and metrics show it."""

    async def main() -> None:
        stage = Stage(tmp_path, sources=one_source("http://127.0.0.1:9"))
        stage.publish()
        settings = stage.settings(admin_token=Secret(TOKEN))
        async with served(stage, settings) as serving:
            hub = serving.hub
            rung: list[str] = []
            serving.runs.ask = rung.append

            async def said(method: str, body: bytes = b"", *headers: tuple[str, str]) -> tuple[int, Any]:
                got = await ask(hub, PATH, method=method, headers=headers, body=body)
                return got.status, json.loads(got.body) if got.body else None

            async def status() -> Any:
                return json.loads((await ask(hub, "/api/v1/status")).body)

            assert (200, {"suspended": None}) == await said("GET")
            assert (200, None) == await said("HEAD")
            assert 405 == (await said("POST", WISH, BEARER))[0]
            for method in ("PUT", "DELETE"):
                assert 401 == (await said(method, WISH))[0]
                assert 401 == (await said(method, WISH, ("Authorization", "Bearer wrong")))[0]
            assert 400 == (await said("PUT", b"{}", BEARER))[0]
            assert 400 == (await said("PUT", b" " * 5000 + WISH, BEARER))[0]
            assert (200, {"suspended": None}) == await said("DELETE", b"", BEARER)
            assert not (tmp_path / "suspension.json").exists()

            code, made = await said("PUT", WISH, BEARER)
            held = made["suspended"]
            assert (200, "provider moves house") == (code, held["reason"])
            assert abs(held["until"] - time.time() - 7200) < 60
            assert (200, made) == await said("GET")
            refused = await ask(hub, "/api/v1/runs", method="POST", headers=(BEARER,))
            assert (409, held) == (refused.status, json.loads(refused.body)["suspended"])
            assert "provider moves house" in json.loads(refused.body)["error"]
            assert [] == rung
            document = await status()
            assert held == document["suspended"]
            assert document["ready"], "what is served is served"
            assert ": provider moves house" in render_status(document, color=False)
            assert "No run begins by itself until" in text_of((await ask(hub, "/")).body)
            assert b"\nptctl_suspended 1.0\n" in (await ask(hub, "/metrics")).body
            await until(lambda: "no run begins by itself, suspended until" in caplog.text)

            shorter = wish(reason="<b>soon</b>", **{"for": "1s"})
            assert 200 == (await said("PUT", shorter, BEARER))[0]
            assert b"<b>soon" not in (await ask(hub, "/")).body
            with trio.fail_after(10):
                while (await status())["suspended"]:  # noqa: ASYNC110 - what is waited for is the time
                    await trio.sleep(0.1)
            assert b"\nptctl_suspended 0.0\n" in (await ask(hub, "/metrics")).body
            assert 202 == (await ask(hub, "/api/v1/runs", method="POST", headers=(BEARER,))).status
            assert ["webhook"] == rung

            assert 200 == (await said("PUT", WISH, BEARER))[0]
        async with served(stage, settings) as again:
            hub = again.hub
            assert "provider moves house" == (await said("GET"))[1]["suspended"]["reason"], "a restart"
            (tmp_path / "suspension.json").write_text("{")
            assert (200, {"suspended": None}) == await said("GET")
            broken = await status()
            assert [["suspension.json", again.suspensions.trouble()]] == broken["problems"]
            assert broken["ready"]
            await until(lambda: "suspension.json is broken" in caplog.text)
            assert (200, {"suspended": None}) == await said("DELETE", b"", BEARER)
            assert [] == (await status())["problems"]
            (tmp_path / "suspension.json").mkdir()
            code, why = await said("PUT", WISH, BEARER)
            assert (503, True) == (code, "suspension.json" in why["error"])

    caplog.set_level("INFO")
    run(main)


HELD = SPEC.replace("  plex: {{token", '  admin: {{token: "env:TEST_ADMIN"}}\n  plex: {{token', 1).replace(
    'reconcile: "off"', 'reconcile: "off", access: {{admin: admin}}'
)


def test_the_loop_begins_nothing_meanwhile(run: Run[None], tmp_path: Path) -> None:
    """Of a real `serve`: neither its first run nor SIGHUP; refresh by hand works; at the end what was due begins."""

    async def main() -> None:
        async with world(tmp_path, spec=HELD) as home:
            home.state.mkdir()
            until_s = int(time.time()) + 3600
            held = Suspension("provider moves house", until_s - 7200, until_s)
            (home.state / "suspension.json").write_bytes(suspension_bytes(held))
            log = home.directory / "serve.log"
            hub = ("127.0.0.1", home.hub)
            home.env["TEST_ADMIN"] = TOKEN  # type: ignore[index]  # the world's own dict
            async with home.serving(ready=False) as process:
                await until(lambda: "a run is due (no artifacts yet) and waits: suspended" in log.read_text())
                process.send_signal(signal.SIGHUP)
                await until(lambda: "SIGHUP asks for a run; none begins, suspended" in log.read_text())
                shown = await home.ptctl("status")
                assert "provider moves house" in shown.out, shown.text
                assert not (home.state / "artifacts").exists()
                made = await home.ptctl("refresh")
                assert made.code == 0, made.text
                assert "run begins" not in log.read_text().replace("no run begins", "")
                ended = await ask(hub, PATH, method="DELETE", headers=(BEARER,))
                assert 200 == ended.status
                await until(lambda: "run begins (no artifacts yet)" in log.read_text())
                await until(lambda: "run ended" in log.read_text(), 60)
                assert "the suspension is over" in log.read_text()
                assert "SIGHUP)" not in log.read_text(), "what was refused is not done later"

    run(main)
