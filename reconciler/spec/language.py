"""The language of the spec as one table: every key, its form, its default, what it is for.

The walker checks with it, the JSON Schema is printed from it, an editor shows its sentences. Whoever adds a key adds
it here, then in `spec.model` and `spec.build`. What depends on more than one value is in `spec.checks`. This module
refuses to contain any logic.
"""

from typing import Final

from reconciler.spec.containers import ByKind, ByNode, Key, Listed, Named, Record, Ref
from reconciler.spec.shape import (
    Flag,
    Formatted,
    HeaderValue,
    Nullable,
    Reference,
    Shape,
    Text,
    Whole,
    Word,
    WordOr,
)
from reconciler.spec.values import (
    CHANNEL,
    DEVICE_PATH,
    GUIDE_LOCATION,
    LISTEN,
    NAME,
    NETWORK,
    POOL,
    SHARE,
    SIZE,
    WEB_ADDRESS,
    WEB_OR_REFERENCE,
    day,
    duration,
    number_range,
    permission,
)

__all__ = ["FIELDS", "LARGEST_LIMIT", "SPEC"]

LARGEST_LIMIT: Final = 480
"""Channels of one DVR: Plex stops activating more (plex-livetv.md 7.1)."""

FIELDS: Final = (
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
)

_name: Final = Formatted(NAME)
_names: Final = Listed(_name, single=True)
_web: Final = Formatted(WEB_ADDRESS)
_headers: Final = Named(HeaderValue(), noun="header", key=None)

# --- matchers ------------------------------------------------------------------------------------------------

_texts: Final = Listed(Text(), least=1)
_operators: Final = Record(
    "condition",
    (
        Key("is", Text(), "Equal to this text, case and all."),
        Key("in", _texts, "Equal to one of these texts, case and all."),
        Key("contains", Text(), "Holds this text somewhere, whatever the case."),
        Key(
            "words",
            Listed(Text(), least=1, single=True),
            "Holds one of these as a whole word, whatever the case.",
        ),
        Key("regex", Text("a regular expression"), "Found somewhere by this regular expression (Python)."),
        Key("exists", Flag(), "Has a value at all, or has none."),
    ),
    one_of=("is", "in", "contains", "words", "regex", "exists"),
)
_condition: Shape = Ref(
    "condition",
    lambda: ByNode(
        "a glob, a list of conditions or a mapping such as {regex: …}",
        scalar=Text("a glob"),
        sequence=Listed(_condition, least=1),
        mapping=_operators,
    ),
)


def _closed(*words: str) -> Shape:
    """A field with few values: a misspelt word would silently match nothing."""
    return ByNode(
        f"{Word(*words).what}, or a list of them",
        scalar=Word(*words),
        sequence=Listed(Word(*words), least=1),
        mapping=_operators,
    )


_matcher: Shape = Ref(
    "matcher",
    lambda: Record(
        "matcher",
        (
            Key("name", _condition, "The channel's name.", examples=("BBC *",)),
            Key(
                "group",
                _condition,
                "The provider's group (group-title, category).",
                examples=("US| Locals*",),
            ),
            Key("guide_id", _condition, "The guide id (tvg-id, epg_channel_id)."),
            Key("source", _condition, "The name of the source."),
            Key("kind", _closed("live", "vod", "series"), "What it is."),
            Key("number", _condition, "The provider's own number."),
            Key("quality", _condition, "sd, hd, fhd or uhd, as the name says."),
            Key("country", _condition, "The country the provider names."),
            Key("language", _condition, "The language the provider names."),
            Key("radio", ByNode("true or false", scalar=Flag()), "Whether it is radio."),
            Key(
                "guide",
                _closed("any", "id", "listed"),
                "any; id: has a guide id; listed: the id is in a guide, with programmes behind it.",
            ),
            Key("url_host", _condition, "The host of the stream's address."),
            Key("any", Listed(_matcher, least=1), "At least one of these matchers."),
            Key("all", Listed(_matcher, least=1), "All of these matchers."),
            Key("not", _matcher, "Not this matcher."),
        ),
        doc="Fields are combined with `all`. An empty mapping matches everything.",
    ),
)

