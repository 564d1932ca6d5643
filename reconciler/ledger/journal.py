"""`<state>/runs/<n>.jsonl`: what each run meant to do, and what came of it.

Intent is on disk before an action begins, its outcome after it ended (design.md 1.4). Lines are written and flushed
synchronously: behind a cancelled scope an awaited write would be lost (style.md 3). A line cut off by a crash is left
out when reading. This module refuses to decide what to do again.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from reconciler.errors import StateError
from reconciler.ledger.atomic import disk_errors, make_directory, sync_directory

__all__ = ["FORMAT", "KEPT", "Journal", "Outcome", "Run", "Step", "read_run", "run_numbers"]

FORMAT: Final = "ptctl-run/1"
KEPT: Final = 1000
"""Journals that stay, the newest: of an hourly refresh six weeks, of one every six hours eight months."""

Outcome = Literal["done", "failed", "skipped", "unconfirmed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a run. `outcome` "" : it began and nothing is known of its end. Times are ISO seconds, UTC."""

    id: str
    kind: str = ""
    dvr: str = ""
    began: str = ""
    ended: str = ""
    outcome: str = ""
    detail: str = ""
    seconds: float = 0.0
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One run read back. `exit` None: it did not end by itself. `notes` are (time, text)."""

    number: int
    began: str
    command: str
    head: Mapping[str, Any]
    steps: tuple[Step, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    ended: str = ""
    exit: int | None = None

    @property
    def left(self) -> tuple[str, ...]:
        """Ids of everything the run meant to do and did not: begun or not, in the order of its plan."""
        done = {step.id for step in self.steps if step.outcome == "done"}
        planned = [str(id_) for id_ in self.head.get("plan", ())] or [step.id for step in self.steps]
        return tuple(id_ for id_ in planned if id_ not in done)

    @property
    def undone(self) -> tuple[Step, ...]:
        """Steps that failed or whose end is unknown: cut off with the process, or interrupted."""
        return tuple(s for s in self.steps if s.outcome in {"", "failed", "unconfirmed"})


class Journal:
    """The open journal of this run. `clock` gives the ISO second (UTC). Every method returns after its line is on disk.

    Raises StateError when the disk refuses; then the action that was to follow must not begin. Values are written as
    they come: the caller keeps secrets out.
    """

    def __init__(
        self, state: Path, command: str, clock: Callable[[], str], head: Mapping[str, Any] | None = None
    ) -> None:
        self._clock = clock
        self._folder = state / "runs"
        make_directory(self._folder)
        self.number, self.path, self._handle = self._opened()
        try:
            self._write({"format": FORMAT, "run": self.number, "command": command, **(head or {})})
            with disk_errors("write", self.path):
                sync_directory(self._folder)
        except BaseException:
            os.close(self._handle)
            raise
        self._prune()

    def intent(self, id_: str, kind: str, dvr: str = "", args: Mapping[str, str] | None = None) -> None:
        """About to begin an action."""
        self._write({"intent": id_, "kind": kind, "dvr": dvr, "args": dict(args or {})})

    def outcome(self, id_: str, outcome: Outcome, detail: str = "", seconds: float = 0.0) -> None:
        """The action ended."""
        self._write({"outcome": id_, "result": outcome, "detail": detail, "seconds": round(seconds, 3)})

    def note(self, text: str, **facts: object) -> None:
        """A sentence about the run."""
        self._write({"note": text, **facts})

    def finish(self, exit_code: int, **facts: object) -> None:
        """The run ends by itself."""
        self._write({"exit": exit_code, **facts})

    def close(self) -> None:
        """Close the file. Twice is harmless."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> tuple[int, Path, int]:
        """The next number and its file; runs without the lock (probes, refreshes) may take one at the same moment."""
        number = max(run_numbers(self._folder.parent), default=0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        while True:
            number += 1
            path = self._folder / f"{number}.jsonl"
            with disk_errors("write", path):
                try:
                    return number, path, os.open(path, flags, 0o644)
                except FileExistsError:
                    continue

    def _prune(self) -> None:
        for number in run_numbers(self._folder.parent)[:-KEPT]:
            # another run may be at it as well, and no run fails for an old one's sake
            with suppress(OSError):
                (self._folder / f"{number}.jsonl").unlink()

    def _write(self, line: Mapping[str, object]) -> None:
        text = json.dumps({"at": self._clock(), **line}, ensure_ascii=False)
        with disk_errors("write", self.path):
            data = memoryview((text + "\n").encode())
            while data:
                data = data[os.write(self._handle, data) :]
            os.fdatasync(self._handle)


def run_numbers(state: Path) -> list[int]:
    """The numbers of all runs, ascending."""
    try:
        names = [p.stem for p in (state / "runs").iterdir() if p.suffix == ".jsonl"]
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"cannot read {state / 'runs'}: {reason}") from error
    return sorted(int(n) for n in names if n.isdecimal())


def read_run(state: Path, number: int) -> Run:
    """One run; without a beginning where not even its first line was written. Raises StateError if there is none, or if it
    was written by a newer version.
    """
    path = state / "runs" / f"{number}.jsonl"
    with disk_errors("read", path):
        data = path.read_bytes()
    lines = list(_lines(data))
    if b"\n" not in data:
        return Run(number, "", "", {})  # it died, or the disk was full, before its first line was whole
    head = lines[0] if lines else {}
    if head.get("format") != FORMAT:
        raise StateError(f"{path} is no journal of this version", next_step="use the ptctl that wrote it")
    steps: dict[str, Step] = {}
    notes: list[tuple[str, str]] = []
    ended, code = "", None
    for line in lines[1:]:
        at = str(line.get("at", ""))
        if "intent" in line:
            id_ = str(line["intent"])
            steps[id_] = Step(
                id_, str(line.get("kind", "")), str(line.get("dvr", "")), at, args=line.get("args") or {}
            )
        elif "outcome" in line:
            steps[str(line["outcome"])] = _ended(steps.get(str(line["outcome"])), line, at)
        elif "note" in line:
            notes.append((at, str(line["note"])))
        elif "exit" in line:
            ended, code = at, int(line["exit"])
    facts = {k: v for k, v in head.items() if k not in {"at", "format", "run", "command"}}
    return Run(
        number,
        str(head.get("at", "")),
        str(head.get("command", "")),
        facts,
        tuple(steps.values()),
        tuple(notes),
        ended,
        code,
    )


def _ended(step: Step | None, line: Mapping[str, Any], at: str) -> Step:
    begun = step or Step(str(line["outcome"]))
    return Step(
        begun.id,
        begun.kind,
        begun.dvr,
        begun.began,
        at,
        str(line.get("result", "")),
        str(line.get("detail", "")),
        float(line.get("seconds", 0.0)),
        begun.args,
    )


def _lines(data: bytes) -> Iterator[dict[str, Any]]:  # Any: JSON lines as they come
    for line in data.split(b"\n")[:-1]:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # torn by a crash in the middle of a file that was appended to afterwards
        if isinstance(value, dict):
            yield value
