"""The guide as a grid: one DVR, some hours, a row per channel, and a time line.

A table, because it is one: rows are channels, columns are steps of five minutes, a programme spans its steps; so it
reads in the right order without style, and the policy allows no style in the page that could place anything. Programmes
are links that a pointer reaches; by keyboard the script walks the cells, and without it every channel's own page tells the
same. This module refuses to read a guide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from reconciler.serving.pages.layout import Frame, page
from reconciler.serving.pages.markup import Html, element, join, text
from reconciler.serving.pages.wording import clock, day_and_clock, unknown, zone
from reconciler.serving.programmes import Listings, Programme
from reconciler.wording import plural

__all__ = ["HALF_HOUR_S", "HOURS", "GuideAsked", "GuideShown", "guide_page", "window_of"]

STEP_S: Final = 300
HALF_HOUR_S: Final = 1800
LONG_STEPS: Final = 9
HOURS: Final = 3
DAYS_AHEAD: Final = 7


@dataclass(frozen=True, slots=True)
class GuideAsked:
    """What the address said. `at` None: now. Seconds since 1970."""

    dvr: str
    at: int | None = None
    words: str = ""
    """Only channels whose name or a programme of theirs holds this text."""


@dataclass(frozen=True, slots=True)
class GuideShown:
    """What the page is made of. `names` are in the order of the lineup, by number."""

    home: str
    mark: str
    dvrs: Sequence[str]
    asked: GuideAsked
    names: Mapping[str, str]
    logos: Mapping[str, str]
    listings: Listings
    off: frozenset[str] = frozenset()


def window_of(asked: GuideAsked, now: float) -> tuple[int, int]:
    """The window to show, on half hours."""
    begin = int(now if asked.at is None else asked.at) // HALF_HOUR_S * HALF_HOUR_S
    return begin, begin + HOURS * 3600


def guide_page(shown: GuideShown, now: float, pulse: Html) -> bytes:
    """The page. Costs some 5 µs a programme."""
    frame = Frame("Guide", shown.home, "guide", pulse=pulse, live="guide", mark=shown.mark)
    begin, end = shown.listings.begin, shown.listings.end
    numbers = _chosen(shown)
    heading = element(
        "div",
        [
            element("h1", ["Guide ", element("span", shown.asked.dvr)]),
            element("p", [day_and_clock(begin), " to ", clock(end), " ",
                          element("span", zone(begin), class_="zone")], class_="window"),
        ],
        class_="heading",
    )  # fmt: skip
    parts = [heading, _dvr_links(shown, frame), _tools(shown, frame, now)]
    if not shown.listings.known:
        parts.append(
            element("p", [unknown(), ": the guide of this DVR cannot be read"], class_="notice warn")
        )
    if numbers:
        parts.append(_grid(shown, numbers, frame, now))
    else:
        parts.append(element("p", _nothing(shown, frame), class_="empty"))
    return page(frame, join(parts))


def _nothing(shown: GuideShown, frame: Frame) -> Html:
    if not shown.asked.words:
        return Html("This DVR has no channels.")
    everything = _address(frame, replace(shown.asked, words=""))
    return join(
        [
            f"No channel or programme here has “{shown.asked.words}” in its name. ",
            element("a", "Show all channels", href=everything),
        ]
    )


def _chosen(shown: GuideShown) -> list[str]:
    words = shown.asked.words.casefold().strip()
    if not words:
        return list(shown.names)
    programmes = shown.listings.by_number
    return [
        number
        for number, name in shown.names.items()
        if words in name.casefold()
        or words == number
        or any(words in p.title.casefold() for p in programmes.get(number, ()))
    ]


# --- what is above the grid ------------------------------------------------------------------------------------


def _dvr_links(shown: GuideShown, frame: Frame) -> Html:
    links = [
        element("a", name, href=_address(frame, shown.asked, dvr=name),
                aria_current="true" if name == shown.asked.dvr else None)
        for name in shown.dvrs
    ]  # fmt: skip
    return element("nav", links, class_="dvrs", aria_label="DVRs")


def _tools(shown: GuideShown, frame: Frame, now: float) -> Html:
    begin, end = shown.listings.begin, shown.listings.end
    step = end - begin
    asked = shown.asked
    hours = f"{HOURS} hours"
    moves = element(
        "nav",
        [
            element("a", ["◂", element("span", " Earlier")], href=_address(frame, asked, at=begin - step), rel="prev",
                    aria_label=f"{hours} earlier"),
            element("a", "Now", href=_address(frame, asked, at=None),
                    aria_current="true" if begin <= now < end else None),
            element("a", [element("span", "Later "), "▸"], href=_address(frame, asked, at=end), rel="next", aria_label=f"{hours} later"),
        ],
        class_="moves",
        aria_label="Time",
    )  # fmt: skip
    days = element("nav", _days(asked, frame, begin, now), class_="days", aria_label="Days")
    kept = [element("input", type="hidden", name="dvr", value=asked.dvr)]
    if asked.at is not None:
        kept.append(element("input", type="hidden", name="at", value=str(asked.at)))
    find = element(
        "form",
        [
            *kept,
            element("label", "Find a channel or programme", for_="q", class_="unseen"),
            element("input", type="search", id="q", name="q", value=asked.words,
                    placeholder="Channel or programme", autocomplete="off", maxlength=80),
            element("button", "Find", type="submit"),
        ],
        class_="find",
        role="search",
        action=frame.to("guide"),
        method="get",
    )  # fmt: skip
    when = element("div", [moves, days], class_="when")
    return element("div", [when, find], class_="tools")


def _days(asked: GuideAsked, frame: Frame, begin: int, now: float) -> list[Html]:
    """The same hours of the coming days."""
    here = datetime.fromtimestamp(begin).astimezone()
    today = datetime.fromtimestamp(now).astimezone().date()
    links = []
    for ahead in range(DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        there = datetime.combine(day, here.time()).astimezone()  # by the wall clock, also where it changes
        at = int(there.timestamp())
        links.append(
            element("a", f"{day:%a} {day.day}", href=_address(frame, asked, at=at),
                    aria_current="true" if day == here.date() else None, aria_label=f"{day:%A} {day.day} {day:%B}")
        )  # fmt: skip
    return links


_SAME: Final = -1


def _address(frame: Frame, asked: GuideAsked, *, dvr: str = "", at: int | None = _SAME) -> str:
    moment = asked.at if at == _SAME else at
    query = {"dvr": dvr or asked.dvr}
    if moment is not None:
        query["at"] = str(moment)
    if asked.words:
        query["q"] = asked.words
    return frame.to("guide", query=urlencode(query, errors="replace"))


# --- the grid ------------------------------------------------------------------------------------------------


def _grid(shown: GuideShown, numbers: Sequence[str], frame: Frame, now: float) -> Html:
    begin, end = shown.listings.begin, shown.listings.end
    steps = (end - begin) // STEP_S
    marks = [
        element("th", clock(moment), scope="colgroup", colspan=HALF_HOUR_S // STEP_S)
        for moment in range(begin, end, HALF_HOUR_S)
    ]
    ruler = element(
        "tr", [element("th", plural(len(numbers), "channel"), scope="col", class_="corner"), *marks]
    )
    columns = Html(f'<colgroup><col class="names"></colgroup><colgroup span="{steps}"></colgroup>')
    base = frame.to("channel", shown.asked.dvr)
    rows = [_row(shown, number, base, now) for number in numbers]
    table = element(
        "table",
        [
            element("caption", f"What is on, {shown.asked.dvr}", class_="unseen"),
            columns,
            element("thead", ruler),
            Html("<tbody>" + "".join(rows) + "</tbody>"),
        ],
        class_="grid",
        id="grid",
        data_begin=begin,
        data_end=end,
    )
    plane = element("div", [table, _line(begin, end, now)], class_="plane")
    # Focusable, so that it can be scrolled by keys without the script, which walks the cells instead.
    return element("div", plane, class_="scroller", role="region", aria_label="Guide", tabindex="0")


def _line(begin: int, end: int, now: float) -> Html:
    """The line of the present time. Drawn, because drawings may say a place where the policy forbids a style."""
    at = int(now) - begin
    hidden = "" if begin <= now < end else " hidden"
    return Html(
        f'<svg class="line" viewBox="0 0 {end - begin} 1" preserveAspectRatio="none" aria-hidden="true"{hidden}>'
        f'<line x1="{at}" x2="{at}" y1="0" y2="1"/></svg>'
    )


def _row(shown: GuideShown, number: str, base: str, now: float) -> str:
    """A channel's row. Written out by hand: there are hundreds of rows and thousands of cells."""
    href = text(f"{base}/{number}")
    logo = shown.logos.get(number, "")
    image = (
        f'<img src="{text(logo)}" alt="" loading="lazy" decoding="async" referrerpolicy="no-referrer">'
        if logo
        else ""
    )
    name = text(shown.names[number])
    head = (
        f'<tr><th scope="row"><a href="{href}"><b>{text(number)}</b>'
        f'<span class="logo">{image}</span><bdi>{name}</bdi></a></th>'
    )
    listings = shown.listings
    nothing = "unknown" if not listings.known else "switched off" if number in shown.off else "no guide data"
    cells = _cells(listings.by_number.get(number, ()), listings, href, now, nothing)
    return head + "".join(cells) + "</tr>"


