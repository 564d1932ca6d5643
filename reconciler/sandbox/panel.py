"""What a simulated Xtream panel offers: accounts, channels, films, episodes and a guide, as frozen values.

A panel is content only. How it behaves is `manners`, what goes wrong is `faults`, and all three can be exchanged
while the provider runs. Accounts are invented and live on loopback, so their passwords are plain text here: a
test has to see which of them arrived. This module refuses to read files and to answer requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

from reconciler.sandbox.streams import Variant

__all__ = ["Account", "Channel", "GuideSource", "Kind", "Panel", "Shape"]

Kind = Literal["live", "movie", "series"]
INVENTED_PASSWORD: Final = "orchard-4711"  # noqa: S105 - opens nothing but the simulator


@dataclass(frozen=True, slots=True)
class Account:
    """A subscription. `max_connections` 0 is unlimited, `expires` is in epoch seconds (None: never)."""

    username: str = "demo"
    password: str = INVENTED_PASSWORD
    max_connections: int = 2
    status: str = "Active"
    expires: int | None = None
    is_trial: bool = False
    formats: tuple[str, ...] = ("m3u8", "ts")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a channel's streams are packaged.

    `uris` is how playlists name segments: `root` (/hls/…), `absolute`, `protocol` (//host/…) or `relative` (../…).
    `master` is how many master playlists come before the media playlist, `ads_every` puts a block of two
    segments with other PIDs and a discontinuity after so many, `cookie` demands the playlist's cookie with
    every segment (403 without).
    """

    variant: Variant = "main"
    segments: Literal["ts", "fmp4"] = "ts"
    uris: Literal["root", "absolute", "protocol", "relative"] = "root"
    master: int = 0
    separate_audio: bool = False
    encrypted: bool = False
    byteranges: bool = False
    ads_every: int = 0
    cookie: bool = False

    def __post_init__(self) -> None:
        if self.segments == "fmp4" and (self.ads_every or self.encrypted or self.variant == "mpeg2"):
            raise ValueError("advertisements, encryption and MPEG-2 need TS segments")


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, a film or an episode. `id` is the stream id, the same on every host.

    `logo` may hold `{base}`, the address of the host that was asked. `attributes` and `directives` are what an M3U
    file said beyond the fields here; the plain list gives them back as they were. An episode names its `series`.
    """

    id: int
    name: str
    group: str = ""
    epg_id: str = ""
    logo: str = ""
    number: int | None = None
    kind: Kind = "live"
    container: Literal["ts", "mp4", "mkv"] = "ts"
    adult: bool = False
    radio: bool = False
    series: str = ""
    season: int = 1
    episode: int = 1
    attributes: tuple[tuple[str, str], ...] = ()
    directives: tuple[str, ...] = ()
    shape: Shape = Shape()


class GuideSource(Protocol):
    """Where the guide comes from: files moved to today, or an invention."""

    def document(self, now: float) -> bytes:
        """The whole guide as XMLTV, a pure function of `now` (epoch seconds) that changes once a day."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything one provider has. Exchange it with `ProviderHandle.replace` to make channels come and go."""

    accounts: tuple[Account, ...] = (Account(),)
    channels: tuple[Channel, ...] = ()
    guide: GuideSource | None = None
    timezone: str = "UTC"
    _by_id: dict[int, Channel] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {c.id: c for c in self.channels})

    def channel(self, stream_id: int) -> Channel | None:
        """The channel, film or episode with this stream id."""
        return self._by_id.get(stream_id)

    def account(self, username: str, password: str) -> Account | None:
        """The account with exactly these credentials."""
        return next((a for a in self.accounts if (a.username, a.password) == (username, password)), None)

    def of_kind(self, kind: Kind) -> tuple[Channel, ...]:
        """Channels, films or episodes, in the panel's order."""
        return tuple(c for c in self.channels if c.kind == kind)

    @classmethod
    def from_files(
        cls,
        playlists: Sequence[Path],
        guides: Sequence[Path] = (),
        *,
        accounts: tuple[Account, ...] = (Account(),),
        guide_days: int = 3,
    ) -> "Panel":
        """A panel with the channels of M3U files and the guide of XMLTV files (either may be gzipped).

        Stream ids of Xtream-shaped URLs are kept, the others follow from guide id and name, so they do not depend on
        the order of the files. The guide is moved by whole days, and repeated where it is short, so that it covers
        yesterday and the next `guide_days` days. Raises OperatorError naming a file that cannot be read.
        """
        from reconciler.sandbox.listings import ShiftedGuide
        from reconciler.sandbox.loading import channels_of

        guide = ShiftedGuide(tuple(guides), days=guide_days) if guides else None
        return cls(accounts=accounts, channels=channels_of(playlists), guide=guide)

    @classmethod
    def demo(
        cls,
        now: float,
        *,
        channels: int = 80,
        accounts: tuple[Account, ...] = (Account(),),
        films: int = 6,
    ) -> "Panel":
        """An invented panel for the demo: `channels` live channels in the groups of thirteen buckets, `films` films,
        a series, separators, an adult group and a guide. The same for every `now` of one UTC day.
        """
        from reconciler.sandbox.demo import demo_channels, demo_films
        from reconciler.sandbox.listings import InventedGuide

        live = demo_channels(channels)
        return cls(
            accounts=accounts,
            channels=(*live, *demo_films(films)),
            guide=InventedGuide(live, first_day=int(now // 86400)),
        )
