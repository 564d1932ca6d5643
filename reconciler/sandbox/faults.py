"""What goes wrong at the simulated provider, where and when: values, and the switchboard that holds them.

Each kind is a row of iptv-streams.md B4 or C1 to C3 that somebody met in the field. `misbehaviour` and `delivery` carry
them out; this module refuses to touch a socket.

Whole answers (any path):
    refuse              the host's port is closed and its connections are cut (host only, no other condition)
    hang                the request is taken and never answered
    slow-start          `seconds` pass before the first byte; then all is well
    trickle             all is well at `rate` bytes per second
    silent              status and headers, then nothing
    empty               200 and no byte, without a length
    empty-length        200 with Content-Length: 0
    html, text          200 with an error page; with `text` ("Blocked") as plain text
    json-error          200 with {"error": text}
    status              `status` with a short body saying `text`
    tos-redirect        302 to the page about the terms of service, which is HTML
    zeros               an endless chunked body of NUL bytes
    truncated           the announced length, half of the bytes
    gzip-bomb           1 GiB of blanks in 1 MiB of gzip
    reset               TCP reset
    cloudflare          the headers of Cloudflare are added; all else is as it was
Odd manners that players put up with; all is well otherwise:
    icy                 TS streams begin with "ICY 200 OK"
    chunked             TS streams come in chunks
    m2ts, parity        packets of 192 bytes, a time code before each, or of 204, parity behind each
    packed              playlists come in gzip, asked for or not
    challenge           503 of Cloudflare, "checking your browser"
API and lists:
    auth-0, expired, server-info-only      answers to a login
    broken-json, php-warning, empty-list   `{"user_info":`, a warning before the JSON, `[]`
    garbage                                text after the end of the JSON
Playlists:
    no-header, no-segments, frozen, endlist
    sequence-reset      the media sequence begins at 0 again
    sequence-stuck      the media sequence stays 0, names go on
    names-loop          names repeat, the media sequence goes on
Segments:
    segment-empty, segment-html
Running TS streams (and segments, playlists, where it makes sense), after `after_bytes` or `after_s` of the answer:
    stall, eof, reset, html, zeros, trickle, pid-change, codec-change
    corrupt             packets are lost and damaged all the time, as over a bad line
    token-expiry        tokens given out before the fault was switched on (or older than `after_s`) are refused with
                        403 and running streams end; the original URL goes on giving new ones
"""

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, get_args

import trio

__all__ = ["ADDED", "IN_STREAM", "Fault", "FaultKind", "Faults", "PathKind"]

FaultKind = Literal[
    "refuse",
    "hang",
    "slow-start",
    "trickle",
    "silent",
    "empty",
    "empty-length",
    "html",
    "text",
    "json-error",
    "status",
    "tos-redirect",
    "zeros",
    "truncated",
    "gzip-bomb",
    "reset",
    "cloudflare",
    "icy",
    "chunked",
    "m2ts",
    "parity",
    "packed",
    "challenge",
    "auth-0",
    "expired",
    "server-info-only",
    "broken-json",
    "php-warning",
    "empty-list",
    "garbage",
    "no-header",
    "no-segments",
    "frozen",
    "endlist",
    "sequence-reset",
    "sequence-stuck",
    "names-loop",
    "segment-empty",
    "segment-html",
    "stall",
    "eof",
    "pid-change",
    "codec-change",
    "corrupt",
    "token-expiry",
]
PathKind = Literal[
    "player_api",
    "get",
    "xmltv",
    "list",
    "live",
    "playlist",
    "segment",
    "key",
    "film",
    "logo",
    "api",
    "stream",
]

