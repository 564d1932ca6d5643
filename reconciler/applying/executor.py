"""The one executor: runs the actions of a plan, and nothing that is not in it.

Order (design.md 4): ledger exactly as planned, generation published, `serve` seen serving it, then Plex, DVR by DVR. The
DVRs' chains run side by side, because loads take minutes and three may run at once, but writes are serial and paced
(`Run.writing`). One DVR's failure ends that DVR's chain and nothing else. Each action's intent is in the journal before
it begins and its outcome after it, also when the run is interrupted. This module refuses to plan.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

import trio

from reconciler.applying.context import ApplyContext, Run
from reconciler.applying.done import Done
from reconciler.applying.events import Outcome, Progress, RunResult, State
from reconciler.applying.handlers import HANDLERS
from reconciler.applying.loads import Loads
from reconciler.errors import PtctlError
from reconciler.planning.commands import command
from reconciler.planning.diff import map_digest
from reconciler.planning.model import Action, Plan
from reconciler.planning.plan import Planned
from reconciler.plex.model import Dvr, Unknown
from reconciler.plex.reader import read_dvr, read_dvrs
from reconciler.wording import plural

__all__ = ["run"]

log = logging.getLogger(__name__)

JOURNALLED: Final[Mapping[State, Literal["done", "failed", "skipped", "unconfirmed"]]] = {
    "done": "done",
    "failed": "failed",
    "not-started": "skipped",
    "interrupted": "unconfirmed",
}


async def run(planned: Planned, context: ApplyContext) -> RunResult:
    """Carry the plan out. The caller holds the lock and has checked blocks and staleness.

    Never raises for what an action met: the result says what is done, failed and not started. Cancelling (Ctrl-C) is
    safe at any point: running actions are journalled as interrupted before this returns, and the next run goes on.
    Takes as long as the guide loads take; writes are `pace_s` apart.
    """
    loads = Loads(context.connection, context.guide_loads, context.timing) if context.connection else None
    state = Run(planned, context, context.before, loads)
    executor = _Executor(state)
    await executor.everything()
    disturbed = await _disturbed(state)
    outcomes = tuple(executor.outcomes[action.id] for action in planned.plan.actions)
    result = RunResult(outcomes, state.ledger, disturbed)
    if result.complete and planned.spends:
        state.save(replace(state.ledger, spent=tuple(sorted({*state.ledger.spent, *planned.spends}))))
        result = replace(result, ledger=state.ledger)
    return replace(result, next_step=_next_step(result, planned.plan, context.journal.number))


class _Executor:
    """Runs actions as their needs are met."""

    def __init__(self, state: Run) -> None:
        self.run = state
        self.outcomes: dict[str, Outcome] = {}

    async def everything(self) -> None:
        actions = self.run.planned.plan.actions
        for action in (a for a in actions if not a.dvr):
            await self._one(action)
        chains: dict[str, list[Action]] = {}
        for action in (a for a in actions if a.dvr):
            chains.setdefault(action.dvr, []).append(action)
        async with trio.open_nursery() as nursery:
            for name in self._in_plan_order(chains):
                # One after the other up to its first wait: the order of the plan, not of the scheduler's dice.
                await nursery.start(self._chain, name, chains[name])
                # First turns come in the order of the plan, so that equal runs give equal keys; but a DVR that waits
                # for somebody's guide load does not hold up the others.
                with trio.move_on_after(self.run.timing.turn_s):
                    await self.run.turn(name).wait()

    def _in_plan_order(self, chains: dict[str, list[Action]]) -> list[str]:
        order = {change.dvr: i for i, change in enumerate(self.run.planned.plan.changes)}
        return sorted(chains, key=lambda name: (order.get(name, len(order)), name))

    async def _chain(
        self,
        name: str,
        actions: list[Action],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        task_status.started()
        for action in actions:
            await self._one(action)
        done = all(self.outcomes[a.id].state == "done" for a in actions)
        if not done or name not in self.run.targets or self.run.context.connection is None:
            return
        began = trio.current_time()
        try:
            await self._note_applied(name, actions[-1])
        except PtctlError as error:  # done in Plex, not noted: the next run looks and notes it
            self._end(
                actions[-1], "failed", error.message, began=began, next_step=error.next_step or "ptctl apply"
            )

    async def _one(self, action: Action) -> None:
        lacking = [n for n in action.needs if n in self.outcomes and self.outcomes[n].state != "done"]
        if lacking:
            self._end(action, "not-started", f"needs {', '.join(lacking)}", began=trio.current_time())
            return
        began = trio.current_time()
        self.run.context.journal.intent(action.id, action.kind, action.dvr, action.args)
        self.run.tell(action, action.effect, began=began)
        try:
            done = await self._perform(action)
        except PtctlError as error:
            self._end(action, "failed", error.message, began=began, next_step=error.next_step or "")
        except OSError as error:
            text = f"{action.kind}: {error.strerror or type(error).__name__}"
            self._end(action, "failed", text, began=began, next_step="ptctl doctor")
        except Exception as error:  # a mistake of ours costs this DVR, not the others
            log.exception("action %s", action.id)
            text = f"unexpected error: {type(error).__name__}"
            self._end(action, "failed", text, began=began, next_step="report it with the log")
        except BaseException:
            # Cancelled or worse: the journal is settled before anything else happens, without an await.
            self._end(
                action,
                "interrupted",
                "whether it took effect is looked up next time",
                began=began,
            )
            raise
        else:
            self._end(action, "done", done.text, began=began, notes=done.notes)

    async def _perform(self, action: Action) -> Done:
        match action.kind:
            case "write-ledger":
                self.run.save(self.run.planned.ledger)
                return Done("ledger written")
            case "publish":
                await trio.to_thread.run_sync(self.run.context.publish)
                return Done(f"generation {(action.args or {}).get('generation', '')} is current")
            case "await-serve":
                return await self._await_serve(action)
            case _:
                return await HANDLERS[action.kind](self.run, action)

    async def _await_serve(self, action: Action) -> Done:
        """Until the hub names the generation and each touched tuner answers with its DeviceID, at most `ready_s`."""
        serve = self.run.context.serve
        names = [n for n in (action.args or {}).get("dvrs", "").split(",") if n]
        why = Unknown("no answer yet" if serve is not None else "no address of serve is known")
        began = trio.current_time()
        with trio.move_on_after(self.run.timing.ready_s):
            while serve is not None:
                found = await serve.ready(self.run.planned.plan.digests.generation)
                for name in names if found is None else ():
                    target = self.run.targets[name]
                    found = await serve.tuner(target.uri, target.device_id)
                    if found is not None:
                        found = Unknown(f"{name}: {found.why}")
                        break
                if found is None:
                    return Done(f"serve answers for {plural(len(names), 'DVR')}")
                why = found  # of the last look that came to its end: the limit may cut one short
                self.run.tell(action, f"waiting for serve: {why.why}", began=began)
                await trio.sleep(self.run.timing.ready_poll_s)
        raise _NotServed(
            f"serve does not serve this generation after {self.run.timing.ready_s:g} s ({why.why}); "
            "where serve runs already, serve.advertise has to be its address; "
            "the files are published, nothing was written to Plex",
            next_step=command(self.run.planned.plan, "serve"),
        )

    async def _note_applied(self, name: str, last: Action) -> None:
        """Read the DVR once more and note in the ledger what it was made to be: drift is measured from that."""
        run = self.run
        record = run.record(name)
        dvr = await read_dvr(run.connection, record.dvr_key) if record.dvr_key else None
        if not isinstance(dvr, Dvr):
            return
        device = next((d for d in dvr.devices if d.device_id.casefold() == record.device_id.casefold()), None)
        if device is None:
            return
        digest = map_digest(device.pairs)
        if run.maps.get(name, digest) != digest:
            self._end(
                last,
                "failed",
                "the channel map changed right after it was read back",
                began=trio.current_time(),
                next_step="ptctl plan",
            )
            return
        applied = run.applied(
            name,
            uri=device.uri,
            guide=dvr.guide,
            title=dvr.title,
            map_digest=digest,
            channels=len(device.enabled),
        )
        run.keep(name, applied=applied)

    def _end(
        self,
        action: Action,
        state: State,
        text: str,
        *,
        began: float,
        next_step: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        seconds = trio.current_time() - began
        outcome = Outcome(
            action.id, action.kind, action.dvr, state, text, round(seconds, 3), next_step, notes
        )
        self.outcomes[action.id] = outcome
        self.run.turn(action.dvr).set()
        self.run.context.journal.outcome(action.id, JOURNALLED[state], text, seconds)
        self.run.context.progress(Progress(action.id, action.kind, action.dvr, state, text, seconds))


class _NotServed(PtctlError):
    """`serve` does not answer as it must before Plex may be told about a tuner."""

    code = 6


async def _disturbed(state: Run) -> tuple[str, ...]:
    """DVRs that no action was about and whose map is not what it was: proof that only what was meant was changed."""
    observed = state.context.observed
    touched = {a.dvr for a in state.planned.plan.actions if a.dvr}
    if (
        observed is None
        or not touched
        or isinstance(observed.dvrs, Unknown)
        or state.context.connection is None
    ):
        return ()
    ours = {
        record.device_id.casefold()
        for ledger in (state.context.before, state.planned.ledger, state.ledger)
        for name, record in ledger.dvrs.items()
        if name in touched
    }
    try:
        after = await read_dvrs(state.connection)
    except PtctlError:
        return ()
    if isinstance(after, Unknown):
        return ()
    now = {d.key: map_digest(d.pairs) for dvr in after for d in dvr.devices}
    found = []
    for dvr in observed.dvrs:
        others = [d for d in dvr.devices if d.device_id.casefold() not in ours]
        if any(now.get(device.key) != map_digest(device.pairs) for device in others):
            found.append(f'DVR {dvr.key} "{dvr.title}"')
    return tuple(found)


def _next_step(result: RunResult, plan: Plan, number: int) -> str:
    if result.complete:
        return ""
    waiting = next((o for o in result.failed if o.kind == "await-serve"), None)
    resume = command(plan, "apply", "--resume", str(number))
    return f"{waiting.next_step}   and then   {resume}" if waiting else resume
