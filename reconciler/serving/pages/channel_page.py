"""One channel explained: who it is, where it comes from and in which order, and what is on.

Ways are told by source and by the host's place in the spec, never by address. This module refuses to find anything out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from reconciler.ledger.model import ChannelRecord
from reconciler.serving.pages.layout import Frame, page
from reconciler.serving.pages.markup import Html, element, join
from reconciler.serving.pages.status_page import badge, table
from reconciler.serving.pages.wording import DASH, ago, clock, rate, unknown, weekday_and_clock, zone
from reconciler.serving.programmes import Listings, Programme
from reconciler.serving.status import StreamStatus
from reconciler.wording import plural

__all__ = ["AHEAD_S", "BEFORE_S", "ChannelShown", "WayShown", "channel_page"]

BEFORE_S: Final = 2 * 3600
AHEAD_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class WayShown:
    """One way to the channel's bytes, best first. `resting`: this way or its host failed lately."""

    source: str
    kind: str
    place: str
    """Its host, as `host 2`, or its address, as `address 1`."""
    resting: bool
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ChannelShown:
    """What the page is made of. `record` None: the ledger is unknown or does not have the channel."""

    home: str
    mark: str
    dvr: str
    title: str
    number: str
    id: str
    name: str
    logo: str
    off: bool
    listings: Listings
    ways: Sequence[WayShown]
    record: ChannelRecord | None
    ledger_known: bool
    streams: Sequence[StreamStatus] = ()


def channel_page(shown: ChannelShown, now: float, pulse: Html) -> bytes:
    """The page."""
    frame = Frame(shown.name or shown.number, shown.home, depth=2, pulse=pulse, mark=shown.mark)
    guide = frame.to("guide", query=urlencode({"dvr": shown.dvr}))
    crumbs = element(
        "nav",
        [element("a", "Guide", href=frame.to("guide")), " / ", element("a", shown.dvr, href=guide)],
        class_="crumbs",
        aria_label="Where this is",
    )
    logo = (
        element("span", element("img", src=shown.logo, alt="", referrerpolicy="no-referrer"), class_="logo")
        if shown.logo
        else ""
    )
    heading = element("h1", [logo, element("b", shown.number), " ", element("bdi", shown.name)])
    left = [_panel("on", "What is on", _programmes(shown, now))]
    right = [
        _panel("watched", "Watched now", _watched(shown.streams, now)),
        _panel("identity", "Identity", _identity(shown)),
        _panel("ways", "Where it comes from", _ways(shown.ways)),
    ]
    columns = element(
        "div",
        [element("div", left, class_="wide"), element("div", right, class_="narrow")],
        class_="columns",
    )
    return page(frame, join([crumbs, element("div", heading, class_="heading"), columns]))


def _panel(key: str, title: str, content: Html) -> Html:
    heading = element("h2", title, id=f"{key}-title")
    return element("section", [heading, content], class_="panel", aria_labelledby=f"{key}-title")


def _programmes(shown: ChannelShown, now: float) -> Html:
    if not shown.listings.known:
        return element("p", [unknown(), ": the guide of this DVR cannot be read"], class_="empty")
    programmes = shown.listings.by_number.get(shown.number, ())
    if not programmes:
        why = (
            "The channel is switched off: its guide was empty."
            if shown.off
            else "The guide has nothing on it."
        )
        return element("p", why, class_="empty")
    items = [_programme(programme, now) for programme in programmes]
    where = element("p", ["Times in ", element("span", zone(now), class_="zone")], class_="aside")
    return join([element("ol", items, class_="airings"), where])


def _programme(programme: Programme, now: float) -> Html:
    on_now = programme.start <= now < programme.stop
    more = " · ".join(part for part in (programme.episode, programme.sub_title, programme.kind) if part)
    progress = (
        element(
            "progress",
            "",
            value=int(now) - programme.start,
            max=programme.stop - programme.start,
            aria_label="how far it is",
        )
        if on_now
        else ""
    )
    return element(
        "li",
        [
            element("p", [weekday_and_clock(programme.start), DASH, clock(programme.stop)], class_="when"),
            element(
                "div",
                [
                    element("h3", [element("bdi", programme.title or "Untitled"), " ",
                                   badge("good", "now") if on_now else ""]),
                    element("p", more, class_="more", dir="auto") if more else "",
                    progress,
                    element("p", programme.about, dir="auto") if programme.about else "",
                ],
            ),
        ],
        id=f"t{programme.start}",
        class_="now" if on_now else "past" if programme.stop <= now else None,
    )  # fmt: skip


def _watched(streams: Sequence[StreamStatus], now: float) -> Html:
    if not streams:
        return element("p", "Nobody is watching it.", class_="empty")
    items = []
    for stream in streams:
        where = f"{stream.source} {stream.host}".strip() if stream.source else "no source yet"
        facts = [f"{plural(stream.viewers, 'viewer')} from {where}", rate(stream.rate_bps)]
        said = ", ".join(fact for fact in facts if fact)
        items.append(element("li", [said, ", began ", ago(stream.since, now)]))
    return element("ul", items, class_="items")


def _identity(shown: ChannelShown) -> Html:
    facts = [
        ("Number", element("b", shown.number)),
        ("Id", element("code", shown.id)),
        ("DVR", join([shown.dvr, " ", element("small", element("bdi", shown.title))])),
    ]
    record = shown.record
    if record is not None:
        if record.aliases:
            facts.append(("Also", join([element("code", alias) for alias in record.aliases], " ")))
        if record.group:
            facts.append(("Group", element("bdi", record.group)))
        if record.guide_id:
            facts.append(("Guide id", element("code", record.guide_id)))
        if record.since:
            facts.append(("Number since", Html(element("time", record.since, datetime=record.since))))
    else:
        why = "not in the ledger" if shown.ledger_known else "the ledger cannot be read"
        facts.append(("Number since", unknown(why)))
    if shown.off:
        facts.append(("In Plex", badge("none", "switched off", "its guide was empty")))
    rows = [element("div", [element("dt", label), element("dd", value)]) for label, value in facts]
    command = f"ptctl explain channel {shown.id}"
    more = element("p", ["Why it is here: ", element("code", command)], class_="aside")
    return join([element("dl", rows, class_="facts"), more])


def _ways(ways: Sequence[WayShown]) -> Html:
    if not ways:
        return element("p", unknown("the routes of this generation do not have it"), class_="empty")
    rows = []
    for place, way in enumerate(ways, 1):
        health = (
            badge("warn", "failed lately", "tried last until it has rested")
            if way.resting
            else badge("none", "no recent failure")
        )
        pinned = element("small", "pinned") if way.pinned else ""
        rows.append(
            (join([f"{place}. ", way.source, element("small", way.kind)]), join([way.place, pinned]), health)
        )
    return table("Ways to the stream, in the order they are tried", ("Source", "Host", "Health"), rows)
