"""The files of a generation as bytes: lineups, playlists, exports and the manifest; and what its guides shall hold.

Nothing here holds a time, a secret or a provider's address, so that equal lineups give equal bytes and the content
hash can name the generation. This module refuses to touch files and to write guides (`catalog.guide_write` does).
"""

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from reconciler.catalog.guide_write import GuideWanted
from reconciler.ledger.model import DvrRecord
from reconciler.lineups.manifest import DvrManifest, Manifest
from reconciler.lineups.model import Desired, DvrTarget, Lineup
from reconciler.lineups.playlists import export_m3u, playlist_m3u
from reconciler.spec.model import Spec

__all__ = [
    "base_url",
    "export_files",
    "files",
    "guide_wanted",
    "hub_url",
    "lineup_json",
    "manifest",
    "playlist",
    "served",
]

_NO_MANIFESTS: Final[Mapping[str, DvrManifest]] = MappingProxyType({})
_HD: Final = frozenset({"hd", "fhd", "uhd"})
_IN_ADDRESS: Final = "/?&=,:@%"
"""What stands for itself in an address, a percent sign too: an adopted path may be encoded already."""


def hub_url(spec: Spec, *, viewers: bool = False) -> str:
    """The hub's address for Plex or for viewers. Without `advertise` (then there is no Plex) this machine's own."""
    advertise = spec.serve.advertise
    if advertise is None:
        return f"http://localhost:{spec.serve.listen[1]}"
    return (advertise.viewers if viewers else advertise.plex).rstrip("/")


def base_url(spec: Spec, record: DvrRecord, *, viewers: bool = False) -> str:
    """A DVR's address for Plex or for viewers, no trailing slash: its own port, or its path under the hub."""
    hub = hub_url(spec, viewers=viewers)
    if spec.serve.layout == "path":
        return f"{hub}/{record.slug}"
    if record.port is None:
        return hub
    parts = urlsplit(hub)
    host = parts.netloc.rpartition("@")[2]
    host = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return urlunsplit((parts.scheme, f"{host}:{record.port}", parts.path, "", "")).rstrip("/")


def served(desired: Desired) -> tuple[DvrTarget, ...]:
    """The DVRs that get files: a tuner without a channel is not offered (hdhomerun.md 2.4)."""
    return tuple(t for t in desired.dvrs if t.lineup.rows)


def lineup_json(lineup: Lineup, base: str) -> bytes:
    """`lineup.json` of one DVR (hdhomerun.md 2.4). Numbers are strings, flags are integers and left out when zero.

    No query string in the URLs: Plex may append its own.
    """
    rows = []
    for row in lineup.rows:
        entry: dict[str, object] = {"GuideNumber": str(row.number), "GuideName": row.channel.name}
        if row.channel.quality in _HD:
            entry["HD"] = 1
        rows.append({**entry, "URL": f"{base}/auto/v{row.number}"})
    return ("[" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "]\n").encode()


def playlist(spec: Spec, target: DvrTarget) -> bytes:
    """`playlist.m3u` of one DVR, with the viewers' address."""
    base = base_url(spec, target.record, viewers=True)
    guide = f"{base}/{quote(target.record.guide_path.lstrip('/'), safe=_IN_ADDRESS)}"
    return playlist_m3u(target.lineup.rows, base, guide, spec.serve.url_tvg)


def export_files(spec: Spec, desired: Desired) -> dict[str, bytes]:
    """M3U files of buckets without a DVR and of VOD and series, by file name."""
    hub = hub_url(spec, viewers=True)
    return {f"{e.name}.m3u": export_m3u(e.channels, hub) for e in desired.exports}


def files(spec: Spec, desired: Desired) -> dict[str, bytes]:
    """All files but guides and manifest, by path inside the generation."""
    found = export_files(spec, desired)
    for target in served(desired):
        slug = target.record.slug
        found[f"{slug}/lineup.json"] = lineup_json(target.lineup, base_url(spec, target.record))
        found[f"{slug}/playlist.m3u"] = playlist(spec, target)
    return found


def guide_wanted(desired: Desired) -> tuple[GuideWanted, ...]:
    """What the guide of each DVR shall hold: a row for every channel of its lineup, by DVR and number."""
    return tuple(
        GuideWanted(
            dvr=target.record.name,
            number=row.number,
            name=row.channel.name,
            logo=row.channel.logo,
            guide=row.channel.link.guide if row.channel.link else "",
            xmltv_id=row.channel.link.xmltv_id if row.channel.link else "",
            shift_s=row.channel.members[0].shift_h * 3600,
            off=row.off,
        )
        for target in served(desired)
        for row in target.lineup.rows
    )


def manifest(
    spec: Spec,
    desired: Desired,
    guide_digests: Mapping[str, str],
    carried: Mapping[str, DvrManifest] = _NO_MANIFESTS,
) -> Manifest:
    """The manifest. `guide_digests` are the SHA-256 of each `guide.xml` by DVR; `carried` are DVRs, in the spec or not,
    whose files were carried over and whose entries stay as they were.
    """
    dvrs = {
        t.record.name: carried.get(t.record.name) or _dvr(spec, t, guide_digests[t.record.name])
        for t in desired.dvrs
        if t.lineup.rows or t.record.name in carried
    }
    dvrs.update({name: carried[name] for name in sorted(carried) if name not in dvrs})
    return Manifest(
        name=spec.name,
        layout=spec.serve.layout,
        dvrs=tuple(dvrs.values()),
        exports=tuple(sorted(e.name for e in desired.exports)),
    )


def _dvr(spec: Spec, target: DvrTarget, guide_digest: str) -> DvrManifest:
    record, dvr = target.record, target.dvr
    base = base_url(spec, record)
    return DvrManifest(
        name=record.name,
        slug=record.slug,
        device_id=record.device_id,
        friendly_name=record.title,
        port=record.port if spec.serve.layout == "ports" else None,
        base_url=base,
        tuners=dvr.tuners,
        scan_possible=dvr.scan_possible,
        channels={str(row.number): row.channel.id for row in target.lineup.rows},
        guide_path=record.guide_path,
        guide_digest=guide_digest,
        lineup_digest=hashlib.sha256(lineup_json(target.lineup, base)).hexdigest(),
        profile=dvr.stream.profile or "",
        buffer_bytes=dvr.stream.buffer_bytes,
        first_byte_s=dvr.stream.first_byte_s,
        also=dvr.also,
        off=tuple(str(row.number) for row in target.lineup.rows if row.off),
    )
