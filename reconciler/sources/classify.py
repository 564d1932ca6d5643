"""The one detector: is what an upstream answers a stream, and if not, why not (iptv-streams.md C1, B4).

Index, probes, the start of a tune and a running relay all ask here, so that a stream that passes one of them cannot
fail another by a different opinion (design.md 6). A provider's headers lie and so do file names: the verdict rests on
status, final URL and first bytes. Pure functions; this module refuses to fetch, to wait and to decide what to try next.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

__all__ = [
    "ENOUGH_BYTES",
    "Cause",
    "Kind",
    "Verdict",
    "behind_cloudflare",
    "classify_playlist",
    "classify_response",
    "classify_segment",
    "find_grid",
    "inconclusive",
    "packet_grid",
    "retry_after_s",
    "sound_alone",
]

Sound = Literal["aac", "mp3", "ac3"]
Kind = Literal["hls", "ts", "fmp4", "aac", "mp3", "ac3", "dash", "bad"]
Cause = Literal[
    "",
    "status",
    "limit",
    "denied",
    "missing",
    "busy",
    "challenge",
    "empty",
    "html",
    "json",
    "text",
    "elsewhere",
    "no-segment",
    "no-header",
    "empty-segment",
    "not-ts",
    "encrypted",
    "short",
    "too-large",
    "timeout",
    "refused",
    "reset",
    "frozen",
    "stall",
]
"""Why a candidate is bad. The first group comes from here; `too-large`, `timeout`, `refused`, `reset`, `frozen` and
`stall` are given by whoever read and waited."""

ENOUGH_BYTES: Final = 16 * 1024
"""Read so much of a body (or to its end, or to the deadline) before asking; less is judged as it is."""

PACKET: Final = 188
SYNC: Final = 0x47
SPACINGS: Final = (188, 192, 204)  # plain, M2TS with time code, with parity (ISO 13818-1)
SYNCS_NEEDED: Final = 3

_LIMIT_STATUS: Final = frozenset({423, 429, 456, 458, 509})
_DENIED_STATUS: Final = frozenset({401, 403, 407, 451, 454, 459, 461, 512, 513, 514})
_MISSING_STATUS: Final = frozenset({404, 410})
_LIMIT_WORDS: Final = re.compile(
    rb"max(?:imum)?[ _-]?(?:(?:of )?\d{1,3} (?:\w+ )?)?connections?|connections?[ _-]?limit|too many connections|concurrent",
    re.IGNORECASE,
)
_ALLOWED: Final = re.compile(
    rb"(?:max(?:imum)?|limit|only|allow(?:s|ed)?)(?: of| is)?[\W_]{0,3}(\d{1,3})[\W_]{1,3}"
    rb"(?:simultaneous |concurrent |active )?(?:connection|stream|device|session|screen)"
    rb"|(?:max(?:imum)?[ _-]?connections?|connections?[ _-]?limit)\W{0,3}(?:is|of|reached|exceeded)?\W{0,4}(\d{1,3})\b"
    rb"(?! ?(?:s\b|sec|min))",
    re.IGNORECASE,
)
"""How many connections a refusal says there may be."""
PAUSE_S: Final = 2.0
"""Of a 429 that names no time. Asked on and on an address is banned (iptv-streams.md B4), so who is told so again waits twice
as long; but some panels say it of a connection that was closed a moment ago, and whoever zaps waits for this."""
_CHALLENGE_WORDS: Final = re.compile(
    rb"checking your browser|ray id|cf-chl|challenge-platform|just a moment", re.IGNORECASE
)
_TERMS_WORDS: Final = re.compile(
    r"terms[-_ ]?of[-_ ]?service|\btos\b|abuse|sign-?up|register|login|captcha|blocked|suspended",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(rb"<(?:!doctype|html|head|body|script|meta|title|h1|p\b|br\b|div)", re.IGNORECASE)
_BOXES: Final = (b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer is. `cause` is "" for a good one; `detail` is a short sentence without any secret.

    `spacing` is the packet length of a transport stream and `offset` where its first packet begins. `allowed` is how many
    connections a refusal says there may be, `wait_s` how long nobody is to ask again; None where it does not say.
    """

    kind: Kind
    cause: Cause = ""
    detail: str = ""
    spacing: int = 0
    offset: int = 0
    allowed: int | None = None
    wait_s: float | None = None

    @property
    def good(self) -> bool:
        """Whether the answer may be played (HLS: once its first segment passed as well)."""
        return self.kind != "bad"


def inconclusive(verdict: Verdict) -> bool:
    """Whether a bad verdict says nothing about the stream: the account or the server is busy, or nobody answered.

    Refused connections, 429, 458, time spent (SMK-2) and challenges must never take a channel away.
    """
    return verdict.cause in {"limit", "busy", "challenge", "timeout", "refused", "reset", "denied"}


