"""Our own rules for scalars: what a text must look like to be a duration, a size, a share, a range, an address.

Each format is a pattern (the same text goes into the JSON Schema), a parser for what matched, and an explanation for
what did not: a missing unit is a different mistake from a word. Durations become seconds, sizes bytes, shares
fractions of 1. This module refuses to know any key and to look at positions.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Final

__all__ = [
    "CHANNEL",
    "DEVICE_PATH",
    "GUIDE_LOCATION",
    "HEADER_NAME",
    "LISTEN",
    "NAME",
    "NETWORK",
    "POOL",
    "REFERENCE",
    "SHARE",
    "SIZE",
    "TUNER_ADDRESS",
    "WEB_ADDRESS",
    "WEB_OR_REFERENCE",
    "Format",
    "Refused",
    "day",
    "duration",
    "number_range",
    "permission",
]

SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_TIME_WORDS: Final = {
    "msec": "ms",
    "millis": "ms",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
}
_SIZE_WORDS: Final = {"k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "b": "B"}
_SIZE_WORDS_MORE: Final = {"g": "GiB", "gb": "GiB", "gib": "GiB", "byte": "B", "bytes": "B"}
# Texts, because only a mistake needs them compiled.
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?"
_NUMBER_UNIT: Final = r"(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]+)"


class Refused(Exception):
    """A text is not what its format wants. Carries what a diagnostic needs; `shape` gives it a place."""

    def __init__(
        self,
        code: str,
        summary: str,
        *,
        label: str = "",
        suggest: str | None = None,
        hints: tuple[str, ...] = (),
    ) -> None:
        super().__init__(summary)
        self.code = code
        self.summary = summary
        self.label = label
        self.suggest = suggest
        self.hints = hints


class Format:
    """A kind of text. `what` completes "must be"; `pattern` is anchored and means the same in ECMA-262."""

    __slots__ = ("_explain", "_match", "_parse", "examples", "pattern", "what")

    def __init__(
        self,
        what: str,
        pattern: str,
        *,
        examples: tuple[str, ...],
        parse: Callable[[str], object] = str,
        explain: Callable[[str], Refused | None] | None = None,
    ) -> None:
        self.what = what
        self.pattern = pattern
        self.examples = examples
        self._match: Callable[[str], re.Match[str] | None] | None = None
        self._parse = parse
        self._explain = explain

    def fits(self, text: str) -> bool:
        """Whether the pattern matches. The first call compiles it."""
        if self._match is None:
            # not `search`: Python's $ is also before a line end at the end, ECMA's is not
            self._match = re.compile(self.pattern).fullmatch
        return self._match(text) is not None

    def parse(self, text: str) -> object:
        """The value of a text that fits. Raises `Refused` where the meaning is impossible (31 February)."""
        return self._parse(text)

    def explain(self, text: str) -> Refused | None:
        """A better reason than "does not match" for a text that does not fit, where there is one."""
        return self._explain(text) if self._explain else None


def duration(
    unit: str, *, least_s: float = 0.0, most_s: float = 366 * 86400.0, signed: bool = False
) -> Format:
    """A duration such as `24h` or `1h30m`; `unit` is the one to suggest where it is missing."""

    def parse(text: str) -> float:
        sign = -1.0 if text.startswith("-") else 1.0
        seconds = sum(float(n) * SECONDS[u] for n, u in re.findall(r"([0-9.]+)(ms|s|m|h|d)", text))
        seconds = round(sign * seconds, 3)
        if not (-most_s if signed else least_s) <= seconds <= most_s:
            bounds = f"{_spell(-most_s if signed else least_s)} to {_spell(most_s)}"
            raise Refused("V122", f"{text} is out of bounds", label=f"from {bounds}")
        return seconds

    def explain(text: str) -> Refused | None:
        if re.fullmatch(_NUMBER, text):
            better = f"{text}{unit}"
            return Refused(
                "V121",
                "a duration needs a unit",
                label=f"write {better} (units: ms, s, m, h, d)",
                suggest=better,
            )
        if found := re.fullmatch(_NUMBER_UNIT, text):
            number, word = found[1], found[2]
            known = word.lower() if word.lower() in SECONDS else _TIME_WORDS.get(word.lower())
            better = f"{number}{known or unit}"
            return Refused(
                "V121",
                f'"{word}" is no unit of time',
                label=f"write {better} (units: ms, s, m, h, d)",
                suggest=better if known else None,
            )
        return None

    return Format(
        f"a duration such as {24 if unit == 'h' else 2}{unit}",
        f"^{'-?' if signed else ''}([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$",
        examples=(f"24{unit}", f"1{unit}", f"1.5{unit}"),
        parse=parse,
        explain=explain,
    )


def _spell(seconds: float) -> str:
    """A duration in the largest unit that gives a whole number."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds else "0s"


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text)
    assert found
    size = int(float(found[1]) * BYTES[found[2]])
    if not 1 <= size <= 1024**3:
        raise Refused("V122", f"{text} is out of bounds", label="from 1B to 1GiB")
    return size


