"""What the simulated Plex asks a tuner: discover.json, lineup_status.json, the lineup, and the scan.

The requests are those of plex-livetv.md 6.2, made over real HTTP with Plex's user agent. What answers without being an
HDHomeRun is told apart from what does not answer: the first becomes a junk device, the second is refused (2.4).
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from reconciler.sandbox.plex_records import LineupEntry

__all__ = ["USER_AGENT", "Tuner", "Unreachable", "base_uri", "probed", "scanned", "tuner_lineup"]

USER_AGENT: Final = "PlexMediaServer/1.43.2.10687-563d026ea"


class Unreachable(Exception):
    """Nobody answers at this address, or not in time."""


@dataclass(frozen=True, slots=True)
class Tuner:
    """What a tuner says of itself."""

    device_id: str
    make: str
    model: str
    model_number: str
    device_auth: str
    tuners: int
    source: str
    sources: str
    lineup: tuple[LineupEntry, ...]
    can_scan: bool


def base_uri(text: str) -> str:
    """The address as Plex keeps it: with a scheme, with the port even if it is 80 (2.2), without a last slash."""
    uri = text.strip().rstrip("/")
    if "://" not in uri:
        uri = f"http://{uri}"
    parts = urlsplit(uri)
    if parts.port is None and parts.hostname:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        uri = parts._replace(netloc=f"{host}:{443 if parts.scheme == 'https' else 80}").geturl()
    return uri


async def probed(client: httpx.AsyncClient, base: str, *, timeout_s: float) -> Tuner | None:
    """Ask a tuner who it is and what it has; None if what answers is no HDHomeRun. Raises Unreachable."""
    discover = await _document(client, f"{base}/discover.json", timeout_s)
    if not isinstance(discover, dict) or not discover.get("DeviceID"):
        return None
    status = await _document(client, f"{base}/lineup_status.json", timeout_s)
    status = status if isinstance(status, dict) else {}
    tuners = discover.get("TunerCount", 0)
    return Tuner(
        device_id=str(discover["DeviceID"]),
        make=str(discover.get("Manufacturer", "")),
        model=str(discover.get("FriendlyName", "")),
        model_number=str(discover.get("ModelNumber", "")),
        device_auth=str(discover.get("DeviceAuth", "")),
        tuners=tuners if isinstance(tuners, int) else 0,
        source=str(status.get("Source", "")),
        sources=",".join(str(name) for name in status.get("SourceList", [])),
        lineup=await _lineup(client, base, discover, timeout_s) or (),
        can_scan=bool(status.get("ScanPossible")),
    )


async def tuner_lineup(
    client: httpx.AsyncClient, base: str, device_id: str, *, timeout_s: float
) -> tuple[LineupEntry, ...] | None:
    """The lineup as it is now; None if the tuner at this address has another DeviceID or no readable lineup.

    Raises Unreachable.
    """
    discover = await _document(client, f"{base}/discover.json", timeout_s)
    if not isinstance(discover, dict) or str(discover.get("DeviceID", "")).casefold() != device_id.casefold():
        return None
    return await _lineup(client, base, discover, timeout_s)


async def scanned(client: httpx.AsyncClient, base: str, source: str, *, timeout_s: float) -> bool:
    """Start a scan on the tuner; False if it does not take it, which Plex shows as "Device not found" (6.2)."""
    try:
        answer = await client.post(
            f"{base}/lineup.post", params={"scan": "start", "source": source}, timeout=timeout_s
        )
    except httpx.HTTPError as problem:
        raise Unreachable(str(problem)) from problem
    return answer.status_code == 200


async def _lineup(
    client: httpx.AsyncClient, base: str, discover: dict[str, Any], timeout_s: float
) -> tuple[LineupEntry, ...] | None:
    document = await _document(client, str(discover.get("LineupURL") or f"{base}/lineup.json"), timeout_s)
    if not isinstance(document, list):
        return None
    entries = [e for e in document if isinstance(e, dict) and e.get("GuideNumber") and e.get("URL")]
    return tuple(
        LineupEntry(
            number=str(e["GuideNumber"]),
            name=str(e.get("GuideName", "")),
            url=str(e["URL"]),
            drm=bool(e.get("DRM")),
            hd=bool(e.get("HD")),
            favorite=bool(e.get("Favorite")),
        )
        for e in entries
    )


async def _document(client: httpx.AsyncClient, url: str, timeout_s: float) -> Any:  # Any: JSON
    try:
        answer = await client.get(url, timeout=timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise Unreachable(f"{url}: {problem}") from problem
    if answer.status_code != 200:
        return None
    try:
        return json.loads(answer.content)
    except ValueError:
        return None
