"""The two files by which a generation speaks to `serve`: the public manifest and the private routes.

`<state>/artifacts/<generation>/manifest.json` holds all that `serve` must know of each DVR; it has no secret and no
timestamp, and it is part of the content hash that names the generation. `<state>/private/routes.json` (0600, outside
the hash) says where a channel's streams come from: source, stream id, host order and the *reference* of the
credential. Version N reads N and N - 1 (design.md 5). This module refuses to touch files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from reconciler.errors import StateError
from reconciler.secret import SecretRef

__all__ = [
    "MANIFEST_FORMAT",
    "ROUTES_FORMAT",
    "Alternative",
    "DvrManifest",
    "Manifest",
    "Routes",
    "SourceRoute",
    "manifest_bytes",
    "read_manifest",
    "read_reference",
    "read_routes",
    "reference_text",
    "routes_bytes",
]

MANIFEST_FORMAT: Final = "ptctl-manifest/1"
ROUTES_FORMAT: Final = "ptctl-routes/1"


@dataclass(frozen=True, slots=True)
class DvrManifest:
    """One tuner. Files lie in the generation under `<slug>/`: `lineup.json`, `playlist.m3u`, `guide.xml`.

    `base_url` is where Plex reaches it (no trailing slash; with `/<slug>` in layout `path`); `port` is the port to listen
    on in layout `ports`. `channels` maps guide number (text) to channel id. `guide_path` is served below `base_url`.
    `guide_digest` is the SHA-256 of guide.xml, `lineup_digest` of lineup.json. `profile` "" leaves it to the source.
    """

    name: str
    slug: str
    device_id: str
    friendly_name: str
    port: int | None
    base_url: str
    tuners: int
    scan_possible: bool
    channels: Mapping[str, str]
    guide_path: str = "guide.xml"
    guide_digest: str = ""
    lineup_digest: str = ""
    profile: str = ""
    buffer_bytes: int | None = None
    first_byte_s: float | None = None
    also: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    """Numbers (text, in order) that stay in the lineup but are not mapped in Plex: pruned with scope guide."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything one generation serves. `exports` are the names of M3U files in the generation's root (without `.m3u`).

    The generation's id is the directory's name, not in here.
    """

    name: str
    layout: str
    dvrs: tuple[DvrManifest, ...]
    exports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to a channel's bytes. `key` with a panel's hosts makes the URL, or `url` is it (with placeholders)."""

    source: str
    key: str = ""
    kind: str = "live"
    url: str = ""
    more_urls: tuple[str, ...] = ()
    extension: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRoute:
    """How to reach one source. `hosts` in the order to try; `credentials` are lists of reference text by account.

    Each account is a mapping like {"username": "env:IPTV_USER", "password": "env:IPTV_PASS"}. Header values that are
    references stay references: ("X-Key", "env:OTHER_KEY", True).
    """

    name: str
    kind: str
    hosts: tuple[str, ...] = ()
    credentials: tuple[Mapping[str, str], ...] = ()
    connections: int | None = None
    format: str = "hls"
    user_agent: str = ""
    headers: tuple[tuple[str, str, bool], ...] = ()
    pin: str = ""
    pin_mode: str = "prefer"
    base: str = ""
    connect_s: float | None = None
    first_byte_s: float | None = None
    buffer_bytes: int | None = None
    profile: str = "copy"


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes of a generation, and its id so that `serve` knows whether the two belong together."""

    generation: str
    sources: Mapping[str, SourceRoute] = field(default_factory=dict)
    channels: Mapping[str, tuple[Alternative, ...]] = field(default_factory=dict)
    by_dvr: Mapping[str, Mapping[str, SourceRoute]] = field(default_factory=dict)
    """Sources that a DVR reaches in a way of its own: DVR name -> source name -> route."""

    def source(self, name: str, dvr: str = "") -> SourceRoute | None:
        """How this DVR (or, without a name, anybody) reaches a source; None where there is no such source."""
        return self.by_dvr.get(dvr, {}).get(name) or self.sources.get(name)


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as sorted, indented JSON ending in a newline: equal manifests give equal bytes."""
    return _dump({"format": MANIFEST_FORMAT, **asdict(manifest)})


def routes_bytes(routes: Routes) -> bytes:
    """The routes likewise. They are thousands, and made in every run: `asdict` alone would take ten times as long."""
    import msgspec  # only a refresh writes them; `serve` reads

    whole = {"format": ROUTES_FORMAT, **{f.name: getattr(routes, f.name) for f in fields(routes)}}
    return msgspec.json.format(msgspec.json.encode(whole, order="sorted"), indent=1) + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """The manifest in `data`. Raises StateError for another format or a broken file."""
    raw = _load(data, MANIFEST_FORMAT, "manifest.json")
    dvrs = tuple(
        DvrManifest(**{**d, "also": tuple(d["also"]), "off": tuple(d.get("off", ()))})
        for d in raw.pop("dvrs")
    )
    for unread in ("advertise_plex", "advertise_viewers"):  # written once, and never asked for
        raw.pop(unread, None)
    return Manifest(**{**raw, "dvrs": dvrs, "exports": tuple(raw["exports"])})


def read_routes(data: bytes) -> Routes:
    """The routes in `data`. Raises StateError for another format or a broken file.

    A channel at a time: of a hundred thousand films the longest stretch without a breath for other threads is a tenth
    of a second.
    """
    import msgspec  # only who reads or writes routes pays for it

    raw_by_key, sources_by_name = dict[str, msgspec.Raw], dict[str, SourceRoute]
    try:
        raw = msgspec.json.decode(data, type=raw_by_key)
        _refuse_other(msgspec.json.decode(raw["format"]), ROUTES_FORMAT, "routes.json")
        read = msgspec.json.Decoder(tuple[Alternative, ...]).decode
        channels = {
            id_: read(ways) for id_, ways in msgspec.json.decode(raw["channels"], type=raw_by_key).items()
        }
        sources = msgspec.json.decode(raw["sources"], type=sources_by_name)
        own = msgspec.json.decode(raw.get("by_dvr", b"{}"), type=raw_by_key)
        by_dvr = {dvr: msgspec.json.decode(routes, type=sources_by_name) for dvr, routes in own.items()}
        return Routes(msgspec.json.decode(raw["generation"], type=str), sources, channels, by_dvr)
    except (msgspec.MsgspecError, KeyError) as error:
        raise StateError(f"routes.json is broken: {error}", next_step="ptctl refresh") from error


def reference_text(ref: SecretRef) -> str:
    """A credential reference as text that `read_reference` understands; a command keeps all its words."""
    return "exec:" + json.dumps(list(ref.argv)) if ref.scheme == "exec" else str(ref)


def read_reference(text: str) -> SecretRef | None:
    """The reference in `text`, or None where it is none."""
    if not text.startswith("exec:"):
        return SecretRef.parse(text)
    try:
        words = json.loads(text.removeprefix("exec:"))
    except ValueError:
        return None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        return None
    return SecretRef("exec", "", argv=tuple(words))


def _dump(value: object) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _load(data: bytes, wanted: str, what: str) -> dict[str, Any]:
    # Any: JSON as it comes; the constructors above refuse what does not fit.
    try:
        raw = json.loads(data)
        found = raw.pop("format")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StateError(f"{what} is broken: {error}", next_step="ptctl refresh") from error
    _refuse_other(found, wanted, what)
    return dict(raw)


def _refuse_other(found: object, wanted: str, what: str) -> None:
    if found != wanted:
        raise StateError(
            f"{what} has format {found!r}, this version reads {wanted!r}", next_step="upgrade ptctl"
        )
