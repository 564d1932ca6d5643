"""`ptctl explain`: why a channel is where it is, what a DVR holds, and what fits no bucket. Reads the cache alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.catalog.entry import SourceReport
from reconciler.cli.console import Console
from reconciler.cli.planning import request_from
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_options
from reconciler.errors import ProviderError, UsageError
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.lineups.explain import Explained
from reconciler.lineups.explain import explain as explained
from reconciler.pipeline.gather import Gathered, gather
from reconciler.pipeline.verdicts import desired_state
from reconciler.rendering.explain_text import render_channel, render_dvr, render_unbucketed
from reconciler.sources.progress import silent
from reconciler.spec.model import Spec
from reconciler.spec.suggest import closest

__all__ = ["explain"]

MOST: int = 10


@click.command()
@click.argument("what", type=click.Choice(["channel", "dvr", "unbucketed"]))
@click.argument("name", required=False, default="")
@click.option("--spec", "spec_", type=click.Path(path_type=str), help="The spec, if it is not ./ptctl.yaml.")
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@spec_options
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    what: str,
    name: str,
    spec_: str | None,
    format_: str,
    env: str | None,
    allow_exec: bool,
) -> None:
    """Why a channel is where it is.

    \b
    ptctl explain channel "ESPN 8"     by id, number, name or guide id: every step from the source to Plex
    ptctl explain dvr sportsa          what it holds and what became of its bucket's entries
    ptctl explain unbucketed           what no bucket wants, by group
    """  # noqa: D301 - \b is click's mark for "do not wrap"
    console = console_of(ctx)
    spec = load_or_fail(console, spec_, env=env, allow_exec=allow_exec)
    if what != "unbucketed" and not name:
        raise UsageError(f"which {what}?", next_step=f'ptctl explain {what} "NAME"')
    request = request_from(env=env, cached=True, plex=False, allow_exec=allow_exec, progress=silent)
    seen = trio.run(partial(gather, spec, request))
    _some_list(console, seen.catalog.reports)
    today = datetime.fromtimestamp(request.now, UTC).date()
    # what probes, lists and empty guides say counts here as it does in a plan
    computed = desired_state(spec, request, seen, today=today)
    if what == "channel":
        found = explained(
            name, spec, seen.catalog, seen.guides, seen.ledger, today=today, verdicts=computed.verdicts
        )
        if not found:
            why = _left_out(name, seen.catalog.reports) or _meant(name, seen)
            raise UsageError(
                f'no channel "{name}" in the last fetch{why}',
                next_step="ptctl catalog says what lists hold and what was left out; ptctl refresh asks them again",
            )
        if format_ == "json":
            console.data(
                json.dumps(
                    {"format": "ptctl-explain/1", "channels": [asdict(f) for f in found]},
                    indent=1,
                    default=str,
                )
            )
        else:
            console.data("\n".join(_channel(spec, seen, f, color=console.color_out) for f in found[:MOST]))
            if len(found) > MOST:
                console.note(f"{len(found) - MOST} more match; name the id")
        return
    desired = computed.desired
    if what == "unbucketed":
        groups = desired.unbucketed.groups
        console.data(
            json.dumps({"format": "ptctl-explain/1", "groups": groups}, indent=1)
            if format_ == "json"
            else render_unbucketed(groups)
        )
        return
    check_addresses(spec, (name,), frozenset(t.record.name for t in desired.dvrs))
    target = next(t for t in desired.dvrs if t.record.name == name)
    funnel = next((f for f in desired.funnels if f.bucket == target.dvr.bucket), None)
    if format_ == "json":
        rows = [
            {"number": r.number, "id": r.channel.id, "name": r.channel.name, "off": r.off}
            for r in target.lineup.rows
        ]
        console.data(
            json.dumps(
                {
                    "format": "ptctl-explain/1",
                    "dvr": asdict(target.record),
                    "funnel": funnel and asdict(funnel),
                    "rows": rows,
                },
                indent=1,
            )
        )
    else:
        console.data(
            render_dvr(
                target.record,
                funnel,
                [(r.number, r.channel.name, r.off) for r in target.lineup.rows],
                [h for h in desired.held if h.dvr == name],
                failed=_failed(Path(spec.state), name),
                color=console.color_out,
            )
        )


def _some_list(console: Console, reports: Mapping[str, SourceReport]) -> None:
    """Explains nothing by lists that nobody has: raises ProviderError where there is none, and names those that lack."""
    absent = [
        name for name, report in reports.items() if report.kind != "xmltv" and report.fetched == "absent"
    ]
    if absent and len(absent) == sum(report.kind != "xmltv" for report in reports.values()):
        raise ProviderError(
            f"there is no copy of {', '.join(absent)} that could be read; explain asks no provider",
            next_step="ptctl refresh",
        )
    if absent:
        console.note(f"not counted, because there is no copy: {', '.join(absent)}")


def _meant(name: str, seen: Gathered) -> str:
    """The name of a channel that was probably meant."""
    near = closest(name, (entry.name for entry in seen.catalog.entries))
    return f'; did you mean "{near}"?' if near else ""


def _failed(state: Path, dvr: str) -> list[tuple[int, str]]:
    """What went wrong with the DVR in the last run that did anything to it."""
    for number in reversed(run_numbers(state)):
        run = read_run(state, number)
        if any(step.dvr == dvr for step in run.steps):
            return [
                (number, f"{step.kind}: {step.detail}")
                for step in run.undone
                if step.dvr == dvr and step.detail
            ]
    return []


def _channel(spec: Spec, seen: Gathered, found: Explained, *, color: bool) -> str:
    record = seen.ledger.dvrs.get(found.dvr)
    plex = "not in a DVR"
    if record is not None:
        applied = record.applied
        plex = f"DVR {record.dvr_key or '-'}, device {record.device_key or '-'}" + (
            ", applied" if applied else ", not applied yet"
        )
    if spec.plex is None:
        plex = "no plex section in the spec"
    return render_channel(found, plex, color=color)


def _left_out(name: str, reports: Mapping[str, SourceReport]) -> str:
    """Why a list's entry of this name became none, as far as reports remember (three names for each reason)."""
    for source, report in reports.items():
        for dropped in report.dropped:
            if name.casefold() in map(str.casefold, dropped.examples):
                return f": source {source} left it out ({dropped.reason})"
    return ""
