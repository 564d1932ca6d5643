"""What one run of `serve`'s loop is: `ptctl refresh` or `apply` in a child process, and word of what came of it.

A child, because parsing must not share the thread that relays, and because its memory goes back when it ends. It takes
the lock like anybody else; where another run holds it, this one is over and comes again: what the other one does may be
less. This module refuses to lift anything: the loop always skips what is blocked (design.md 4).
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio

from reconciler.cli.exits import Exit
from reconciler.cli.runs import CAUSE
from reconciler.serving.blocked import Blocked, blocked_of
from reconciler.serving.drift import DriftItem, DriftSeen
from reconciler.serving.notify import deliver
from reconciler.sources.credentials import resolve
from reconciler.spec.model import Spec

__all__ = ["Reconciling"]

log = logging.getLogger(__name__)

RUN_LIMIT_S: Final = 2 * 3600.0
FINE: Final = frozenset({Exit.DONE, Exit.SKIPPED_BLOCKED, Exit.REFUSED})


class Reconciling:
    """The job of the loop, for one spec."""

    def __init__(self, spec: Spec, argument: str | None, *, env: str | None, allow_exec: bool) -> None:
        self._spec = spec
        self._common = [
            *([argument] if argument else []),
            *(["--env", env] if env else []),
            *(["--allow-exec"] if allow_exec else []),
        ]
        self._allow_exec = allow_exec
        self.seen: Callable[[DriftSeen], None] = lambda _: None
        """Who is told what was found in Plex: pages and metrics show it."""
        self.ended: Callable[[str, tuple[Blocked, ...] | None], None] = lambda _, __: None
        """Who is told why a run failed, or "" when one did its work, and what it left as it was because of a safety rule (None:
        it did not come so far). One that found another at work tells nothing."""

    async def run(self, cause: str) -> bool:
        """One run. True when it did what it may; blocked is not failed, a Plex that is not seen is. Ends after two hours at the
        latest.
        """
        log.info("run begins (%s)", cause)
        code, report = await self._child(self._command(), cause)
        if self._spec.probes.mode != "off" and code in FINE:
            _, probed = await self._child(["probe", "-f", "json"], cause)
            if probed.get("found"):
                code, report = await self._child(
                    self._command(), cause
                )  # what was found has its effect at once
        if self._spec.serve.reconcile == "plan" and self._spec.plex is not None and code in FINE:
            _, planned = await self._child(["plan", "-f", "json"], cause)
            report["drift"] = report["drift_left"] = [
                {"dvr": d["dvr"], "path": d["path"], "found": d["found"], "note": d["note"]}
                for d in planned.get("drift", ())
            ]
            report["plex"] = planned.get("plex", "unknown")
            report["plex_why"] = planned.get("plex_why") or _why(planned)
        _tell(code, again=self._spec.serve.refresh_every_s > 0)
        if code != Exit.LOCKED:
            failed = f"the last run failed with exit {code}: {_why(report) or 'the log of serve says why'}"
            blocked = blocked_of(report["blocked"]) if "blocked" in report else None
            self.ended("" if code in FINE else failed, blocked)
        if self._spec.plex is not None and self._spec.serve.reconcile != "off" and code != Exit.LOCKED:
            self.seen(_drift(report))
        if self._spec.notify and code != Exit.LOCKED:
            await deliver(
                report,
                self._spec.notify,
                Path(self._spec.state) / "cache" / "told.json",
                lambda ref: resolve(
                    ref, environ=os.environ, base=Path(self._spec.base), allow_exec=self._allow_exec
                ),
            )
        if code in FINE and report.get("plex") == "unknown":
            log.warning("Plex could not be read: %s; it is looked at again", report["plex_why"])
            return False
        return code in FINE

    def _command(self) -> list[str]:
        if self._spec.plex is None:
            return ["refresh", "-f", "json"]
        match self._spec.serve.reconcile:
            case "off" | "plan":
                return ["refresh", "-f", "json"]
            case "content":
                return ["apply", "--yes", "--skip-blocked", "--content-only", "-f", "json"]
            case "apply":
                return ["apply", "--yes", "--skip-blocked", "-f", "json"]

    async def _child(
        self, command: list[str], cause: str
    ) -> tuple[int, dict[str, Any]]:  # Any: our own JSON report
        full = [sys.executable, "-m", "reconciler", "--no-color", command[0], *self._common, *command[1:]]
        code, out = int(Exit.FAILED), b""
        with trio.move_on_after(RUN_LIMIT_S):
            done = await trio.run_process(
                full,
                capture_stdout=True,
                stderr=None,
                stdin=subprocess.DEVNULL,
                check=False,
                env={**os.environ, CAUSE: cause},
                start_new_session=True,  # a terminal's Ctrl-C is for us, and we end the child: one word about it
            )
            code, out = done.returncode, done.stdout
        try:
            report: dict[str, Any] = json.loads(out)
        except ValueError:  # it was killed
            report = {"exit": code, "errors": [{"message": f"{command[0]} ended with exit {code}"}]}
        return code, report


def _why(report: dict[str, Any]) -> str:
    """The words of its first error; "" where there is none."""
    return next((str(error["message"]) for error in report.get("errors", ())), "")


def _tell(code: int, *, again: bool) -> None:
    """How a run ended, for people; `again`: whether the loop comes back to one that failed."""
    later = "it is tried again" if again else "ask for another with SIGHUP"
    if code == Exit.LOCKED:
        log.info("another run of ptctl is at work here; this one did nothing, %s", later)
    elif code in {Exit.SKIPPED_BLOCKED, Exit.REFUSED}:
        log.warning("run ended; what is blocked was left as it is:  ptctl plan  shows it")
    elif code == Exit.DONE:
        log.info("run ended")
    else:
        log.warning("run failed with exit %d; %s", code, later)


def _drift(report: dict[str, Any]) -> DriftSeen:  # Any: our own JSON report
    if report.get("plex") != "known":  # nothing of it was read: unknown is not "none"
        why = report.get("plex_why")
        return DriftSeen(time.time(), failed=f"Plex could not be read: {why}" if why else _why(report))
    items = [
        DriftItem(d["dvr"], d["path"], d["note"] or f"{d['path']} is {d['found']}")
        for d in report["drift_left"]
    ]
    return DriftSeen(time.time(), tuple(items))
