"""Matchers and conditions: which channels. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import ByNode, Key, Listed, Record, Ref
from reconciler.spec.shape import Flag, Shape, Text, Word

__all__ = ["MATCHER"]

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


MATCHER: Shape = Ref(
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
            Key("any", Listed(MATCHER, least=1), "At least one of these matchers."),
            Key("all", Listed(MATCHER, least=1), "All of these matchers."),
            Key("not", MATCHER, "Not this matcher."),
        ),
        doc="Fields are combined with `all`. An empty mapping matches everything.",
    ),
)
