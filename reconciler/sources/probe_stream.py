"""Trying one address of a stream: does it begin to play, and if not, does that say anything about the stream?

Good is TS with packets in a row, sound in frames, or an HLS playlist with a segment whose own first bytes are such or fMP4 (SMK-1); mode
`deep` also hands what was read to ffprobe through a pipe, so that no address stands in a process list (PVL-4 says what
happens without ffprobe). This module refuses to try twice and to decide about channels.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urljoin

import httpx
import trio

from reconciler.secret import Secret
from reconciler.sources.classify import (
    ENOUGH_BYTES,
    Verdict,
    classify_playlist,
    classify_response,
    classify_segment,
    inconclusive,
    sound_alone,
)
from reconciler.sources.probe_outcome import Tried
from reconciler.sources.sample import Sampled, sampled

__all__ = ["Look", "ffprobe_path", "try_address"]

PLAYLIST_BYTES: Final = 4 << 20
DEEP_BYTES: Final = 1 << 20
NESTED: Final = 3
VARIANTS: Final = 3
FFPROBE_S: Final = 15.0
_ENCRYPTED: Final = re.compile(r"#EXT-X-KEY:[^\n]*METHOD=AES-128")


@dataclass(frozen=True, slots=True)
class Look:
    """How to look: request headers, seconds for each request, whether private addresses are in order, ffprobe or None."""

    headers: Mapping[str, str | Secret]
    limit_s: float
    private_ok: bool
    ffprobe: str | None = None
    radio: bool = False


def ffprobe_path() -> str | None:
    """Where ffprobe is, None where it is not installed."""
    return shutil.which("ffprobe")


async def try_address(client: httpx.AsyncClient, url: Secret, look: Look) -> Tried:
    """Try one address. Never raises for what a server does; costs one connection, with HLS one after the other."""
    wanted = DEEP_BYTES if look.ffprobe else ENOUGH_BYTES
    answer = await _sample(client, url, look, wanted)
    if answer.cause:
        return _tried(Verdict("bad", answer.cause, answer.detail))
    verdict = classify_response(
        answer.status, answer.headers, answer.final.reveal(), answer.data, asked_url=url.reveal()
    )
    if verdict.kind == "hls":
        return await _try_playlist(client, answer, look, wanted)
    if verdict.kind == "dash":
        # what the relay says of it as well: to keep such a channel is to promise what no tuner can do
        return _tried(Verdict("bad", "not-ts", "a DASH manifest, which cannot be relayed"))
    sound = sound_alone(verdict, answer.data)
    if sound:  # radio, whatever the list says; the profile `remux` plays it
        look, verdict = replace(look, radio=True), Verdict(sound)
    if verdict.good and look.ffprobe:
        return await _deep(look, answer.data)
    return _tried(verdict)


async def _sample(client: httpx.AsyncClient, url: Secret, look: Look, wanted: int) -> Sampled:
    def enough(data: bytes) -> bool:
        if data.lstrip(b"\xef\xbb\xbf \r\n")[:7] == b"#EXTM3U":
            return len(data) > PLAYLIST_BYTES
        return len(data) >= wanted

    return await sampled(
        client, url, look.headers, enough=enough, limit_s=look.limit_s, private_ok=look.private_ok
    )


async def _try_playlist(client: httpx.AsyncClient, answer: Sampled, look: Look, wanted: int) -> Tried:
    for _ in range(NESTED):
        text = answer.data.decode("utf-8", "replace")
        verdict = classify_playlist(text)
        if not verdict.good:
            return _tried(verdict)
        addresses = [line.strip() for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
        base = answer.final.reveal()
        if "#EXT-X-STREAM-INF" not in text:
            # the third from the end, as players begin; the oldest may be gone by the time it is asked for
            segment = Secret(urljoin(base, addresses[max(0, len(addresses) - 3)]))
            return await _try_segment(client, segment, look, wanted, encrypted=bool(_ENCRYPTED.search(text)))
        found = await _variant(client, [Secret(urljoin(base, one)) for one in addresses], look, wanted)
        if isinstance(found, Tried):
            return found
        answer = found
    return Tried("bad", "no-segment", f"more than {NESTED} playlists one below the other")


async def _variant(
    client: httpx.AsyncClient, urls: Sequence[Secret], look: Look, wanted: int
) -> Sampled | Tried:
    """The first variant that is a playlist, as the relay passes over one that is not there; else what the first one is."""
    wrong: Tried | None = None
    for url in urls[:VARIANTS]:
        answer = await _sample(client, url, look, wanted)
        verdict = (
            Verdict("bad", answer.cause, answer.detail)
            if answer.cause
            else classify_response(
                answer.status, answer.headers, answer.final.reveal(), answer.data, asked_url=url.reveal()
            )
        )
        if verdict.kind == "hls":
            return answer
        if verdict.good:
            verdict = Verdict("bad", "no-segment", "a variant is no playlist")
        wrong = wrong or _tried(verdict)
        if inconclusive(verdict):
            break  # the account's or the server's word: it would be the same for the next
    assert wrong is not None, "a master has variants"
    return wrong


async def _try_segment(
    client: httpx.AsyncClient, url: Secret, look: Look, wanted: int, *, encrypted: bool
) -> Tried:
    answer = await _sample(client, url, look, wanted)
    if answer.cause:
        return _tried(Verdict("bad", answer.cause, answer.detail))
    verdict = classify_segment(
        answer.status, answer.headers, answer.final.reveal(), answer.data, asked_url=url.reveal()
    )
    if encrypted and verdict.cause in {"not-ts", "short"}:
        return Tried(
            "good", "", "an encrypted segment with bytes"
        )  # the relay has the key, a probe has no need
    if verdict.good and look.ffprobe and not encrypted and verdict.kind == "ts":
        return await _deep(look, answer.data)
    return _tried(verdict)


def _tried(verdict: Verdict) -> Tried:
    if verdict.good:
        return Tried("good")
    return Tried("inconclusive" if inconclusive(verdict) else "bad", verdict.cause, verdict.detail)


async def _deep(look: Look, data: bytes) -> Tried:
    """Whether ffprobe finds a picture (radio: sound) in what was read."""
    assert look.ffprobe is not None
    command = [
        look.ffprobe,
        "-v",
        "error",
        "-of",
        "json",
        "-show_entries",
        "stream=codec_type",
        "-i",
        "pipe:0",
    ]
    try:
        with trio.fail_after(FFPROBE_S):
            done = await trio.run_process(
                command, stdin=data, capture_stdout=True, stderr=subprocess.DEVNULL, check=False
            )
    except trio.TooSlowError:
        return Tried("inconclusive", "timeout", f"ffprobe took longer than {FFPROBE_S:g} s")
    except OSError as error:
        return Tried("inconclusive", "", f"ffprobe cannot be run: {(error.strerror or 'no reason').lower()}")
    try:
        kinds = {stream.get("codec_type") for stream in json.loads(done.stdout or b"{}").get("streams", [])}
    except (ValueError, AttributeError, TypeError):
        kinds = set()
    if "video" in kinds or (look.radio and "audio" in kinds):
        return Tried("good")
    found = ", ".join(sorted(str(k) for k in kinds)) or "nothing"
    return Tried("bad", "not-ts", f"ffprobe finds no {'sound' if look.radio else 'picture'} ({found})")
