"""Guide files in the cache: fetched when they changed, kept as they came (packed or not), the old one when in doubt.

    load_guides(spec, catalog, cache, …) -> name -> GuideFile(path, report)

A guide belongs to a source (a panel's `xmltv.php`, or what the list's header names), to an address, or to a file. A file
is copied as well: a grabber takes minutes to write one, and half of it must empty nothing (design.md 1.7). Where
`guide_check` refuses what came, the copy stays. An address that a list names may lie in a private network only where
the list itself does (SEC-1). This module refuses to read a guide.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import trio

from reconciler.catalog.address import PASSWORD, USERNAME, fill
from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.secret import Secret
from reconciler.sources.access import Access, list_url, request_headers, source_accounts
from reconciler.sources.accounts import Account, concealer
from reconciler.sources.catalogue import FetchedSource, one_error, spooling
from reconciler.sources.copies import Copies, Head, conditions
from reconciler.sources.entrance import panel_address, xtream_hosts
from reconciler.sources.errand import Errand, Spooled, status_of_file
from reconciler.sources.guide_check import outer_bytes, read_through, refuse_no_guide, same_bytes
from reconciler.sources.hosts import label
from reconciler.sources.progress import Progress, Step, about, silent
from reconciler.sources.web import Answer, FetchFailed, Limits, is_private_host, open_web
from reconciler.spec.model import Guide, Source, Spec

__all__ = ["GuideFile", "Offered", "guide_copy", "load_guides"]

DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class GuideFile:
    """A guide on disk. `path` None: there is none, fresh or old. `report.fetched` says which it is."""

    path: Path | None
    report: SourceReport


@dataclass(frozen=True, slots=True)
class Offered:
    """Sources and guides after asking and before reading."""

    sources: Sequence[FetchedSource]
    guides: Mapping[str, GuideFile]


@dataclass(frozen=True, slots=True)
class _Place:
    """One address a guide may be had from. `private_ok` None: judged by the address itself."""

    url: Secret
    told: str
    private_ok: bool | None = None


async def load_guides(
    spec: Spec,
    catalog: Catalog,
    cache: Path,
    *,
    now: float,
    environ: Mapping[str, str] | None = None,
    allow_exec: bool = False,
    cached_only: bool = False,
    progress: Progress = silent,
    limits: Limits = DEFAULT_LIMITS,
) -> Mapping[str, GuideFile]:
    """All guides of the spec, side by side, in its order. `cache` is `<state>/cache`, `now` in seconds since 1970.

    The catalogue's reports say which host of a panel works and which guides lists name. A file is copied when it changed.
    Raises CredentialError where a reference leads nowhere, before any request; never for what a server does.
    """
    access = Access(os.environ if environ is None else environ, allow_exec)
    copies = Copies(cache / "guides")
    progress = about("guide", progress)
    results: dict[str, GuideFile] = {}
    if cached_only:
        for guide in spec.guides.values():
            results[guide.name] = _from_copy(guide, copies, now, ())
        return results
    jobs = []
    for guide in spec.guides.values():
        source = spec.sources.get(guide.source)
        accounts = source_accounts(spec, source, access) if source else []
        agent = source.stream.user_agent if source else None
        shared = (source.stream.headers, source.headers) if source else ()
        headers = request_headers(spec, access, *shared, guide.headers, user_agent=agent)
        url = _configured(spec, guide, access)
        list_at = list_url(spec, source, access, accounts) if source and source.url else None
        jobs.append((guide, source, accounts, headers, url, list_at))
    with spooling(cache, now) as spool, one_error():
        async with open_web(limits) as web, trio.open_nursery() as nursery:
            for guide, source, accounts, headers, url, list_at in jobs:
                errand = Errand(
                    guide.name, web, spool, headers, concealer(accounts), progress, now,
                    retries_left=0 if _just_failed(catalog, source) else limits.retries,
                    has_copy=copies.head(guide.name, _identity(guide)) is not None,
                )  # fmt: skip

                async def work(
                    guide: Guide = guide,
                    source: Source | None = source,
                    accounts: Sequence[Account] = accounts,
                    errand: Errand = errand,
                    url: Secret | None = url,
                    list_at: Secret | None = list_at,
                ) -> None:
                    begun = trio.current_time()
                    if guide.path:
                        found = await _own_file(guide, errand, copies)
                    else:
                        places = await _places(catalog, source, accounts, errand, url, list_at)
                        found = await _fetched(guide, places, errand, copies)
                    report = replace(found.report, seconds=trio.current_time() - begun)
                    results[guide.name] = GuideFile(found.path, report)
                    # "absent" alone reads as a failure; that a list names no guide is none.
                    word = report.notes[0] if report.fetched == "absent" and report.notes else report.fetched
                    progress(Step(guide.name, "done", size_bytes=report.size_bytes, detail=word))

                nursery.start_soon(work)
    copies.forget(spec.guides, now)
    Copies(cache / "indexes").forget((), now)  # named by place; one that goes too early is made again
    return {name: results[name] for name in spec.guides}


def _just_failed(catalog: Catalog, source: Source | None) -> bool:
    """Whether the source of a guide has just not answered: its budget of retries is spent (`Limits.retries`)."""
    report = catalog.reports.get(source.name) if source else None
    return report is not None and report.fetched in {"cached", "absent"}


def _configured(spec: Spec, guide: Guide, access: Access) -> Secret | None:
    if not guide.url:
        return None
    return access.address(spec, f"guide {guide.name!r}", guide.url)


async def _own_file(guide: Guide, errand: Errand, copies: Copies) -> GuideFile:
    """A guide that is a file of the user's; its copy where it is no guide today."""
    try:
        return await _from_file(guide, Path(guide.path), errand, copies)
    except FetchFailed as failure:
        errand.note(failure.detail)
        return _from_copy(guide, copies, errand.now, errand.notes)


