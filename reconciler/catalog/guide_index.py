"""What a guide offers, as values: its channels, how much it says of each, and what was wrong with it.

Light on purpose (no lxml): matching, filters and plans import this. This module refuses to read XML: `guide` does.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from reconciler.catalog.guide_places import Places

__all__ = ["Coverage", "CoverageQuestion", "GuideChannel", "GuideIndex", "unavailable_titles"]


@dataclass(frozen=True, slots=True)
class GuideChannel:
    """A `<channel>` of a guide. `names` are its display-names in order, without duplicates."""

    id: str
    names: tuple[str, ...] = ()
    icon: str = ""


@dataclass(frozen=True, slots=True)
class GuideIndex:
    """A guide's table of contents.

    `channels` by id, in the guide's order; a channel declared twice has both sets of names. `programmes` counts what it
    lists per id, whatever the time, ids without a `<channel>` included. `notes` are short sentences about damage;
    `damaged` is true where the end is missing or programmes were cut off, so that a caller may keep the last good copy.
    """

    channels: Mapping[str, GuideChannel]
    programmes: Mapping[str, int]
    notes: tuple[str, ...] = ()
    damaged: bool = False
    places: Places | None = field(default=None, compare=False, repr=False)
    """Where the programmes lie, for `guide_write` in the same process: it saves reading the guide once more."""

    def lists(self, xmltv_id: str) -> bool:
        """Whether the guide knows this id at all (`guide: listed` in the spec)."""
        return xmltv_id in self.channels or xmltv_id in self.programmes


@dataclass(frozen=True, slots=True)
class CoverageQuestion:
    """How much a guide says between two times (seconds since 1970 UTC).

    `unavailable` are case-insensitive globs over the whole title: what they match counts as no programme (EPG-2).
    """

    start: float
    end: float
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """The answer for one channel: real programmes, and those whose title says that there is none."""

    programmes: int = 0
    unavailable: int = 0


def unavailable_titles(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a title says that there is no programme: case-insensitive globs over the whole title."""
    if not patterns:
        return lambda _title: False
    together = re.compile("|".join(translate(pattern) for pattern in patterns), re.IGNORECASE)
    return lambda title: together.match(title) is not None
