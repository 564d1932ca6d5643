"""One run of `apply`, from the look at the world to the proof that nothing is left.

Prepare, refuse what is blocked, execute the plan's actions and nothing else, plan again. For the command line and for
`serve`'s loop alike; the caller holds the lock. This module refuses to print, to ask a person, and to choose an exit
status: it gives values, and the caller's `consent` decides.
"""

import json
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import trio

from reconciler.applying.context import ApplyContext, PlexDatabase
from reconciler.applying.events import Progress
from reconciler.applying.executor import run
from reconciler.applying.serve import ServeClient, serve_client
from reconciler.applying.settled import Settled
from reconciler.applying.timing import Timing
from reconciler.applying.verify import verify
from reconciler.errors import ApplyIncomplete, StalePlan
from reconciler.ledger import generations, store
from reconciler.ledger.guide_history import save_history
from reconciler.ledger.journal import Journal
from reconciler.ledger.model import Ledger
from reconciler.pipeline import Prepared, Request, prepared
from reconciler.pipeline.gather import client_id, plex_data, plex_token
from reconciler.pipeline.published import tuners_of
from reconciler.planning import commands
from reconciler.planning.actions import PUBLISH
from reconciler.planning.model import Plan
from reconciler.planning.staleness import staleness
from reconciler.plex.connection import Connection, connected
from reconciler.plex.model import Observed, Unknown
from reconciler.spec.model import Spec

__all__ = ["Orders", "Settled", "asked_busy", "converge"]

ANSWER_S: Final = 5.0
CONTENT: Final = frozenset({"load-guide", "enable-channels"})
INTERRUPTED: Final = 130
FAILED: Final = 1


@dataclass(frozen=True, slots=True)
class Orders:
    """How this run shall go.

    `saved` is the plan of the file `saved_as`: refused when the world moved. `skip_blocked`: go on with what is not blocked.
    `consent` is shown the plan and says whether to go on. `command` is what the journal names the run.
    """

    consent: Callable[[Plan], Awaitable[bool]]
    command: str
    saved: Plan | None = None
    saved_as: str = "FILE"
    skip_blocked: bool = False
    content_only: bool = False
    """Only what keeps DVRs that are ours showing what they should: files, guide loads, channel maps."""
    begun: Callable[[int, Plan], None] = lambda _run, _plan: None
    """Told the number of the run before its first action."""
    progress: Callable[[Progress], None] = lambda _: None
    timing: Timing | None = None


async def asked_busy(spec: Spec) -> "dict[str, int] | Unknown":
    """Who watches, as `serve` tells it; Unknown where it does not answer (S501 then)."""
    async with _serve(spec) as serve:
        return await serve.busy() if serve else Unknown("no address of serve is known")


async def converge(spec: Spec, request: Request, orders: Orders) -> Settled:
    """Make the world match the spec. The caller holds the lock.

    Raises what preparing raises (SpecError, ProviderError, PlexDenied, StateError) and StalePlan for a plan file that no
    longer fits. What an action meets is in the result. Cancelling is safe: the journal is settled first.
    """
    request = replace(request, ask_busy=asked_busy)
    async with prepared(spec, request) as ready:
        plan = ready.plan
        if orders.saved is not None:
            moved = staleness(orders.saved, plan)
            if moved:
                raise _stale(orders, orders.saved, moved)
        blocked = bool(plan.blocks) or any(change.blocks for change in plan.changes)
        if blocked and not orders.skip_blocked:
            return Settled(plan, why="blocked")
        waiting = _waiting(plan) if orders.content_only else frozenset()
        plan = replace(plan, actions=tuple(a for a in plan.actions if a.dvr not in waiting))
        if not plan.actions:
            _remember(ready)
            _keep_routes(ready)
            return Settled(plan, why="nothing to do", waiting=waiting)
        if not await orders.consent(plan):
            return Settled(plan, why="declined")
        _remember(ready)
        if all(action.kind != PUBLISH for action in plan.actions):
            _keep_routes(ready)  # before anything of Plex, which may fail: viewers need them now
        chosen = replace(ready, planned=replace(ready.planned, plan=plan))
        with _journal(chosen, orders) as journal:
            orders.begun(journal.number, plan)
            try:
                settled = await _carried_out(chosen, orders, journal, waiting)
            except BaseException as error:
                # Written without an await: behind a cancelled scope it would be lost (style.md 3).
                journal.finish(INTERRUPTED if _by_signal(error) else FAILED)
                raise
            journal.finish(0 if settled.converged else ApplyIncomplete.code)
            return settled


