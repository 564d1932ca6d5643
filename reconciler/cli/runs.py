"""The lock around a run: who holds it, what for, and how long somebody else may wait for it."""

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reconciler.cli.console import Console
from reconciler.errors import UsageError
from reconciler.ledger.lock import hold
from reconciler.spec.model import Spec
from reconciler.spec.values import duration

__all__ = ["CAUSE", "lock"]

CAUSE: Final = "PTCTL_CAUSE"
"""Set by `serve` for the runs of its loop: why one began. Whoever finds the lock held is told that it is serve's."""


@contextmanager
def lock(console: Console, spec: Spec, what: str, wait: str = "0s") -> Iterator[None]:
    """Hold the state directory's lock. Raises LockHeld (exit 7) after `wait` (a duration such as 10m)."""
    form = duration("m")
    if not form.fits(wait):
        raise UsageError(
            f'--wait takes a duration, not "{wait}"', next_step="--wait 10m (units: ms, s, m, h, d)"
        )
    wait_s = float(str(form.parse(wait)))
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with hold(
        Path(spec.state),
        _who(),
        _named(what),
        since=since,
        wait_s=wait_s,
        on_wait=lambda who: console.note(f"waiting for {who}"),
    ):
        yield


def _named(what: str) -> str:
    cause = os.environ.get(CAUSE)
    return f"ptctl {what}" if cause is None else f"ptctl serve, its {what} ({cause}; ptctl history shows it)"


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"  # a container's user need not have a name
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"
