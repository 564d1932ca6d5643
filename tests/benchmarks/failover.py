"""`failover`: each way a provider can fail, and how long a viewer waits for the next good packet.

Two hosts of a simulated provider and a viewer; the first host fails, the second does not. At a start the time runs from the request, in mid-stream from the fault. What the viewer got is then
played by ffmpeg. `measured` is what the table, the test of the limits and docs/explanations/failover.md rest on.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import trio

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.provider import ProviderHandle
from reconciler.serving.server import Serving
from tests.benchmarks.relay import Row
from tests.serving.stage import Watcher, panel_stage, provided, served, until, watching

__all__ = ["BENCHMARKS", "CASES", "Case", "Outcome", "measured"]

Form = Literal["ts", "hls"]
Moment = Literal["start", "mid-stream"]

PACKET: Final = 188
AT_ONCE_S: Final = 3.0
"""Design: the next good packet follows within so long of the detection."""
FIRST_BYTE_S: Final = 3.0
SILENCE_S: Final = 2.0
TARGET_S: Final = 2.0
"""Of the simulated playlists: so long passes, at most, before a reader can notice anything."""
RELOAD_LIMIT_S: Final = 4.0
SETTLE_BYTES: Final = 250_000
WATCHED_S: Final = 14.0
SIDE_BY_SIDE: Final = 4
"""One thread plays the provider, `serve` and the viewers of them all: more would measure that thread."""
AFTER_S: Final = 2.0


@dataclass(frozen=True)
class Case:
    """A failure of one form of stream. `detected_s`: the longest time before it can be noticed."""

    form: Form
    moment: Moment
    name: str
    kind: FaultKind
    detected_s: float = 0.0
    switches: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def limit_s(self) -> float:
        """From the fault, or the request, to the next good packet."""
        return self.detected_s + AT_ONCE_S

    def fault(self) -> Fault:
        """It, at the first host."""
        return Fault(self.kind, host=0, **self.more)


class Outcome(NamedTuple):
    """What a viewer saw. `seconds` infinite: no packet came any more."""

    case: Case
    seconds: float
    switched: bool
    errors: int
    """Lines of `ffmpeg -v error`; where nothing was decoded, those of taking the stream apart."""
    continuity: int
    """Breaks of continuity counters among ffmpeg's warnings."""
    gap_s: float
    """The longest time without any byte, null packets included."""


def _start(form: Form) -> Iterator[Case]:
    path: dict[str, Any] = {"path": "live" if form == "ts" else "playlist"}
    for status in (401, 403, 404, 458, 500, 503, 509):
        yield Case(form, "start", f"status {status}", "status", more={"status": status, **path})
    kinds: tuple[FaultKind, ...] = (
        *(
            "refuse",
            "reset",
            "empty",
            "empty-length",
            "html",
            "json-error",
            "text",
            "tos-redirect",
            "challenge",
        ),
        "zeros",
    )
    for kind in kinds:
        yield Case(form, "start", kind, kind, more={} if kind == "refuse" else path)
    for kind in ("hang", "silent"):
        yield Case(form, "start", kind, kind, FIRST_BYTE_S, more=path)
    if form == "hls":
        for kind in ("no-header", "no-segments"):
            yield Case(form, "start", kind, kind)
        for name, kind in (("segment empty", "segment-empty"), ("segment HTML", "segment-html")):
            yield Case(form, "start", name, kind)
        yield Case(form, "start", "segment 404", "status", more={"status": 404, "path": "segment"})


def _mid_ts() -> Iterator[Case]:
    at: dict[str, Any] = {"path": "live", "after_s": 0.05}
    for kind in ("eof", "reset", "html", "zeros"):
        yield Case("ts", "mid-stream", kind, kind, more=at)
    yield Case("ts", "mid-stream", "refuse", "refuse")
    yield Case("ts", "mid-stream", "stall", "stall", SILENCE_S, more=at)
    yield Case("ts", "mid-stream", "token expires", "token-expiry")