def _cells(
    programmes: Sequence[Programme], listings: Listings, href: str, now: float, nothing: str
) -> list[str]:
    """The cells of a row; `nothing` is said where it has no programme at all."""
    begin, end = listings.begin, listings.end
    steps = (end - begin) // STEP_S
    cells: list[str] = []
    reached = 0
    for programme in programmes:
        first = max(reached, _step(programme.start - begin))
        last = min(steps, _step(programme.stop - begin))
        if last <= first:
            continue  # shorter than what can be drawn; the channel's page has it
        if first > reached:
            cells.append(_hole(first - reached))
        cells.append(_cell(programme, last - first, listings, href, now))
        reached = last
    if reached < steps:
        cells.append(_hole(steps - reached, "" if reached else f"<i>{nothing}</i>"))
    return cells


def _hole(steps: int, said: str = "") -> str:
    return f'<td class="hole" colspan="{steps}">{said}</td>'


def _step(seconds: int) -> int:
    return max(0, (seconds + STEP_S // 2) // STEP_S)


def _cell(programme: Programme, steps: int, listings: Listings, href: str, now: float) -> str:
    classes = "now" if programme.start <= now < programme.stop else ""
    if programme.start < listings.begin:
        classes += " before"
    if programme.stop > listings.end:
        classes += " beyond"
    if steps >= LONG_STEPS:
        classes += " long"
    more = " · ".join(part for part in (programme.episode, programme.sub_title) if part)
    small = f"<small>{text(more)}</small>" if more else ""
    title = text(programme.title) or "Untitled"
    opened = f'<td colspan="{steps}" class="{classes.strip()}">' if classes else f'<td colspan="{steps}">'
    return (
        f'{opened}<a tabindex="-1" href="{href}#t{programme.start}" data-b="{programme.start}" '
        f'data-e="{programme.stop}"><span dir="auto">{title}</span>{small}</a></td>'
    )
