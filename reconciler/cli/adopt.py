"""`ptctl adopt`: take ownership of a DVR that Plex has, or build a lost ledger again. Writes the ledger and nothing else."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from
from reconciler.cli.progress import fetching
from reconciler.cli.runs import lock
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_options
from reconciler.drafting import channels as channel_file
from reconciler.errors import OperatorError, StateError, UsageError
from reconciler.ledger import store
from reconciler.ledger.journal import Journal
from reconciler.ledger.model import Ledger
from reconciler.pipeline.adopting import Rebuilt, adopted
from reconciler.pipeline.adopting import rebuild as rebuilt
from reconciler.planning.adoption import Told
from reconciler.rendering.adoption_text import render, render_rebuilt
from reconciler.spec.model import Spec

__all__ = ["adopt"]


@click.command()
@click.argument("dvr", required=False, default="")
@click.option("--plex", "key", metavar="KEY", help="The DVR in Plex, by its key (`ptctl plan` lists them).")
@click.option(
    "--channels",
    "listed",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which channel had which number, as `ptctl import` writes it, or a CSV with number, name, guide_id.",
)
@click.option("--rebuild", is_flag=True, help="Build a lost ledger again from Plex and the published files.")
@click.option("--spec", "spec_", type=click.Path(path_type=str), help="The spec, if it is not ./ptctl.yaml.")
@click.option("--cached", is_flag=True, help="Use the last copies; ask no provider.")
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--wait", metavar="DURATION", default="0s", help="Wait so long for another run to end, e.g. 10m."
)
@spec_options
@click.pass_context
def adopt(
    ctx: click.Context,
    *,
    dvr: str,
    key: str | None,
    listed: Path | None,
    rebuild: bool,
    spec_: str | None,
    cached: bool,
    format_: str,
    wait: str,
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Take ownership of a DVR that Plex has already.

    \b
    ptctl adopt sports --plex 41 --channels old.channels.json
    ptctl adopt --rebuild

    Writes the ledger and nothing else: DeviceID, address, guide and numbers stay as they are. Numbers whose channel is
    not found stay reserved and are listed. `ptctl plan` then shows what would change.
    """  # noqa: D301 - \b is click's mark for "do not wrap"
    console = console_of(ctx)
    if rebuild == bool(dvr):
        raise UsageError("name one DVR, or say --rebuild", next_step="ptctl adopt DVR --plex KEY")
    if rebuild and (key or listed):
        raise UsageError("--rebuild looks for all DVRs by itself", next_step="ptctl adopt --rebuild")
    if not rebuild and not key:
        raise UsageError(
            "which DVR of Plex?", next_step=f"ptctl plan lists them; then  ptctl adopt {dvr} --plex KEY"
        )
    spec = load_or_fail(console, spec_, env=env, allow_exec=allow_exec)
    check_addresses(spec, (dvr,) if dvr else ())
    with lock(console, spec, "adopt", wait), fetching(console) as progress:
        request = request_from(env=env, cached=cached, plex=False, allow_exec=allow_exec, progress=progress)
        if rebuild:
            with _set_aside(console, Path(spec.state)):
                again = trio.run(partial(rebuilt, spec, request))
                saved = _save(spec, again.ledger, "adopt --rebuild")
            _show_rebuilt(console, again, saved, format_)
            return Exit.INCOMPLETE if again.left else Exit.DONE
        made = trio.run(partial(adopted, spec, request, dvr, str(key), _told(listed, dvr)))
        saved = _save(spec, made.ledger, f"adopt {dvr}")
    if format_ == "json":
        document = {"format": "ptctl-adoption/1", "dvr": dvr, "plex": key, "serial": saved.serial}
        rows = [asdict(match) for match in made.matches]
        console.data(json.dumps({**document, "keeps": made.keeps, "channels": rows}, indent=1))
    else:
        console.data(render(dvr, str(key), made, color=console.color_out))
    return Exit.DONE


def _told(path: Path | None, dvr: str) -> tuple[Told, ...]:
    if path is None:
        return ()
    try:
        rows = channel_file.read(path.read_text("utf-8"), dvr)
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"cannot read {path}", next_step="give the file that import wrote") from error
    except OperatorError as error:
        raise OperatorError(f"{path}: {error.message}", next_step="ptctl import writes such a file") from None
    return tuple(
        Told(row.number, row.channel, row.guide_id, tuple(filter(None, (row.listed, row.name))))
        for row in rows
    )


@contextmanager
def _set_aside(console: Console, state: Path) -> Iterator[None]:
    """A ledger that cannot be read is kept under another name; one that can be read is not rebuilt."""
    path = state / store.LEDGER
    try:
        found = store.stored(state)
    except StateError as error:
        aside = path.with_name(f"{store.LEDGER}.broken-{int(time.time())}")
        path.rename(aside)
        console.note(f"{error.message}; kept as {aside.name}")
        try:
            yield
        except BaseException:
            aside.rename(path)
            raise
        return
    if found is not None:
        raise OperatorError(
            f"the ledger is there (serial {found.ledger.serial}); a rebuilt one would know less",
            next_step=f"move {path} away if it is not the right one, then ptctl adopt --rebuild",
        )
    yield


def _show_rebuilt(console: Console, again: Rebuilt, saved: Ledger, format_: str) -> None:
    if format_ == "json":
        document = {
            "format": "ptctl-rebuilt/1",
            "serial": saved.serial,
            "lineage": saved.lineage,
            "channels": len(saved.channels),
            "from_files": again.from_files,
            "from_plex": again.from_plex,
            "missing": again.missing,
            "left": dict(again.left),
            "unmatched": {name: [asdict(m) for m in some] for name, some in again.unmatched.items()},
        }
        console.data(json.dumps(document, indent=1))
    else:
        text = render_rebuilt(
            again.from_files, again.from_plex, again.missing, again.unmatched, again.left, saved
        )
        console.data(text)


def _save(spec: Spec, ledger: Ledger, command: str) -> Ledger:
    """Journal and write it. Returns the ledger with its serial; unchanged, nothing is written."""
    state = Path(spec.state)
    base = store.begun(store.load(state), spec.name)
    ledger = store.continued(ledger, base, spec.name)
    if base.serial and replace(ledger, serial=base.serial) == base:
        return base
    head = {"ledger_lineage": base.lineage, "ledger_serial": base.serial, "spec": spec.digest}
    with Journal(state, command, _now, head) as journal:
        journal.intent("write-ledger", "write-ledger")
        saved = store.save(state, ledger, base=base)
        journal.outcome("write-ledger", "done", f"serial {saved.serial}")
        journal.finish(0)
    return saved


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