def behind_cloudflare(headers: Mapping[str, str]) -> bool:
    """Whether an answer came through Cloudflare's proxy: `Server: cloudflare` or a `CF-RAY` header."""
    names = {k.lower(): v for k, v in headers.items()}
    return "cloudflare" in names.get("server", "").lower() or "cf-ray" in names


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of a `Retry-After` header, or None. Dates are not read: panels send numbers."""
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), "").strip()
    return float(value) if value.isascii() and value.isdigit() and len(value) < 8 else None


def classify_response(
    status: int, headers: Mapping[str, str], final_url: str, first_bytes: bytes, *, asked_url: str = ""
) -> Verdict:
    """The verdict on an answer from its status, headers, address after redirects and first bytes.

    `asked_url` is the address before redirects: ending on another host's page is told from the page's own name.
    Give up to `ENOUGH_BYTES`; fewer are judged as the whole body. Header names may have any case.
    """
    names = {k.lower(): v for k, v in headers.items()}
    if status not in (200, 206):
        return _by_status(status, names, first_bytes)
    if not first_bytes:
        said = "a length of 0" if names.get("content-length") == "0" else "no body"
        return Verdict("bad", "empty", f"answered {status} with {said}")
    return _by_content(first_bytes, final_url, asked_url)


def _by_status(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    told = f"answered {status}"
    wait_s = retry_after_s(headers)
    if status in _LIMIT_STATUS or (status >= 400 and _LIMIT_WORDS.search(body)):
        wait_s = PAUSE_S if wait_s is None and status == 429 else wait_s
        said = f"{told}: the account or address is over a limit"
        return Verdict("bad", "limit", said, allowed=_allowed(body), wait_s=wait_s)
    if behind_cloudflare(headers) and (
        status in (403, 503) and (_CHALLENGE_WORDS.search(body) or "cf-mitigated" in headers)
    ):
        return Verdict("bad", "challenge", f"{told}: Cloudflare asks for a browser")
    if 520 <= status <= 530:
        return Verdict("bad", "busy", f"{told}: Cloudflare cannot reach the server")
    if status in _DENIED_STATUS:
        return Verdict("bad", "denied", told)
    if status in _MISSING_STATUS:
        return Verdict("bad", "missing", told)
    if (
        status >= 800
    ):  # 884 and the like: VPN, user agent or get.php refused; no HTTP meaning (iptv-streams.md B4)
        return Verdict("bad", "denied", f"{told}, a status of the provider's own")
    if status >= 500 or status == 408:
        return Verdict("bad", "busy", told, wait_s=wait_s)
    return Verdict("bad", "status", told)


def _allowed(body: bytes) -> int | None:
    """The number in "max 2 connections", "connection limit: 2" and the like."""
    found = _ALLOWED.search(body[:4096])
    return int(found[1] or found[2]) or None if found else None


def _by_content(data: bytes, final_url: str, asked_url: str) -> Verdict:
    spacing, offset = packet_grid(data)
    if spacing:
        return Verdict("ts", spacing=spacing, offset=offset)
    head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"#EXTM3U"):
        return Verdict("hls")
    if data[4:8] in _BOXES:
        return Verdict("fmp4")
    if head.startswith((b"<?xml", b"<MPD")) and b"<MPD" in head[:2048]:
        return Verdict("dash", detail="a DASH manifest")
    elsewhere = _elsewhere(final_url, asked_url)
    if elsewhere and not _binary(head):
        return Verdict("bad", "elsewhere", f"redirected to {elsewhere}")
    if _LIMIT_WORDS.search(head[:4096]) and not _binary(head):
        said = "a page about the connection limit instead of a stream"
        return Verdict("bad", "limit", said, allowed=_allowed(head))
    if head.startswith(b"<") or _MARKUP.search(head[:1024]):
        return Verdict("bad", "html", "an HTML page instead of a stream")
    if head.startswith((b"{", b"[")):
        return Verdict("bad", "json", "a JSON answer instead of a stream")
    if not head:
        return Verdict("bad", "empty", "a body of blanks only")
    if b"#EXTINF" in head[:4096] or b"#EXT-X-" in head[:4096]:
        return Verdict("bad", "no-header", "a playlist that does not begin with #EXTM3U")
    if len(data) < PACKET and not _binary(head):
        return Verdict("bad", "text", "a few words instead of a stream")
    if _binary(head):
        if data[0] == SYNC and len(data) < PACKET * SYNCS_NEEDED:
            return Verdict("bad", "short", f"only {len(data)} bytes")
        # Behind a picture's head, as segments are hidden from those who look for video, or behind damage.
        spacing, offset = find_grid(data[:ENOUGH_BYTES])
        if spacing:
            return Verdict("ts", spacing=spacing, offset=offset)
        return Verdict("bad", "not-ts", "bytes that are no transport stream")
    return Verdict("bad", "text", "plain text instead of a stream")


def _elsewhere(final_url: str, asked_url: str) -> str:
    """The host of a terms or sign-up page that a redirect ended on, else ""."""
    try:
        final, asked = urlsplit(final_url), urlsplit(asked_url)
    except ValueError:
        return ""
    if _TERMS_WORDS.search(final.path) and final.path != asked.path:
        return f"a terms or sign-up page of {final.hostname}"
    return ""


def _binary(head: bytes) -> bool:
    sample = head[:512]
    odd = sum(b < 9 or 13 < b < 32 or b == 127 for b in sample)
    high = sum(b > 127 for b in sample) if "\ufffd" in sample[:-3].decode("utf-8", "replace") else 0
    return (odd + high) * 10 > len(sample)


def packet_grid(data: bytes) -> tuple[int, int]:
    """Packet length and offset of the first of three packets in a row (all there are, when fewer), else (0, 0).

    Looks at the first kilobyte only, as players do: a stream may begin in the middle of a packet.
    """
    for spacing in SPACINGS:
        for offset in range(min(spacing, len(data))):
            if data[offset] != SYNC:
                continue
            marks = data[offset : offset + spacing * 5 : spacing]
            if len(marks) >= SYNCS_NEEDED and marks.count(SYNC) == len(marks):
                return spacing, offset
    return 0, 0


def find_grid(data: bytes) -> tuple[int, int]:
    """As `packet_grid`, wherever in `data` packets begin. Looks at sync bytes alone: 0.6 ms for 64 KiB of noise."""
    at = data.find(SYNC)
    while at >= 0:
        for spacing in SPACINGS:
            marks = data[at : at + spacing * 5 : spacing]
            if len(marks) >= SYNCS_NEEDED and marks.count(SYNC) == len(marks):
                return spacing, at
        at = data.find(SYNC, at + 1)
    return 0, 0


def classify_playlist(text: str) -> Verdict:
    """The verdict on an HLS playlist's text: good when it has a header and lists a segment or a variant.

    Good does not mean playable: the first segment's bytes still have to pass `classify_segment`.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    lines = [line for line in lines if line]
    if not lines or not lines[0].startswith("#EXTM3U"):
        return Verdict("bad", "no-header", "a playlist that does not begin with #EXTM3U")
    if any(line.startswith("#EXT-X-KEY") and "METHOD=SAMPLE-AES" in line for line in lines):
        return Verdict("bad", "encrypted", "SAMPLE-AES protected, which cannot be relayed")
    if not any(not line.startswith("#") for line in lines):
        return Verdict("bad", "no-segment", "a playlist without a segment")
    if not any(line.startswith(("#EXTINF", "#EXT-X-STREAM-INF")) for line in lines):
        return Verdict("bad", "no-segment", "a playlist whose lines are no segments")
    return Verdict("hls")