# --- credentials ---------------------------------------------------------------------------------------------

_reference: Shape = Ref(
    "reference",
    lambda: ByNode(
        Reference.what,
        scalar=Reference(),
        mapping=Record(
            "command",
            (
                Key(
                    "exec",
                    Listed(Text(), noun="argument", least=1),
                    "A command that prints the secret; run only with --allow-exec.",
                    required=True,
                    examples=(["op", "read", "op://home/iptv/password"],),
                ),
            ),
        ),
    ),
)
_credential: Final = ByNode(
    "a mapping such as {username: …, password: …}, or a subscription: reference",
    scalar=Reference(),
    mapping=Record(
        "credential",
        (
            Key("username", _reference, "The user name of an account.", examples=("env:IPTV_USER",)),
            Key("password", _reference, "The password of an account.", examples=("env:IPTV_PASS",)),
            Key(
                "token",
                Reference(),
                "A token: of Plex, or for writing to `serve`.",
                examples=("env:PLEX_TOKEN",),
            ),
            Key("url", _reference, "A whole get.php?username=…&password=… line.", examples=("env:IPTV_URL",)),
        ),
        some_of=("username", "password", "token", "url"),
    ),
)

# --- sources and guides --------------------------------------------------------------------------------------

_stream: Shape = Ref(
    "stream",
    lambda: Record(
        '"stream"',
        (
            Key("format", Word("hls", "ts"), "Which format to ask the provider for.", default="hls"),
            Key(
                "host",
                Word("prefer-direct", "as-listed"),
                "Which host streams come from: one not behind a proxy network first, or as listed.",
                default="prefer-direct",
            ),
            Key("pin", Nullable(Text("a host")), "One host to stream from."),
            Key(
                "pin_mode",
                Word("prefer", "strict"),
                "Whether other hosts may stand in for it.",
                default="prefer",
            ),
            Key(
                "cloudflare",
                Word("allow", "drop"),
                "Whether hosts behind Cloudflare may be used.",
                default="allow",
            ),
            Key(
                "user_agent",
                Text(),
                "What to call ourselves to the provider.",
                examples=("VLC/3.0.20 LibVLC/3.0.20",),
            ),
            Key("headers", _headers, "Further request headers; secret ones are references."),
            Key(
                "profile",
                Word("copy", "remux", "salvage"),
                "copy: bytes as they come; remux: through ffmpeg; salvage: first video only, error tolerant.",
                default="copy",
            ),
            Key("buffer", Formatted(SIZE), "The shared buffer of one channel.", examples=("512KiB",)),
            Key(
                "first_byte",
                Formatted(duration("s", least_s=0.1, most_s=60)),
                "How long to wait for the first byte.",
                default="3s",
            ),
            Key(
                "connect",
                Formatted(duration("s", least_s=0.1, most_s=60)),
                "How long to wait for a connection.",
                default="2s",
            ),
        ),
        doc="How streams are fetched. What a DVR says wins over what the source says.",
    ),
)
_max_age: Final = Key(
    "max_age",
    Formatted(duration("h", least_s=60)),
    "How long the last good fetch may stand in.",
    default="24h",
)
_content: Final = Key(
    "content",
    Listed(Word("live", "vod", "series"), least=1),
    "What to catalogue; vod and series are exported as M3U and never put in a DVR.",
    default=["live"],
)
_connections: Final = Key(
    "connections",
    WordOr("auto", Whole(1, 1000)),
    "How many streams the account allows at once; auto asks the panel.",
    default="auto",
)
_source: Final = ByKind(
    "kind",
    {
        "xtream": Record(
            "xtream source",
            (
                Key("kind", Word("xtream"), "An account at an Xtream panel.", required=True),
                Key(
                    "hosts",
                    Listed(_web, least=1),
                    "The panel's addresses; the first that works wins, all stay as alternatives.",
                    needed=True,
                    examples=(["http://tv1.example.net:8080"],),
                ),
                Key("credentials", _names, "Names of credentials; a list pools accounts.", required=True),
                Key(
                    "order",
                    Listed(Word("player_api", "get_php"), least=1),
                    "Which interface to try first.",
                    default=["player_api", "get_php"],
                ),
                _content,
                _connections,
                Key("stream", _stream, "How streams are fetched."),
                _max_age,
            ),
            hide=("kind",),
        ),
        "m3u": Record(
            "m3u source",
            (
                Key("kind", Word("m3u"), "A playlist.", required=True),
                Key(
                    "path", Text("a path"), "A playlist file, relative to the spec.", examples=("locals.m3u",)
                ),
                Key(
                    "url",
                    Formatted(WEB_OR_REFERENCE),
                    "The address of a playlist (also .gz), or a reference to it. {username} and {password} in it "
                    "are filled in from `credentials`.",
                    examples=("https://example.net/list.m3u.gz",),
                ),
                Key("credentials", _names, "Names of credentials for the placeholders of `url`."),
                Key("headers", _headers, "Request headers; secret ones are references."),
                _content,
                _connections,
                Key("stream", _stream, "How streams are fetched."),
                _max_age,
            ),
            one_of=("path", "url"),
            hide=("kind",),
        ),
    },
)
_guide: Final = Record(
    "guide",
    (
        Key("source", _name, "The guide that comes with this source."),
        Key(
            "url",
            Formatted(WEB_OR_REFERENCE),
            "The address of an XMLTV file (also .gz), or a reference to it.",
        ),
        Key("path", Text("a path"), "An XMLTV file, relative to the spec."),
        Key(
            "shift",
            Formatted(duration("h", most_s=86400.0, signed=True)),
            "Added to all times of the guide.",
            default="0h",
            examples=("-1h",),
        ),
        Key(
            "match",
            Listed(Word("id", "id-normalised", "name", "fuzzy"), least=1),
            "By what channels are matched: id, id-normalised, name (exact after normalising, unique only), fuzzy.",
            default=["id"],
        ),
        Key("headers", _headers, "Request headers; secret ones are references."),
        _max_age,
    ),
    one_of=("source", "url", "path"),
    doc="An XMLTV guide. The order of guides is their priority per channel.",
)

