"""How pages say times and rates.

Times are written in the zone of the machine and named; each stands in a `<time>` element, which the script turns to the
zone of whoever looks. Unknown is a word of its own. This module refuses to know what is being told.
"""

from datetime import UTC, datetime
from typing import Final, Literal

from reconciler.serving.pages.markup import Html, element
from reconciler.wording import span

__all__ = [
    "DASH",
    "UNKNOWN",
    "ago",
    "clock",
    "day_and_clock",
    "iso_seconds",
    "rate",
    "unknown",
    "zone",
]

UNKNOWN: Final = "unknown"
DASH: Final = "\N{EN DASH}"


def unknown(why: str = "") -> Html:
    """The word, quietly; `why` is shown when pointed at."""
    return element("span", UNKNOWN, class_="unknown", title=why or None)


def ago(moment: float, now: float) -> Html:
    """How long ago, as an element that the script keeps current."""
    said = "just now" if now - moment < 45 else f"{span(now - moment)} ago"
    return _time(moment, said, "ago")


def clock(moment: float) -> Html:
    """`18:05`."""
    return _time(moment, _local(moment).strftime("%H:%M"), "clock")


def day_and_clock(moment: float) -> Html:
    """`Mon 24 Nov 18:05`."""
    return _time(moment, f"{_local(moment):%a} {_local(moment).day} {_local(moment):%b %H:%M}", "day")


def weekday_and_clock(moment: float) -> Html:
    """`Mon 18:05`."""
    return _time(moment, f"{_local(moment):%a %H:%M}", "weekday")


def zone(moment: float) -> str:
    """The zone of the machine at a moment: `UTC`, `CEST`."""
    return _local(moment).strftime("%Z")


def rate(bits_per_second: int) -> str:
    """`4.2 Mbit/s`; "" where nothing has come yet."""
    return f"{bits_per_second / 1e6:.1f} Mbit/s" if bits_per_second > 0 else ""


def iso_seconds(text: str) -> float | None:
    """Seconds since 1970 of `2026-11-24T18:05:00Z`, None for no time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _time(moment: float, said: str, form: Literal["ago", "clock", "day", "weekday"]) -> Html:
    exact = datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return element("time", said, datetime=exact, data_form=form)


def _local(moment: float) -> datetime:
    return datetime.fromtimestamp(moment).astimezone()
