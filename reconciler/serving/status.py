"""Everything the pages show of this moment, as one frozen value made of small inputs.

    status_of(live, relay, …) -> Status

What is in memory is asked for here, what lies on disk comes in as `Recorded`. A fact that nobody knows is None and is shown
as unknown: it is never replaced by a zero or by a good word. Equal states are equal values whenever they were looked at, so
that a page is sent again only when something changed. No address of a provider and no credential is in it: a host is
its place in the spec, an account its place in the list. This module refuses to make HTML.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from reconciler.catalog.address import host_of
from reconciler.ledger.journal import Run
from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.lineups.manifest import SourceRoute
from reconciler.serving.blocked import Blocked
from reconciler.serving.drift import DriftSeen
from reconciler.serving.fetches import GuideFetches, product
from reconciler.serving.generations import Generation, Live, Tuner
from reconciler.serving.health import Health
from reconciler.serving.programmes import Programme
from reconciler.serving.records import CopySeen, Recorded
from reconciler.serving.relay import Relay
from reconciler.serving.streams import stream_rows
from reconciler.serving.suspending import Suspensions
from reconciler.serving.suspension import Suspension
from reconciler.serving.ways import accounts_of

__all__ = [
    "AccountUse",
    "DvrStatus",
    "Host",
    "InPlex",
    "LastFetches",
    "RunStatus",
    "SourceStatus",
    "Status",
    "StreamStatus",
    "host_label",
    "status_of",
]

InPlex = Literal["unknown", "never", "current", "waiting", "none"]
"""What the ledger says of a DVR in Plex: not known, never applied, as served now, or applied before the lineup changed;
none: the spec has no Plex."""

RATE_STEP_BPS: Final = 100_000
FAILED_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One channel that is being watched, or whose upstream still lingers. `since` in seconds since 1970.

    `tuner` None: no tuner of a DVR holds it any more. `on_now` None: nothing or not known.
    """

    dvr: str
    tuner: int | None
    number: str
    name: str
    state: str
    viewers: int
    clients: tuple[str, ...] = ()
    since: int = 0
    rate_bps: int = 0
    source: str = ""
    host: str = ""
    switches: int = 0
    on_now: Programme | None = None


@dataclass(frozen=True, slots=True)
class DvrStatus:
    """One tuner. `guide_fetched_at` is when a client last took its whole guide since `serve` started, None for not yet.

    `problem` says why it is not served. `applied_at` is when Plex last loaded its guide by our doing, ISO, or "".
    """

    name: str
    title: str
    device_id: str
    base_url: str
    channels: int
    first_number: str
    last_number: str
    tuners: int
    in_use: int
    viewers: int
    in_plex: InPlex
    applied_at: str = ""
    guide_fetched_at: int | None = None
    guide_fetched_by: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AccountUse:
    """One account of a source: connections used and allowed (None: not limited, or not known)."""

    used: int
    limit: int | None
    refused: int
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """How one host of a source did since `serve` started. `resting`: it failed lately and is tried last."""

    label: str
    good: int
    bad: int
    resting: bool
    last: str


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source. `lists` are its copies in the cache, none where nothing is known of them."""

    name: str
    kind: str
    lists: tuple[CopySeen, ...]
    accounts: tuple[AccountUse, ...]
    hosts: tuple[Host, ...]

    @property
    def resting(self) -> int:
        """Hosts that failed lately."""
        return sum(host.resting for host in self.hosts)

    @property
    def tried(self) -> bool:
        """Whether any stream was asked of it since `serve` started."""
        return any(host.good or host.bad for host in self.hosts)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The latest run of `apply`, `refresh` or the loop. `exit` None: it did not end by itself, or not yet."""

    number: int
    command: str
    began: str
    ended: str
    exit: int | None
    done: int
    failed: int
    other: int
    failures: tuple[tuple[str, str], ...] = ()
    """(action, what it said), at most eight."""


@dataclass(frozen=True, slots=True)
class Status:
    """One moment. `as_of` (seconds since 1970) does not count when two are compared."""

    as_of: float = field(compare=False)
    name: str
    generation: str
    ready: bool
    why: str
    problems: tuple[tuple[str, str], ...]
    blocked: tuple[Blocked, ...]
    """What the loop's last run left as it was because a safety rule blocks it."""
    dvrs: tuple[DvrStatus, ...]
    streams: tuple[StreamStatus, ...]
    sources: tuple[SourceStatus, ...]
    guides: tuple[CopySeen, ...]
    run: RunStatus | None
    drift: DriftSeen | None
    ledger_known: bool
    suspended: Suspension | None = None
    """Why the loop begins no run, and until when. None: it does."""
    plex: bool = True
    """Whether the spec has a Plex."""

    @property
    def tuners_in_use(self) -> int:
        """Over all DVRs."""
        return sum(dvr.in_use for dvr in self.dvrs)

    @property
    def tuners(self) -> int:
        """Over all DVRs."""
        return sum(dvr.tuners for dvr in self.dvrs)

    @property
    def viewers(self) -> int:
        """Connections that watch now."""
        return sum(stream.viewers for stream in self.streams)

    @property
    def channels(self) -> int:
        """Over all DVRs."""
        return sum(dvr.channels for dvr in self.dvrs)


