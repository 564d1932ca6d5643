"""The invented channels of the demo: no real station, thirteen buckets' worth of groups.

Names are put together from word lists, so any number of them can be had, and the first N are the same for every N.
This module refuses randomness: channel 17 of a group is the same channel in every run.
"""

from dataclasses import dataclass, replace
from typing import Final

from reconciler.sandbox.panel import Channel

__all__ = ["GROUPS", "demo_channels", "demo_films"]


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, its share of the channels, the second halves of its names and the suffix of its guide ids."""

    name: str
    weight: int
    kinds: tuple[str, ...]
    country: str
    prefix: str = ""


GROUPS: Final = (
    _Group("US| Locals", 10, ("4", "7", "11", "2", "9"), "us"),
    _Group("US| News", 6, ("News", "News Now", "Business", "Weather"), "us"),
    _Group("SPORTS| US", 10, ("Sports", "Sports 2", "Racing", "Golf", "Arena"), "us"),
    _Group("SPORTS| World", 4, ("Football", "Cricket", "Cycling"), "int"),
    _Group("US| Movies", 8, ("Cinema", "Cinema Classics", "Premiere", "Action"), "us"),
    _Group("US| Entertainment", 9, ("TV", "Comedy", "Drama", "Games"), "us"),
    _Group("US| Documentary", 4, ("Earth", "History", "Science"), "us"),
    _Group("US| Family", 3, ("Kids", "Junior"), "us"),
    _Group("UK| Entertainment", 6, ("One", "Two", "Gold", "Extra"), "uk", "UK: "),
    _Group("IE| General", 2, ("Eire", "Eire 2"), "ie", "IE: "),
    _Group("EU| Nordics", 5, ("Norge", "Sverige", "Danmark", "Suomi"), "no"),
    _Group("EU| South", 4, ("Italia", "España", "Portugal"), "it"),
    _Group("EU| East", 4, ("Polska", "Česko", "România"), "pl"),
    _Group("LATIN| General", 5, ("Mundo", "Novelas", "Deportes"), "mx"),
    _Group("WORLD| Asia", 3, ("Asia", "Nippon", "Bharat"), "in"),
    _Group("WORLD| Africa", 2, ("Africa", "Sahel"), "za"),
    _Group("XXX| Adult", 1, ("Nights",), "int"),
)
BRANDS: Final = (
    "Meridian",
    "Lantern",
    "Copperline",
    "Bluewater",
    "Northstar",
    "Juniper",
    "Kestrel",
    "Marlowe",
    "Obsidian",
    "Pinecrest",
    "Quillon",
    "Redwood",
    "Saltmarsh",
    "Tamarack",
    "Umbra",
    "Verity",
    "Willowby",
    "Yarrow",
    "Zephyr",
    "Ashgrove",
    "Brightside",
    "Cobalt",
    "Driftwood",
    "Everhart",
)
QUALITIES: Final = ("", " HD", " FHD", "")
FILMS: Final = (
    "The Borrowed Lighthouse",
    "Seven Winters",
    "Ferry at Dawn",
    "Paper Tigers",
    "Low Tide",
    "Ember",
)


def demo_channels(count: int) -> tuple[Channel, ...]:
    """`count` channels spread over the groups by weight, each group led by a separator that is not counted.

    Every fifth of a group has no guide id, and every eighth is a second version of the one before it.
    """
    total = sum(group.weight for group in GROUPS)
    shares = [max(1, count * group.weight // total) for group in GROUPS]
    shares[0] += max(0, count - sum(shares))
    out: list[Channel] = []
    for place, (group, share) in enumerate(zip(GROUPS, shares, strict=True)):
        base = (place + 1) * 10_000
        title = group.name.partition("| ")[2].upper()
        out.append(Channel(base, f"##### {title} #####", group.name))
        for at in range(share):
            out.append(_second(out[-1], base + at + 1) if at % 8 == 7 else _channel(group, base, at))
    return tuple(replace(channel, number=at) for at, channel in enumerate(out, start=1))


def _channel(group: _Group, base: int, at: int) -> Channel:
    brand = BRANDS[(at + base // 10_000 * 5) % len(BRANDS)]
    kind = group.kinds[(at + at // len(BRANDS)) % len(group.kinds)]
    again = at // (len(BRANDS) * len(group.kinds))
    name = f"{group.prefix}{brand} {kind}" + (f" Plus {again}" if again else "")
    slug = "".join(c for c in f"{brand}{kind}".lower() if c.isascii() and c.isalnum())
    number = base + at + 1
    tail = f"plus{again}" if again else ""
    return Channel(
        id=number,
        name=name + QUALITIES[at % len(QUALITIES)],
        group=group.name,
        epg_id="" if at % 5 == 4 else f"{slug}{tail}.{group.country}",
        logo=f"{{base}}/logos/{number}.png",
        adult=group.name.startswith("XXX"),
    )


def _second(first: Channel, number: int) -> Channel:
    """The same channel once more in another quality: same guide id, another stream."""
    name = first.name.removesuffix(" FHD").removesuffix(" HD") + " UHD"
    return replace(first, id=number, name=name, logo=f"{{base}}/logos/{number}.png")


def demo_films(count: int) -> tuple[Channel, ...]:
    """`count` films and, where there are any, a series of two seasons."""
    films = [
        Channel(
            500_001 + at,
            FILMS[at % len(FILMS)] + (f" {at // len(FILMS) + 1}" if at >= len(FILMS) else ""),
            "VOD| Films",
            logo=f"{{base}}/logos/{500_001 + at}.png",
            kind="movie",
            container="mp4" if at % 2 == 0 else "mkv",
        )
        for at in range(count)
    ]
    episodes = [
        Channel(
            600_000 + season * 100 + episode,
            f"Saltmarsh S{season:02d} E{episode:02d}",
            "SERIES| Drama",
            kind="series",
            container="mp4",
            series="Saltmarsh",
            season=season,
            episode=episode,
        )
        for season in (1, 2)
        for episode in (1, 2, 3)
        if count
    ]
    return (*films, *episodes)