def _explain_size(text: str) -> Refused | None:
    units = "(units: B, KiB, MiB, GiB)"
    if re.fullmatch(_NUMBER, text):
        return Refused("V121", "a size needs a unit", label=f"write {text}KiB {units}", suggest=f"{text}KiB")
    if found := re.fullmatch(_NUMBER_UNIT, text):
        known = (_SIZE_WORDS | _SIZE_WORDS_MORE).get(found[2].lower())
        better = f"{found[1]}{known or 'KiB'}"
        return Refused(
            "V121",
            f'"{found[2]}" is no unit of size',
            label=f"write {better} {units}",
            suggest=better if known else None,
        )
    return None


SIZE: Final = Format(
    "a size such as 512KiB",
    r"^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB)$",
    examples=("512KiB", "1MiB", "1.5MiB"),
    parse=_size,
    explain=_explain_size,
)


def _explain_share(text: str) -> Refused | None:
    if re.fullmatch(_NUMBER, text):
        number = float(text)
        better = f"{number * 100:g}%" if 0 < number < 1 else f"{text}%"
        return Refused("V121", "a share needs a percent sign", label=f"write {better}", suggest=better)
    return None


SHARE: Final = Format(
    "a share from 0% to 100%",
    r"^(100|[0-9]{1,2}(\.[0-9]+)?)%$",
    examples=("30%", "0%", "100%", "12.5%"),
    parse=lambda text: round(float(text[:-1]) / 100, 6),
    explain=_explain_share,
)


def number_range(what: str, most: int, example: str) -> Format:
    """An inclusive range `first-last` of whole numbers from 1 to `most`, as a pair."""

    def parse(text: str) -> tuple[int, int]:
        first, last = (int(part) for part in text.split("-"))
        if first > last:
            raise Refused(
                "V122",
                f"the range {text} is the wrong way around",
                label=f"write {last}-{first}",
                suggest=f"{last}-{first}",
            )
        if first < 1 or last > most:
            raise Refused("V122", f"{text} is out of bounds", label=f"from 1 to {most}")
        return first, last

    return Format(
        f"a range of {what} such as {example}", r"^[0-9]{1,6}-[0-9]{1,6}$", examples=(example,), parse=parse
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused("V123", f"there is no day {text}", label=str(error)) from None


day: Final = Format(
    "a day such as 2026-12-05", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=("2026-12-05",), parse=_date
)

NAME: Final = Format(
    'a name of letters, digits, "-" and "_"',
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$",
    examples=("main", "sports-a", "4k"),
)

HEADER_NAME: Final = Format(
    "a header's name such as X-Token", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", examples=("Referer", "X-Token")
)

# The same schemes as `reconciler.secret.SecretRef.parse`.
REFERENCE: Final = Format(
    "a reference such as env:NAME or file:PATH",
    r"^(env:[A-Za-z0-9_]+|envfile:[^\n]+#[^\n#]+|(file|subscription|plexprefs):[^\n]+)$",
    examples=("env:IPTV_USER", "envfile:~/.config/iptv.env#IPTV_PASS", "file:/run/secrets/iptv"),
)


def _explain_web(text: str) -> Refused | None:
    if re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?(/\S*)?", text) and "." in text:
        better = f"http://{text}"
        return Refused(
            "V124", "an address begins with http:// or https://", label=f"write {better}", suggest=better
        )
    return None


_WEB: Final = r"https?://[^\s/?#]+([/?#]\S*)?"
WEB_ADDRESS: Final = Format(
    "an address such as http://tv.example.net:8080",
    f"^{_WEB}$",
    examples=("http://tv1.example.net:8080", "https://example.net/guide.xml.gz"),
    explain=_explain_web,
)
WEB_OR_REFERENCE: Final = Format(
    "an address such as https://example.net/list.m3u, or a reference to one",
    rf"^({_WEB}|env:[A-Za-z0-9_]+|envfile:[^\n]+#[^\n#]+|file:[^\n]+)$",
    examples=("https://example.net/list.m3u.gz", "env:LIST_URL"),
    explain=_explain_web,
)


def _explain_pool(text: str) -> Refused | None:
    if re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[0-9]+)?", text) and ("." in text or ":" in text):
        better = f"redis://{text}"
        return Refused(
            "V124", "a pool's address begins with redis://", label=f"write {better}", suggest=better
        )
    if re.match(r"(unix|valkeys?)://", text):
        return Refused(
            "V124", "a pool's address begins with redis:// or rediss:// (TLS)", label="Valkey, too"
        )
    return None


