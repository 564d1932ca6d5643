"""`ptctl sandbox`: a simulated provider and a simulated Plex on loopback, for specs that shall not touch real ones.

Both keep to the evidence and can be told to misbehave while they run. The content is invented, or loaded from the
user's own M3U and XMLTV files, the guide shifted to now. This module refuses to know how they misbehave: the switches
are JSON, taken by the servers themselves.
"""

import json
import secrets
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Final, get_args

import click
import trio

from reconciler.cli.specs import console_of
from reconciler.errors import OperatorError
from reconciler.sandbox.faults import Fault, FaultKind, PathKind
from reconciler.sandbox.panel import Account, Panel
from reconciler.sandbox.plex import FaultRule, PlexHandle, PlexOptions, run_plex
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.sandbox.streams import default_cache

__all__ = ["Running", "running", "sandbox"]

CHANNELS: Final = 84
HOSTS: Final = 2


@dataclass(frozen=True, slots=True)
class Running:
    """The two servers and what is needed to use them. The account and the token are inventions of this run."""

    provider: ProviderHandle
    plex: PlexHandle
    account: Account
    token: str
    directory: Path


@asynccontextmanager
async def running(
    directory: Path | None,
    *,
    panel: Panel | None = None,
    channels: int = CHANNELS,
    hosts: int = HOSTS,
    provider_port: int = 0,
    plex_port: int = 0,
    connections: int = 16,
    options: PlexOptions | None = None,
) -> AsyncIterator[Running]:
    """Both servers for the length of the block. `directory` keeps Plex's state; None: a temporary one.

    Raises OperatorError where a port is taken.
    """
    account = Account("demo", secrets.token_urlsafe(9), max_connections=connections)
    token = secrets.token_urlsafe(15)
    panel = panel or Panel.demo(time.time(), channels=channels)
    panel = replace(panel, accounts=(account,))
    async with AsyncExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ptctl-sandbox-")))
        nursery = await stack.enter_async_context(trio.open_nursery())
        ports = [provider_port + i for i in range(hosts)] if provider_port else None
        try:
            provider: ProviderHandle = await nursery.start(
                partial(run_provider, panel, hosts=hosts, stream_cache=default_cache(), ports=ports)
            )
            plex: PlexHandle = await nursery.start(
                partial(
                    run_plex, directory / "Plex Media Server", token=token, port=plex_port, options=options
                )
            )
        except OSError as error:
            raise OperatorError(
                f"a port of the sandbox is taken: {error.strerror}",
                next_step="choose others: --provider-port, --plex-port",
            ) from error
        try:
            yield Running(provider, plex, account, token, directory)
        finally:
            nursery.cancel_scope.cancel()


@click.command()
@click.option(
    "--m3u",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Load these lists (may be .gz) instead of invented channels.",
)
@click.option(
    "--xmltv",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Load these guides, shifted to now.",
)
@click.option(
    "--channels",
    default=CHANNELS,
    show_default=True,
    type=click.IntRange(17, 50_000),
    help="How many channels to invent.",
)
@click.option(
    "--hosts", default=HOSTS, show_default=True, type=click.IntRange(1, 9), help="Hosts of the panel."
)
@click.option(
    "--connections",
    default=16,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="What the account allows at once.",
)
@click.option(
    "--provider-port",
    default=0,
    type=click.IntRange(0, 65_000),
    help="First port of the panel's hosts (0: any free).",
)
@click.option("--plex-port", default=0, type=click.IntRange(0, 65_000), help="Port of Plex (0: any free).")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep Plex's state here, and find it again.",
)
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to print the addresses.",
)
@click.option("--faults", "list_faults", is_flag=True, help="List the fault switches and end.")
@click.pass_context
def sandbox(
    ctx: click.Context,
    *,
    m3u: tuple[Path, ...],
    xmltv: tuple[Path, ...],
    channels: int,
    hosts: int,
    connections: int,
    provider_port: int,
    plex_port: int,
    keep: Path | None,
    format_: str,
    list_faults: bool,
) -> None:
    """A simulated provider and Plex on loopback.

    Runs until Ctrl-C. Both take fault switches while they run: see the lines it prints.
    """
    console = console_of(ctx)
    if list_faults:
        console.data(_switches())
        return

    async def main() -> None:
        panel = Panel.from_files(m3u, xmltv) if m3u else None
        async with running(
            keep,
            panel=panel,
            channels=channels,
            hosts=hosts,
            connections=connections,
            provider_port=provider_port,
            plex_port=plex_port,
        ) as servers:
            console.data(json.dumps(_facts(servers), indent=1) if format_ == "json" else _text(servers))
            await trio.sleep_forever()

    trio.run(main)


def _facts(servers: Running) -> dict[str, object]:
    return {
        "format": "ptctl-sandbox/1",
        "provider": list(servers.provider.urls),
        "provider_control": servers.provider.control_url,
        "username": servers.account.username,
        "password": servers.account.password,
        "plex": servers.plex.url,
        "plex_token": servers.token,
        "plex_directory": str(servers.plex.directory),
    }


def _text(servers: Running) -> str:
    first = servers.provider.urls[0]
    user, password = servers.account.username, servers.account.password
    return "\n".join(
        [
            "A provider and a Plex, both simulated, on this machine alone. Ctrl-C ends them.",
            "",
            f"  panel        {'  '.join(servers.provider.urls)}",
            f"  account      {user} / {password}",
            f"  as M3U       {first}/list.m3u     guide  {first}/guide.xml",
            f"  Plex         {servers.plex.url}",
            f"  Plex token   {servers.token}",
            f"  Plex data    {servers.plex.directory}",
            "",
            "For a spec:",
            f"  export IPTV_USER={user} IPTV_PASS={password} PLEX_TOKEN={servers.token}",
            "",
            "Misbehave (GET the same addresses for what is switched on; `ptctl sandbox --faults` lists all):",
            f"""  curl -X POST {servers.provider.control_url}/_sandbox/faults -d '[{{"kind": "empty", "path": "live", "host": 0}}]'""",
            f"""  curl -X POST {servers.plex.url}/_sandbox/faults -d '{{"options": {{"load_delay_s": 20}}}}'""",
            f"  curl {servers.provider.control_url}/_sandbox/journal     curl {servers.plex.url}/_sandbox/journal",
        ]
    )


def _switches() -> str:
    """Every switch, read from the simulators' own definitions."""
    conditions = ", ".join(f.name for f in fields(Fault) if f.name != "kind")
    options = "\n".join(f"  {f.name} = {f.default!r}" for f in fields(PlexOptions))
    return "\n".join(
        [
            "Provider, POST /_sandbox/faults: a list of objects, each with a kind and any of the conditions",
            f"  kinds       {textwrap.fill(', '.join(get_args(FaultKind)), 84, subsequent_indent=' ' * 14, break_on_hyphens=False)}",
            f"  conditions  {conditions}",
            f"  path        {', '.join(get_args(PathKind))}",
            "",
            'Plex, POST /_sandbox/faults: {"options": {…}}, and rules for single requests: {"rules": [{…}]}',
            options,
            f"  rules: {', '.join(f.name for f in fields(FaultRule))}",
        ]
    )
