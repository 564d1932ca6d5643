"""The hub's application: health, readiness, the API, metrics, pages. ASGI, so that any server could run it.

Reading is open to whoever `access` admits; writing needs the admin token. Nothing here fetches an address that a client
names (SEC-1). Every answer closes its connection (see `handover`). This module refuses to make documents itself: each
path has a function that does.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import parse_qsl

from reconciler.serving.answers import Answer, json_answer
from reconciler.serving.asgi import Receive, Scope, Send
from reconciler.serving.fetches import FETCHES_PATH, GuideFetches
from reconciler.serving.generations import Live
from reconciler.serving.leases import Leases
from reconciler.serving.measures import Measures
from reconciler.serving.pages.site import Pages
from reconciler.serving.relay import Relay
from reconciler.serving.runs import RUNS_PATH, Runs
from reconciler.serving.streams import stream_rows
from reconciler.serving.suspending import SUSPENSION_PATH, SuspensionApi

__all__ = ["App", "Asked"]


READS: Final = frozenset({"GET", "HEAD"})
LEASES_PATH: Final = "/api/v1/leases"
STATUS_FORMAT: Final = "ptctl-status/1"
# Pages are ours alone: no foreign scripts, no frames.
GUARDS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'self'; img-src * data:; frame-ancestors 'none'"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the paths' functions see it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


Path = Callable[[Asked], Answer]


class App:
    """Callable as ASGI. `extra` are further paths of others (metrics), `pages` has its own."""

    def __init__(
        self,
        live: Live,
        relay: Relay,
        fetches: GuideFetches,
        extra: Mapping[str, Path] | None = None,
        pages: Pages | None = None,
        measures: Measures | None = None,
        leases: Leases | None = None,
        runs: Runs | None = None,
        suspension: SuspensionApi | None = None,
        refused: Mapping[str, int] | None = None,
    ) -> None:
        self._live = live
        self._relay = relay
        self._fetches = fetches
        self._pages = pages
        self._measures = measures
        self._leases = leases
        self._runs = runs
        self._suspension = suspension
        self._refused: Mapping[str, int] = {} if refused is None else refused
        self._paths: dict[str, Path] = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/api/v1/streams": self._streams,
            FETCHES_PATH: self._guide_fetches,
            **(extra or {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            return
        if scope["type"] != "http":
            return
        if self._pages is not None and self._pages.owns(scope["path"]):
            await self._pages(scope, receive, send)
            return
        asked = Asked(
            method=scope["method"],
            path=scope["path"],
            query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
            headers={k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]},
        )
        if self._leases is not None and (asked.path, asked.method) == (LEASES_PATH, "POST"):
            await self._leases.answer(asked.headers, receive, send)
            return
        answer = None
        if asked.path == "/metrics":
            answer = await self._metrics(asked)
        elif asked.path == "/api/v1/status":
            answer = await self._status(asked)
        elif self._suspension is not None and asked.path == SUSPENSION_PATH:
            answer = await self._suspension.answer(asked.method, asked.headers, receive)
        await self._send(asked, answer or self._answer(asked), send)

    async def _status(self, asked: Asked) -> Answer | None:
        """What the pages show, for `ptctl status` and `ptctl doctor`; and which clients were turned away."""
        if self._pages is None or asked.method not in READS:
            return None
        document = asdict(await self._pages.status())
        return json_answer({"format": STATUS_FORMAT, **document, "refused": dict(self._refused)})

    async def _metrics(self, asked: Asked) -> Answer | None:
        if self._measures is None or self._pages is None or asked.method not in READS:
            return None
        from reconciler.serving.metrics import CONTENT_TYPE, metrics_text  # only who is scraped pays for it

        body = metrics_text(self._measures, await self._pages.status(), self._fetches)
        return Answer(200, body, CONTENT_TYPE, (("Cache-Control", "no-store"),))

    def _answer(self, asked: Asked) -> Answer:
        if self._leases is not None and asked.path == LEASES_PATH:
            return Answer(405, headers=(("Allow", "POST"),))
        if self._runs is not None and asked.path == RUNS_PATH:
            return self._runs.answer(asked.method, asked.headers)
        path = self._paths.get(asked.path)
        if path is None:
            return Answer(404, b"not found\n", "text/plain")
        if asked.method not in READS:
            return Answer(405, headers=(("Allow", "GET, HEAD"),))
        return path(asked)

    async def _send(self, asked: Asked, answer: Answer, send: Send) -> None:
        headers = [
            *answer.headers,
            *GUARDS,
            ("Content-Length", str(len(answer.body))),
            ("Connection", "close"),
        ]
        if answer.content_type:
            headers.append(("Content-Type", answer.content_type))
        lines = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": lines})
        body = b"" if asked.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    # --- paths -----------------------------------------------------------------------------------------------

    def _health(self, _: Asked) -> Answer:
        return json_answer({"alive": True})

    def _ready(self, _: Asked) -> Answer:
        live = self._live
        generation = live.generation
        why = "draining" if live.draining else "no artifacts yet" if generation is None else ""
        state = {
            "ready": live.ready,
            "generation": generation.id if generation else None,
            "dvrs": self._dvrs(),
            "why": why,
            "problems": dict(live.problems),
        }
        return json_answer(state, 200 if live.ready else 503)

    def _streams(self, _: Asked) -> Answer:
        return json_answer({"dvrs": self._dvrs(), "streams": stream_rows(self._live, self._relay)})

    def _guide_fetches(self, asked: Asked) -> Answer:
        return self._fetches.answer(asked.query.get("since", "0"), self._dvrs())

    def _dvrs(self) -> list[str]:
        """Those that this process serves."""
        generation = self._live.generation
        return sorted(generation.tuners) if generation else []
