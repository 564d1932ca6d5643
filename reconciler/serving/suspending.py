"""The suspension in force, kept in the state directory, and its address in the API.

    PUT /api/v1/suspension      {"reason": "provider moves house", "for": "2h"}
    DELETE /api/v1/suspension
    GET /api/v1/suspension

Writing needs the admin token. The file is the truth, looked at again whenever it changes: so a restart forgets nothing, and
processes that share a state directory are suspended together. One that cannot be read counts as none, and pages and log say
so: silence of the loop must have a reason that somebody gave. This module refuses to stop a run that has begun.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import trio

from reconciler.errors import StateError
from reconciler.ledger.atomic import disk_errors, replace_file, sync_directory
from reconciler.serving.access import Access
from reconciler.serving.answers import Answer, json_answer
from reconciler.serving.asgi import Receive
from reconciler.serving.small_body import small_body
from reconciler.serving.suspension import Suspension, asked_for, suspension_bytes, suspension_of

__all__ = ["SUSPENSION_PATH", "SuspensionApi", "Suspensions"]

log = logging.getLogger(__name__)

SUSPENSION_PATH: Final = "/api/v1/suspension"
FILE: Final = "suspension.json"
LOOK_S: Final = 1.0
MOST_BYTES: Final = 1 << 16


_Mark = tuple[int, int, int]
"""What tells one content of the file from the next: inode, size, time of the last change (ns)."""


class Suspensions:
    """The suspension of one state directory. Asking costs a `stat`."""

    def __init__(self, state: Path, now: Callable[[], float] = time.time) -> None:
        self._path = state / FILE
        self._now = now
        self._mark: _Mark | None = None
        self._kept: Suspension | None = None
        self._writing = trio.Lock()
        self._trouble = ""

    def current(self) -> Suspension | None:
        """What is in force at this moment. Never raises."""
        self._look()
        return self._kept if self._kept is not None and self._kept.holds(self._now()) else None

    def why(self) -> str:
        """Why no run may begin now, for people; "" where one may."""
        held = self.current()
        return "" if held is None else str(held)

    def trouble(self) -> str:
        """What is wrong with the file, "" where nothing is."""
        self._look()
        return self._trouble

    async def suspend(self, wanted: Suspension) -> None:
        """In force from now on, in place of what was. Raises StateError. Cancelling leaves the old or the new one."""
        async with self._writing:
            await trio.to_thread.run_sync(replace_file, self._path, suspension_bytes(wanted))

    async def end(self) -> None:
        """None from now on; harmless where there is none. Raises StateError."""
        async with self._writing:
            await trio.to_thread.run_sync(self._remove)

    async def watch(self) -> None:
        """Tell the log what begins, ends and is broken, whoever did it. For ever; looks once a second."""
        told: Suspension | None = None
        trouble = ""
        while True:
            now = self.current()
            if now != told:
                log.warning("no run begins by itself, %s", now) if now else log.info("the suspension is over")
            if self._trouble and self._trouble != trouble:
                log.warning("%s", self._trouble)
            told, trouble = now, self._trouble
            await trio.sleep(LOOK_S)

    def _remove(self) -> None:
        with disk_errors("remove", self._path):
            if self._path.exists():
                self._path.unlink(missing_ok=True)
                sync_directory(self._path.parent)

    def _look(self) -> None:
        """Read the file again if it is another one."""
        try:
            stat = self._path.stat()
            mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if mark == self._mark:
                return
            self._mark, self._kept, self._trouble = mark, None, ""
            with self._path.open("rb") as file:
                self._kept = suspension_of(file.read(MOST_BYTES))
        except FileNotFoundError:
            self._mark, self._kept, self._trouble = None, None, ""
        except OSError as error:  # may be over at the next look, with the same file
            self._mark, self._kept, self._trouble = None, None, self._broken(error.strerror)
        except ValueError as error:
            self._trouble = self._broken(error)

    def _broken(self, why: object) -> str:
        return f"{self._path.name} is broken and suspends nothing: {why}"


class SuspensionApi:
    """The address. Answers hold `suspended`: the suspension in force, or null."""

    def __init__(self, access: Access, kept: Suspensions, now: Callable[[], float] = time.time) -> None:
        self._access = access
        self._kept = kept
        self._now = now

    async def answer(self, method: str, headers: Mapping[str, str], receive: Receive) -> Answer:
        """One request."""
        if method in {"GET", "HEAD"}:
            return self._told()
        if method not in {"PUT", "DELETE"}:
            return Answer(405, headers=(("Allow", "GET, HEAD, PUT, DELETE"),))
        if not self._access.is_admin(headers):
            return json_answer({"error": "the admin token is needed"}, 401)
        try:
            if method == "DELETE":
                await self._kept.end()
                return self._told()
            body = await small_body(receive)
            wanted = "the body is too long" if body is None else asked_for(body, self._now())
            if isinstance(wanted, str):
                return json_answer({"error": wanted}, 400)
            await self._kept.suspend(wanted)
        except StateError as error:  # a disk that is full, a directory that is mounted read-only
            return json_answer({"error": error.message, "next_step": error.next_step}, 503)
        return self._told()

    def _told(self) -> Answer:
        held = self._kept.current()
        return json_answer({"suspended": None if held is None else asdict(held)})