def _stale(orders: Orders, saved: Plan, moved: tuple[str, ...]) -> StalePlan:
    made = f"{saved.made[:16].replace('T', ' ')} against ledger serial {saved.ledger_serial}"
    return StalePlan(
        f"this plan, made {made}, is stale, and nothing was changed: {'; '.join(moved)}",
        moved=moved,
        next_step=f"{commands.again(saved, 'plan')} --out {shlex.quote(orders.saved_as)}",
    )


def _by_signal(error: BaseException) -> bool:
    """Whether somebody ended the run; nurseries wrap what says so."""
    if isinstance(error, BaseExceptionGroup):
        return any(_by_signal(inner) for inner in error.exceptions)
    return isinstance(error, trio.Cancelled | KeyboardInterrupt)


def _waiting(plan: Plan) -> frozenset[str]:
    """The DVRs that need more than loads and maps: a run for content alone leaves them to a whole one."""
    return frozenset(a.dvr for a in plan.actions if a.dvr and a.kind not in CONTENT)


async def _carried_out(ready: Prepared, orders: Orders, journal: Journal, waiting: frozenset[str]) -> Settled:
    spec, plan = ready.spec, ready.plan
    base = store.begun(ready.gathered.ledger, spec.name)
    state = Path(spec.state)

    def save(ledger: Ledger) -> Ledger:
        return store.save(state, store.continued(ledger, base, spec.name), base=base)

    observed = ready.gathered.observed
    async with AsyncExitStack() as stack:
        connection: Connection | None = None
        if spec.plex is not None and any(action.dvr for action in plan.actions):
            token = plex_token(spec, ready.request)
            connection = await stack.enter_async_context(
                connected(spec.plex.url, token, client_id=client_id(spec))
            )
        serve = await stack.enter_async_context(_serve(spec))
        timing = orders.timing or Timing()
        if spec.plex is not None:
            timing = replace(timing, pace_s=spec.plex.pace_s, poll_s=spec.plex.poll_s)
        context = ApplyContext(
            before=base,
            save_ledger=save,
            publish=lambda: _publish(ready),
            journal=journal,
            now=_now,
            connection=connection,
            serve=serve,
            observed=observed if isinstance(observed, Observed) else None,
            progress=orders.progress,
            database=_plex_database(spec),
            guide_loads=spec.plex.guide_loads if spec.plex else 1,
            timing=timing,
        )
        result = await run(ready.planned, context)
    verdict = None
    if result.complete:
        skipped = frozenset(c.dvr for c in plan.changes if c.blocks)
        verdict = await verify(lambda: _again(ready), blocked_before=skipped, waiting=waiting)
    return Settled(plan, result, verdict, run=journal.number, waiting=waiting)


def _plex_database(spec: Spec) -> PlexDatabase | None:
    if spec.plex is None or spec.plex.database.use != "fallback":
        return None
    return PlexDatabase(plex_data(spec), spec.plex.url, Path(spec.state) / "plex-copies")


async def _again(ready: Prepared) -> Plan:
    """Plan once more from what was fetched a moment ago: the sources are asked nothing, Plex is read anew."""
    request = replace(ready.request, cached=True, now=ready.request.now)
    async with prepared(ready.spec, request, known=ready.gathered) as again:
        return again.plan


def _publish(ready: Prepared) -> object:
    return generations.publish(
        Path(ready.spec.state),
        ready.staged,
        ready.built.generation,
        ready.routes,
        repair=bool(ready.built.files),
    )


def _remember(ready: Prepared) -> None:
    """What this look at the guides showed counts from now on (EPG-1)."""
    if ready.history is not None:
        save_history(Path(ready.spec.state), ready.history)


def _keep_routes(ready: Prepared) -> None:
    """Nothing visible changed, but where streams come from may have: routes are outside the hash (design.md 5)."""
    if ready.gathered.generation and ready.gathered.generation == ready.built.generation:
        _publish(ready)


def _journal(ready: Prepared, orders: Orders) -> Journal:
    plan = ready.plan
    head = {
        "spec": plan.digests.spec,
        "selection": plan.digests.selection,
        "ledger_lineage": plan.ledger_lineage,
        "ledger_serial": plan.ledger_serial,
        "generation": plan.digests.generation,
        "actions": len(plan.actions),
        "plan": [action.id for action in plan.actions],
        "arguments": json.loads(plan.arguments or "{}"),
    }
    return Journal(Path(ready.spec.state), orders.command, _now, head)


@asynccontextmanager
async def _serve(spec: Spec) -> AsyncIterator[ServeClient | None]:
    advertise = spec.serve.advertise
    if advertise is None:
        yield None
        return
    hubs = (advertise.plex, advertise.viewers)
    async with serve_client(hubs, limit_s=ANSWER_S, tuners=tuners_of(Path(spec.state))) as client:
        yield client


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
