"""Everything all sources list, fetched side by side, with the last good copy standing in where one fails.

    load_catalog(spec, cache, …) -> Catalog      live, VOD and series entries with a report per source
    fetch_catalog(spec, cache, …) -> what came   the same before a copy is read: whether anything changed
    load_guides(spec, catalog, cache, …)         in `sources.guides`

A provider's bad answer never empties anything (design.md 1.7): each list that cannot be had is replaced by its copy, and
the report says fresh, unchanged, cached or absent, how old, and why. This module refuses to decide what a stale or
absent source means for a plan, and to raise for a provider's failure; a credential that cannot be resolved is the
operator's and raises.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from reconciler.catalog.entry import Catalog, Entry, SourceReport
from reconciler.catalog.guide_times import DAY_S
from reconciler.errors import PtctlError
from reconciler.secret import Secret
from reconciler.sources.access import Access, list_url, request_headers, source_accounts
from reconciler.sources.accounts import Account, concealer
from reconciler.sources.copies import UNFINISHED, Copies
from reconciler.sources.entrance import Entrance, enter, look_around, xtream_hosts
from reconciler.sources.errand import Errand
from reconciler.sources.host_health import Health, load_health, order_of, save_health
from reconciler.sources.lists import fetch_list, read_list_file
from reconciler.sources.outcome import Came, Outcome, PanelSeen
from reconciler.sources.panel import PanelLists, fetch_lists
from reconciler.sources.progress import Progress, Step, about, silent
from reconciler.sources.web import FetchFailed, Limits, open_web
from reconciler.spec.model import Spec

__all__ = [
    "FetchedSource",
    "fetch_catalog",
    "load_catalog",
    "one_error",
    "read_catalog",
    "spooling",
]

DEFAULT_LIMITS: Final = Limits()
_HOST_NOTE: Final = re.compile(r"host (\d+)\b")


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """What asking for one source came to. `notes` in the hosts' order, `seconds` of asking."""

    outcome: Outcome
    came: Came
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def report(self) -> SourceReport:
        """The report without a look into the lists (`Outcome.report`)."""
        return self._noted(self.outcome.report(self.came))

    def read(self) -> tuple[SourceReport, tuple[Entry, ...]]:
        """Report and entries; reads the copies that still hold."""
        report, entries = self.outcome.read(self.came)
        return self._noted(report), entries

    def _noted(self, report: SourceReport) -> SourceReport:
        notes = tuple(dict.fromkeys((*self.notes, *report.notes)))
        failure = "; ".join(self.notes) if report.fetched in {"cached", "absent"} else ""
        return replace(report, seconds=self.seconds, notes=notes, failure=failure)


async def load_catalog(
    spec: Spec,
    cache: Path,
    *,
    now: float,
    environ: Mapping[str, str] | None = None,
    allow_exec: bool = False,
    cached_only: bool = False,
    only: Sequence[str] | None = None,
    state: Path | None = None,
    progress: Progress = silent,
    limits: Limits = DEFAULT_LIMITS,
) -> Catalog:
    """Load all sources of `spec` (or those named in `only`), side by side.

    `cache` is `<state>/cache`; `state` keeps which hosts failed lately (None: nothing is known or kept); `now` is in
    seconds since 1970. With `cached_only` nothing is asked of anybody and no
    credential is read. Raises CredentialError where a reference leads nowhere, before any request. Cancelling leaves the
    copies as they were. Costs one login per account, the lists, and one login per further host.
    """
    if cached_only:
        copies = Copies(cache / "lists")
        wanted = [s for s in spec.sources.values() if only is None or s.name in only]
        outcomes = [Outcome(source, copies, now, progress) for source in wanted]
        fetched = [FetchedSource(outcome, outcome.nothing_came()) for outcome in outcomes]
    else:
        fetched = await fetch_catalog(
            spec,
            cache,
            now=now,
            environ=environ,
            allow_exec=allow_exec,
            only=only,
            state=state,
            progress=progress,
            limits=limits,
        )
    return read_catalog(fetched)


def read_catalog(fetched: Sequence[FetchedSource]) -> Catalog:
    """Everything that was fetched, with the copies that still hold."""
    entries: list[Entry] = []
    reports: dict[str, SourceReport] = {}
    for one in fetched:
        report, own = one.read()
        reports[report.name] = report
        entries += own
    return Catalog(tuple(entries), reports)


