"""The language of the spec as one table: every key, its form, its default, what it is for.

The walker checks with it, the JSON Schema is printed from it, an editor shows its sentences. Whoever adds a key adds
it here, then in `spec.model` and `spec.build`. What depends on more than one value is in `spec.checks`. This package
refuses to contain any logic.
"""

from typing import Final

from reconciler.spec.containers import Key, Listed, Named, Record
from reconciler.spec.language.devices import APPROVAL, DVR, MOVE, OVERRIDE, REMOVAL
from reconciler.spec.language.inputs import CREDENTIAL, GUIDE, SOURCE
from reconciler.spec.language.operation import NOTIFY, PLEX, PROBES, SAFETY, SERVE
from reconciler.spec.language.selection import BUCKET, FILTER
from reconciler.spec.language.words import FIELDS, LARGEST_LIMIT, ONE_NAME
from reconciler.spec.shape import Text, Version

__all__ = ["FIELDS", "LARGEST_LIMIT", "SPEC"]


SPEC: Final = Record(
    "the spec",
    (
        Key("version", Version(1), "The version of the language.", required=True),
        Key(
            "name",
            ONE_NAME,
            "The identity of this installation: scopes DeviceIDs and the ledger.",
            required=True,
        ),
        Key(
            "include",
            Listed(Text("a path or a glob"), single=True),
            "Further files, sorted.",
            examples=(["filters/*.yaml"],),
        ),
        Key("credentials", Named(CREDENTIAL, noun="credential"), "References to secrets, never secrets."),
        Key("sources", Named(SOURCE, noun="source", least=1), "Where channels come from.", required=True),
        Key("guides", Named(GUIDE, noun="guide"), "XMLTV guides; their order is their priority."),
        Key("filters", Listed(FILTER, noun="filter"), "Applied in order over the merged catalogue."),
        Key(
            "buckets",
            Listed(BUCKET, noun="bucket", least=1),
            "In order; the first match wins.",
            required=True,
        ),
        Key("dvrs", Named(DVR, noun="dvr"), "One HDHomeRun device and one Plex DVR each."),
        Key("overrides", Listed(OVERRIDE, noun="override"), "One channel at a time; wins over the provider."),
        Key("moved", Listed(MOVE, noun="move"), "Renames that keep device, numbers and map."),
        Key("removed", Listed(REMOVAL, noun="removal"), "DVRs to let go."),
        Key("approvals", Listed(APPROVAL, noun="approval"), "Permissions in writing, spent on use."),
        Key("probes", PROBES, "Whether streams are tried before they are published."),
        Key("plex", PLEX, "The Plex server; left out: artifacts and tuners only."),
        Key("serve", SERVE, "The one serving process."),
        Key("notify", Listed(NOTIFY, noun="notification"), "Where to send word."),
        Key("safety", SAFETY, "Limits of what may change without being asked."),
        Key(
            "state",
            Text("a path"),
            "The state directory, beside the spec; $PTCTL_STATE wins.",
            default=".ptctl",
        ),
    ),
    doc="Live TV for Plex as code.",
)
