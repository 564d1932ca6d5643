"""`ptctl init`: the first spec. Asks for provider and Plex, or takes flags; looks at both; writes what fits them.

The account and Plex are tried before anything is written, and nothing that is there is replaced without `--overwrite`.
This module refuses to write to Plex and to fill a ledger: `ptctl plan` and `ptctl apply` come next.
"""

import socket
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import trio

from reconciler.catalog.assembly import is_adult_group
from reconciler.catalog.names import is_separator
from reconciler.cli.console import Console
from reconciler.cli.drafts import Written, command, env_path, out_options, refuse_overwriting, report, write
from reconciler.cli.first_look import Look, look, look_at_plex, value_of
from reconciler.cli.progress import fetching
from reconciler.cli.provider_input import (
    PLEX_TOKENS,
    PlexInput,
    plex_input,
    plex_options,
    provider_input,
    provider_options,
)
from reconciler.cli.specs import console_of
from reconciler.drafting.addresses import host_and_port
from reconciler.drafting.bounds import LIMIT
from reconciler.drafting.draft import Vault, slug
from reconciler.drafting.first import first_draft, tidying
from reconciler.drafting.proposal import Counted, Group, proposed
from reconciler.drafting.provider import Provider, sections
from reconciler.errors import UsageError
from reconciler.ledger.model import Ledger
from reconciler.lineups.whereabouts import GroupCount, group_counts, whereabouts
from reconciler.plex.model import Observed, Server
from reconciler.rendering.ink import cells, cut, pad, paint
from reconciler.sources.progress import Progress
from reconciler.wording import number, plural

__all__ = ["init", "tuners_address"]

SHOWN: Final = 25
WIDEST: Final = 40
HUB_PORT: Final = 5004


