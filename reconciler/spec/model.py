"""The spec as frozen values: what `design.md` 2 promises, after shape and meaning were checked.

Durations are seconds, sizes bytes, shares fractions of 1. Nothing here can be wrong any more: `spec.shape` and
`spec.checks` refuse what does not fit. Named things carry `at`, the place in the file they came from, which plays
no part in comparisons. One noun for each part of the language and nothing else: apart they would only import each
other, which is why this module is longer than others. It refuses to read text and to hold a secret value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final, Literal

from reconciler.diagnostics import Span
from reconciler.secret import SecretRef

__all__ = [
    "ALL_PRIVATE",
    "Access",
    "Advertise",
    "AllOf",
    "AnyOf",
    "Approval",
    "Bucket",
    "Condition",
    "Contains",
    "Credentials",
    "Database",
    "Drop",
    "Dvr",
    "Exists",
    "FieldIs",
    "FieldName",
    "Filter",
    "FilterAction",
    "Glob",
    "Guide",
    "GuideOptions",
    "In",
    "Is",
    "Matcher",
    "Merge",
    "Moved",
    "Nothing",
    "Notify",
    "OneOf",
    "Only",
    "Override",
    "Plex",
    "Prefer",
    "Probes",
    "Prune",
    "Regex",
    "Removed",
    "Rename",
    "Safety",
    "Serve",
    "SetFields",
    "SortKey",
    "Source",
    "Spec",
    "StreamOptions",
    "Words",
]

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0

# --- matchers ------------------------------------------------------------------------------------------------

FieldName = Literal[
    "name",
    "group",
    "guide_id",
    "source",
    "kind",
    "number",
    "quality",
    "country",
    "language",
    "radio",
    "guide",
    "url_host",
]


@dataclass(frozen=True, slots=True)
class Glob:
    """A case-insensitive glob (`*`, `?`, `[…]`) over the whole field."""

    text: str


@dataclass(frozen=True, slots=True)
class Is:
    """Equal to the text, case and all."""

    text: str


@dataclass(frozen=True, slots=True)
class In:
    """Equal to one of the texts, case and all."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    """Holds the text somewhere, whatever the case."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """Holds one of the words as a whole word, whatever the case: `ABC` is in `US: ABC 7 HD`, not in `ABCD`."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Regex:
    """Found by `re.search`. `spec.checks` has compiled it once, so it compiles."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Exists:
    """Has a value at all (or, False, has none)."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of the conditions."""

    conditions: tuple["Condition", ...]


Condition = Glob | Is | In | Contains | Words | Regex | Exists | OneOf