class LastFetches:
    """Who took which DVR's guide last; reads only what is new in the log each time."""

    def __init__(self, fetches: GuideFetches) -> None:
        self._fetches = fetches
        self._seen_until = 0.0
        self._last: dict[str, tuple[int, str]] = {}

    def table(self) -> Mapping[str, tuple[int, str]]:
        """DVR -> (when, the product of the user agent), of complete fetches."""
        for row in self._fetches.since(self._seen_until):
            self._seen_until = max(self._seen_until, row["at"])
            if row["complete"]:
                self._last[row["dvr"]] = (int(row["at"]), product(row["user_agent"]))
        return self._last


def status_of(
    live: Live,
    relay: Relay,
    health: Health,
    fetched: Mapping[str, tuple[int, str]],
    recorded: Recorded,
    drift: DriftSeen | None,
    suspensions: Suspensions,
    *,
    now: float,
    on_now: Mapping[tuple[str, str], Programme] | None = None,
    plex: bool = True,
) -> Status:
    """The status at `now` (seconds since 1970). Runs inside the loop, waits for nothing; some 100 µs per DVR."""
    generation = live.generation
    streams = _streams(live, relay, now, on_now or {})
    dvrs = _dvrs(generation, relay, live.problems, fetched, recorded.ledger) if generation else ()
    return Status(
        as_of=now,
        name=generation.manifest.name if generation else "",
        generation=generation.id if generation else "",
        ready=live.ready,
        why="draining" if live.draining else "no artifacts yet" if generation is None else "",
        problems=_problems(live, relay, suspensions),
        blocked=live.blocked,
        dvrs=dvrs if plex else tuple(replace(dvr, in_plex="none") for dvr in dvrs),
        streams=streams,
        sources=_sources(generation, relay, health, recorded) if generation else (),
        guides=recorded.guides,
        run=_run(recorded.run),
        drift=drift,
        ledger_known=recorded.ledger is not None,
        suspended=suspensions.current(),
        plex=plex,
    )


def _problems(live: Live, relay: Relay, suspensions: Suspensions) -> tuple[tuple[str, str], ...]:
    """By DVR, "" for the files, or the part: the names of parts have a dot, which no DVR's has (spec.values)."""
    found = dict(live.problems)
    if live.run_trouble:
        found["serve.refresh"] = live.run_trouble
    if relay.pool.trouble:
        found["serve.pool"] = f"the shared pool is out of reach: {relay.pool.trouble}"
    if trouble := suspensions.trouble():
        found["suspension.json"] = trouble
    return tuple(sorted(found.items()))


def host_label(source: SourceRoute, host: str) -> str:
    """A host as its place among those of the spec; "" for one that only a list or a panel named."""
    places = [host_of(url) for url in source.hosts]
    if host not in places:
        return ""
    return f"host {places.index(host) + 1}"


# --- parts ---------------------------------------------------------------------------------------------------


def _streams(
    live: Live, relay: Relay, now: float, on_now: Mapping[tuple[str, str], Programme]
) -> tuple[StreamStatus, ...]:
    sources = live.generation.routes.sources if live.generation else {}
    found = []
    for row in stream_rows(live, relay):
        source = sources.get(row.get("source", ""))
        number = str(row.get("number", ""))
        found.append(
            StreamStatus(
                dvr=row["dvr"],
                tuner=row.get("tuner"),
                number=number,
                name=row.get("name", "") or row["channel"],
                state=row["state"] if row["viewers"] or row["state"] == "tuning" else "lingering",
                viewers=row["viewers"],
                clients=tuple(row.get("clients", ())),
                since=round(now - row.get("seconds", 0.0)),
                rate_bps=_stepped(row),
                source=row.get("source", ""),
                host=host_label(source, row.get("host", "")) if source else "",
                switches=row.get("switches", 0),
                on_now=on_now.get((row["dvr"], number)),
            )
        )
    return tuple(sorted(found, key=lambda s: (s.dvr, s.tuner is None, s.tuner or 0, s.number, s.name)))


def _stepped(row: Mapping[str, Any]) -> int:
    """A rate in steps, so that its breathing alone is no change."""
    return round(int(row.get("rate_bps", 0)) / RATE_STEP_BPS) * RATE_STEP_BPS