def _mid_hls() -> Iterator[Case]:
    asked = TARGET_S
    path: dict[str, Any] = {"path": "playlist"}
    for status in (401, 403, 404, 458, 500, 503, 509):
        yield Case(
            "hls", "mid-stream", f"playlist {status}", "status", asked, more={"status": status, **path}
        )
    kinds: tuple[FaultKind, ...] = (
        *("reset", "empty", "empty-length", "html", "json-error", "text", "tos-redirect", "no-header"),
        "no-segments",
    )
    for kind in kinds:
        yield Case("hls", "mid-stream", f"playlist {kind}", kind, asked, more=path)
    yield Case("hls", "mid-stream", "refuse", "refuse", asked)
    late_s = asked + 2.5 * TARGET_S  # one target duration until it is due, one and a half past that
    yield Case("hls", "mid-stream", "playlist hangs", "hang", late_s, more=path)
    yield Case("hls", "mid-stream", "playlist stands still", "frozen", late_s)
    yield Case("hls", "mid-stream", "playlist ends", "endlist", asked + TARGET_S)
    segment: dict[str, Any] = {"path": "segment"}
    yield Case("hls", "mid-stream", "segment HTML", "segment-html", asked)
    yield Case("hls", "mid-stream", "segments 403", "status", asked, more={"status": 403, **segment})
    yield Case("hls", "mid-stream", "segments 404", "status", asked, more={"status": 404, **segment})
    yield Case("hls", "mid-stream", "segments empty", "segment-empty", asked)
    yield Case(
        "hls", "mid-stream", "one segment empty", "segment-empty", asked, switches=False, more={"first": 1}
    )
    yield Case("hls", "mid-stream", "segment zeros", "zeros", asked, more=segment)
    yield Case("hls", "mid-stream", "segment reset", "reset", asked, more=segment)
    yield Case("hls", "mid-stream", "segment hangs", "hang", asked + FIRST_BYTE_S, more=segment)
    cut: dict[str, Any] = {"after_bytes": 60_000, **segment}
    yield Case(
        "hls", "mid-stream", "one segment cut short", "eof", asked, switches=False, more={"first": 1, **cut}
    )
    yield Case("hls", "mid-stream", "segments cut short", "truncated", asked + 2 * TARGET_S, more=segment)
    yield Case("hls", "mid-stream", "segment stalls inside", "stall", asked + FIRST_BYTE_S, more=cut)


CASES: Final[tuple[Case, ...]] = (*_start("ts"), *_start("hls"), *_mid_ts(), *_mid_hls())


class _Watched(NamedTuple):
    """What came to the viewer of one case, before it is played."""

    case: Case
    seconds: float
    switched: bool
    data: bytes
    gap_s: float


