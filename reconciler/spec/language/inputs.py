"""Credentials, sources and guides: what comes in. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import ByKind, ByNode, Key, Listed, Record, Ref
from reconciler.spec.language.words import HEADERS, NAMES, ONE_NAME, WEB
from reconciler.spec.shape import Formatted, HeaderText, Nullable, Reference, Shape, Text, Whole, Word, WordOr
from reconciler.spec.values import SIZE, WEB_OR_REFERENCE, duration

__all__ = ["CREDENTIAL", "GUIDE", "REFERENCED", "SOURCE", "STREAM"]

REFERENCED: Shape = Ref(
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
CREDENTIAL: Final = ByNode(
    "a mapping such as {username: …, password: …}, or a subscription: reference",
    scalar=Reference(),
    mapping=Record(
        "credential",
        (
            Key("username", REFERENCED, "The user name of an account.", examples=("env:IPTV_USER",)),
            Key("password", REFERENCED, "The password of an account.", examples=("env:IPTV_PASS",)),
            Key(
                "token",
                REFERENCED,
                "A token: of Plex, or for writing to `serve`.",
                examples=("env:PLEX_TOKEN",),
            ),
            Key("url", REFERENCED, "A whole get.php?username=…&password=… line.", examples=("env:IPTV_URL",)),
        ),
        some_of=("username", "password", "token", "url"),
    ),
)

STREAM: Shape = Ref(
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
                HeaderText(),
                "What to call ourselves to the provider.",
                examples=("VLC/3.0.20 LibVLC/3.0.20",),
            ),
            Key("headers", HEADERS, "Further request headers; secret ones are references."),
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
SOURCE: Final = ByKind(
    "kind",
    {
        "xtream": Record(
            "xtream source",
            (
                Key("kind", Word("xtream"), "An account at an Xtream panel.", required=True),
                Key(
                    "hosts",
                    Listed(WEB, least=1),
                    "The panel's addresses; the first that works wins, all stay as alternatives.",
                    needed=True,
                    examples=(["http://tv1.example.net:8080"],),
                ),
                Key("credentials", NAMES, "Names of credentials; a list pools accounts.", required=True),
                Key(
                    "order",
                    Listed(Word("player_api", "get_php"), least=1),
                    "Which interface to try first.",
                    default=["player_api", "get_php"],
                ),
                _content,
                _connections,
                Key("stream", STREAM, "How streams are fetched."),
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
                Key(
                    "credentials",
                    NAMES,
                    "Names of credentials: for the placeholders of `url`, and to keep an account out of all files "
                    "that stands in the addresses of the list.",
                ),
                Key("headers", HEADERS, "Request headers; secret ones are references."),
                _content,
                _connections,
                Key("stream", STREAM, "How streams are fetched."),
                _max_age,
            ),
            one_of=("path", "url"),
            hide=("kind",),
        ),
    },
)
GUIDE: Final = Record(
    "guide",
    (
        Key("source", ONE_NAME, "The guide that comes with this source."),
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
        Key("headers", HEADERS, "Request headers; secret ones are references."),
        _max_age,
    ),
    one_of=("source", "url", "path"),
    doc="An XMLTV guide. The order of guides is their priority per channel.",
)
