"""Where streams come from: sources with their hosts in order, and each channel's alternatives.

Credentials are references here, read anew at every tune. Written to `<state>/private/routes.json`, outside the hash
that names a generation. This module refuses to resolve a reference and to rank by health.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from urllib.parse import urlsplit

from reconciler.catalog.entry import Catalog, Entry, SourceReport
from reconciler.lineups.manifest import Alternative, Routes, SourceRoute, reference_text
from reconciler.lineups.model import Channel, Desired
from reconciler.secret import SecretRef
from reconciler.spec.model import Credentials, Source, Spec, StreamOptions

__all__ = ["routes", "with_carried"]

_NO_REPORT = SourceReport("", "m3u", "absent")


def routes(spec: Spec, desired: Desired, catalog: Catalog, generation: str = "") -> Routes:
    """All routes of what `desired` serves: rows of DVRs and channels of exports, by channel id."""
    rows = [row.channel for t in desired.dvrs for row in t.lineup.rows]
    exported = [c for e in desired.exports for c in e.channels]
    channels = {c.id: _alternatives(c) for c in (*rows, *exported)}
    sources = _sources(spec, catalog, StreamOptions())
    by_dvr: dict[str, dict[str, SourceRoute]] = {}
    # the parts of a split one reach sources as it does
    for name, dvr in {**spec.dvrs, **{t.record.name: t.dvr for t in desired.dvrs}}.items():
        if dvr.stream != StreamOptions():
            own = {n: s for n, s in _sources(spec, catalog, dvr.stream).items() if s != sources[n]}
            by_dvr |= {name: own} if own else {}
    return Routes(generation, sources, dict(sorted(channels.items())), by_dvr)


def with_carried(new: Routes, old: Routes | None, channels: Mapping[str, str]) -> Routes:
    """The routes with those of a carried lineup: `channels` (number -> id) that are no longer listed keep the old way."""
    if old is None:
        return new
    lost = {i: old.channels[i] for i in channels.values() if i not in new.channels and i in old.channels}
    if not lost:
        return new
    needed = {a.source for ways in lost.values() for a in ways}
    sources = {n: s for n, s in old.sources.items() if n in needed} | dict(new.sources)
    return replace(new, sources=sources, channels=dict(sorted({**new.channels, **lost}.items())))


def _alternatives(channel: Channel) -> tuple[Alternative, ...]:
    return tuple(_alternative(entry) for entry in channel.members)


def _alternative(entry: Entry) -> Alternative:
    return Alternative(
        source=entry.source,
        key=entry.key,
        kind=entry.kind,
        url=entry.url,
        more_urls=entry.more_urls,
        extension=entry.extension,
        headers=entry.headers,
    )


def _sources(spec: Spec, catalog: Catalog, first: StreamOptions) -> dict[str, SourceRoute]:
    """Every source, reached as `first` says, else as the source says, else as is usual."""
    return {
        name: _source(
            spec,
            replace(source, stream=_overridden(source.stream, first)),
            catalog.reports.get(name, _NO_REPORT),
        )
        for name, source in spec.sources.items()
    }


def _overridden(stream: StreamOptions, first: StreamOptions) -> StreamOptions:
    said = {f.name: value for f in fields(first) if (value := getattr(first, f.name)) is not None}
    return replace(stream, **said | {"headers": (*stream.headers, *first.headers)})


def _source(spec: Spec, source: Source, report: SourceReport) -> SourceRoute:
    stream = source.stream
    connections = source.connections if isinstance(source.connections, int) else report.connections
    return SourceRoute(
        name=source.name,
        kind=source.kind,
        hosts=_hosts(source, report),
        credentials=_accounts(spec, source),
        connections=connections,
        format=stream.format or "hls",
        user_agent=stream.user_agent or "",
        headers=_headers(source, stream),
        pin=stream.pin or "",
        pin_mode=stream.pin_mode or "prefer",
        base=_origin(source.url),
        connect_s=stream.connect_s,
        first_byte_s=stream.first_byte_s,
        buffer_bytes=stream.buffer_bytes,
        profile=stream.profile or "copy",
    )


def _hosts(source: Source, report: SourceReport) -> tuple[str, ...]:
    """The panel's hosts in the order to try: its own direct address, direct hosts, the one that answered, the rest.

    Direct means not behind Cloudflare, whose terms cut off long streams; `cloudflare: drop` leaves only those.
    """
    listed = source.hosts
    answered = [listed[report.host - 1]] if 0 < report.host <= len(listed) else []
    direct = [listed[i - 1] for i in report.direct_hosts if 0 < i <= len(listed)]
    if report.stream_base:
        direct.insert(0, report.stream_base)
    if source.stream.cloudflare == "drop":
        behind = {listed[i - 1] for i in report.cloudflare_hosts if 0 < i <= len(listed)}
        return tuple(host for host in dict.fromkeys((*direct, *answered, *listed)) if host not in behind)
    preferred = [] if source.stream.host == "as-listed" else direct
    return tuple(dict.fromkeys((*preferred, *answered, *listed)))


def _headers(source: Source, stream: StreamOptions) -> tuple[tuple[str, str, bool], ...]:
    merged = {name.lower(): (name, value) for name, value in (*source.headers, *stream.headers)}
    return tuple(
        (name, reference_text(value), True) if isinstance(value, SecretRef) else (name, value, False)
        for name, value in merged.values()
    )


def _accounts(spec: Spec, source: Source) -> tuple[dict[str, str], ...]:
    """The references of each account; a list whose whole address is one holds an account in it."""
    named = tuple(_account(spec.credentials[name]) for name in source.credentials)
    if not named and SecretRef.parse(source.url) is not None:
        return ({"url": source.url},)
    return named


def _account(credentials: Credentials) -> dict[str, str]:
    given = {
        "username": credentials.username,
        "password": credentials.password,
        "url": credentials.url,
    }
    return {part: reference_text(ref) for part, ref in given.items() if ref is not None}


def _origin(url: str) -> str:
    """Scheme and host of a list's address, so that `serve` knows whether private addresses are the source's own."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if host else ""