@click.command()
@provider_options
@plex_options
@click.option(
    "--no-plex", is_flag=True, help="Leave Plex out: ptctl then stops at playlists, guides and tuners."
)
@click.option("--advertise", metavar="URL", help="The address under which Plex will find the tuners.")
@click.option("--name", help="The installation's name; the folder's if left out.")
@click.option("--dvrs", "most", type=click.IntRange(1, 15), default=15, help="Propose at most so many DVRs.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@out_options
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def init(
    ctx: click.Context,
    /,
    *,
    no_plex: bool,
    advertise: str | None,
    name: str | None,
    most: int,
    yes: bool,
    out: Path,
    overwrite: bool,
    format_: str,
    **flags: Any,
) -> None:
    """Write a first spec.

    Asks for the provider and Plex; without a terminal all of it comes by flags. Secrets are never flags: they come from
    variables or files, or are asked for, and go into the env file beside the spec.
    """
    console = console_of(ctx)
    refuse_overwriting((out, env_path(out)), overwrite=overwrite)
    base = out.absolute().parent
    called = slug(name or base.name, "home")
    of_plex = [f"--{k.replace('_', '-')}" for k in ("plex_url", *PLEX_TOKENS) if flags[k]]
    if no_plex and of_plex:
        raise UsageError(f"--no-plex and {of_plex[0]} exclude each other", next_step="leave one of them out")
    provider, missing = provider_input(console, flags, base=base)
    plex: PlexInput | None = None
    if not no_plex:
        plex, more = plex_input(console, flags)
        missing += more
    if missing or provider is None:
        raise UsageError(
            f"without a terminal these are missing: {', '.join(missing)}", next_step="ptctl init --help"
        )
    with fetching(console) as progress:
        seen = trio.run(
            partial(_look, provider, plex, base=base, name=called, progress=progress),
            strict_exception_groups=True,
        )
    found, server = seen
    address = tuners_address(console, advertise, plex)
    if not provider.hosts:  # a panel always has a guide, a playlist only if it names one
        provider = replace(provider, own_guide=bool(found.report.guide_urls))
    places = whereabouts(found.spec, found.catalog, found.guides, Ledger())
    live = [g for g in group_counts(places) if g.kind == "live"]
    adult = sorted({g.group for g in live if is_adult_group(g.group)})
    left = group_counts([p for p in places if not is_separator(p.name)])  # as the proposed filters will
    buckets = proposed(
        (Group(g.group, g.entries, g.listed) for g in left if g.kind == "live" and g.group not in adult),
        most=most,
    )
    if format_ == "text":
        console.data("\n".join([*_offer(live, found, console), "", *_proposal(buckets, console), ""]))
        if server is not None and plex is not None:
            console.data(_plex_line(server, plex))
    if console.terminal and not yes and not click.confirm(f"Write {out}?", default=True, err=True):
        raise click.Abort
    names = {e.name for e in found.catalog.entries}
    separators = sorted(n for n in names if is_separator(n))
    vault = Vault(env_path(out).name)
    draft = first_draft(
        called,
        sections(provider, vault),
        vault,
        filters=tidying(adult, separators, names - set(separators)),
        buckets=[(c.bucket, c.note) for c in buckets],
        plex=(plex.url, plex.token) if plex is not None else None,
        advertise=address,
    )
    env = write(console, draft, out)
    report(
        console,
        Written(
            out,
            env,
            len(draft.secrets),
            (),
            _kept(buckets),
            (command("plan", out), command("catalog", out)),
            more={
                "dvrs": [c.name for c in buckets],
                "groups": [{"group": g.group, "entries": g.entries, "listed": g.listed} for g in live],
            },
        ),
        format_=format_,
    )


async def _look(
    provider: Provider, plex: PlexInput | None, *, base: Path, name: str, progress: Progress
) -> tuple[Look, Observed | None]:
    """Plex first: it answers at once, a provider may take a minute."""
    server = None
    if plex is not None:
        server = await look_at_plex(plex.url, value_of(plex.token, base), name=name)
    cache = base / ".ptctl" / "cache"
    return await look(provider, base=base, cache=cache, now=time.time(), progress=progress), server


def tuners_address(console: Console, given: str | None, plex: PlexInput | None) -> str:
    """Where Plex will find the tuners: as given, as answered, else this machine's name ("" without Plex)."""
    if given:
        return given.rstrip("/") if "://" in given else f"http://{given.rstrip('/')}"
    if plex is None:
        return ""
    host, _ = host_and_port(plex.url)
    here = "127.0.0.1" if host in {"localhost", "::1"} or host.startswith("127.") else socket.gethostname()
    guess = f"http://{here}:{HUB_PORT}"
    if not console.terminal:
        return guess
    answer = str(
        click.prompt("Where will Plex find the tuners (ptctl serve)", default=guess, err=True)
    ).strip()
    return tuners_address(console, answer, plex)


def _offer(live: list[GroupCount], found: Look, console: Console) -> list[str]:
    """What the provider has: the largest groups and the sums."""
    total, listed = sum(g.entries for g in live), sum(g.listed for g in live)
    share = f"{100 * listed / total:.0f} %" if total else "none"
    shown = sorted(live, key=lambda g: (-g.entries, g.group))[:SHOWN]
    width = min(max([16, *(cells(g.group) for g in shown)]), WIDEST)
    more = f"   ({len(live) - SHOWN} more groups: ptctl catalog)" if len(live) > SHOWN else ""
    host = f" (host {found.report.host} of {found.report.hosts})" if found.report.hosts > 1 else ""
    limit = f", {plural(found.report.connections, 'connection')} at once" if found.report.connections else ""
    return [
        paint(f"{pad('Group', width + 2)}  channels  in guide", "head", color=console.color_out),
        *(
            f"  {pad(cut(g.group or '(no group)', width), width)} {number(g.entries):>9} {number(g.listed):>9} {100 * g.share:>4.0f} %"
            for g in shown
        ),
        f"{plural(total, 'channel')} in {plural(len(live), 'group')}, {share} in a guide{host}{limit}{more}",
        *(
            ()
            if listed
            else ("No guide lists them: give an XMLTV guide with --guide URL|FILE, or later in the spec.",)
        ),
    ]


def _proposal(buckets: tuple[Counted, ...], console: Console) -> list[str]:
    return [
        paint("Proposed: one DVR for each of these buckets", "head", color=console.color_out),
        *(
            f"  {pad(c.name, 16)} {c.note}"
            + (f"   e.g. {', '.join(cut(e, 24) for e in c.examples)}" if c.examples else "")
            for c in buckets
        ),
    ]


def _kept(buckets: tuple[Counted, ...]) -> tuple[str, ...]:
    """What was written: a count of channels alone where all of them find room."""
    entries = sum(c.entries for c in buckets)
    if entries <= LIMIT:
        return plural(len(buckets), "DVR"), plural(entries, "channel")
    return (f"{plural(len(buckets), 'DVR')} for {plural(entries, 'channel')}, at most {LIMIT} in each",)


def _plex_line(seen: Observed, plex: PlexInput) -> str:
    server = seen.server
    assert isinstance(server, Server)  # without it the look would have failed
    there = "DVRs unknown"
    if isinstance(seen.dvrs, tuple):
        there = f"{plural(len(seen.dvrs), 'DVR')} there, left alone" if seen.dvrs else "no DVR there yet"
    adopt = "   to keep them: ptctl import plex" if isinstance(seen.dvrs, tuple) and seen.dvrs else ""
    return f'Plex "{server.name or plex.url}" {server.version}: {there}{adopt}\n'
