"""`ptctl import plex`: a spec for the DVRs that Plex has already, and the commands that adopt them.

Plex is only read. Old tuners that still answer are asked for their channel list, which tells the names behind the
numbers; of others Plex may remember it. This module refuses to write to Plex and to the ledger.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import trio

from reconciler.cli.drafts import (
    Written,
    adopting,
    command,
    env_path,
    out_options,
    refuse_overwriting,
    report,
    write,
)
from reconciler.cli.first_look import Look, look, look_at_plex, names_in_plex, value_of
from reconciler.cli.progress import fetching
from reconciler.cli.provider_input import (
    PlexInput,
    plex_input,
    plex_options,
    provider_input,
    provider_options,
)
from reconciler.cli.specs import console_of
from reconciler.drafting import channels as channel_file
from reconciler.drafting.draft import Loss, Vault, slug
from reconciler.drafting.first import first_draft
from reconciler.drafting.plex import Adoptable, TunerChannel, adoptable, skeleton
from reconciler.drafting.provider import Provider, Sections, sections
from reconciler.errors import OperatorError, UsageError
from reconciler.ledger.atomic import replace_file
from reconciler.plex.model import Observed
from reconciler.secret import Secret
from reconciler.sources.progress import Progress
from reconciler.sources.web import FetchFailed, Limits, open_web
from reconciler.wording import plural

__all__ = ["plex"]

LINEUP_LIMIT_S: Final = 8.0
SHOWN: Final = 5
UNKNOWN_SOURCE: Final = Provider(path="channels.m3u", own_guide=False)


@dataclass(frozen=True, slots=True)
class _Seen:
    observed: Observed
    found: tuple[Adoptable, ...]
    left_alone: tuple[Loss, ...]
    lineups: dict[str, tuple[TunerChannel, ...]]
    provider: Look | None


@click.command("plex")
@plex_options
@provider_options
@click.option("--name", help="The installation's name; the folder's if left out.")
@out_options
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def plex(
    ctx: click.Context,
    /,
    *,
    name: str | None,
    out: Path,
    overwrite: bool,
    format_: str,
    **flags: Any,
) -> None:
    """From the DVRs in Plex.

    Each DVR of an emulated tuner becomes a DVR of the spec with its DeviceID, address, guide path and numbers. Give the
    provider as well (--host, --m3u): Plex does not know where channels come from.
    """
    console = console_of(ctx)
    channels_path = out.with_suffix(".channels.json")
    refuse_overwriting((out, env_path(out), channels_path), overwrite=overwrite)
    base = out.absolute().parent
    called = slug(name or base.name, "home")
    given, missing = plex_input(console, flags)
    provider, of_provider = provider_input(console, flags, base=base, ask=False)
    if provider is not None:
        missing += of_provider
    if given is None or missing:
        raise UsageError(
            f"these are missing: {', '.join(missing) or '--plex-url'}", next_step="ptctl import plex --help"
        )
    with fetching(console) as progress:
        seen = trio.run(partial(_look, given, provider, base=base, name=called, progress=progress))
    if not seen.found:
        why = "; ".join(f"{loss.where}: {loss.what}" for loss in seen.left_alone) or "it has none"
        raise OperatorError(
            f"no DVR in Plex can be adopted: {why}", next_step="ptctl init writes a spec without them"
        )
    if provider is not None and not provider.hosts and seen.provider is not None:
        provider = replace(provider, own_guide=bool(seen.provider.report.guide_urls))
    made = skeleton(seen.found, seen.lineups)
    vault = Vault(env_path(out).name)
    draft = first_draft(
        called,
        _inputs(provider, vault),
        vault,
        filters=(),
        buckets=made.buckets,
        plex=(given.url, given.token),
        advertise=made.advertise,
        dvrs=made.dvrs,
        losses=(*seen.left_alone, *made.losses, *_unknown(provider, made.unnamed, seen)),
        made_by="ptctl import plex",
    )
    env = write(console, draft, out)
    if made.channels:
        replace_file(channels_path, channel_file.write(made.channels).encode())
    named = {c.dvr for c in made.channels}
    adopt = [adopting(a.name, a.dvr.key, out, channels_path if a.name in named else None) for a in seen.found]
    report(
        console,
        Written(
            out,
            env,
            len(draft.secrets),
            draft.losses,
            (plural(len(seen.found), "DVR"), plural(sum(len(a.numbers) for a in seen.found), "channel")),
            (
                *((f"edit {out}: where channels come from",) if provider is None else ()),
                *adopt,
                command("plan", out),
            ),
            channels_path if made.channels else None,
            {"dvrs": [{"name": a.name, "plex": a.dvr.key, "channels": len(a.numbers)} for a in seen.found]},
        ),
        format_=format_,
    )


async def _look(
    given: PlexInput, provider: Provider | None, *, base: Path, name: str, progress: Progress
) -> _Seen:
    token = value_of(given.token, base)
    observed = await look_at_plex(given.url, token, name=name)
    found, left_alone = adoptable(observed)
    lineups: dict[str, tuple[TunerChannel, ...]] = {}
    async with open_web(Limits()) as web, trio.open_nursery() as nursery:

        async def ask(one: Adoptable) -> None:
            url = Secret(f"{one.device.uri.rstrip('/')}/lineup.json")
            try:
                answer = await web.get(url, headers={}, whole_s=LINEUP_LIMIT_S, private_ok=True)
            except FetchFailed:
                return
            lineups[one.device.key] = _rows(answer.body)

        for one in found:
            nursery.start_soon(ask, one)
    silent = [a.device.key for a in found if not lineups.get(a.device.key)]
    for key, names in (await names_in_plex(given.url, token, silent, name=name)).items():
        lineups[key] = tuple(TunerChannel(number, called) for number, called in names.items() if called)
    offers: Look | None = None
    if provider is not None:
        with tempfile.TemporaryDirectory(prefix="ptctl-import-") as cache:
            offers = await look(provider, base=base, cache=Path(cache), now=time.time(), progress=progress)
    return _Seen(observed, found, left_alone, lineups, offers)


def _rows(body: bytes) -> tuple[TunerChannel, ...]:
    """The rows of a `lineup.json`, in whatever case its keys are; nothing where it is something else."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    rows = []
    for row in raw if isinstance(raw, list) else ():
        if isinstance(row, dict):
            said = {str(k).casefold(): v for k, v in row.items()}
            number, name = said.get("guidenumber"), said.get("guidename")
            if isinstance(number, str | int) and isinstance(name, str) and name.strip():
                rows.append(TunerChannel(str(number).strip(), name.strip()))
    return tuple(rows)


def _inputs(provider: Provider | None, vault: Vault) -> Sections:
    return sections(provider if provider is not None else UNKNOWN_SOURCE, vault)


def _unknown(provider: Provider | None, unnamed: Sequence[str], seen: _Seen) -> list[Loss]:
    losses = []
    if provider is None:
        losses.append(
            Loss(
                "sources",
                "Plex does not know where channels come from",
                "edit sources.main, or import again with --host or --m3u",
            )
        )
    what, advice = (
        "neither its tuner nor Plex knows its channels' names",
        "write the bucket's match by hand",
    )
    losses += [Loss(name, what, advice) for name in unnamed]
    if seen.provider is not None:
        offered = {e.name for e in seen.provider.catalog.entries}
        for one in seen.found:
            gone = [r.name for r in seen.lineups.get(one.device.key, ()) if r.name not in offered]
            if gone:
                more = f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
                losses.append(
                    Loss(
                        one.name,
                        f"{plural(len(gone), 'channel')} the provider does not list under that name: {', '.join(gone[:SHOWN])}{more}",
                        "the old tuner had renamed them: widen the bucket's match",
                    )
                )
    return losses