def _identity(guide: Guide) -> str:
    if guide.path:
        return f"guide path {guide.path}"
    return f"guide source {guide.source}" if guide.source else f"guide url {guide.url}"


def guide_copy(guide: Guide, cache: Path) -> tuple[Head | None, Path | None]:
    """The copy there is of a guide that is fetched: what is known of it, and its file; None where there is none."""
    copies = Copies(cache / "guides")
    head = copies.head(guide.name, _identity(guide))
    return head, copies.file(head) if head else None


def _from_copy(guide: Guide, copies: Copies, now: float, notes: Sequence[str]) -> GuideFile:
    head = copies.head(guide.name, _identity(guide))
    failure = "; ".join(notes)
    if head is None:
        notes = (*notes, "no guide and no copy")
        return GuideFile(
            None,
            SourceReport(guide.name, "xmltv", "absent", stale=True, notes=tuple(notes), failure=failure),
        )
    age = max(0.0, now - head.fetched_at)
    path = copies.file(head)
    report = SourceReport(
        guide.name,
        "xmltv",
        "cached",
        age_s=age,
        stale=age > guide.max_age_s,
        size_bytes=path.stat().st_size,
        via=head.via,
        notes=tuple(notes),
        failure=failure,
    )
    return GuideFile(path, report)


async def _places(
    catalog: Catalog,
    source: Source | None,
    accounts: Sequence[Account],
    errand: Errand,
    url: Secret | None,
    list_at: Secret | None,
) -> list[_Place]:
    """Where to ask, best first. `list_at` is the address of the source's list, where it is no file."""
    if url is not None:
        return [_Place(url, "url")]
    assert source is not None  # a guide has a source, an address or a path
    report = catalog.reports.get(source.name)
    if source.kind == "xtream":
        return _panel_places(source, accounts, report)
    if report is None or not report.guide_urls:
        errand.note(f"the list of source {source.name!r} names no guide")
        return []
    private_ok: bool | None = None
    base = list_at.reveal() if list_at is not None else Path(source.path).as_uri()
    if list_at is not None:
        private_ok = await is_private_host(_host(base))
    found = []
    for listed in report.guide_urls:
        # a relative address is relative to the list
        try:
            address = urljoin(base, listed)
        except ValueError:  # brackets that close no IPv6 address
            address = ""
        if urlsplit(address).scheme not in {"http", "https", "file"}:
            errand.note("the list names a guide at an address that is not http or https")
            continue
        if address.startswith("file:") and (not source.path or urlsplit(listed).scheme):
            errand.note("the list names a file of this machine as its guide, which is not read")
            continue
        found.append(_Place(_filled(address, accounts), "header", private_ok))
    return found


def _panel_places(source: Source, accounts: Sequence[Account], report: SourceReport | None) -> list[_Place]:
    hosts, named = xtream_hosts(source, accounts)
    first = report.host - 1 if report and 0 < report.host <= len(hosts) else 0
    order = [first, *(i for i in range(len(hosts)) if i != first)]
    return [
        _Place(panel_address(hosts[i], "xmltv.php", accounts[0]), label(hosts, i, named=named))
        for i in order
        if accounts
    ]