class _Arrivals:
    """When real packets and when any bytes came to a viewer."""

    def __init__(self, viewer: Watcher, asked_at: float) -> None:
        self.viewer = viewer
        self.real = [asked_at]
        self.any = [asked_at]

    async def take(self) -> None:
        """Read until the stream ends."""
        while not self.viewer.ended:
            had = len(self.viewer.data) // PACKET * PACKET
            await self.viewer.read(len(self.viewer.data) + 1, WATCHED_S)
            now = trio.current_time()
            self.any.append(now)
            fresh = self.viewer.data[had : len(self.viewer.data) // PACKET * PACKET]
            if any(
                (fresh[at + 1] & 0x1F, fresh[at + 2]) != (0x1F, 0xFF) for at in range(0, len(fresh), PACKET)
            ):
                self.real.append(now)

    def seen(self, case: Case, seconds: float, *, switched: bool) -> _Watched:
        """All of it."""
        gap_s = max((b - a for a, b in pairwise(self.any)), default=0.0)
        return _Watched(case, seconds, switched, bytes(self.viewer.data), gap_s)


async def measured(cases: Sequence[Case], clips: Path, *, decoded: bool) -> list[Outcome]:
    """All cases, some side by side; each has a provider and a `serve` of its own, because refusals teach both.

    What came is played when all have been timed: decoding takes the processors from those that are. Counters are seen
    without it, at a fraction of the cost.
    """
    seen: dict[int, _Watched] = {}
    with trio.fail_after(60):
        await _one(Case(cases[0].form, "start", "none", "cloudflare"), clips)  # makes the clips
    few = trio.CapacityLimiter(SIDE_BY_SIDE)

    async def run(index: int) -> None:
        async with few:
            seen[index] = await _one(cases[index], clips)

    async with trio.open_nursery() as nursery:
        for index in range(len(cases)):
            nursery.start_soon(run, index)
    return [await _judged(seen[index], decoded) for index in range(len(cases))]


async def _one(case: Case, clips: Path) -> _Watched:
    home = Path(tempfile.mkdtemp(prefix="failover-"))
    try:
        async with provided(clips) as handle:
            stage = panel_stage(home, handle, source={"format": case.form})
            stage.publish()
            async with served(stage) as serving:
                run = _one_start if case.moment == "start" else _one_in_mid_stream
                return await run(case, handle, serving)
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _one_start(case: Case, handle: ProviderHandle, serving: Serving) -> _Watched:
    handle.faults.switch_on(case.fault())
    asked_at = trio.current_time()
    async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
        if viewer.status != 200:
            return _Watched(case, float("inf"), False, b"", 0.0)
        arrivals = _Arrivals(viewer, asked_at)
        with trio.move_on_after(AFTER_S + 3):
            await arrivals.take()
        switched = any(visit.host == 1 for visit in handle.journal.for_channel(1))
        return arrivals.seen(case, arrivals.real[1] - asked_at, switched=switched)


async def _one_in_mid_stream(case: Case, handle: ProviderHandle, serving: Serving) -> _Watched:
    place = serving.dvrs["news"]
    async with watching(place, "/auto/v1000") as viewer, trio.open_nursery() as nursery:
        await viewer.read(SETTLE_BYTES, 30)
        session = serving.relay.sessions["main/1"]
        began = trio.current_time()
        arrivals = _Arrivals(viewer, began)
        nursery.start_soon(arrivals.take)
        handle.faults.switch_on(case.fault())
        seconds, switched = float("inf"), False
        with trio.move_on_after(WATCHED_S):
            await until(lambda: session.switches > 0, WATCHED_S + 1)
            switched, had = True, len(arrivals.real)
            await until(lambda: len(arrivals.real) > had, WATCHED_S)
            seconds = arrivals.real[had] - began
            await trio.sleep(AFTER_S)
        if not switched and not viewer.ended:
            seconds = max(b - a for a, b in pairwise([*arrivals.real, trio.current_time()]))
        nursery.cancel_scope.cancel()
    return arrivals.seen(case, seconds, switched=switched)


async def _judged(seen: _Watched, decoded: bool) -> Outcome:
    said = await trio.to_thread.run_sync(_played, seen.data, decoded)
    return Outcome(
        seen.case,
        seen.seconds,
        seen.switched,
        sum("[error]" in line or "[fatal]" in line for line in said),
        sum("ontinuity check failed" in line for line in said),
        seen.gap_s,
    )


def _played(data: bytes, decoded: bool) -> list[str]:
    """What ffmpeg says while it decodes a stream, or only takes it apart: warnings and errors, each with its level."""
    copied = [] if decoded else ["-c", "copy"]
    argv = ["ffmpeg", "-nostdin", "-v", "level+debug", "-i", "-", *copied, "-f", "null", "-"]
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        done = subprocess.run(
            argv, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False
        )
    return done.stderr.decode(errors="replace").splitlines()


def failover() -> list[Row]:
    """The table of failures."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="failover-clips-") as clips:
        outcomes = trio.run(partial(measured, CASES, Path(clips), decoded=True))
    for found in outcomes:
        case = found.case
        what = f"{case.form} {case.moment}: {case.name}"
        ours = f"{found.seconds:.2f} s{'' if found.switched else ', no switch'}"
        beside = f"{found.continuity} breaks, {found.errors} errors, gap {found.gap_s:.1f} s"
        rows.append(Row(what, ours, beside, found.seconds / case.limit_s, f"at most {case.limit_s:g} s"))
    return rows


BENCHMARKS: Final = {"FAILOVER": failover}