def classify_segment(
    status: int, headers: Mapping[str, str], final_url: str, first_bytes: bytes, *, asked_url: str = ""
) -> Verdict:
    """The verdict on a segment of an HLS playlist; encrypted ones must be decrypted first. Never "hls"."""
    verdict = classify_response(status, headers, final_url, first_bytes, asked_url=asked_url)
    if verdict.cause == "empty":
        return Verdict("bad", "empty-segment", "the first segment has no bytes")
    if verdict.kind == "hls":
        return Verdict("bad", "not-ts", "a playlist instead of a segment")
    sound = sound_alone(verdict, first_bytes)
    return Verdict(sound) if sound else verdict


def sound_alone(verdict: Verdict, data: bytes) -> Sound | None:
    """The codec of sound in no container, in what `verdict` takes for no stream; else None. Playable with `remux` alone."""
    return _packed_sound(data) if verdict.cause in {"not-ts", "text"} else None


def _packed_sound(data: bytes) -> Sound | None:
    """Frames, or an ID3 tag and frames (RFC 8216 3.4)."""
    tagged = data[:3] == b"ID3" and len(data) >= 10
    if tagged:
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        data = data[10 + size :]
    if data[:2] == b"\x0b\x77":
        return "ac3"
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    layer = data[1] & 0x06
    if layer == 0x06:  # layer I is long gone, and two such bytes begin a text in UTF-16
        return None
    if layer:
        return "mp3" if tagged or data[1] & 0x18 != 0x08 else None
    length = (data[3] & 0x03) << 11 | data[4] << 3 | data[5] >> 5
    follows = data[length : length + 2]
    return "aac" if data[1] & 0xF0 == 0xF0 and length > 7 and (not follows or follows == data[:2]) else None
