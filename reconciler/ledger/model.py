"""What `ptctl` made or adopted and which numbers it gave, as values. Kept in `<state>/ledger.json`.

Identity is an id here, never a name, a number, a URL or a position (design.md 1.6). The ledger holds no secret and
no provider URL, so it may be kept in git. This module refuses to touch files: `ledger.store` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["FORMAT", "Applied", "ChannelRecord", "DvrRecord", "Ledger", "MemberFacts", "Retired"]

FORMAT: Final = "ptctl-ledger/1"


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What finds a merged member without a stream id again, as `ChannelRecord` holds it for the channel itself."""

    id: str
    source: str
    guide_id: str = ""
    name: str = ""
    path: str = ""
    quality: str = ""


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """A channel that has a number. `dvr` and `number` are where it lives.

    `aliases` are the ids of merged members (sorted, without `id`). For lists without stream ids, `guide_id`, `name`
    (normalised) and `path` (hash of the URL path without credentials) find it again. `group` is the provider's group when
    its rule last led here, to tell a renamed group from an edited rule. Dates are ISO days (UTC).
    """

    id: str
    dvr: str
    number: int
    source: str
    aliases: tuple[str, ...] = ()
    guide_id: str = ""
    name: str = ""
    path: str = ""
    group: str = ""
    since: str = ""
    quality: str = ""
    """What the name claims: variants of one channel share guide id and normalised name."""
    members: tuple[MemberFacts, ...] = ()
    """Facts of those aliases that have no stream id, by id."""
    held: str = ""
    """The bucket that its rule named ("-": none) when it was held here because the provider renamed it."""

    def retired(self, day: str) -> "Retired":
        """Its number kept free from this ISO day on, with all that finds the channel again."""
        return Retired(
            dvr=self.dvr,
            number=self.number,
            id=self.id,
            day=day,
            aliases=self.aliases,
            source=self.source,
            guide_id=self.guide_id,
            name=self.name,
            path=self.path,
            quality=self.quality,
            members=self.members,
        )


@dataclass(frozen=True, slots=True)
class Retired:
    """A number kept free for a channel that left: 30 days from `day` (ISO, UTC)."""

    dvr: str
    number: int
    id: str
    day: str
    aliases: tuple[str, ...] = ()
    source: str = ""
    guide_id: str = ""
    name: str = ""
    path: str = ""
    quality: str = ""
    members: tuple[MemberFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """What Plex was last made to be for one DVR: drift is the difference from this (design.md 4)."""

    generation: str
    tuner_uri: str
    guide_url: str
    title: str
    map_digest: str
    channels: int
    guide_digest: str = ""
    loaded_at: str = ""
    """When its guide was last loaded by Plex (ISO second, UTC)."""
    lineup_digest: str = ""
    unmatched: str = ""
    """Numbers that Plex could not pair then, as ranges (`1002,1010-1012`): not tried again until lineup or guide change."""
    guide_rules: str = ""
    """Digest of what the spec said then of how the guide is made: edited since, it did not only move on. "" unknown."""


@dataclass(frozen=True, slots=True)
class DvrRecord:
    """A DVR of ours. Port, slug, title and guide path are pinned at creation and do not follow a rename.

    `peaks` are (ISO day, channels) of the largest applied lineup a day, the last 7 days: the baseline of S101 and S103.
    Keys are Plex's row ids as text, "" until known; `machine` is the server they belong to. `title_refused` is the name
    that Plex did not take for the tuner when it was last given one.
    """

    name: str
    device_id: str
    port: int | None
    slug: str
    title: str
    block: tuple[int, int]
    guide_path: str = "guide.xml"
    device_key: str = ""
    dvr_key: str = ""
    dvr_uuid: str = ""
    machine: str = ""
    title_refused: str = ""
    protected: bool = False
    adopted: bool = False
    split_of: str = ""
    applied: Applied | None = None
    peaks: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole of it. `lineage` names this history, `serial` rises once per run that changed it (0: never written)."""

    lineage: str = ""
    serial: int = 0
    dvrs: Mapping[str, DvrRecord] = field(default_factory=dict)
    channels: Mapping[str, ChannelRecord] = field(default_factory=dict)
    retired: tuple[Retired, ...] = ()
    spent: tuple[str, ...] = ()
    """Approvals that were used (`word until`), so that they lift nothing twice."""
    spec: str = ""
    """Digest of the spec when the channels last changed: newcomers under another digest are the spec's doing."""
    name: str = ""
    """The installation whose ledger this is, as it was called at the last writing; "" in one that an earlier version began."""
