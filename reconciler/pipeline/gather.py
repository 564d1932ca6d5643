"""What the world says now: sources, guides and Plex side by side; ledger and published generation from disk.

Refuses to judge: a source that failed is a report, a Plex that does not answer is `Unknown` with the reason.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.catalog.guide_index import GuideIndex
from reconciler.errors import PlexDenied, PlexError, ProviderError, StateError
from reconciler.ledger import generations, newest, store
from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import Manifest, Routes, read_manifest, read_routes
from reconciler.plex.connection import connected
from reconciler.plex.database import stopped_plex
from reconciler.plex.model import DatabaseView, Dvr, Observed, Unknown
from reconciler.plex.reader import observe
from reconciler.secret import Secret
from reconciler.sources.catalogue import load_catalog, read_catalog
from reconciler.sources.credentials import token
from reconciler.sources.guide_indexes import guide_index
from reconciler.sources.guides import Offered, load_guides
from reconciler.sources.progress import Progress, silent
from reconciler.spec.files import at_home
from reconciler.spec.model import Spec

__all__ = ["Gathered", "Request", "client_id", "gather", "plex_data", "plex_token", "published_routes"]


@dataclass(frozen=True, slots=True)
class Request:
    """What one run was asked. `now` in seconds since 1970; `plex` False: Plex is not even read (`refresh`).

    `cached`: nothing is fetched. `ignore_pin` drops every pinned stream host for this run.
    """

    now: float
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    allow: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    env: str = ""
    cached: bool = False
    plex: bool = True
    ignore_pin: bool = False
    allow_exec: bool = False
    renumber: frozenset[str] = frozenset()
    progress: Progress = silent
    ask_busy: Callable[[Spec], Awaitable[Mapping[str, int] | Unknown]] | None = None
    """Asks `serve` who watches; None: nobody asked, which is unknown."""
    offered: Offered | None = None
    """What was fetched a moment ago, so that nobody is asked twice."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything observed. `guides` are indexes by name, `guide_files` where each lies; missing ones are left out."""

    catalog: Catalog
    guides: Mapping[str, GuideIndex]
    guide_files: Mapping[str, Path]
    reports: Mapping[str, SourceReport]
    ledger: Ledger
    observed: Observed | Unknown | None
    generation: str
    published: Manifest | None
    busy: Mapping[str, int] | Unknown
    database: DatabaseView | None = None
    """What a stopped Plex left behind, where the spec allows to look; `observed` is Unknown then."""


def client_id(spec: Spec) -> str:
    """The `X-Plex-Client-Identifier` of this installation: stable, because Plex lists every one it meets (1)."""
    return f"ptctl-{spec.name}"


def plex_token(spec: Spec, request: Request) -> Secret:
    """Plex's token. Raises CredentialError naming the reference."""
    assert spec.plex is not None
    credentials = spec.credentials[spec.plex.credentials]
    return token(credentials, environ=request.environ, base=Path(spec.base), allow_exec=request.allow_exec)


def plex_data(spec: Spec) -> Path:
    """Plex's data directory: `plex.database.path` beside the spec, with `~` for the home."""
    assert spec.plex is not None
    return Path(spec.base).absolute() / at_home(spec.plex.database.path)


async def gather(spec: Spec, request: Request, *, known: Gathered | None = None) -> Gathered:
    """Look at everything once. Sources and guides are those of `known`, where it is given.

    Raises CredentialError, StateError; StalePlan for a ledger that is an older copy or another home's; a refused Plex
    token raises PlexDenied.
    """
    state = Path(spec.state)
    seen_before = newest.newest(state)
    ledger = store.load(state)
    newest.refuse_older(state, ledger, seen_before)
    store.refuse_other(state, ledger, spec.name, spec.dvrs)
    generation = generations.current(state) or ""
    published = _published(state, generation)
    seen: list[Observed | Unknown | None] = [None]
    left: list[DatabaseView | None] = [None]
    busy: list[Mapping[str, int] | Unknown] = [Unknown("serve was not asked")]
    async with trio.open_nursery() as nursery:

        async def look() -> None:
            seen[0] = await _observe(spec, request, ledger)
            if isinstance(seen[0], Unknown):
                found = await _database(spec)
                if isinstance(found, Unknown):
                    seen[0] = Unknown(f"{seen[0].why}; its database is left alone: {found.why}")
                else:
                    left[0] = found

        async def ask(ask_busy: Callable[[Spec], Awaitable[Mapping[str, int] | Unknown]]) -> None:
            busy[0] = await ask_busy(spec)

        if spec.plex is not None and request.plex:
            nursery.start_soon(look)
            if request.ask_busy is not None:
                nursery.start_soon(ask, request.ask_busy)
        found = known or await _offered(spec, request, state / "cache")
    return replace(
        found,
        ledger=ledger,
        observed=seen[0],
        generation=generation,
        published=published,
        busy=busy[0],
        database=left[0],
    )


