"""`-f json` where a command fails: one document on stdout all the same, words for people on stderr (design.md 3)."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.endings import asks_for_json
from reconciler.ledger.lock import hold
from reconciler.sandbox.faults import Fault
from tests.cli.settled import REFUSED, STALE, Guard, settled, with_channels
from tests.conftest import Run
from tests.e2e.world import SPEC, Result, World, world

FAILED, INVALID, LOCKED, USAGE = 1, 3, 7, 64
RUNS = (["plan"], ["apply", "--yes"], ["refresh"])


def failed(shown: Result, code: int, page: str, said: str) -> dict[str, Any]:  # Any: JSON
    """The document of a command that ended so: its first error has the code, and people were told the same."""
    assert shown.code == code, shown.text
    document: dict[str, Any] = json.loads(shown.out)
    assert "ptctl-error/1" == document["format"]
    assert code == document["exit"]
    error = document["errors"][0]
    assert page == error["code"], shown.text
    assert said in error["message"]
    assert error["next_step"], shown.text
    assert f"error[{page}]: {error['message']}\nNext:  {error['next_step']}\n" in shown.err
    return document


async def every(home: World, code: int, page: str, said: str) -> None:
    """`plan`, `apply` and `refresh` fail alike."""
    for words in RUNS:
        failed(await home.ptctl(*words, "-f", "json"), code, page, said)


@pytest.mark.accepts("UPD-3", "DOC-2")
def test_a_failing_command_answers_in_json(run: Run[None], tmp_path: Path) -> None:
    """A broken spec, a missing one, an unset credential, sources down, the lock held: each has its code, words and next step."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(SPEC.replace("overflow: drop", "overflow: dorp"))
            for words in RUNS:
                document = failed(
                    await home.ptctl(*words, "-f", "json"), INVALID, "P102", "ptctl.yaml is invalid"
                )
                finding = document["diagnostics"][0]
                assert "V140" == finding["code"]
                assert "ptctl.yaml" == Path(finding["at"]["file"]).name
                assert SPEC[: SPEC.index("overflow: drop")].count("\n") + 1 == finding["at"]["line"]
            home.spec.unlink()
            await every(home, INVALID, "P102", "there is no")
            failed(await home.ptctl("validate", "-f", "json"), INVALID, "P102", "there is no")
            home.write_spec(SPEC)
            for words in RUNS:
                unset = await home.ptctl(*words, "--format=json", env={"TEST_USER": ""})
                failed(unset, FAILED, "P201", "TEST_USER")
            failed(await home.ptctl("plan", "-fjson", "--bogus"), USAGE, "P101", "--bogus")
            failed(await home.ptctl("apply", "-f", "json"), USAGE, "P101", "no terminal")
            with hold(home.state, "somebody", "apply", since="2026-01-01T00:00:00Z"):
                for words in (["apply", "--yes"], ["refresh"]):
                    failed(await home.ptctl(*words, "-f", "json"), LOCKED, "P203", "somebody")
            home.provider.faults.switch_on(Fault("html"))
            await every(home, FAILED, "P300", "panel")
            home.spec.write_text(
                "version: 1\nname: home\nsources:\n  a: {kind: m3u, path: a.m3u}\n  b: {kind: m3u, path: b.m3u}\n"
                "buckets: [{name: rest, match: {}}]\ndvrs: {rest: {}}\n"
            )
            (home.spec.parent / "b.m3u").write_text("File1=http://h/1\n")
            shown = await home.ptctl("plan", "-f", "json")
            said = failed(shown, FAILED, "P300", "2 sources cannot be had")["errors"][0]["message"]
            assert "a.m3u: no such file" in said
            assert "b.m3u is no playlist" in said

    run(main)


@pytest.mark.accepts("PLN-7")
def test_a_report_says_why_it_is_not_done(run: Run[None], tmp_path: Path) -> None:
    """Blocked, Plex away, a stale plan: the run's own report has errors of the same shape, and nothing is written."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            done = await home.ptctl("apply", "--yes", "-f", "json")
            assert [] == json.loads(done.out)["errors"], done.text
            saved = await home.ptctl("plan", "--out", "old.plan", "-f", "json")
            assert "known" == json.loads(saved.out)["plex"]
            with_channels(home, lambda c: not c.group.startswith("SPORTS|"))
            for words in (["apply", "--yes"], ["refresh"]):
                shown = await home.ptctl(*words, "-f", "json")
                assert REFUSED == shown.code, shown.text
                errors = {e["code"]: e for e in json.loads(shown.out)["errors"]}
                assert errors["S102"]["message"].startswith("sports: ")
                assert "ptctl plan --allow empty:sports" == errors["S102"]["next_step"]
            failed(await home.ptctl("apply", "old.plan", "-f", "json"), STALE, "P502", "")
            home.write_spec(SPEC, plex="http://127.0.0.1:1")
            shown = await home.ptctl("apply", "--yes", "-f", "json")
            report = json.loads(shown.out)
            assert (FAILED, "unknown") == (report["exit"], report["plex"]), shown.text
            assert ["P401"] == [e["code"] for e in report["errors"]]
            assert "Plex could not be read" in report["errors"][0]["message"]
            assert "ptctl doctor" == report["errors"][0]["next_step"]
            assert [] == guard.writes()

    run(main)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("plan -f json", True),
        ("plan --format json x.yaml", True),
        ("plan --format=json", True),
        ("plan -fjson", True),
        ("plan -f json -f text", False),
        ("plan -f markdown", False),
        ("plan json", False),
        ("plan -f", False),
        ("plan -- -f json", False),
    ],
)
def test_json_is_asked_for_in_any_spelling(words: str, *, wanted: bool) -> None:
    """As the parser reads it."""
    assert wanted == asks_for_json(words.split())
