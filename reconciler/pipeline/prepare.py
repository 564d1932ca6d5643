"""The steps in order: gather, compute, judge, build, plan. Refuses to know any of their rules."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import trio

from reconciler import __version__
from reconciler.catalog.pause import collector_paused
from reconciler.errors import ProviderError
from reconciler.ledger import generations
from reconciler.lineups.manifest import routes_bytes
from reconciler.lineups.model import Verdict
from reconciler.lineups.routes import routes, with_carried
from reconciler.pipeline.adopting import taken_over
from reconciler.pipeline.build import Built, build
from reconciler.pipeline.gather import Gathered, Request, gather, published_routes
from reconciler.pipeline.published import last_apply, load_seconds, manifests_of, rows_of
from reconciler.pipeline.verdicts import History, desired_state
from reconciler.planning.estimates import estimate_of
from reconciler.planning.inputs import PlanInputs, World
from reconciler.planning.model import Plan
from reconciler.planning.plan import Planned, compose
from reconciler.planning.safety import judge
from reconciler.spec.model import Spec
from reconciler.wording import span

__all__ = ["Prepared", "arguments_of", "prepared"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan and all that carrying it out needs. `staged` holds the new files as long as the block of `prepared`."""

    spec: Spec
    request: Request
    gathered: Gathered
    planned: Planned
    built: Built
    routes: bytes
    """The routes to publish with it, written out: a tenth of the memory."""
    staged: Path
    history: History
    """How long guides have been empty: for the run that publishes to write down."""
    verdicts: Mapping[str, Verdict]
    """What probes, lists and empty guides said of channels."""

    @property
    def plan(self) -> Plan:
        """The plan alone."""
        return self.planned.plan


@asynccontextmanager
async def prepared(spec: Spec, request: Request, *, known: Gathered | None = None) -> AsyncIterator[Prepared]:
    """Everything up to the plan. What was staged and not published is removed at the end of the block.

    With `known` sources and guides are those of an earlier look; ledger, files and Plex are looked at anew.

    Raises ProviderError where no source is fresh at all, or one has neither an answer nor a copy (exit 1).
    """
    began = trio.current_time()
    spec = _unpinned(spec) if request.ignore_pin else spec
    gathered = await gather(spec, request, known=known)
    _some_source(spec, gathered, cached=request.cached)
    with generations.staging(Path(spec.state)) as staged:
        # In a function of its own: of what the lineups were made from, nothing lives on while the plan is carried out
        yield await _compared(spec, request, gathered, staged, began)


async def _compared(spec: Spec, request: Request, gathered: Gathered, staged: Path, began: float) -> Prepared:
    seen, ledger = await taken_over(spec, request, gathered)
    gathered = replace(seen, ledger=gathered.ledger)
    moment = datetime.fromtimestamp(request.now, UTC)
    desired, history, verdicts = await trio.to_thread.run_sync(
        lambda: desired_state(spec, request, seen, today=moment.date())
    )
    world = World(
        spec=spec,
        desired=desired,
        ledger=ledger,
        now=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        observed=gathered.observed,
        published=gathered.published,
        reports=gathered.reports,
        allow=request.allow,
        only=request.only,
        skip=request.skip,
        busy=gathered.busy,
        database=gathered.database,
        cached=request.cached,
    )
    with collector_paused():
        judgement = judge(world)
    built = await trio.to_thread.run_sync(lambda: build(spec, judgement, gathered, staged, now=request.now))
    damaged = built.files if built.generation == gathered.generation else ()
    inputs = PlanInputs(
        world=world,
        judgement=judgement,
        manifest=built.manifest,
        generation=built.generation,
        # published under this id, but not with these bytes any more: it is published once more
        published_generation="" if damaged else gathered.generation,
        before=rows_of(generations.current_path(Path(spec.state)), gathered.published),
        manifests=manifests_of(Path(spec.state), ledger),
        files=built.files,
        damaged=damaged,
        estimate=estimate_of(load_seconds(Path(spec.state))),
        last_apply=last_apply(Path(spec.state)),
        version=__version__,
        env=request.env,
        arguments=arguments_of(request),
        ended=built.ended,
        requests=getattr(gathered.observed, "requests", 0),
        seconds=trio.current_time() - began,
    )
    made = routes(spec, judgement.desired, gathered.catalog, built.generation)
    carried = [dvr for dvr in built.manifest.dvrs if dvr.name in judgement.carried]
    old = published_routes(Path(spec.state)) if carried else None
    for dvr in carried:
        made = with_carried(made, old, dvr.channels)
    with collector_paused():
        planned = compose(inputs)
    return Prepared(spec, request, gathered, planned, built, routes_bytes(made), staged, history, verdicts)


def _unpinned(spec: Spec) -> Spec:
    """The spec without pinned stream hosts, for one run."""
    sources = {name: replace(s, stream=replace(s.stream, pin=None)) for name, s in spec.sources.items()}
    dvrs = {name: replace(d, stream=replace(d.stream, pin=None)) for name, d in spec.dvrs.items()}
    return replace(spec, sources=sources, dvrs=dvrs)


def arguments_of(request: Request) -> str:
    """All arguments that a plan depends on, as canonical JSON: what `apply PLANFILE` starts from."""
    parts = {
        "allow": sorted(request.allow),
        "only": sorted(request.only),
        "skip": sorted(request.skip),
        "env": request.env,
        "renumber": sorted(request.renumber),
        "ignore_pin": request.ignore_pin,
    }
    return json.dumps({k: v for k, v in parts.items() if v}, sort_keys=True)


def _some_source(spec: Spec, gathered: Gathered, *, cached: bool) -> None:
    reports = [gathered.catalog.reports[name] for name in spec.sources]
    age = _age(gathered)
    # without a failure nobody asked: it was to be done with copies alone
    absent = {r.name: r.failure or "it was not fetched yet" for r in reports if r.fetched == "absent"}
    first = "ptctl refresh" if cached else "ptctl doctor"
    if len(absent) == 1:
        ((name, why),) = absent.items()
        raise ProviderError(
            f'source "{name}" cannot be had and there is no copy of it: {why}; {age}',
            next_step=f"{first}, or take the source out of the spec",
        )
    if absent:
        each = "; ".join(f'"{name}" ({why})' for name, why in absent.items())
        raise ProviderError(
            f"{len(absent)} sources cannot be had and there is no copy of them: {each}; {age}",
            next_step=f"{first}, or take the sources out of the spec",
        )
    if reports and not cached and all(r.fetched == "cached" for r in reports):
        why = "; ".join(note for r in reports for note in r.notes)
        raise ProviderError(
            f"no source is fresh: {why or 'no answer'}; nothing was written, {age}",
            next_step="try again later, or plan from the copies: ptctl plan --cached",
        )


def _age(gathered: Gathered) -> str:
    oldest = max((r.age_s for r in gathered.catalog.reports.values()), default=0.0)
    if not gathered.generation:
        return "nothing is published yet"
    return f"the published lineups stay as they are, made from lists up to {span(oldest)} old"
