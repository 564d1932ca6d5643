"""The working unit of the lineups: one channel on its way through filters, buckets and numbering.

Mutable on purpose and never seen outside this package: two hundred thousand of them are changed in place per run,
and a frozen value per step would cost ten times as much. This module refuses to decide anything.
"""

import re
from collections.abc import Callable, Container
from typing import Final
from urllib.parse import quote

from reconciler.catalog.entry import Entry
from reconciler.catalog.names import quality_of
from reconciler.ledger.model import ChannelRecord, Retired
from reconciler.lineups.model import Channel, GuideLink

__all__ = ["HASHED_LOGO", "Item", "channel_of", "guide_icon", "is_web_address"]

_NOTHING: Final[frozenset[str]] = frozenset()
"""One for all: each `frozenset()` is an object of 216 bytes."""

HASHED_LOGO: Final = "logo:"
"""Begins what stands in a snapshot for a logo whose address is not for the public."""
_ACCOUNT: Final = re.compile(
    r"//[^/?#]*@|[?&;](?:user(?:name)?|pass(?:word)?|token|auth|key)=", re.IGNORECASE
)
_IN_ADDRESS: Final = re.compile(r'[\s"]')


class Item:
    """One catalogue entry, or several merged into one, with the fields that filters may change.

    `members` are the items merged into this one, preferred first, itself included; empty where nothing was merged.
    `fixed` are fields that an override has set: no filter changes them. `dropped` names what took it out.
    """

    __slots__ = (
        "country",
        "dropped",
        "entry",
        "fixed",
        "group",
        "guide_id",
        "id",
        "language",
        "link",
        "linked",
        "logo",
        "members",
        "name",
        "path",
        "quality_set",
        "record",
        "returning",
        "wanted",
    )

    def __init__(self, entry: Entry, id_: str, path: str = "") -> None:
        self.entry = entry
        self.id = id_
        self.path = path
        self.name = entry.name
        self.group = entry.group
        self.guide_id = entry.guide_id
        self.logo = entry.logo if is_web_address(entry.logo) else ""
        self.country = entry.country
        self.language = entry.language
        self.quality_set: str | None = None
        self.link: GuideLink | None = None
        self.linked = False
        self.members: tuple[Item, ...] = ()
        self.fixed: frozenset[str] = _NOTHING
        self.wanted: int | None = None
        self.dropped = ""
        self.record: ChannelRecord | None = None
        self.returning: Retired | None = None

    @property
    def quality(self) -> str:
        """What a filter set, else what the provider's name claims: a `rename` that strips "HD" must not lose it."""
        return quality_of(self.entry.name) if self.quality_set is None else self.quality_set

    @property
    def parts(self) -> "tuple[Item, ...]":
        """The merged items, or itself alone."""
        return self.members or (self,)

    @property
    def weight(self) -> int:
        """How many catalogue entries it stands for."""
        return len(self.members) or 1

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all members, the preferred one first."""
        return tuple(m.id for m in self.members) if self.members else (self.id,)


def is_web_address(logo: str) -> bool:
    """Whether clients can fetch a logo: panels also give paths and numbers of their own (iptv-streams.md D5). What stands
    for one in a snapshot counts as well.
    """
    return logo[:7].lower() in {"http://", "https:/"} or logo.startswith(HASHED_LOGO)


def guide_icon(icon: str) -> str:
    """A guide's picture of a channel as its logo, "" where it is none or its address may hold an account: nobody has
    looked for the account's values in a guide.
    """
    return icon if is_web_address(icon) and not _ACCOUNT.search(icon) else ""


def channel_of(
    item: Item, id_: str, aliases: tuple[str, ...], icon: Callable[[GuideLink], str], bad: Container[str] = ()
) -> Channel:
    """The finished channel. Its guide's programmes are those of the first member that has any (merging may come before
    guides are asked; `merge` sees to the rest).

    Members whose ids are `bad` (a probe or a list says so) stay as the last alternatives.
    """
    # In files a name is one line with single blanks, and a logo an address. What a plan compares with the files, and a
    # rename or an override may have made, must be what will stand in them, else the two never agree.
    name = " ".join(item.name.split())
    parts = item.parts
    logo = item.logo or next(filter(None, (icon(p.link) for p in (item, *parts) if p.link)), "")
    logo = _IN_ADDRESS.sub(lambda found: quote(found[0]), logo.strip()) if logo else ""
    members = sorted(parts, key=lambda p: p.id in bad) if bad else parts
    link = item.link or next((p.link for p in parts if p.link), None)
    return Channel(
        id=id_,
        name=name,
        source=item.entry.source,
        members=tuple(p.entry for p in members),
        guide_id=item.guide_id,
        group=item.group,
        logo=logo,
        number=item.entry.number,
        wanted=item.wanted,
        quality=item.quality,
        country=item.country,
        language=item.language,
        radio=item.entry.radio,
        link=link,
        aliases=aliases,
        path=item.path,
    )
