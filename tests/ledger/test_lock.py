"""One run at a time: who waits, who is told what, and who frees the lock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.errors import LockHeld, StateError
from reconciler.ledger.atomic import LEFTOVER_S
from reconciler.ledger.lock import hold, holder

HOLD = """
import sys, time
from pathlib import Path
from reconciler.ledger.lock import hold
with hold(Path(sys.argv[1]), "ops@nas", "apply", since="2026-03-01T04:19:00Z"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def other(state: Path, seconds: float, *before: str) -> subprocess.Popen[str]:
    """Another process that holds the lock, once this returns."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HOLD, str(state), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Kill it hard and collect what is left."""
    process.kill()
    process.communicate(timeout=10)


@pytest.mark.accepts("APP-7", "ONE-2")
def test_a_second_run_is_refused_at_once_and_told_who(tmp_path: Path) -> None:
    """Exit 7, with who holds it, what for and since when; a dead holder frees it by itself."""
    process = other(tmp_path, 60)
    try:
        told = "ops@nas: apply, since 2026-03-01T04:19:00Z"
        with pytest.raises(LockHeld, match=told) as caught, hold(tmp_path, "me", "plan", since="now"):
            pytest.fail("two runs at once")
        assert 7 == caught.value.code
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        with hold(tmp_path, "me", "plan", since="now"):
            assert "me: plan, since now" == holder(tmp_path)
        assert "" == holder(tmp_path)
    finally:
        end(process)


def test_waiting_ends_with_the_holder_or_the_limit(tmp_path: Path) -> None:
    """`--wait` gets the lock when the other run ends, and gives up at its limit."""
    told: list[str] = []
    process = other(tmp_path, 0.3)
    try:
        with hold(tmp_path, "me", "apply", since="now", wait_s=20, on_wait=told.append):
            pass
    finally:
        end(process)
    assert ["ops@nas: apply, since 2026-03-01T04:19:00Z"] == told
    process = other(tmp_path, 60)
    try:
        began = time.monotonic()
        with pytest.raises(LockHeld), hold(tmp_path, "me", "apply", since="now", wait_s=0.2):
            pytest.fail("two runs at once")
        assert 0.2 <= time.monotonic() - began < 5
    finally:
        end(process)


@pytest.mark.accepts("APP-7")
def test_a_holder_in_another_pid_namespace_keeps_it(tmp_path: Path) -> None:
    """No pid is asked about: a live holder that this process cannot see still holds the lock."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make PID namespaces")
    process = other(tmp_path, 60, *unshare)
    try:
        with pytest.raises(LockHeld), hold(tmp_path, "me", "plan", since="now"):
            pytest.fail("two runs at once")
    finally:
        end(process)


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    """Whatever happens inside, the next run gets the lock."""
    with pytest.raises(ZeroDivisionError), hold(tmp_path, "me", "plan", since="now"):
        raise ZeroDivisionError
    with hold(tmp_path, "me", "plan", since="now"):
        pass


def test_what_killed_runs_left_unfinished_is_removed(tmp_path: Path) -> None:
    """Files and directories that lie there for hours are; younger ones may be those of a `plan` at work."""
    old = time.time() - LEFTOVER_S - 60
    places = [tmp_path / name for name in (".", "artifacts", "cache", "private")]
    for place in places:
        place.mkdir(exist_ok=True)
        for name in (".ptctl-tmp-01", ".ptctl-tmp-02", "ledger.json"):
            (place / name).write_text("")
            os.utime(place / name, (old, old))
        os.utime(place / ".ptctl-tmp-02")
    doomed = tmp_path / "artifacts" / ".ptctl-tmp-03"
    (doomed / "news").mkdir(parents=True)
    os.utime(doomed, (old, old))
    with hold(tmp_path, "me", "apply", since="now"):
        for place in places:
            left = {path.name for path in place.iterdir() if path.name.startswith(".ptctl-tmp-")}
            assert {".ptctl-tmp-02"} == left
            assert (place / "ledger.json").exists()


def test_no_directory_is_a_clear_error(tmp_path: Path) -> None:
    """A state directory that cannot be made says so."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StateError, match="make directory"),
        hold(tmp_path / "file" / "x", "me", "p", since=""),
    ):
        pytest.fail("no lock there")