# --- filters and buckets -------------------------------------------------------------------------------------

_filter: Final = Record(
    "filter",
    (
        Key("name", Text("a name"), "What reports call it."),
        Key("for", _names, "Only these buckets; applied after bucketing."),
        Key("drop", _matcher, "Leave out what matches."),
        Key("only", _matcher, "Keep only what matches."),
        Key(
            "rename",
            Record(
                '"rename"',
                (
                    Key("field", Word("name", "group"), "Which field.", required=True),
                    Key("regex", Text("a regular expression"), "What to replace (Python).", required=True),
                    Key("to", Text(blank=True), r"By what; \1 is the first group.", required=True),
                ),
            ),
            "Replace a part of a field.",
        ),
        Key(
            "set",
            Record(
                '"set"',
                (
                    Key("when", _matcher, "Where to set them.", required=True),
                    Key("name", Text(), "A new name."),
                    Key("group", Text(), "A new group."),
                    Key("guide_id", Text(), "A new guide id."),
                    Key("logo", Text(), "A new logo address."),
                    Key("country", Text(), "A new country."),
                    Key("language", Text(), "A new language."),
                    Key("quality", Text(), "A new quality."),
                ),
                some_of=("name", "group", "guide_id", "logo", "country", "language", "quality"),
            ),
            "Give fields new values.",
        ),
        Key(
            "merge",
            Record(
                '"merge"',
                (
                    Key(
                        "by",
                        Listed(Word("guide_id", "name", "number", "group"), least=1),
                        "Entries equal in all of these become one channel.",
                        required=True,
                    ),
                    Key(
                        "prefer",
                        Listed(_matcher),
                        "Which duplicate comes first; the others stay as alternatives.",
                    ),
                ),
            ),
            "Make duplicates into ordered alternatives.",
        ),
    ),
    one_of=("drop", "only", "rename", "set", "merge"),
)
_bucket: Final = Record(
    "bucket",
    (
        Key("name", _name, "What DVRs and overflow call it.", required=True),
        Key("match", _matcher, "What goes in; left out: only what overflows into it."),
        Key(
            "sort",
            Listed(
                ByNode(
                    "a field, or a matcher for what comes first",
                    scalar=Word("name", "group", "number", "quality", "guide_id"),
                    mapping=_matcher,
                )
            ),
            "The order of newcomers.",
        ),
        Key(
            "overflow",
            _name,
            "What happens when it is full: fail, drop, split, or the name of a later bucket.",
            default="fail",
        ),
        Key("minimum", Whole(0, 100_000), "Fewer channels than this block changes (S103).", default=0),
    ),
)

