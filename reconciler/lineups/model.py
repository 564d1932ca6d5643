"""The desired state: which channel has which number in which DVR, and what became of all the others.

Produced by `lineups.desired.compute`, read by artifacts and planning. Equal inputs give equal values in equal order.
This module refuses to decide anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from reconciler.catalog.entry import Entry
from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.spec.model import Dvr

__all__ = [
    "OVERFLOW",
    "Block",
    "Cause",
    "Channel",
    "Desired",
    "DvrTarget",
    "Export",
    "Funnel",
    "GuideLink",
    "Held",
    "Lineup",
    "Row",
    "Unbucketed",
    "Verdict",
]

Cause = Literal["spec", "source", "guide", "probe", "version", "drift"]


@dataclass(frozen=True, slots=True)
class GuideLink:
    """Which guide tells a channel's programmes: the guide's name in the spec and the channel id inside it."""

    guide: str
    xmltv_id: str
    how: Literal["id", "id-normalised", "name", "fuzzy"]
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel with its id, after filters and merge. `members` are its alternatives, the preferred one first.

    `id` is the ledger's for any member, else the preferred member's; `aliases` are all other member ids, sorted.
    `number` is the provider's, `wanted` an override's.
    For lists without stream ids `path` is the hash that finds the channel again.
    """

    id: str
    name: str
    source: str
    members: tuple[Entry, ...]
    guide_id: str = ""
    group: str = ""
    logo: str = ""
    number: int | None = None
    wanted: int | None = None
    quality: str = ""
    country: str = ""
    language: str = ""
    radio: bool = False
    link: GuideLink | None = None
    aliases: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One numbered channel of a lineup. `off` (prune with scope guide): in the lineup, without programmes, not mapped."""

    number: int
    channel: Channel
    off: bool = False


@dataclass(frozen=True, slots=True)
class Lineup:
    """The rows of one DVR, by number."""

    dvr: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe, a list of bad streams or a pruned guide says of one channel id.

    "off": stays in the lineup without programmes and is not mapped; "out": leaves lineup and guide, number kept.
    """

    effect: Literal["off", "out"]
    cause: Cause
    why: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Why a change may not happen: a safety code, a sentence with both numbers, and the word that lifts it ("" = none).

    `what` names the kind of change it stops: "lineup" (the DVR's files are carried over byte for byte), "replace",
    "delete", "numbers", "write" (anything to this object).
    """

    code: str
    dvr: str
    message: str
    lift: str
    what: Literal["lineup", "replace", "delete", "numbers", "write"] = "lineup"


@dataclass(frozen=True, slots=True)
class Held:
    """A living channel whose rule now says another bucket; it stays (design.md 4) until `moved:<dvr>` is allowed."""

    channel: str
    name: str
    dvr: str
    would_be: str
    group_before: str
    group_now: str


@dataclass(frozen=True, slots=True)
class Funnel:
    """What became of the entries a bucket's rule caught (SPL-5).

    `with_id` and `in_guide` count among the `caught`. `merged` are the channels that filters and merging make of them, and
    `kept` those of these that have a place, in whichever DVR; `caught`, `merged` and `kept` fall.
    """

    bucket: str
    caught: int
    with_id: int
    in_guide: int
    merged: int
    kept: int


@dataclass(frozen=True, slots=True)
class Unbucketed:
    """Channels that fit no bucket, by group, largest first."""

    groups: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(count for _, count in self.groups)


@dataclass(frozen=True, slots=True)
class Export:
    """An M3U that is no DVR: a bucket without one, or all VOD or series."""

    name: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True, slots=True)
class DvrTarget:
    """What one DVR shall be. `record` is its ledger entry after this run (ids, port, block, title pinned).

    `causes` say why the lineup differs from the last one, by channel id. `overflowed` counts newcomers that found it full
    and where they went. `dvr` is the spec's word; a split's further parts share it.
    """

    record: DvrRecord
    dvr: Dvr
    lineup: Lineup
    causes: Mapping[str, Cause]
    overflowed: tuple[tuple[str, int], ...] = ()


OVERFLOW: Final = "overflow"
"""In `Desired.filtered`, beside the filters' names: what its bucket's DVR has no room for."""


@dataclass(frozen=True, slots=True)
class Desired:
    """All of it, DVRs in spec order. `ledger` is what the ledger becomes when this is applied, numbers exactly so.

    `blocks` are the rules of numbering and size (S105, S204, S301, S303); `planning.safety` adds the others.
    """

    dvrs: tuple[DvrTarget, ...]
    exports: tuple[Export, ...]
    ledger: Ledger
    funnels: tuple[Funnel, ...]
    filtered: tuple[tuple[str, int], ...]
    held: tuple[Held, ...]
    unbucketed: Unbucketed
    blocks: tuple[Block, ...] = ()
    entries: int = 0
    without_guide: int = 0
    rematches: tuple[tuple[str, str], ...] = ()
    """Proposed re-matches of a new panel: (old id, new id), unique pairs only."""
    ambiguous: tuple[str, ...] = ()
    """Ids of a new panel that pair with several or none."""
