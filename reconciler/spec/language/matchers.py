"""Matchers and conditions: which channels. Refuses to contain logic."""

from reconciler.spec.containers import ByNode, Key, Listed, Record, Ref
from reconciler.spec.shape import Flag, Shape, Text, Word

__all__ = ["MATCHER"]


def _operators(value: Shape) -> Record:
    """The conditions that are mappings; `value` is what `is` and `in` compare with."""
    return Record(
        "condition",
        (
            Key("is", value, "Equal to this, case and all."),
            Key("in", Listed(value, least=1), "Equal to one of these, case and all."),
            Key("contains", Text(), "Holds this text somewhere, whatever the case."),
            Key(
                "words",
                Listed(Text(), least=1, single=True),
                "Holds one of these as a whole word, whatever the case.",
            ),
            Key(
                "regex", Text("a regular expression"), "Found somewhere by this regular expression (Python)."
            ),
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
        mapping=_operators(Text()),
    ),
)


def _closed(value: Shape) -> Shape:
    """A field with few values: a misspelt one would silently match nothing."""
    return ByNode(
        f"{value.what}, or a list of them",
        scalar=value,
        sequence=Listed(value, least=1),
        mapping=_operators(value),
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
            Key("kind", _closed(Word("live", "vod", "series")), "What it is."),
            Key("number", _condition, "The provider's own number."),
            Key("quality", _condition, "sd, hd, fhd or uhd, as the name says."),
            Key("country", _condition, "The country the provider names."),
            Key("language", _condition, "The language the provider names."),
            Key("radio", _closed(Flag()), "Whether it is radio: true or false."),
            Key(
                "guide",
                _closed(Word("any", "id", "listed")),
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