# --- DVRs ----------------------------------------------------------------------------------------------------

_numbers: Final = number_range("channel numbers", 99_999, "1000-1599")
_ports: Final = number_range("ports", 65_535, "5005-5030")
_port: Final = Whole(1, 65_535)
_dvr: Final = Record(
    "dvr",
    (
        Key("bucket", _name, "Which bucket fills it; the bucket of its own name if left out."),
        Key(
            "numbers",
            Formatted(_numbers),
            "Its channel numbers; left out: the next free block of 600 from 1000.",
        ),
        Key("tuners", Whole(1, 32), "How many streams it gives at once.", default=2),
        Key("port", _port, "Its port; left out: the next free one of `serve.ports`."),
        Key("title", Text(), "What Plex calls it; fixed when the DVR is created."),
        Key(
            "limit",
            # Larger numbers pass the walk, so that V150 can say what to do instead.
            Whole(1, 999_999, advised=LARGEST_LIMIT),
            "How many channels it may hold.",
            default=LARGEST_LIMIT,
        ),
        Key("protect", Flag(), "Never delete, replace or disown it."),
        Key("scan_possible", Flag(), "Whether Plex offers to scan for channels.", default=False),
        Key(
            "guide",
            Record(
                '"guide"',
                (
                    Key("days", Whole(1, 14), "How many days ahead.", default=7),
                    Key(
                        "prune",
                        Nullable(
                            Record(
                                '"prune"',
                                (
                                    Key(
                                        "empty_for",
                                        Formatted(duration("d", least_s=3600)),
                                        "Without programmes for so long.",
                                        default="3d",
                                    ),
                                    Key(
                                        "runs",
                                        Whole(1, 100),
                                        "And seen so in so many good guides.",
                                        default=3,
                                    ),
                                    Key(
                                        "unavailable",
                                        Listed(Text("a glob")),
                                        "Titles that count as no programme.",
                                        examples=(["No Data*", "Off Air*"],),
                                    ),
                                    Key(
                                        "scope",
                                        Word("guide", "lineup"),
                                        "guide: without programmes and switched off; lineup: taken out everywhere.",
                                        default="guide",
                                    ),
                                ),
                            )
                        ),
                        "When a channel without programmes is taken out; null: never.",
                    ),
                    Key(
                        "filler",
                        Nullable(Formatted(duration("h", least_s=300, most_s=86400.0))),
                        "Length of placeholder programmes where there are none; null: none.",
                    ),
                ),
            ),
            "What its guide holds.",
        ),
        Key("stream", _stream, "How its streams are fetched; wins over the source."),
        Key("device_id", Text(), "The DeviceID of an adopted tuner."),
        Key("also", Listed(Text()), "Further addresses an adopted tuner answers at."),
        Key("guide_path", Formatted(DEVICE_PATH), "The guide's path of an adopted tuner."),
    ),
    doc="One HDHomeRun device and one Plex DVR.",
)

# --- channels by hand, history -------------------------------------------------------------------------------