API: Final = frozenset({"player_api", "get", "xmltv", "list"})
STREAM: Final = frozenset({"live", "playlist", "segment", "key", "film"})
GROUPED: Final[dict[str, frozenset[str]]] = {"api": API, "stream": STREAM}
IN_STREAM: Final = frozenset(
    {
        *("stall", "eof", "reset", "html", "zeros", "trickle", "pid-change", "codec-change", "corrupt"),
        "token-expiry",
    }
)
# What does not decide an answer: it is added to it, or concerns those that came before.
ADDED: Final = frozenset(
    {"slow-start", "trickle", "cloudflare", "token-expiry", "icy", "chunked", "m2ts", "parity", "packed"}
)
PLACES: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("auth-0", "expired", "server-info-only"), frozenset({"player_api"})),
    **dict.fromkeys(("broken-json", "php-warning", "empty-list", "garbage"), API),
    **dict.fromkeys(
        (
            "no-header",
            "no-segments",
            "frozen",
            "endlist",
            "sequence-reset",
            "sequence-stuck",
            "names-loop",
        ),
        frozenset({"playlist"}),
    ),
    **dict.fromkeys(("icy", "chunked"), frozenset({"live"})),
    **dict.fromkeys(("m2ts", "parity"), frozenset({"live", "segment"})),
    "packed": frozenset({"playlist"}),
    **dict.fromkeys(("segment-empty", "segment-html"), frozenset({"segment"})),
    **dict.fromkeys(("pid-change", "codec-change", "corrupt"), frozenset({"live", "segment"})),
    **dict.fromkeys(("stall", "eof"), STREAM | API),
    "token-expiry": STREAM,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Conditions left out hold always.

    Where: `host` (index), `path`, `channel` (stream id), `agent` (glob over the user agent).
    When: `skip` requests pass first, then `first` requests are hit (None: all); `lasts` seconds after it was switched
    on it is over. `after_s` and `after_bytes` count from the beginning of the answer for kinds that act in a
    stream, and `after_s` from the moment of switching on for the others.
    What: `status`, `text`, `seconds`, `rate` (bytes per second) as the kind says; `headers` are added to a `status`.
    """

    kind: FaultKind
    host: int | None = None
    path: PathKind | None = None
    channel: int | None = None
    agent: str = ""
    skip: int = 0
    first: int | None = None
    after_bytes: int = 0
    after_s: float = 0.0
    lasts: float | None = None
    status: int = 503
    text: str = "Blocked"
    seconds: float = 1.0
    rate: int = 2_000
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "Fault":
        """The fault that a JSON object spells. Raises ValueError naming what it does not know."""
        known = {f.name: f for f in fields(cls)}
        if strange := sorted(record.keys() - known.keys()):
            raise ValueError(f"a fault has no '{strange[0]}'")
        kind = record.get("kind")
        if kind not in get_args(FaultKind):
            raise ValueError(f"there is no fault '{kind}'")
        if record.get("path") not in (None, *get_args(PathKind)):
            raise ValueError(f"there is no kind of path '{record['path']}'")
        values = dict(record)
        headers = values.pop("headers", [])
        if not isinstance(headers, list):
            raise ValueError("'headers' is a list of pairs")  # noqa: TRY004 - one error for callers to catch
        pairs = tuple((str(name), str(value)) for name, value in headers)
        return cls(**values, headers=pairs)  # type: ignore[arg-type]  # names are checked, values are JSON

    def record(self) -> dict[str, object]:
        """As JSON, without what is left at its default."""
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        return {f.name: shown[f.name] for f in fields(self) if f.name == "kind" or shown[f.name] != f.default}

    @property
    def in_stream(self) -> bool:
        """Whether it waits for a moment inside an answer."""
        return self.kind in IN_STREAM and bool(self.after_bytes or self.after_s)


@dataclass(slots=True, eq=False)
class _Switch:
    fault: Fault
    since: float
    seen: int = 0


@dataclass(slots=True)
class Faults:
    """The switchboard. Changing it takes effect at once, also for streams that are running.

    `version` rises with every change, so that running streams look only when there is something new; `changed` is
    replaced by a new event at every change.
    """

    version: int = 0
    changed: trio.Event = field(default_factory=trio.Event)
    _switches: list[_Switch] = field(default_factory=list)

    def switch_on(self, *faults: Fault) -> None:
        """Add faults behind those that are on."""
        self._switches += [_Switch(fault, trio.current_time()) for fault in faults]
        self._tell()

    def switch_off(self, *faults: Fault) -> None:
        """Take these away (equal ones), or all of them when none is named. Not being on is no error."""
        self._switches = [s for s in self._switches if faults and s.fault not in faults]
        self._tell()

    def active(self) -> list[Fault]:
        """What is switched on, in order, also what has spent its `first` requests."""
        return [switch.fault for switch in self._switches]

    def refused(self, host: int) -> bool:
        """Whether this host's port is closed."""
        now = trio.current_time()
        return any(
            s.fault.kind == "refuse" and s.fault.host in (None, host) and _running(s, now)
            for s in self._switches
        )

    def next_end(self) -> float:
        """Trio's time at which the next `refuse` begins or ends by itself, or infinity."""
        now = trio.current_time()
        moments = [
            s.since + at
            for s in self._switches
            if s.fault.kind == "refuse"
            for at in (s.fault.after_s, s.fault.lasts or 0.0)
        ]
        return min((m for m in moments if m > now), default=float("inf"))

    def claim(self, host: int, path: str, channel: int | None, agent: str) -> tuple[Fault, ...]:
        """What happens to this request: added faults (slow, trickle, headers), faults that wait for a moment in the
        stream, and at most one that decides the answer. Counts the request against `skip` and `first`.
        """
        now = trio.current_time()
        out: list[Fault] = []
        decided = False
        for switch in self._switches:
            fault = switch.fault
            if (
                fault.kind == "refuse"
                or not _running(switch, now)
                or not _fits(fault, host, path, channel, agent)
            ):
                continue
            decides = fault.kind not in ADDED and not fault.in_stream
            if decides and decided:
                continue
            switch.seen += 1
            if switch.seen <= fault.skip:
                continue
            if fault.first is not None and switch.seen > fault.skip + fault.first:
                continue
            decided = decided or decides
            out.append(fault)
        return tuple(out)

    def arrived(
        self, since: float, host: int, path: str, channel: int | None, agent: str
    ) -> tuple[Fault, ...]:
        """In-stream faults that were switched on after `since`, for an answer that was running by then."""
        now = trio.current_time()
        return tuple(
            s.fault
            for s in self._switches
            if s.since >= since
            and s.fault.kind in IN_STREAM
            and _running(s, now)
            and _fits(s.fault, host, path, channel, agent)
        )

    def matching(self, kind: FaultKind, host: int, path: str, channel: int, agent: str) -> list[Fault]:
        """Faults of one kind that hold here and now. Counts nothing."""
        now = trio.current_time()
        return [
            s.fault
            for s in self._switches
            if s.fault.kind == kind and _running(s, now) and _fits(s.fault, host, path, channel, agent)
        ]

    def since(self, fault: Fault) -> float:
        """Trio's time at which this fault was switched on."""
        return next((s.since for s in self._switches if s.fault == fault), trio.current_time())

    def replace(self, faults: Iterable[Fault]) -> None:
        """Exactly these, newly switched on."""
        self._switches = [_Switch(fault, trio.current_time()) for fault in faults]
        self._tell()

    def _tell(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = trio.Event()


def _running(switch: _Switch, now: float) -> bool:
    fault = switch.fault
    age = now - switch.since
    waits = fault.after_s if fault.kind not in IN_STREAM else 0.0
    return age >= waits and (fault.lasts is None or age < fault.lasts)


def _fits(fault: Fault, host: int, path: str, channel: int | None, agent: str) -> bool:
    if fault.host is not None and fault.host != host:
        return False
    if fault.path is None:
        if path not in PLACES.get(fault.kind, frozenset({path})):
            return False
    elif path not in GROUPED.get(fault.path, frozenset({fault.path})):
        return False
    if fault.channel is not None and fault.channel != channel:
        return False
    return not fault.agent or fnmatch.fnmatchcase(agent, fault.agent)
