"""Probes, Plex, serving, notifications, safety: how it is run. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import ByNode, Key, Listed, Record
from reconciler.spec.language.inputs import REFERENCED
from reconciler.spec.language.words import ONE_NAME, WEB
from reconciler.spec.shape import Formatted, Text, Whole, Word
from reconciler.spec.values import GUIDE_LOCATION, LISTEN, NETWORK, POOL, SHARE, duration, number_range

__all__ = ["NOTIFY", "PLEX", "PROBES", "SAFETY", "SERVE"]

PROBES: Final = Record(
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
PLEX: Final = Record(
    '"plex"',
    (
        Key("url", WEB, "Plex's address.", required=True, examples=("http://plex:32400",)),
        Key("credentials", ONE_NAME, "The credential with its token.", required=True),
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
SERVE: Final = Record(
    '"serve"',
    (
        Key("listen", Formatted(LISTEN), "Where the hub listens.", default="0.0.0.0:5004"),
        Key(
            "advertise",
            ByNode(
                "an address, or a mapping {plex: …, viewers: …}",
                scalar=WEB,
                mapping=Record(
                    '"advertise"',
                    (
                        Key(
                            "plex",
                            WEB,
                            "The address Plex uses.",
                            required=True,
                            examples=("http://ptctl:5004",),
                        ),
                        Key("viewers", WEB, "The address in M3U files and pages; the same if left out."),
                    ),
                ),
            ),
            "The address others use; never taken from a request.",
        ),
        Key("also", Listed(Formatted(LISTEN)), "Further addresses to listen on.", default=[]),
        Key(
            "layout", Word("ports", "path"), "One port per DVR, or everything under /<dvr>/.", default="ports"
        ),
        Key(
            "ports",
            Formatted(number_range("ports", 65_535, "5005-5030")),
            "Where DVRs without a port get one.",
            default="5005-5030",
        ),
        Key(
            "discovery",
            Word("none", "udp", "udp+ssdp"),
            "How tuners make themselves known: not at all, to HDHomeRun clients, to UPnP clients as well.",
            default="none",
        ),
        Key("url_tvg", Word("off", "url-tvg", "both"), "Where playlists name their guide.", default="both"),
        Key(
            "access",
            Record(
                '"access"',
                (
                    Key("admin", ONE_NAME, "The credential whose token allows writing requests."),
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
        Key(
            "pool",
            Formatted(POOL),
            "Who counts an account's connections: this process, or a Redis that several `serve` share.",
            default="local",
            examples=("redis://redis:6379/0", "env:PTCTL_POOL"),
        ),
    ),
)
NOTIFY: Final = Record(
    "notification",
    (
        Key(
            "url",
            REFERENCED,
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
SAFETY: Final = Record(
    '"safety"',
    (
        Key("shrink", Formatted(SHARE), "How much of a DVR may vanish at once (S101).", default="30%"),
        Key("total_shrink", Formatted(SHARE), "How much of all DVRs together (S103).", default="20%"),
        Key("minimum", Whole(0, 100_000), "DVRs smaller than this may shrink freely.", default=10),
    ),
)
