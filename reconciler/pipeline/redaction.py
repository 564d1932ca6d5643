"""What of the world is not for the public, taken out: for a snapshot that a job without secrets may read.

Addresses of streams keep their host and the hash that finds the channel again; pictures at the provider and guides of
strangers keep a hash, because their addresses hold accounts more often than not. This module refuses to look at files.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from reconciler.catalog.address import host_of, sealed
from reconciler.catalog.entry import Entry, SourceReport
from reconciler.catalog.guide_index import GuideIndex
from reconciler.lineups import artifacts
from reconciler.lineups.identity import path_hash
from reconciler.lineups.item import HASHED_LOGO, guide_icon, is_web_address
from reconciler.lineups.manifest import Manifest
from reconciler.plex.model import XMLTV_PROVIDER, Device, Dvr, Observed, Unknown
from reconciler.spec.model import Spec

__all__ = ["Pictures", "public_entry", "public_guide", "public_plex", "public_report"]

HASH_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Pictures:
    """Logos: an address that leads to the provider, or that has parameters, becomes a hash; others stay."""

    hosts: frozenset[str]
    said: frozenset[str]
    """Addresses that the spec itself says."""

    @staticmethod
    def of(spec: Spec, entries: Iterable[Entry]) -> "Pictures":
        """The rule for this spec: the hosts of its sources and of their streams are the provider's."""
        hosts = {host_of(url) for source in spec.sources.values() for url in source.hosts}
        hosts |= {host_of(url) for entry in entries for url in (entry.url, *entry.more_urls) if url}
        names = {host.rpartition(":")[0] or host for host in hosts} | hosts
        return Pictures(frozenset(names - {""}), frozenset(o.logo for o in spec.overrides if o.logo))

    def public(self, logo: str) -> str:
        """The logo as it may be shown."""
        if not logo or logo in self.said:
            return logo
        try:
            parts = urlsplit(logo)
            plain = parts.scheme in {"http", "https"} and not (parts.query or parts.username or "{" in logo)
            known = parts.netloc.lower() in self.hosts or (parts.hostname or "") in self.hosts
        except ValueError:
            plain, known = False, True
        return logo if plain and not known else f"{HASHED_LOGO}{_short(logo)}"


def public_entry(entry: Entry, shown: Pictures) -> Entry:
    """The entry without its addresses and headers."""
    urls = tuple(sealed(url, path_hash(url)) for url in (entry.url, *entry.more_urls))
    logo = shown.public(entry.logo) if is_web_address(entry.logo) else ""  # a hash would pass for a picture
    return entry._replace(url=urls[0] if entry.url else "", more_urls=urls[1:], headers=(), logo=logo)


def public_guide(guide: GuideIndex, shown: Pictures) -> GuideIndex:
    """The table of contents with its pictures as they may be shown."""
    channels = {id_: replace(c, icon=shown.public(guide_icon(c.icon))) for id_, c in guide.channels.items()}
    return replace(guide, channels=channels)


def public_report(report: SourceReport) -> SourceReport:
    """The report without addresses."""
    return replace(report, guide_urls=(), stream_base="", seconds=0.0)


def public_plex(observed: Observed, spec: Spec, published: Manifest | None) -> Observed:
    """What Plex has, without where strangers' guides lie and without what it does at the moment."""
    own = {artifacts.hub_url(spec), artifacts.hub_url(spec, viewers=True)}
    own |= {dvr.base_url for dvr in published.dvrs} if published else set()
    hosts = {urlsplit(url).hostname for url in own}

    def device(found: Device) -> Device:
        parts = urlsplit(found.uri if "://" in found.uri else f"http://{found.uri}")
        if parts.hostname in hosts:
            return found
        place = parts.netloc.rpartition("@")[2]
        return replace(found, uri=f"{parts.scheme}://{place}" if place else found.uri)

    def dvr(found: Dvr) -> Dvr:
        guide = found.guide
        devices = tuple(device(d) for d in found.devices)
        local = guide.startswith("/") or urlsplit(guide).hostname in hosts
        if found.provider != XMLTV_PROVIDER or local:
            return replace(found, devices=devices)
        hidden = f"lineup://{found.provider}/guide:{_short(guide)}#{found.lineup.rpartition('#')[2]}"
        return replace(found, devices=devices, lineup=hidden)

    return replace(
        observed,
        devices=observed.devices
        if isinstance(observed.devices, Unknown)
        else tuple(device(d) for d in observed.devices),
        dvrs=observed.dvrs if isinstance(observed.dvrs, Unknown) else tuple(dvr(d) for d in observed.dvrs),
        details={k: v if isinstance(v, Unknown) else dvr(v) for k, v in observed.details.items()},
        activities=() if not isinstance(observed.activities, Unknown) else observed.activities,
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
