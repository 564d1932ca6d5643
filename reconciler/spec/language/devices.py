"""DVRs, channels by hand, renames and permissions. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import Key, Listed, Record
from reconciler.spec.language.inputs import STREAM
from reconciler.spec.language.words import LARGEST_LIMIT, ONE_NAME
from reconciler.spec.shape import Flag, Formatted, Nullable, Text, Whole, Word
from reconciler.spec.values import (
    CHANNEL,
    DEVICE_PATH,
    TUNER_ADDRESS,
    day,
    duration,
    number_range,
    permission,
)

__all__ = ["APPROVAL", "DVR", "MOVE", "OVERRIDE", "REMOVAL"]

_numbers: Final = number_range("channel numbers", 99_999, "1000-1599")
_port: Final = Whole(1, 65_535)
DVR: Final = Record(
    "dvr",
    (
        Key("bucket", ONE_NAME, "Which bucket fills it; the bucket of its own name if left out."),
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
        Key("stream", STREAM, "How its streams are fetched; wins over the source."),
        Key("device_id", Text(), "The DeviceID of an adopted tuner."),
        Key("also", Listed(Formatted(TUNER_ADDRESS)), "Further addresses an adopted tuner answers at."),
        Key(
            "guide_path",
            Formatted(DEVICE_PATH),
            "The guide's path of an adopted tuner, with its query where it has one.",
        ),
    ),
    doc="One HDHomeRun device and one Plex DVR.",
)

OVERRIDE: Final = Record(
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
MOVE: Final = Record(
    "move",
    (
        Key("dvr", ONE_NAME, "The old name of a DVR."),
        Key("source", ONE_NAME, "The old name of a source."),
        Key("to", ONE_NAME, "The new name.", required=True),
        Key(
            "match",
            Listed(Word("guide_id", "name"), least=1),
            "By what channels of a source are paired; unique pairs only.",
        ),
    ),
    one_of=("dvr", "source"),
)
REMOVAL: Final = Record(
    "removal",
    (
        Key("dvr", ONE_NAME, "The DVR to let go.", required=True),
        Key("keep", Flag(), "Leave it in Plex as it is.", default=False),
    ),
)
APPROVAL: Final = Record(
    "approval",
    (
        Key("allow", Formatted(permission), "The same word as --allow.", required=True),
        Key("until", Formatted(day), "Its last day, at most 7 days ahead.", required=True),
        Key("why", Text(), "Why."),
    ),
)
