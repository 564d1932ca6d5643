"""XMLTV times: whatever a guide writes, as seconds since 1970 UTC, and back in the one form every client reads.

Survey of 475,400 programmes (iptv-streams.md D2): 98.3 % have 14 digits, a blank and an offset; the rest lacks the zone,
has 12 or 13 digits, or names a zone. Jellyfin drops a programme whose zone is a name or whose blank is missing, so
we write `YYYYMMDDhhmmss +0000` only. This module refuses to ask what time it is.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

__all__ = ["DAY_S", "ZONES", "day_window", "time_text", "time_value"]

DAY_S: Final = 86400

_H: Final = 3600
ZONES: Final[dict[str, int]] = {
    # Where an abbreviation has several meanings, the one television guides use: IST is India, CST and EST are American.
    **dict.fromkeys(("", "z", "utc", "gmt", "ut", "uct", "wet", "zulu"), 0),
    **dict.fromkeys(("bst", "cet", "mez", "met", "west", "wat"), _H),
    **dict.fromkeys(("cest", "mesz", "mest", "eet", "sast", "cat"), 2 * _H),
    **dict.fromkeys(("eest", "msk", "trt", "eat", "idt"), 3 * _H),
    **dict.fromkeys(("gst", "samt"), 4 * _H),
    "irst": 3 * _H + 1800,
    "pkt": 5 * _H,
    "ist": 5 * _H + 1800,
    "npt": 5 * _H + 2700,
    **dict.fromkeys(("ict", "wib"), 7 * _H),
    **dict.fromkeys(("sgt", "hkt", "pht", "myt", "awst", "wita"), 8 * _H),
    **dict.fromkeys(("jst", "kst", "wit"), 9 * _H),
    "acst": 9 * _H + 1800,
    "acdt": 10 * _H + 1800,
    "aest": 10 * _H,
    "aedt": 11 * _H,
    "nzst": 12 * _H,
    "nzdt": 13 * _H,
    **dict.fromkeys(("brt", "art", "adt", "clst", "uyt"), -3 * _H),
    "nst": -3 * _H - 1800,
    "ndt": -2 * _H - 1800,
    **dict.fromkeys(("ast", "edt", "clt", "vet", "bot"), -4 * _H),
    **dict.fromkeys(("est", "cdt", "cot", "pet"), -5 * _H),
    **dict.fromkeys(("cst", "mdt"), -6 * _H),
    **dict.fromkeys(("mst", "pdt"), -7 * _H),
    **dict.fromkeys(("pst", "akdt"), -8 * _H),
    "akst": -9 * _H,
    "hst": -10 * _H,
}

_WILD: Final = re.compile(
    r"\s*+(\d{4})[-/.]?(\d\d)?[-/.]?(\d\d)?(?:[T\s]?(\d\d):?(\d\d)?:?(\d\d?)?(?:\.\d++)?)?\s*+(?:(?:UTC|GMT)?([+-])\s?(\d\d?):?(\d\d)?|([A-Za-z]*+))\s*+"
)

# Seconds or milliseconds since 1970, until 2033: read as digits of a date they would lie before the year 2000.
_EPOCH: Final = re.compile(r"\s*+(1\d{9})(?:\d{3})?(?:\.\d++)?\s*+", re.ASCII)


@lru_cache(maxsize=32768)
def time_value(text: str) -> int | None:
    """Seconds since 1970 UTC, or None where the text is no time. Without a zone, or with an unknown name, UTC.

    Reads leading parts of `YYYYMMDDhhmmss`, with `+hhmm`, `+hh:mm`, `+hh`, `Z` or a name from `ZONES` behind it, with or
    without a blank, `UTC+1` and `GMT+0100`, the ISO forms with dashes, `T` and colons, and seconds or milliseconds since
    1970. Hour 24 and second 60 mean the next day and minute.
    """
    if epoch := _EPOCH.fullmatch(text):
        return int(epoch[1])
    found = _WILD.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, sign, zone_h, zone_m, zone = found.groups()
    midnight = _midnight(int(year), int(month or 1), int(day or 1))
    hours, minutes = int(hour or 0), int(minute or 0)
    # A 13th digit is half a second figure (seen once in the survey): the minute is what counts.
    seconds = int(second) if second is not None and len(second) == 2 else 0
    if midnight is None or hours > 24 or minutes > 59 or seconds > 60:
        return None
    if sign:
        offset = (int(zone_h) * _H + int(zone_m or 0) * 60) * (-1 if sign == "-" else 1)
    else:
        offset = ZONES.get(zone.lower(), 0)
    return midnight + hours * _H + minutes * 60 + seconds - offset


@lru_cache(maxsize=1024)
def _midnight(year: int, month: int, day: int) -> int | None:
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _day_text(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y%m%d")


def time_text(value: int) -> str:
    """`YYYYMMDDhhmmss` in UTC; the writer adds ` +0000`."""
    day, rest = divmod(value, DAY_S)
    hours, rest = divmod(rest, _H)
    minutes, seconds = divmod(rest, 60)
    return f"{_day_text(day)}{hours:02d}{minutes:02d}{seconds:02d}"


def day_window(now: float, days: int) -> tuple[int, int]:
    """The guide's window: from 00:00 UTC of the day that holds `now` - 3 h, `days` whole days (design.md 5).

    The same all day long, so that a guide's bytes change once a day unless the data does.
    """
    start = int((now - 3 * _H) // DAY_S) * DAY_S
    return start, start + days * DAY_S
