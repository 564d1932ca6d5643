"""What apply asks of `serve`, over HTTP at the advertised address and nowhere else (design.md 4).

Is the generation live, does a tuner answer with its DeviceID, who watches, did Plex fetch the guide. No answer is an
answer of its own: `Unknown`, never "nobody watches". Nothing here writes. This module refuses to follow redirects and to
use a proxy.
"""

from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import trio

from reconciler.lineups.manifest import DvrManifest
from reconciler.plex.model import Unknown
from reconciler.tls import trusted

__all__ = ["ServeClient", "serve_client"]

STATUS_FORMAT: Final = "ptctl-status/1"
STRANGER: Final = "what answers there is not ptctl serve"
PLEX_AGENT: Final = "plex"
"""Plex names itself `PlexMediaServer` when it fetches a guide (plex-livetv.md 6.2)."""


@dataclass(slots=True)
class ServeClient:
    """Asks the hub at the first of `addresses` that answers. Cancelling is safe.

    `tuners` are the published DVRs by name: of several pods, each serving some of them
    (`serve --only`), one hub knows of its own viewers alone, and the others' tuners are asked themselves.
    """

    addresses: Sequence[str]
    limit_s: float
    tuners: Mapping[str, DvrManifest] | Unknown
    _client: httpx.AsyncClient = field(repr=False)

    async def ready(self, generation: str) -> Unknown | None:
        """None when the hub serves this generation; else why not. A DVR that it cannot serve is for `tuner` to find."""
        answer = await self._hub("/readyz")
        if isinstance(answer, Unknown):
            return answer
        found = answer.get("generation")
        if found != generation:
            return Unknown(f"serve still serves generation {found or 'none'}")
        problems = answer.get("problems") or {}
        why = answer.get("why") or problems.get("")
        if why or not (answer.get("ready") or problems):
            return Unknown(f"serve is not ready: {why or 'no reason'}")
        return None

    async def tuner(self, base_url: str, device_id: str) -> Unknown | None:
        """None when `discover.json` there answers with this DeviceID (DVR-7); else why not."""
        answer = await self._json(f"{base_url.rstrip('/')}/discover.json")
        if isinstance(answer, Unknown):
            return Unknown(f"the tuner at {base_url} does not answer: {answer.why}")
        found = str(answer.get("DeviceID", ""))
        if found.casefold() != device_id.casefold():
            return Unknown(f"another device answers there: DeviceID {found or 'none'} instead of {device_id}")
        return None

    async def busy(self, *, among: Container[str] | None = None) -> dict[str, int] | Unknown:
        """How many streams with viewers run, by DVR name; DVRs without any are left out.

        Unknown as a whole where one of the DVRs (with `among`: of those that are served now) cannot be asked. Costs one request, and one for each DVR of other pods.
        """
        answer = await self._hub("/api/v1/streams")
        if isinstance(answer, Unknown):
            return answer
        if not isinstance(answer.get("streams"), list):
            return Unknown(STRANGER)
        counts: dict[str, int] = {}
        for row in _rows(answer, "streams"):
            if row.get("viewers"):
                name = str(row.get("dvr", ""))
                counts[name] = counts.get(name, 0) + 1
        if isinstance(self.tuners, Unknown):
            return self.tuners
        here = answer.get("dvrs")
        served = [n for n in self.tuners if among is None or n in among]
        others = [n for n in served if n not in here] if isinstance(here, list) else []
        for name in others:
            base_url = self.tuners[name].base_url.rstrip("/")
            rows = await self._body(f"{base_url}/status.json")
            if not isinstance(rows, list):
                why = rows.why if isinstance(rows, Unknown) else "what answers there is no tuner"
                return Unknown(f'another process serves "{name}", and at {base_url} it does not tell: {why}')
            # A tuner whose stream has no viewer any more has no target (hdhomerun.md 2.9).
            watched = sum(bool(isinstance(row, dict) and row.get("TargetIP")) for row in rows)
            if watched:
                counts[name] = watched
        return counts

    async def status(self) -> dict[str, Any] | Unknown:  # Any: JSON
        """All that the hub knows of this moment (`ptctl-status/1`)."""
        answer = await self._hub("/api/v1/status")
        if isinstance(answer, Unknown) or answer.get("format") == STATUS_FORMAT:
            return answer
        return Unknown(STRANGER)

    async def moment(self, dvr: str, base_url: str) -> float | Unknown:
        """The time on the clock of the `serve` that serves this DVR: guide fetches are noted with it."""
        answer = await self._fetches(dvr, base_url, "99999999999")
        if isinstance(answer, Unknown):
            return answer
        now = answer.get("now")
        return float(now) if isinstance(now, int | float) else Unknown("serve does not tell the time")

    async def fetched(self, dvr: str, base_url: str, since: float) -> bool | Unknown:
        """Whether Plex fetched the whole guide of this DVR since a moment of that clock. `base_url` is the tuner's."""
        answer = await self._fetches(dvr, base_url, f"{since:.3f}")
        if isinstance(answer, Unknown):
            return answer
        return any(
            row.get("dvr") == dvr
            and row.get("complete")
            and row.get("status") in {200, 304}
            and PLEX_AGENT in str(row.get("user_agent", "")).lower()
            for row in _rows(answer, "fetches")
        )

    async def _fetches(self, dvr: str, base_url: str, since: str) -> dict[str, Any] | Unknown:  # Any: JSON
        """The hub's log of guide fetches; that of the tuner itself where another pod serves it."""
        target = f"/api/v1/guide-fetches?since={since}"
        answer = await self._hub(target)
        here = answer.get("dvrs") if isinstance(answer, dict) else None
        if isinstance(here, list) and dvr not in here:
            return await self._json(base_url.rstrip("/") + target)
        return answer

    async def _hub(self, target: str) -> dict[str, Any] | Unknown:  # Any: JSON
        asked = []
        for address in self.addresses:
            answer = await self._json(address.rstrip("/") + target)
            if not isinstance(answer, Unknown):
                return answer
            asked.append(f"{address}: {answer.why}")
        return Unknown("; ".join(asked) or "no address of serve is known (serve.advertise)")

    async def _json(self, url: str) -> dict[str, Any] | Unknown:
        body = await self._body(url)
        if isinstance(body, Unknown | dict):
            return body
        return Unknown(STRANGER)

    async def _body(self, url: str) -> Any:  # Any: JSON, or Unknown
        try:
            with trio.fail_after(self.limit_s):
                answer = await self._client.get(url)
            # 503 of /readyz is an answer as well: it says why.
            body = answer.json() if answer.status_code in {200, 503} else None
        except trio.TooSlowError:
            return Unknown(f"no answer within {self.limit_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Unknown(f"no answer ({type(error).__name__})")
        except ValueError:
            return Unknown("what answers there is not ptctl serve (no JSON)")
        if body is None:
            return Unknown(f"what answers there is not ptctl serve (status {answer.status_code})")
        return body


def _rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = answer.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


@asynccontextmanager
async def serve_client(
    addresses: Sequence[str],
    *,
    limit_s: float = 5.0,
    tuners: Mapping[str, DvrManifest] | Unknown | None = None,
) -> AsyncIterator[ServeClient]:
    """A client for the hub at these base addresses (`advertise.plex` first, then `advertise.viewers`), closed at the end.

    `tuners`: what is published, for `busy`.
    """
    async with httpx.AsyncClient(
        trust_env=False, follow_redirects=False, timeout=limit_s, verify=trusted()
    ) as client:
        yield ServeClient(tuple(dict.fromkeys(addresses)), limit_s, {} if tuners is None else tuners, client)