async def _offered(spec: Spec, request: Request, cache: Path) -> Gathered:
    """What sources and guides offer; the rest is not looked at."""
    if request.offered is not None:
        catalog, files = read_catalog(request.offered.sources), request.offered.guides
    else:
        catalog = await load_catalog(
            spec,
            cache,
            state=cache.parent,
            now=request.now,
            environ=request.environ,
            allow_exec=request.allow_exec,
            cached_only=request.cached,
            progress=request.progress,
        )
        files = await load_guides(
            spec,
            catalog,
            cache,
            now=request.now,
            environ=request.environ,
            allow_exec=request.allow_exec,
            cached_only=request.cached,
            progress=request.progress,
        )
    paths: dict[str, Path] = {}
    guides: dict[str, GuideIndex] = {}
    reports = dict(catalog.reports)
    for name, file in files.items():
        report = file.report
        if file.path is not None:
            try:
                guides[name] = await trio.to_thread.run_sync(guide_index, file.path, cache)
                paths[name] = file.path
            except ProviderError as error:
                # one guide that looked like one and is none takes nothing else with it
                notes = (*report.notes, error.message)
                report = replace(report, fetched="absent", stale=True, failure=error.message, notes=notes)
        # A guide may bear the name of its source (design.md 2): the blank keeps the two apart.
        reports[f"guide {name}"] = _told(report, guides.get(name))
    unseen = Unknown("not looked at")
    return Gathered(catalog, guides, paths, reports, Ledger(), unseen, "", None, unseen)


def _told(report: SourceReport, found: GuideIndex | None) -> SourceReport:
    """The report with what reading the guide showed: how many channels, and what is damaged."""
    if found is None:
        return report
    return replace(report, entries=len(found.channels), notes=(*report.notes, *found.notes))


def _published(state: Path, generation: str) -> Manifest | None:
    if not generation:
        return None
    folder = generations.current_path(state)
    assert folder is not None
    return read_manifest((folder / "manifest.json").read_bytes())


def published_routes(state: Path) -> Routes | None:
    """Where the published channels come from; None where that cannot be read: only carried DVRs miss it."""
    try:
        return read_routes(generations.routes_path(state).read_bytes())
    except (OSError, StateError):
        return None


async def _database(spec: Spec) -> DatabaseView | Unknown | None:
    """The database of a Plex that is proved to be stopped (design.md 4), else why not; None where the spec forbids it."""
    assert spec.plex is not None
    if spec.plex.database.use != "fallback":
        return None
    return await stopped_plex(spec.plex.url, plex_data(spec))


async def _observe(spec: Spec, request: Request, ledger: Ledger) -> Observed | Unknown:
    assert spec.plex is not None
    ours = {record.dvr_key for record in ledger.dvrs.values()}
    ids = {record.device_id.casefold() for record in ledger.dvrs.values()}

    def wanted(dvr: Dvr) -> bool:
        return dvr.key in ours or any(d.device_id.casefold() in ids for d in dvr.devices)

    secret = plex_token(spec, request)
    try:
        async with connected(spec.plex.url, secret, client_id=client_id(spec)) as connection:
            return await observe(connection, ours=wanted)
    except PlexDenied:
        raise
    except PlexError as error:
        return Unknown(error.message)
