"""The loop's job beside another run: it says so, and it counts as one to be tried again."""

import logging
from pathlib import Path

import pytest

from reconciler.cli.console import Console
from reconciler.cli.reconciling import Reconciling
from reconciler.cli.runs import CAUSE, lock
from reconciler.ledger.lock import hold, holder
from reconciler.spec.loading import load
from tests.conftest import Run

SPEC = """\
version: 1
name: home
sources:
  list: {kind: m3u, path: list.m3u}
buckets:
  - {name: every, match: {}}
dvrs:
  every: {}
serve: {listen: "127.0.0.1:5004", advertise: "http://127.0.0.1:5004", ports: 5005-5009}
"""
LIST = '#EXTM3U\n#EXTINF:-1 tvg-id="a",A\nhttp://127.0.0.1:1/a.ts\n'


def test_a_run_beside_another_is_tried_again(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While another holds the lock nothing is done and nothing alarms; afterwards the same job does its work."""
    (tmp_path / "list.m3u").write_text(LIST)
    path = tmp_path / "ptctl.yaml"
    path.write_text(SPEC)
    spec, found, _ = load(path)
    assert spec is not None, found
    job = Reconciling(spec, str(path), env=None, allow_exec=False)
    heard: list[str] = []
    job.ended = lambda trouble, _: heard.append(trouble)
    caplog.set_level(logging.INFO)

    async def main() -> None:
        with hold(Path(spec.state), "somebody", "apply", since="2026-01-01T00:00:00Z"):
            assert not await job.run("no artifacts yet")
        assert "another run of ptctl is at work here; this one did nothing, it is tried again" in caplog.text
        assert "exit 7" not in caplog.text
        assert await job.run("retry")
        assert (Path(spec.state) / "artifacts" / "current").exists()
        (tmp_path / "list.m3u").unlink()
        assert not await job.run("schedule")
        assert "" == heard[0], "a run that found another at work says nothing of lists"
        assert "the last run failed with exit 1: " in heard[1]
        assert "list" in heard[1], "in the words of the error"

    run(main)


def test_who_finds_the_lock_held_learns_that_it_is_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the loop is a child that reads `ptctl apply`, which nobody remembers to have typed."""
    (tmp_path / "ptctl.yaml").write_text(SPEC)
    spec, found, _ = load(tmp_path / "ptctl.yaml")
    assert spec is not None, found
    monkeypatch.setenv(CAUSE, "schedule")
    with lock(Console(color_out=False, color_err=False, terminal=False), spec, "apply"):
        assert ": ptctl serve, its apply (schedule; ptctl history shows it), since 2" in holder(
            Path(spec.state)
        )