def _host(address: str) -> str:
    """The host of an address; nothing where it is no address, as what a reference leads to may be."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _filled(address: str, accounts: Sequence[Account]) -> Secret:
    if accounts and (USERNAME in address or PASSWORD in address):
        return fill(address, accounts[0].username, accounts[0].password)
    return Secret(address)


async def _fetched(guide: Guide, places: Sequence[_Place], errand: Errand, copies: Copies) -> GuideFile:
    """The first place that gives a guide; the copy when none does."""
    attempt = 0
    while places:
        worst: FetchFailed | None = None
        for place in places:
            try:
                return await _from_place(guide, place, errand, copies)
            except FetchFailed as failure:
                worst = failure
                where = f"{place.told}: " if place.told.startswith("host") else ""
                errand.note(f"{where}{failure.detail}")
        if worst is None or not await errand.pause(worst, attempt):
            break
        attempt += 1
    return _from_copy(guide, copies, errand.now, errand.notes)


async def _from_place(guide: Guide, place: _Place, errand: Errand, copies: Copies) -> GuideFile:
    address = place.url.reveal()
    if address.startswith("file:"):
        return await _from_file(guide, Path(url2pathname(urlsplit(address).path)), errand, copies)
    before = copies.head(guide.name, _identity(guide))
    limits = errand.web.limits
    same_place = before is not None and before.origin == place.told
    found = await errand.spooled(
        place.url,
        file="guide",
        what=f"guide {guide.name!r}",
        whole_s=limits.guide_s,
        limit_bytes=limits.guide_bytes,
        step=Step(guide.name, "guide"),
        headers=conditions(before) if before and same_place else {},
        private_ok=place.private_ok,
    )
    try:
        if found.answer.unchanged:
            if before is None:
                raise FetchFailed("empty", "answered 304 although nothing was kept")
            return _confirmed(guide, replace(before, fetched_at=errand.now), copies, errand)
        await refuse_no_guide(found, before, errand, outer_bytes)
        if before is not None and await trio.to_thread.run_sync(
            same_bytes, copies.file(before), found.path, abandon_on_cancel=True
        ):
            return _confirmed(guide, replace(before, fetched_at=errand.now), copies, errand)
        head = Head(
            _identity(guide),
            errand.now,
            0,
            via="xmltv.php" if place.told.startswith("host") else place.told,
            origin=place.told,
            etag=found.answer.headers.get("etag", ""),
            modified=found.answer.headers.get("last-modified", ""),
        )
        head = copies.keep_file(guide.name, head, found.path)
    finally:
        found.path.unlink(missing_ok=True)
    report = SourceReport(
        guide.name,
        "xmltv",
        "fresh",
        size_bytes=found.answer.size_bytes,
        via=head.via,
        notes=tuple(errand.notes),
    )
    return GuideFile(copies.file(head), report)


async def _from_file(guide: Guide, path: Path, errand: Errand, copies: Copies) -> GuideFile:
    """The guide in a file, by way of a copy. Raises FetchFailed where the file cannot be read or holds no whole guide."""
    before = copies.head(guide.name, _identity(guide))
    spooled = errand.spool / f"{guide.name}.guide"

    def copied() -> tuple[int, str]:
        status = status_of_file(path)
        stamp = f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
        if before is None or before.etag != stamp:
            shutil.copyfile(path, spooled)
        return status.st_size, stamp

    try:
        size, stamp = await trio.to_thread.run_sync(copied)
    except OSError as error:
        spooled.unlink(missing_ok=True)
        reason = (error.strerror or "cannot be read").lower()
        raise FetchFailed("missing", f"{path}: {reason}") from None
    if before is not None and before.etag == stamp:
        return _confirmed(guide, replace(before, fetched_at=errand.now), copies, errand)
    answer = Answer(200, {}, b"", size, Secret(""), cloudflare=False)
    found = Spooled(spooled, answer, f"guide {guide.name!r}", max(errand.web.limits.guide_bytes, 4 * size))
    try:
        if not size:
            raise FetchFailed("empty", f"{path} is empty")
        with suppress(FetchFailed):  # what is broken off is judged below
            await trio.to_thread.run_sync(found.peel)
        await refuse_no_guide(found, before, errand, read_through)
        if before is not None and await trio.to_thread.run_sync(same_bytes, copies.file(before), spooled):
            return _confirmed(guide, replace(before, fetched_at=errand.now, etag=stamp), copies, errand)
        head = Head(_identity(guide), errand.now, 0, via="path", origin="path", etag=stamp)
        head = copies.keep_file(guide.name, head, spooled)
    finally:
        spooled.unlink(missing_ok=True)
    report = SourceReport(
        guide.name, "xmltv", "fresh", size_bytes=size, via="path", notes=tuple(errand.notes)
    )
    return GuideFile(copies.file(head), report)


def _confirmed(guide: Guide, head: Head, copies: Copies, errand: Errand) -> GuideFile:
    copies.confirm(guide.name, head)
    path = copies.file(head)
    report = SourceReport(
        guide.name,
        "xmltv",
        "unchanged",
        size_bytes=path.stat().st_size,
        via=head.via,
        notes=tuple(errand.notes),
    )
    return GuideFile(path, report)