_override: Final = Record(
    "override",
    (
        Key("channel", Formatted(CHANNEL), "Which channel.", required=True, examples=("main/40177",)),
        Key("drop", Flag(), "Leave it out."),
        Key("name", Text(), "Its name."),
        Key("number", Whole(1, 99_999), "Its number."),
        Key("guide_id", Text(), "Its id in the guide."),
        Key("logo", Text(), "The address of its logo."),
        Key("group", Text(), "Its group."),
    ),
    some_of=("drop", "name", "number", "guide_id", "logo", "group"),
)
_moved: Final = Record(
    "move",
    (
        Key("dvr", _name, "The old name of a DVR."),
        Key("source", _name, "The old name of a source."),
        Key("to", _name, "The new name.", required=True),
        Key(
            "match",
            Listed(Word("guide_id", "name"), least=1),
            "By what channels of a source are paired; unique pairs only.",
        ),
    ),
    one_of=("dvr", "source"),
)
_removed: Final = Record(
    "removal",
    (
        Key("dvr", _name, "The DVR to let go.", required=True),
        Key("keep", Flag(), "Leave it in Plex as it is.", default=False),
    ),
)
_approval: Final = Record(
    "approval",
    (
        Key("allow", Formatted(permission), "The same word as --allow.", required=True),
        Key("until", Formatted(day), "Its last day, at most 7 days ahead.", required=True),
        Key("why", Text(), "Why."),
    ),
)

# --- probes, Plex, serve -------------------------------------------------------------------------------------

_probes: Final = Record(
    '"probes"',
    (
        Key("mode", Word("off", "smoke", "deep"), "off; smoke: first bytes; deep: ffprobe.", default="off"),
        Key("every", Formatted(duration("h", least_s=60)), "How often.", default="24h"),
        Key("concurrency", Whole(1, 64), "How many at once.", default=2),
        Key("expire", Formatted(duration("d", least_s=60)), "How long a result counts.", default="7d"),
        Key(
            "breaker",
            Formatted(SHARE),
            "More failures than this mean an outage: nothing is dropped.",
            default="30%",
        ),
        Key("budget", Formatted(duration("m", least_s=1)), "How long a round may take.", default="10m"),
        Key(
            "blacklist", Listed(Text("a path"), single=True), "Files of channels that are known to be broken."
        ),
    ),
)
_plex: Final = Record(
    '"plex"',
    (
        Key("url", _web, "Plex's address.", required=True, examples=("http://plex:32400",)),
        Key("credentials", _name, "The credential with its token.", required=True),
        Key("guide_loads", Whole(1, 20), "At most so many guide loads at once.", default=3),
        Key("pace", Formatted(duration("s", most_s=3600)), "Between writes.", default="2s"),
        Key(
            "poll",
            Formatted(duration("s", least_s=0.1, most_s=3600)),
            "Between looks at a load.",
            default="10s",
        ),
        Key(
            "guide_location",
            Formatted(GUIDE_LOCATION),
            "http, or file: and a path Plex can read: then addresses may change without replacing DVRs.",
            default="http",
        ),
        Key(
            "database",
            Record(
                '"database"',
                (
                    Key("path", Text("a path"), "Plex's data directory.", required=True),
                    Key("use", Word("never", "fallback"), "Whether it may be used.", default="never"),
                ),
            ),
            "Plex's database, for when its API is away.",
        ),
    ),
)
_serve: Final = Record(
    '"serve"',
    (
        Key("listen", Formatted(LISTEN), "Where the hub listens.", default="0.0.0.0:5004"),
        Key(
            "advertise",
            ByNode(
                "an address, or a mapping {plex: …, viewers: …}",
                scalar=_web,
                mapping=Record(
                    '"advertise"',
                    (
                        Key(
                            "plex",
                            _web,
                            "The address Plex uses.",
                            required=True,
                            examples=("http://ptctl:5004",),
                        ),
                        Key("viewers", _web, "The address in M3U files and pages; the same if left out."),
                    ),
                ),
            ),
            "The address others use; never taken from a request.",
        ),
        Key("also", Listed(Formatted(LISTEN)), "Further addresses to listen on.", default=[]),
        Key(
            "layout", Word("ports", "path"), "One port per DVR, or everything under /<dvr>/.", default="ports"
        ),
        Key("ports", Formatted(_ports), "Where DVRs without a port get one.", default="5005-5030"),
        Key(
            "discovery", Word("none", "udp", "udp+ssdp"), "How tuners make themselves known.", default="none"
        ),
        Key("url_tvg", Word("off", "url-tvg", "both"), "Where playlists name their guide.", default="both"),
        Key(
            "access",
            Record(
                '"access"',
                (
                    Key("admin", _name, "The credential whose token allows writing requests."),
                    Key(
                        "allow", Listed(Formatted(NETWORK)), "Who may ask; all private networks if left out."
                    ),
                ),
            ),
            "Who may do what.",
        ),
        Key(
            "refresh",
            Record(
                '"refresh"',
                (
                    Key(
                        "every",
                        Formatted(duration("h", least_s=60)),
                        "How often sources are fetched.",
                        default="6h",
                    ),
                    Key("jitter", Formatted(duration("m")), "A random delay up to this.", default="20m"),
                ),
            ),
            "When sources are fetched. Under an hour, providers take it for abuse.",
        ),
        Key(
            "guide_reload",
            Formatted(duration("h", least_s=60)),
            "A DVR whose guide only moved on is reloaded at most so often.",
            default="12h",
        ),
        Key(
            "reconcile",
            Word("off", "plan", "content", "apply"),
            "What the loop does in Plex: nothing, report drift, loads and maps of our DVRs, everything allowed.",
            default="content",
        ),
        Key(
            "drain",
            Formatted(duration("s", most_s=3600)),
            "How long viewers may finish at the end.",
            default="30s",
        ),
        Key("pool", Formatted(POOL), "Where account budgets are kept.", default="local"),
    ),
)
_notify: Final = Record(
    "notification",
    (
        Key(
            "url",
            Reference(),
            "A reference to the address to send to.",
            required=True,
            examples=("env:NTFY_URL",),
        ),
        Key(
            "on",
            Listed(Word("blocked", "stale", "failed", "drift", "recovered"), least=1),
            "What to send; everything if left out.",
        ),
    ),
)
_safety: Final = Record(
    '"safety"',
    (
        Key("shrink", Formatted(SHARE), "How much of a DVR may vanish at once (S101).", default="30%"),
        Key("total_shrink", Formatted(SHARE), "How much of all DVRs together (S103).", default="20%"),
        Key("minimum", Whole(0, 100_000), "DVRs smaller than this may shrink freely.", default=10),
    ),
)


