"""What stands in a Threadfin or xTeVe folder: `settings.json` and `xepg.json`, read with doubt.

Both programs write the same files; key names are theirs (Threadfin `src/struct-system.go`). Numbers come as numbers or
text, files by id as mappings, filters by number. Every key is known here as carried, as meaningless for us, or as
lost, so that a key nobody thought of is named and not skipped. This module refuses to draft anything.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.catalog.extinf import tidy
from reconciler.errors import OperatorError

__all__ = ["CARRIED", "LOST", "MEANINGLESS", "Channel", "FilterRule", "Instance", "Listed", "read"]

CARRIED: Final = frozenset(
    {
        "bindIpAddress",
        "buffer",
        "buffer.size.kb",
        "epgSource",
        "ffmpeg.options",
        "file",
        "files",
        "filter",
        "ignoreFilters",
        "mapping.first.channel",
        "port",
        "tuner",
        "update",
        "user.agent",
        "uuid",
        "xmltv",
    }
)
MEANINGLESS: Final = frozenset(
    {
        "api",
        "backup.keep",
        "backup.path",
        "buffer.timeout",  # a pause before the first byte: ours go out as they come
        "cache.images",
        "enableNonAscii",
        "epgCategories",
        "epgCategoriesColors",
        "ffmpeg.path",
        "files.update",
        "forceHttps",
        "git.branch",
        "httpThreadfinDomain",
        "httpsPort",
        "httpsThreadfinDomain",
        "key",
        "language",
        "log.entries.ram",
        "m3u8.adaptive.bandwidth.mbps",
        "ssdp",
        "storeBufferInRAM",
        "temp.path",
        "ThreadfinAutoUpdate",
        "update.url",
        "version",
        "vlc.options",
        "vlc.path",
        "xepg.replace.channel.title",
        "xepg.replace.missing.images",
        "xteveAutoUpdate",
    }
)
# key -> (what it did, what to do instead); only where it is switched on
LOST: Final[dict[str, tuple[str, str]]] = {
    "authentication.api": ("a login for its API", "serve.access limits who may ask"),
    "authentication.m3u": ("a login for its playlist", "serve.access limits who may ask"),
    "authentication.pms": ("a login for Plex", "serve.access limits who may ask"),
    "authentication.web": ("a login for its pages", "serve.access limits who may ask"),
    "authentication.xml": ("a login for its guide", "serve.access limits who may ask"),
    "dummy": ("invented programmes for channels without a guide", "dvrs.<name>.guide.filler does that"),
    "dummyChannel": (
        "the length of invented programmes",
        "dvrs.<name>.guide.filler takes a duration such as 1h",
    ),
    "udpxy": ("multicast through udpxy", "give the playlist with udpxy's http addresses"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One provider file: `kind` m3u, hdhr or xmltv. `source` is an address or a path and may hold an account."""

    kind: str
    id: str
    name: str
    source: str
    tuners: int | None = None
    buffer: str = ""
    proxy: bool = False
    origin: str = ""
    referer: str = ""


@dataclass(frozen=True, slots=True)
class FilterRule:
    """One rule that lets streams in. `include` and `exclude` are comma-separated words, both optional."""

    kind: str
    text: str
    case_sensitive: bool
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    category: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """One entry of `xepg.json`. `listed` fields are the provider's, the others what the user made of them."""

    file: str
    number: str
    name: str
    listed: str
    guide_id: str
    group: str
    own_group: str
    url: str
    active: bool
    hidden: bool
    mapping: str
    mapped_file: str
    backups: int
    category: str
    live: bool

    @property
    def shown(self) -> bool:
        """Whether it is in the lineup (Threadfin `src/hdhr.go`: active and not hidden)."""
        return self.active and not self.hidden

    @property
    def mapped(self) -> bool:
        """Whether programmes of a guide were found for it, invented ones apart."""
        return self.mapping not in {"", "-"} and "dummy" not in self.mapped_file.lower()


@dataclass(frozen=True, slots=True)
class Instance:
    """One Threadfin. `settings` are the plain keys; `channels` None where there was no `xepg.json`."""

    name: str
    settings: Mapping[str, object]
    files: tuple[Listed, ...]
    filters: tuple[FilterRule, ...]
    channels: tuple[Channel, ...] | None

    def text(self, key: str) -> str:
        """A setting as text, "" where it is not set."""
        return _text(self.settings.get(key))

    def number(self, key: str) -> int | None:
        """A setting as a whole number; None where it is none."""
        return _whole(self.settings.get(key))

    @property
    def device_id(self) -> str:
        """What it calls itself to Plex: its uuid, with `:<tuners>` behind it from two tuners on (hdhomerun.md 8)."""
        tuners = self.number("tuner") or 1
        uuid = self.text("uuid")
        return uuid if tuners == 1 or not uuid else f"{uuid}:{tuners}"

    def of_kind(self, *kinds: str) -> tuple[Listed, ...]:
        """Its files of some kinds."""
        return tuple(f for f in self.files if f.kind in kinds)