@dataclass(frozen=True, slots=True)
class FieldIs:
    """One field meets one condition."""

    field: FieldName
    condition: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the matchers; of none, everything matches (the catch-all `{}`)."""

    matchers: tuple["Matcher", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the matchers."""

    matchers: tuple["Matcher", ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """Not the matcher (`not:` in the spec)."""

    matcher: "Matcher"


Matcher = FieldIs | AllOf | AnyOf | Nothing

# --- credentials, sources, guides ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """References under one name. `url` is a whole `get.php?…` line; `subscription` covers user and password."""

    name: str
    username: SecretRef | None = None
    password: SecretRef | None = None
    token: SecretRef | None = None
    url: SecretRef | None = None
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How streams of a source or a DVR are fetched. None means "not said here": the DVR's word wins over the source's."""

    format: Literal["hls", "ts"] | None = None
    host: Literal["prefer-direct", "as-listed"] | None = None
    pin: str | None = None
    pin_mode: Literal["prefer", "strict"] | None = None
    cloudflare: Literal["allow", "drop"] | None = None
    user_agent: str | None = None
    headers: tuple[tuple[str, str | SecretRef], ...] = ()
    profile: Literal["copy", "remux", "salvage"] | None = None
    buffer_bytes: int | None = None
    first_byte_s: float | None = None
    connect_s: float | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One provider list. `hosts` for Xtream; `path` (absolute) or `url` for M3U."""

    name: str
    kind: Literal["xtream", "m3u"]
    hosts: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()
    order: tuple[Literal["player_api", "get_php"], ...] = ("player_api", "get_php")
    content: tuple[Literal["live", "vod", "series"], ...] = ("live",)
    connections: int | Literal["auto"] = "auto"
    stream: StreamOptions = StreamOptions()
    max_age_s: float = DAY
    path: str = ""
    url: str = ""
    headers: tuple[tuple[str, str | SecretRef], ...] = ()
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Guide:
    """One XMLTV guide: of a source (its `xmltv.php` or the M3U's `url-tvg`), a URL, or a file."""

    name: str
    source: str = ""
    url: str = ""
    path: str = ""
    shift_s: float = 0.0
    match: tuple[Literal["id", "id-normalised", "name", "fuzzy"], ...] = ("id",)
    headers: tuple[tuple[str, str | SecretRef], ...] = ()
    max_age_s: float = DAY
    at: Span | None = field(default=None, compare=False)


# --- filters -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave out what matches."""

    match: Matcher


@dataclass(frozen=True, slots=True)
class Only:
    """Keep only what matches. `guide: id` has a guide id, `guide: listed` has one that a guide lists."""

    match: Matcher


@dataclass(frozen=True, slots=True)
class Rename:
    """Replace what the pattern finds in one field (`name` or `group`)."""

    field: Literal["name", "group"]
    regex: str
    to: str


@dataclass(frozen=True, slots=True)
class SetFields:
    """Give fields new values where the matcher holds."""

    when: Matcher
    values: tuple[
        tuple[Literal["name", "group", "guide_id", "logo", "country", "language", "quality"], str], ...
    ]


@dataclass(frozen=True, slots=True)
class Prefer:
    """One wish about order among duplicates: those that match come first."""

    match: Matcher


@dataclass(frozen=True, slots=True)
class Merge:
    """Entries equal in all `by` fields (none of them empty) become one channel with ordered alternatives."""

    by: tuple[Literal["guide_id", "name", "number", "group"], ...]
    prefer: tuple[Prefer, ...] = ()


FilterAction = Drop | Only | Rename | SetFields | Merge


@dataclass(frozen=True, slots=True)
class Filter:
    """One step. With `buckets` it is applied after bucketing, to those buckets alone (`for:` in the spec)."""

    name: str
    action: FilterAction
    buckets: tuple[str, ...] = ()
    at: Span | None = field(default=None, compare=False)


# --- buckets and DVRs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SortKey:
    """A sort step: matching entries first (`match`), or by a field's folded text (`field`)."""

    match: Matcher | None = None
    field: Literal["name", "group", "number", "quality", "guide_id"] | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Channels by rule. `match` None: reached by overflow only. `overflow` names a later bucket or a policy."""

    name: str
    match: Matcher | None = None
    sort: tuple[SortKey, ...] = ()
    overflow: str = "fail"
    minimum: int = 0
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Prune:
    """When a channel without programmes is taken out (design.md 5, "Guide window")."""

    empty_for_s: float = 3 * DAY
    runs: int = 3
    unavailable: tuple[str, ...] = ()
    scope: Literal["guide", "lineup"] = "guide"


@dataclass(frozen=True, slots=True)
class GuideOptions:
    """What the DVR's guide holds. `filler_s`: length of placeholder programmes for channels without any; None: none."""

    days: int = 7
    prune: Prune | None = None
    filler_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dvr:
    """One HDHomeRun device and one Plex DVR. `numbers` is an inclusive range; None: the next free block."""

    name: str
    bucket: str
    numbers: tuple[int, int] | None = None
    tuners: int = 2
    port: int | None = None
    title: str | None = None
    limit: int = 480
    protect: bool | None = None
    scan_possible: bool = False
    guide: GuideOptions = GuideOptions()
    stream: StreamOptions = StreamOptions()
    device_id: str | None = None
    also: tuple[str, ...] = ()
    guide_path: str | None = None
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Override:
    """One channel told by hand; the spec wins over the provider."""

    channel: str
    drop: bool = False
    name: str | None = None
    number: int | None = None
    guide_id: str | None = None
    logo: str | None = None
    group: str | None = None
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Moved:
    """A rename: of a DVR, or of a source whose stream ids changed (`match` says by what they are paired)."""

    kind: Literal["dvr", "source"]
    old: str
    new: str
    match: tuple[Literal["guide_id", "name"], ...] = ()
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Removed:
    """A DVR let go. `keep`: out of the ledger, left in Plex as it is; else deleting it is intended."""

    dvr: str
    keep: bool = False
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Approval:
    """A written permission: the same word as `--allow`, until a day, spent on use."""

    allow: str
    until: date
    why: str = ""
    at: Span | None = field(default=None, compare=False)


# --- probes, Plex, serve, notify, safety ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probes:
    """Whether streams are tried before they are published."""

    mode: Literal["off", "smoke", "deep"] = "off"
    every_s: float = DAY
    concurrency: int = 2
    expire_s: float = 7 * DAY
    breaker: float = 0.3
    budget_s: float = 600.0
    blacklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """Plex's data directory and whether it may be used when the API is away."""

    path: str = ""
    use: Literal["never", "fallback"] = "never"


@dataclass(frozen=True, slots=True)
class Plex:
    """The server to converge, and how gently."""

    url: str
    credentials: str
    guide_loads: int = 3
    pace_s: float = 2.0
    poll_s: float = 10.0
    guide_location: str = "http"
    database: Database = Database()
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Advertise:
    """The addresses others use: `plex` for tuners and guide in Plex, `viewers` in M3U files and pages. No trailing slash."""

    plex: str
    viewers: str


ALL_PRIVATE: Final = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask: networks, and the credential whose token allows writing requests."""

    admin: str = ""
    allow: tuple[str, ...] = ALL_PRIVATE


@dataclass(frozen=True, slots=True)
class Serve:
    """The one serving process."""

    listen: tuple[str, int] = ("0.0.0.0", 5004)  # noqa: S104 - design.md 2: tuners are for the home's network
    advertise: Advertise | None = None
    also: tuple[str, ...] = ()
    layout: Literal["ports", "path"] = "ports"
    ports: tuple[int, int] = (5005, 5030)
    discovery: Literal["none", "udp", "udp+ssdp"] = "none"
    url_tvg: Literal["off", "url-tvg", "both"] = "both"
    access: Access = Access()
    refresh_every_s: float = 6 * HOUR
    refresh_jitter_s: float = 20 * MINUTE
    guide_reload_s: float = 12 * HOUR
    reconcile: Literal["off", "plan", "content", "apply"] = "content"
    drain_s: float = 30.0
    pool: str | SecretRef = "local"
    """`local`, the address of a Redis or Valkey without credentials, or where such an address with them is kept."""
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Notify:
    """Where to send word of what. The URL is a reference because such URLs are secrets."""

    url: SecretRef
    on: tuple[Literal["blocked", "stale", "failed", "drift", "recovered"], ...]
    at: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Safety:
    """Thresholds of S101 and S103 (fractions of 1) and the size below which S101 is silent."""

    shrink: float = 0.30
    total_shrink: float = 0.20
    minimum: int = 10


def _no_credentials() -> Mapping[str, Credentials]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything there should be. Mappings and tuples keep the order of the file.

    `digest` is the SHA-256 (hex) of the checked content, comments and layout apart; `files` are the files read, the
    main one first; `state` is the absolute state directory; `base` the directory relative paths were resolved against.
    """

    name: str
    sources: Mapping[str, Source]
    guides: Mapping[str, Guide]
    filters: tuple[Filter, ...]
    buckets: tuple[Bucket, ...]
    dvrs: Mapping[str, Dvr]
    credentials: Mapping[str, Credentials] = field(default_factory=_no_credentials)
    overrides: tuple[Override, ...] = ()
    moved: tuple[Moved, ...] = ()
    removed: tuple[Removed, ...] = ()
    approvals: tuple[Approval, ...] = ()
    probes: Probes = Probes()
    plex: Plex | None = None
    serve: Serve = Serve()
    notify: tuple[Notify, ...] = ()
    safety: Safety = Safety()
    state: str = ""
    base: str = ""
    files: tuple[str, ...] = ()
    digest: str = ""