def _dvrs(
    generation: Generation,
    relay: Relay,
    problems: Mapping[str, str],
    fetched: Mapping[str, tuple[int, str]],
    ledger: Ledger | None,
) -> tuple[DvrStatus, ...]:
    return tuple(
        _dvr(
            tuner,
            relay,
            problems.get(name, ""),
            fetched.get(name),
            ledger.dvrs.get(name) if ledger else None,
            ledger_known=ledger is not None,
        )
        for name, tuner in generation.tuners.items()
    )


def _dvr(
    tuner: Tuner,
    relay: Relay,
    problem: str,
    fetched: tuple[int, str] | None,
    record: DvrRecord | None,
    *,
    ledger_known: bool,
) -> DvrStatus:
    dvr = tuner.dvr
    seats = relay.seats.of(dvr.name)
    numbers = sorted(dvr.channels, key=_by_number)
    in_plex: InPlex = "unknown"
    applied = record.applied if record else None
    if applied is not None:
        # Without a digest on either side (files of an earlier version) nothing can be said.
        if applied.lineup_digest and dvr.lineup_digest:
            in_plex = "current" if applied.lineup_digest == dvr.lineup_digest else "waiting"
    elif ledger_known:
        in_plex = "never"
    return DvrStatus(
        name=dvr.name,
        title=dvr.friendly_name,
        device_id=dvr.device_id,
        base_url=dvr.base_url,
        channels=len(dvr.channels),
        first_number=numbers[0] if numbers else "",
        last_number=numbers[-1] if numbers else "",
        tuners=dvr.tuners,
        in_use=len(seats),
        viewers=sum(seat.viewers for seat in seats),
        in_plex=in_plex,
        applied_at=applied.loaded_at if applied else "",
        guide_fetched_at=fetched[0] if fetched else None,
        guide_fetched_by=fetched[1] if fetched else "",
        problem=problem,
    )


def _by_number(number: str) -> tuple[int, str]:
    return (int(number), "") if number.isdecimal() else (1 << 60, number)


def _sources(
    generation: Generation, relay: Relay, health: Health, recorded: Recorded
) -> tuple[SourceStatus, ...]:
    use = relay.pool.use()
    scores: dict[str, list[tuple[str, dict[str, object]]]] = {}
    for row in health.table(2):
        name, _, host = str(row["key"]).partition("/")
        scores.setdefault(name, []).append((host, row))
    return tuple(
        SourceStatus(
            name,
            source.kind,
            recorded.lists.get(name, ()),
            _accounts(source, relay, use),
            _hosts(source, scores.get(name, ())),
        )
        for name, source in generation.routes.sources.items()
    )


def _accounts(
    source: SourceRoute, relay: Relay, use: Mapping[str, Mapping[str, int]]
) -> tuple[AccountUse, ...]:
    found = []
    for account in accounts_of(source):
        row = use.get(account.key, {})
        used = sum(row.get(what, 0) for what in ("viewer", "probe", "refresh", "idle", "elsewhere"))
        found.append(AccountUse(used, relay.pool.limit(account), row.get("refused", 0), row.get("idle", 0)))
    return tuple(found)


def _hosts(source: SourceRoute, scores: Iterable[tuple[str, dict[str, object]]]) -> tuple[Host, ...]:
    """The spec's hosts in its order, used or not; then everything else together: lists name hundreds."""
    by_label: dict[str, list[dict[str, object]]] = {
        f"host {place}": [] for place in range(1, len(source.hosts) + 1)
    }
    others: list[dict[str, object]] = []
    for host, row in scores:
        by_label.get(host_label(source, host), others).append(row)
    if others:
        by_label["others" if source.hosts else "all hosts"] = others
    return tuple(_host(label, rows) for label, rows in by_label.items())


def _host(label: str, rows: list[dict[str, object]]) -> Host:
    troubled = [row for row in rows if row["last"]]
    return Host(
        label,
        good=sum(int(str(row["good"])) for row in rows),
        bad=sum(int(str(row["bad"])) for row in rows),
        resting=any(float(str(row["penalty"])) > 0 for row in rows),
        last=str(troubled[-1]["last"]) if troubled else "",
    )


def _run(run: Run | None) -> RunStatus | None:
    if run is None:
        return None
    outcomes = [step.outcome for step in run.steps]
    failures = [(step.id, step.detail) for step in run.steps if step.outcome == "failed"]
    # A run of `converge` notes its end in words; one that ends with a status says that instead.
    noted = next((at for at, said in reversed(run.notes) if said == "ended"), "")
    return RunStatus(
        number=run.number,
        command=run.command,
        began=run.began,
        ended=run.ended or noted,
        exit=run.exit,
        done=outcomes.count("done"),
        failed=outcomes.count("failed"),
        other=len(outcomes) - outcomes.count("done") - outcomes.count("failed"),
        failures=tuple(failures[:FAILED_SHOWN]),
    )