POOL: Final = Format(
    "local, an address such as redis://redis:6379/0, or a reference to one",
    r"^(local|rediss?://[^\s/?#@]+(/[0-9]+)?|env:[A-Za-z0-9_]+|envfile:[^\n]+#[^\n#]+|file:[^\n]+)$",
    examples=("local", "redis://redis:6379/0", "env:PTCTL_POOL"),
    explain=_explain_pool,
)


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 1 <= number <= 65535:
        raise Refused("V122", f"there is no port {number}", label="from 1 to 65535")
    return host.strip("[]"), number


def _explain_listen(text: str) -> Refused | None:
    if re.fullmatch(r"[0-9]{1,5}", text):
        return Refused("V124", "an address to listen on has two parts", label=f"write 0.0.0.0:{text}")
    if re.fullmatch(r"[A-Za-z0-9.-]+", text):
        return Refused("V124", "an address to listen on needs a port", label=f"write {text}:5004")
    return None


LISTEN: Final = Format(
    "an address and a port such as 0.0.0.0:5004",
    r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
    examples=("0.0.0.0:5004", "[::]:5004"),
    parse=_listen,
    explain=_explain_listen,
)


def _tuner_address(text: str) -> str:
    _listen(text.rpartition("://")[2].rstrip("/"))
    return text


TUNER_ADDRESS: Final = Format(
    "an address and a port such as 192.168.0.5:34400, or a port",
    r"^((https?://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):)?[0-9]{1,5}/?$",
    examples=("192.168.0.5:34400", "0.0.0.0:34400"),
    parse=_tuner_address,
    explain=_explain_listen,
)


def _network(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise Refused("V124", f'"{text}" is no network', label="write it as 192.168.0.0/16") from None


NETWORK: Final = Format(
    "a network such as 192.168.0.0/16",
    r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
    examples=("192.168.0.0/16", "10.0.0.5"),
    parse=_network,
)

CHANNEL: Final = Format(
    'a channel id such as "main/40177"', r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}/\S+$", examples=("main/40177",)
)
GUIDE_LOCATION: Final = Format(
    '"http", or file: and a path that Plex can read',
    r"^(http|file:/\S.*)$",
    examples=("http", "file:/livetv/current"),
)
DEVICE_PATH: Final = Format('a path that begins with "/"', r"^/[^\t\r\n#]*$", examples=("/guide.xml",))

_WORDS: Final = (
    "shrink",
    "empty",
    "rematch",
    "delete",
    "replace",
    "renumber",
    "overlap",
    "reuse",
    "stale",
    "busy",
    "moved",
)


def _explain_permission(text: str) -> Refused | None:
    from reconciler.spec.suggest import closest

    word, colon, target = text.partition(":")
    words = ", ".join(_WORDS)
    if not colon or not target:
        return Refused(
            "V111",
            "a permission names what it is for",
            label=f"write {word}:NAME",
            hints=(f"words: {words}",),
        )
    better = closest(word, _WORDS)
    return Refused(
        "V111",
        f'"{word}" is no word of a permission',
        label=f'did you mean "{better}"?' if better else "",
        suggest=f"{better}:{target}" if better else None,
        hints=(f"words: {words}",),
    )


permission: Final = Format(
    "a permission such as shrink:moviesprem",
    rf"^({'|'.join(_WORDS)}):[A-Za-z0-9][A-Za-z0-9_-]*$",
    examples=("shrink:moviesprem", "shrink:all"),
    explain=_explain_permission,
)
