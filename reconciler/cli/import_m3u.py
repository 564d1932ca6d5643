"""`ptctl import m3u`: a spec for one playlist as it is, a DVR for each block of groups. Refuses to leave a channel out."""

import tempfile
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from reconciler.cli.drafts import Written, command, env_path, out_options, refuse_overwriting, report, write
from reconciler.cli.first_look import Look, look
from reconciler.cli.progress import fetching
from reconciler.cli.provider_input import provider_input
from reconciler.cli.specs import console_of
from reconciler.drafting.addresses import stream_account
from reconciler.drafting.draft import Loss, Vault, slug
from reconciler.drafting.first import first_draft
from reconciler.drafting.m3u import Listing, blocks, kept_numbers
from reconciler.drafting.provider import Provider, sections
from reconciler.drafting.yaml_text import Value
from reconciler.errors import UsageError
from reconciler.ledger.model import Ledger
from reconciler.lineups.whereabouts import Whereabout, whereabouts
from reconciler.secret import Secret
from reconciler.wording import plural

__all__ = ["m3u"]

MANY: int = 15


@click.command("m3u")
@click.argument("place", metavar="[FILE|URL]", required=False)
@click.option(
    "--m3u-env", metavar="NAME", help="The variable that holds the address, if it holds a password."
)
@click.option("--guide", metavar="URL|FILE", help="A further XMLTV guide.")
@click.option("--keep-numbers", is_flag=True, help="Keep the list's own channel numbers (tvg-chno).")
@click.option("--name", help="The installation's name; the folder's if left out.")
@out_options
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def m3u(
    ctx: click.Context,
    *,
    place: str | None,
    m3u_env: str | None,
    guide: str | None,
    keep_numbers: bool,
    name: str | None,
    out: Path,
    overwrite: bool,
    format_: str,
) -> None:
    """From a playlist.

    One source, and a bucket and a DVR for each block of groups that fits into one; the Plex section is left for you to
    add. A list that names its guide (url-tvg) brings it along.
    """
    console = console_of(ctx)
    refuse_overwriting((out, env_path(out)), overwrite=overwrite)
    base = out.absolute().parent
    flags: dict[str, Any] = {
        "hosts": (), "m3u": place, "m3u_env": m3u_env, "guide": guide,
        "username_env": None, "username_file": None, "password_env": None, "password_file": None,
    }  # fmt: skip
    provider, _ = provider_input(console, flags, base=base, ask=False)
    if provider is None:
        raise UsageError("no playlist is given", next_step="ptctl import m3u FILE, or --m3u-env NAME")
    with fetching(console) as progress, tempfile.TemporaryDirectory(prefix="ptctl-import-") as cache:
        # not the cache of the state: addresses in this list may hold an account that nobody has named yet
        found = trio.run(
            partial(look, provider, base=base, cache=Path(cache), now=time.time(), progress=progress)
        )
    if not provider.hosts:
        provider = _with_account(replace(provider, own_guide=bool(found.report.guide_urls)), found)
    live = [e for e in whereabouts(found.spec, found.catalog, found.guides, Ledger()) if e.kind == "live"]
    packed = blocks(Counter(e.group for e in sorted(live, key=_place_in_list(found))))
    losses = [*_left_out(found), *_films(found)]
    overrides: list[tuple[dict[str, Value], str]] = []
    dvrs: dict[str, dict[str, Value]] = {}
    if keep_numbers:
        rows = [Listing(e.id, e.name, e.group, e.number) for e in live]
        kept, notes, numbers, lost = kept_numbers(rows, packed)
        overrides = list(zip(kept, notes, strict=True))
        dvrs = {block: {"numbers": span} for block, span in numbers.items()}
        losses += lost
    if len(packed) > MANY:
        losses.append(
            Loss(
                "DVRs",
                f"{len(packed)} DVRs are many",
                "ptctl init proposes fewer; delete the buckets you do not want",
            )
        )
    vault = Vault(env_path(out).name)
    draft = first_draft(
        slug(name or base.name, "home"),
        sections(provider, vault),
        vault,
        filters=(),
        buckets=[
            (b.bucket, f"{plural(b.entries, 'channel')} in {plural(len(b.groups), 'group')}") for b in packed
        ],
        plex=None,
        advertise="",
        overrides=overrides,
        dvrs=dvrs,
        losses=losses,
        made_by="ptctl import m3u",
        ports=len(packed),
    )
    env = write(console, draft, out)
    report(
        console,
        Written(
            out,
            env,
            len(draft.secrets),
            draft.losses,
            (plural(len(live), "channel"), plural(len(packed), "DVR")),
            (command("plan", out),),
            more={"dvrs": [b.name for b in packed], "channels": len(live)},
        ),
        format_=format_,
    )


def _place_in_list(found: Look) -> Any:
    """Sort key: where a group first stands in the list."""
    order = {
        group: place for place, group in enumerate(dict.fromkeys(e.group for e in found.catalog.entries))
    }

    def place(entry: Whereabout) -> int:
        return order[entry.group]

    return place


def _with_account(provider: Provider, found: Look) -> Provider:
    """With the account that most addresses of the list hold, so that it becomes placeholders."""
    accounts = Counter(
        (account.username, account.password)
        for entry in found.catalog.entries
        if entry.url and (account := stream_account(entry.url)) is not None
    )
    if not accounts or provider.username is not None:
        return provider
    (username, password), _ = accounts.most_common(1)[0]
    return replace(provider, username=Secret(username.reveal()), password=Secret(password.reveal()))


def _left_out(found: Look) -> list[Loss]:
    return [
        Loss(
            "playlist",
            f"{dropped.count:,} left out: {dropped.reason}",
            f"e.g. {', '.join(dropped.examples)}" if dropped.examples else "",
        )
        for dropped in found.report.dropped
    ]


def _films(found: Look) -> list[Loss]:
    count = sum(e.kind != "live" for e in found.catalog.entries)
    if not count:
        return []
    advice = "content: [live, vod, series] exports them as M3U; they are never put in a DVR"
    return [Loss("playlist", f"{count:,} films and episodes", advice)]