async def fetch_catalog(
    spec: Spec,
    cache: Path,
    *,
    now: float,
    environ: Mapping[str, str] | None = None,
    allow_exec: bool = False,
    only: Sequence[str] | None = None,
    state: Path | None = None,
    progress: Progress = silent,
    limits: Limits = DEFAULT_LIMITS,
) -> list[FetchedSource]:
    """What `load_catalog` asks for, in the spec's order, with the copies up to date and none of them read.

    Arguments, errors, cancellation and requests are those of `load_catalog`.
    """
    access = Access(os.environ if environ is None else environ, allow_exec)
    copies = Copies(cache / "lists")
    progress = about("source", progress)
    sources = [s for s in spec.sources.values() if only is None or s.name in only]
    results: dict[str, FetchedSource] = {}
    accounts = {s.name: source_accounts(spec, s, access) for s in sources}
    urls = {s.name: list_url(spec, s, access, accounts[s.name]) for s in sources if s.url}
    headers = {
        s.name: request_headers(spec, access, s.stream.headers, s.headers, user_agent=s.stream.user_agent)
        for s in sources
    }
    health = load_health(state, now=now) if state else {}
    answered: dict[str, bool] = {}
    with spooling(cache, now) as spool, one_error():
        async with open_web(limits) as web, trio.open_nursery() as nursery:
            for source in sources:
                outcome = Outcome(source, copies, now, progress)
                errand = Errand(
                    source.name, web, spool, headers[source.name], concealer(accounts[source.name]), progress, now,
                    retries_left=limits.retries, has_copy=outcome.has_copy(),
                )  # fmt: skip

                async def work(outcome: Outcome = outcome, errand: Errand = errand) -> None:
                    source = outcome.source
                    own = accounts[source.name]
                    if source.kind == "xtream":
                        found = _load_panel(outcome, errand, own, health, answered)
                    else:
                        found = _load_list(outcome, errand, urls.get(source.name), own)
                    results[source.name] = await _timed(found, outcome, errand)

                nursery.start_soon(work)
    copies.forget(spec.sources, now)
    if state:
        save_health(state, health, answered, now=now)
    return [results[source.name] for source in sources]


@contextmanager
def one_error() -> Iterator[None]:
    """Nurseries raise groups; whoever runs a command wants the error that a person can act on."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours: BaseException | None = group.subgroup(PtctlError)
        while isinstance(ours, BaseExceptionGroup):
            ours = ours.exceptions[0]
        if ours is None:
            raise
        raise ours from None


@contextmanager
def spooling(cache: Path, now: float) -> Iterator[Path]:
    """A directory for bodies on their way, gone afterwards. What killed runs left in the cache is removed after a day."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in [*cache.glob(f"{UNFINISHED}*"), *cache.glob(f"*/{UNFINISHED}*")]:
        with suppress(OSError):
            if left.stat().st_mtime < now - DAY_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    path = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=cache))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _by_host(note: str) -> int:
    """Notes about hosts in the hosts' order, whichever answered first; others follow as they came."""
    found = _HOST_NOTE.match(note)
    return int(found[1]) if found else 1_000


async def _timed(loading: Awaitable[Came], outcome: Outcome, errand: Errand) -> FetchedSource:
    """The result with its duration and the notes made on the way."""
    begun = trio.current_time()
    came = await loading
    notes = tuple(dict.fromkeys(sorted(errand.notes, key=_by_host)))
    found = FetchedSource(outcome, came, notes, trio.current_time() - begun)
    report = found.report()
    errand.tell(Step(errand.name, "done", size_bytes=report.size_bytes, detail=report.fetched))
    return found


async def _load_panel(
    outcome: Outcome, errand: Errand, accounts: list[Account], health: Health, answered: dict[str, bool]
) -> Came:
    """A panel's lists. How its hosts answered goes into `answered`."""
    source = outcome.source
    hosts, _ = xtream_hosts(source, accounts)
    if not hosts:
        errand.note("there is no host: list hosts, or give the whole get.php line as credential")
        return outcome.nothing_came()
    entrance = await enter(errand, source, accounts, order_of(hosts, health))
    lists = PanelLists()

    async def fetch() -> None:
        nonlocal lists
        lists = await fetch_lists(errand, source, entrance, accounts, outcome.copies)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch)
        nursery.start_soon(look_around, errand, source, entrance)
    answered |= {hosts[i]: one.worked for i, one in entrance.outcomes.items() if i < len(hosts)}
    came = outcome.lists_came(lists)
    if entrance.host is None:
        return came  # what was known of the panel before still holds
    limits = tuple(one.connections if one else None for one in entrance.logins)
    known = [limit for limit in limits if limit is not None]
    cloudflare, direct = entrance.cloudflare(), entrance.direct()
    if cloudflare and not direct and not entrance.base and len(cloudflare) == len(hosts):
        errand.note(
            f"all {len(hosts)} hosts are behind Cloudflare: streams "
            + ("use them" if source.stream.cloudflare != "drop" else "are dropped (cloudflare: drop)")
        )
    seen = PanelSeen(
        host=_shown_host(entrance, lists),
        connections=min(known) if known and None not in limits else None,
        account_connections=limits,
        direct_hosts=direct,
        cloudflare_hosts=cloudflare,
        stream_base=entrance.base,
    )
    return outcome.with_panel(came, seen)


def _shown_host(entrance: Entrance, lists: PanelLists) -> int:
    """The host that the report names, from 1: the one that gave the lists, or one listed before it that works as well."""
    assert entrance.host is not None
    used = (lists.host or entrance.host + 1) - 1
    broken = lists.broken
    return min((i for i, o in entrance.outcomes.items() if o.worked and i not in broken), default=used) + 1


async def _load_list(outcome: Outcome, errand: Errand, url: Secret | None, accounts: list[Account]) -> Came:
    source = outcome.source
    try:
        if url is None:
            found = await read_list_file(errand, source, outcome.copies)
        else:
            found = await fetch_list(errand, source, url, accounts, outcome.copies)
    except FetchFailed as failure:
        errand.note(failure.detail)
        return outcome.nothing_came()
    return outcome.list_came(found)