class _Version(Whole):
    """The one version there is; another one is not a wrong type but another program."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.what = "1"


SPEC: Final = Record(
    "the spec",
    (
        Key("version", _Version(), "The version of the language.", required=True),
        Key(
            "name",
            _name,
            "The identity of this installation: scopes DeviceIDs and the ledger.",
            required=True,
        ),
        Key(
            "include",
            Listed(Text("a path or a glob"), single=True),
            "Further files, sorted.",
            examples=(["filters/*.yaml"],),
        ),
        Key("credentials", Named(_credential, noun="credential"), "References to secrets, never secrets."),
        Key("sources", Named(_source, noun="source", least=1), "Where channels come from.", required=True),
        Key("guides", Named(_guide, noun="guide"), "XMLTV guides; their order is their priority."),
        Key("filters", Listed(_filter, noun="filter"), "Applied in order over the merged catalogue."),
        Key(
            "buckets",
            Listed(_bucket, noun="bucket", least=1),
            "In order; the first match wins.",
            required=True,
        ),
        Key("dvrs", Named(_dvr, noun="dvr"), "One HDHomeRun device and one Plex DVR each."),
        Key(
            "overrides", Listed(_override, noun="override"), "One channel at a time; wins over the provider."
        ),
        Key("moved", Listed(_moved, noun="move"), "Renames that keep device, numbers and map."),
        Key("removed", Listed(_removed, noun="removal"), "DVRs to let go."),
        Key("approvals", Listed(_approval, noun="approval"), "Permissions in writing, spent on use."),
        Key("probes", _probes, "Whether streams are tried before they are published."),
        Key("plex", _plex, "The Plex server; left out: artifacts and tuners only."),
        Key("serve", _serve, "The one serving process."),
        Key("notify", Listed(_notify, noun="notification"), "Where to send word."),
        Key("safety", _safety, "Limits of what may change without being asked."),
        Key(
            "state",
            Text("a path"),
            "The state directory, beside the spec; $PTCTL_STATE wins.",
            default=".ptctl",
        ),
    ),
    doc="Live TV for Plex as code.",
)
