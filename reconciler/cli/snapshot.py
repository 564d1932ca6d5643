"""`ptctl snapshot`: the world as one file, for planning where there are no secrets (`ptctl plan --world FILE`)."""

import gzip
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from reconciler.cli.planning import request_from
from reconciler.cli.progress import fetching
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options
from reconciler.converge import asked_busy
from reconciler.errors import StateError
from reconciler.ledger.atomic import replace_file
from reconciler.pipeline import Request, prepared
from reconciler.pipeline.snapshots import taken
from reconciler.planning import world
from reconciler.spec.model import Spec
from reconciler.wording import plural, size

__all__ = ["read_world", "snapshot", "take"]

LIMIT_BYTES: Final = 1 << 30
GZIP: Final = b"\x1f\x8b"


@click.command()
@spec_argument
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; a name that ends in .gz is compressed.",
)
@click.option("--cached", is_flag=True, help="Use the last copies; ask no provider.")
@spec_options
@click.pass_context
def snapshot(
    ctx: click.Context, *, spec: str | None, out: Path, cached: bool, env: str | None, allow_exec: bool
) -> None:
    """Write ledger, catalogue and what Plex has to FILE.

    No secret and no stream's address is in it. `ptctl plan --world FILE` plans over it: in a pull request's job, which
    has neither the provider's credentials nor Plex's token.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    with fetching(console) as progress:
        request = request_from(env=env, cached=cached, allow_exec=allow_exec, progress=progress)
        found = trio.run(partial(take, loaded, replace(request, ask_busy=asked_busy)))
    data = world.dump(found).encode("utf-8", "replace")
    if out.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        replace_file(out, data)
    except OSError as error:
        raise StateError(f"cannot write {out}: {error.strerror}", next_step="choose another --out") from error
    console.data(
        f"{out}  {size(len(data))}: {plural(len(found.catalog.entries), 'entry', 'entries')}, "
        f"{plural(len(found.guides), 'guide')}, {plural(len(found.ledger.dvrs), 'DVR')} of the ledger, no secret"
    )
    console.note(f"Next:  ptctl plan --world {out}   (anywhere, without secrets)")


async def take(spec: Spec, request: Request) -> world.Snapshot:
    """The snapshot of this moment. Raises what preparing a plan raises."""
    async with prepared(spec, request) as ready:
        return taken(ready)


def read_world(path: Path) -> world.Snapshot:
    """The snapshot in a file, compressed or not. Raises StateError."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
            file.seek(0)
            with gzip.open(file) if head == GZIP else file as source:
                data = source.read(LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it is cut off or damaged"
        raise StateError(
            f"cannot read {path}: {why.lower()}", next_step="ptctl snapshot --out FILE"
        ) from error
    if len(data) > LIMIT_BYTES:
        raise StateError(
            f"{path} holds more than 1 GiB", next_step="is it a snapshot? ptctl snapshot --out FILE"
        )
    return world.load(data)
