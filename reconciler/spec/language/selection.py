"""Filters and buckets: which channel goes where. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import ByNode, Key, Listed, Record
from reconciler.spec.language.matchers import MATCHER
from reconciler.spec.language.words import NAMES, ONE_NAME
from reconciler.spec.shape import Text, Whole, Word

__all__ = ["BUCKET", "FILTER"]

FILTER: Final = Record(
    "filter",
    (
        Key("name", Text("a name"), "What reports call it."),
        Key("for", NAMES, "Only these buckets; applied after bucketing."),
        Key("drop", MATCHER, "Leave out what matches."),
        Key("only", MATCHER, "Keep only what matches."),
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
                    Key("when", MATCHER, "Where to set them.", required=True),
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
                        Listed(MATCHER),
                        "Which duplicate comes first; the others stay as alternatives.",
                    ),
                ),
            ),
            "Make duplicates into ordered alternatives.",
        ),
    ),
    one_of=("drop", "only", "rename", "set", "merge"),
)
BUCKET: Final = Record(
    "bucket",
    (
        Key("name", ONE_NAME, "What DVRs and overflow call it.", required=True),
        Key("match", MATCHER, "What goes in; left out: only what overflows into it."),
        Key(
            "sort",
            Listed(
                ByNode(
                    "a field, or a matcher for what comes first",
                    scalar=Word("name", "group", "number", "quality", "guide_id"),
                    mapping=MATCHER,
                )
            ),
            "The order of newcomers.",
        ),
        Key(
            "overflow",
            ONE_NAME,
            "What happens when it is full: fail, drop, split, or the name of a later bucket.",
            default="fail",
        ),
        Key("minimum", Whole(0, 100_000), "Fewer channels than this block changes (S103).", default=0),
    ),
)