def read(name: str, settings: bytes, xepg: bytes | None, *, where: str) -> Instance:
    """One instance. `where` names the files in messages. Raises OperatorError for what is not Threadfin's."""
    raw = _object(settings, f"{where}: settings.json")
    if "files" not in raw and "uuid" not in raw:
        raise OperatorError(
            f"{where}: settings.json is not Threadfin's or xTeVe's: it has neither files nor a uuid",
            next_step="give the folder that holds settings.json and xepg.json (conf, or .threadfin)",
        )
    channels = None
    if xepg is not None:
        whole = _object(xepg, f"{where}: xepg.json")
        channels = tuple(_channel(v) for _, v in sorted(whole.items()) if isinstance(v, Mapping))
    return Instance(name, raw, tuple(_files(raw)), tuple(_filters(raw)), channels)


def _object(data: bytes, what: str) -> dict[str, object]:
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise OperatorError(f"{what} is not JSON", next_step="copy it again from the running tuner") from None
    if not isinstance(found, dict):
        raise OperatorError(f"{what} holds no object", next_step="copy it again from the running tuner")
    return found


def _files(raw: Mapping[str, object]) -> Iterator[Listed]:
    files = raw.get("files")
    if not isinstance(files, Mapping):
        return
    for kind in ("m3u", "hdhr", "xmltv"):
        group = files.get(kind)
        if not isinstance(group, Mapping):
            continue
        for id_, one in sorted(group.items()):
            if isinstance(one, Mapping) and (source := _text(one.get("file.source"))):
                yield Listed(
                    kind,
                    id_,
                    _text(one.get("name")),
                    source,
                    tuners=_whole(one.get("tuner")),
                    buffer=_text(one.get("buffer")),
                    proxy=bool(_text(one.get("http_proxy.ip"))),
                    origin=_text(one.get("http_headers.origin")),
                    referer=_text(one.get("http_headers.referer")),
                )


def _filters(raw: Mapping[str, object]) -> Iterator[FilterRule]:
    rules = raw.get("filter")
    if not isinstance(rules, Mapping):
        return
    for _, one in sorted(rules.items(), key=lambda r: (len(str(r[0])), str(r[0]))):
        if isinstance(one, Mapping) and (text := _as_listed(one.get("filter"))):
            yield FilterRule(
                _text(one.get("type")) or "group-title",
                text,
                case_sensitive=_flag(one.get("caseSensitive")),
                include=_words(one.get("include")),
                exclude=_words(one.get("exclude")),
                category=_text(one.get("x-category")),
            )


def _channel(one: Mapping[str, object]) -> Channel:
    guide_id = _as_listed(one.get("tvg-id"))
    # who has no name is called by its id, as by our own reader
    listed = _as_listed(one.get("name")) or _as_listed(one.get("tvg-name")) or guide_id
    backups = (_text(one.get(f"x-backup-channel-{n}")) for n in (1, 2, 3))
    return Channel(
        file=_text(one.get("_file.m3u.id")),
        number=_text(one.get("x-channelID")),
        name=_as_listed(one.get("x-name")) or _as_listed(one.get("tvg-name")) or listed,
        listed=listed,
        guide_id=guide_id,
        group=_as_listed(one.get("group-title")),
        own_group=_as_listed(one.get("x-group-title")),
        url=_text(one.get("url")),
        active=_flag(one.get("x-active")),
        hidden=_flag(one.get("x-hide-channel")),
        mapping=_text(one.get("x-mapping")),
        mapped_file=_text(one.get("x-xmltv-file")),
        backups=sum(b not in {"", "-"} for b in backups),
        category=_text(one.get("x-category")),
        live=_flag(one.get("live")),
    )


def _as_listed(value: object) -> str:
    # as our own reader of playlists has it: both programs keep entities and control characters, and rules compare
    return tidy(_text(value))


def _text(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _flag(value: object) -> bool:
    """A switch, also as text or number: files edited by hand or by a script have those."""
    return value is True or _text(value).casefold() in {"true", "1", "yes", "on"}


def _whole(value: object) -> int | None:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _words(value: object) -> tuple[str, ...]:
    return tuple(w.strip() for w in _text(value).split(",") if w.strip())
