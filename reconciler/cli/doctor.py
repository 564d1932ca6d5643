"""`ptctl doctor`: looks at everything that has to work together, and says what does not, with the next command.

Reads; the only trace is the lock's file, because whether the state directory can be locked is one of the questions.
What it finds is `planning.diagnosis`, this module refuses to judge what another stage can.
"""

import errno
import importlib.util
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import trio

from reconciler.cli.exits import Exit
from reconciler.cli.reach import of_addresses, of_pool, of_tuners
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options
from reconciler.cli.status import asked_status
from reconciler.errors import CredentialError, LockHeld, PlexDenied, PlexError, StateError
from reconciler.ledger import store
from reconciler.ledger.lock import hold
from reconciler.ledger.model import Ledger
from reconciler.pipeline import Request
from reconciler.pipeline.gather import client_id, plex_token
from reconciler.planning.diagnosis import Finding, of_clients, of_clock, of_plex, of_serve
from reconciler.plex.connection import connected
from reconciler.plex.model import Unknown
from reconciler.plex.reader import observe
from reconciler.rendering.doctor_text import render
from reconciler.serving.discovery import PORT as DISCOVERY_PORT
from reconciler.serving.finding import ids_by_udp, locations_by_ssdp
from reconciler.sources.credentials import allowed_networks
from reconciler.sources.greeting import Greeting, greet
from reconciler.spec.model import Spec
from reconciler.wording import plural

__all__ = ["doctor"]

ANSWER_S: Final = 5.0
SOON_S: Final = 7 * 86_400.0
"""An account that ends within this many seconds is worth a word."""


@click.command()
@spec_argument
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@spec_options
@click.pass_context
def doctor(ctx: click.Context, *, spec: str | None, format_: str, env: str | None, allow_exec: bool) -> Exit:
    """Check token, reachability both ways, ports, clock, ffmpeg, and what Plex has that is in the way.

    Changes nothing. Exits 1 where something is bad; warnings and hints do not count.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    request = Request(now=time.time(), env=env or "", allow_exec=allow_exec)
    findings = trio.run(partial(examine, loaded, request))
    if format_ == "json":
        rows = [asdict(finding) for finding in findings]
        console.data(json.dumps({"format": "ptctl-doctor/1", "findings": rows}, indent=1))
    else:
        console.data(render(findings, color=console.color_out))
    return Exit.FAILED if any(finding.level == "bad" for finding in findings) else Exit.DONE


async def examine(spec: Spec, request: Request) -> list[Finding]:
    """Every finding, in the order in which things depend on each other. Never raises for what it looks at."""
    found = list(_state(spec))
    ledger = Ledger()
    try:
        ledger = store.load(Path(spec.state))
    except StateError as error:
        found.append(Finding("bad", "ledger", error.message, error.next_step or "ptctl adopt --rebuild"))
    found += _ffmpeg(spec)
    found += await _providers(spec, request)
    status = await asked_status(spec)
    found += of_serve(spec, ledger, status)
    if isinstance(status, Unknown):
        found += _ports(spec, ledger)
    found += await of_addresses(spec, status)
    found += await of_tuners(spec, status)
    found += await of_pool(spec, environ=request.environ, allow_exec=request.allow_exec)
    found += await _discovery(spec, status)
    if spec.plex is None:
        found.append(
            Finding("hint", "plex", "the spec has no plex section: ptctl stops at artifacts and tuners")
        )
        return found
    found += await _plex(spec, request, ledger)
    refused = {} if isinstance(status, Unknown) else status.get("refused", {})
    found += of_clients(spec.serve.access.allow, await _addresses(spec.plex.url), refused)
    return found


def _state(spec: Spec) -> Iterator[Finding]:
    state = Path(spec.state)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        with hold(state, f"pid {os.getpid()}", "ptctl doctor", since=now):
            yield Finding("good", "state", f"{state} can be written and locked")
    except LockHeld as error:
        yield Finding("hint", "state", f"{state}: {error.message}")
    except StateError as error:
        yield Finding("bad", "state", error.message, error.next_step or "give PTCTL_STATE another place")


def _ffmpeg(spec: Spec) -> Iterator[Finding]:
    wanted = sorted(
        {
            profile
            for profile in (
                *(source.stream.profile for source in spec.sources.values()),
                *(dvr.stream.profile for dvr in spec.dvrs.values()),
            )
            if profile not in {None, "", "copy"}
        },
        key=str,
    )
    if not wanted:
        return
    words = ", ".join(map(str, wanted))
    path = shutil.which("ffmpeg")
    if path or importlib.util.find_spec("imageio_ffmpeg"):
        yield Finding("good", "ffmpeg", f"profile {words}: {path or 'of the extra ptctl[ffmpeg]'}")
    else:
        step = "install ffmpeg, or pip install 'ptctl[ffmpeg]', or set the profile to copy"
        yield Finding("bad", "ffmpeg", f"profile {words} needs ffmpeg, and there is none", step)


async def _providers(spec: Spec, request: Request) -> list[Finding]:
    try:
        greetings = await greet(
            spec, Path(spec.state) / "cache", environ=request.environ, allow_exec=request.allow_exec
        )
    except OSError as error:
        reason = (error.strerror or "refused").lower()
        return [
            Finding(
                "bad", "provider", f"the cache cannot be written: {reason}", "give PTCTL_STATE another place"
            )
        ]
    return [finding for name in spec.sources if name in greetings for finding in _provider(greetings[name])]


def _provider(greeting: Greeting) -> Iterator[Finding]:
    name = greeting.source
    if not greeting.host:
        yield Finding(
            "bad", "provider", f'"{name}" lets us in nowhere: {greeting.why}', "ptctl plan --cached"
        )
        return
    others = f" ({greeting.why})" if greeting.why else ""
    yield Finding(
        "good", "provider", f'"{name}" lets us in at host {greeting.host} of {greeting.hosts}{others}'
    )
    if greeting.expires is not None and greeting.expires - time.time() < SOON_S:
        days = max(0, round((greeting.expires - time.time()) / 86_400))
        yield Finding("warn", "provider", f'the account of "{name}" ends in {days} days', "renew it")
    yield of_clock(name, greeting.clock_off_s)


def _ports(spec: Spec, ledger: Ledger) -> Iterator[Finding]:
    """Whether `serve` could listen. Asked only while it does not answer: else they are its own."""
    host, hub = spec.serve.listen
    wanted = {"the hub": hub}
    wanted |= {f'"{name}"': record.port for name, record in ledger.dvrs.items() if record.port}
    if spec.serve.discovery != "none":
        wanted["discovery"] = DISCOVERY_PORT
    taken = 0
    for who, port in wanted.items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                taken += 1
                why = (
                    "taken by another program"
                    if error.errno == errno.EADDRINUSE
                    else str(error.strerror).lower()
                )
                yield Finding(
                    "bad", "ports", f"port {port} of {who} cannot be used: {why}", f"ss -ltnp | grep :{port}"
                )
    if not taken:
        yield Finding("good", "ports", f"free for serve: {plural(len(wanted), 'port')}")


async def _discovery(spec: Spec, status: dict[str, Any] | Unknown) -> list[Finding]:
    """Whether clients on this machine find every tuner by the ways that `serve.discovery` promises."""
    way, host = spec.serve.discovery, spec.serve.listen[0]
    if way == "none" or isinstance(status, Unknown) or not status["dvrs"]:
        return []
    wanted = {dvr["device_id"].upper(): dvr["name"] for dvr in status["dvrs"] if len(dvr["device_id"]) == 8}
    places = {f"{dvr['base_url']}/device.xml": dvr["name"] for dvr in status["dvrs"]}
    found: list[Finding] = []
    try:
        missing = sorted(wanted[id_] for id_ in wanted.keys() - await ids_by_udp(host))
        found.append(_reached("UDP discovery", missing, len(wanted)))
        if way == "udp+ssdp":
            missing = sorted(places[at] for at in places.keys() - await locations_by_ssdp(host))
            found.append(_reached("SSDP", missing, len(places)))
    except OSError as error:
        why = (error.strerror or "refused").lower()
        found.append(Finding("warn", "discovery", f"it cannot be tried: {why}", "ip -4 address show"))
    return found


def _reached(way: str, missing: list[str], count: int) -> Finding:
    if not missing:
        return Finding(
            "good",
            "discovery",
            f"{way} finds all {count} tuners from this machine"
            if count > 1
            else f"{way} finds the tuner from this machine",
        )
    text = f"{way} does not find {', '.join(missing)} from this machine"
    return Finding(
        "bad", "discovery", text, "restart serve, and see that serve.access.allow has this machine"
    )


async def _plex(spec: Spec, request: Request, ledger: Ledger) -> list[Finding]:
    assert spec.plex is not None
    try:
        secret = plex_token(spec, request)
        async with connected(spec.plex.url, secret, client_id=client_id(spec)) as connection:
            observed = await observe(connection)
    except CredentialError as error:
        return [Finding("bad", "token", error.message, error.next_step or "write where the token is")]
    except PlexDenied as error:
        return [
            Finding("bad", "token", error.message, error.next_step or "give another token"),
            *_allowed(spec, request),
        ]
    except PlexError as error:
        return [Finding("bad", "plex", error.message, f"curl {spec.plex.url}/identity")]
    server = observed.server
    name = "" if isinstance(server, Unknown) else f' "{server.name}"'
    return [
        Finding("good", "token", f"Plex{name} answers and takes the token"),
        *_allowed(spec, request),
        *of_plex(spec, ledger, observed),
    ]


def _allowed(spec: Spec, request: Request) -> Iterator[Finding]:
    """Plex's own `allowedNetworks`, where its Preferences.xml is at hand."""
    assert spec.plex is not None
    ref = spec.credentials[spec.plex.credentials].token
    try:
        networks = allowed_networks(ref, environ=request.environ, base=Path(spec.base)) if ref else ""
    except CredentialError:
        return  # the token's own finding says so
    if networks:
        text = (
            f"Plex lets {networks} in without a token (allowedNetworks): from there a wrong token looks right"
        )
        yield Finding("hint", "token", text, "empty it in Plex: Settings, Network")


async def _addresses(url: str) -> list[str]:
    """The addresses of Plex's host; none where its name is not known."""
    host = urlsplit(url).hostname
    try:
        with trio.move_on_after(ANSWER_S):
            found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return sorted({str(entry[4][0]) for entry in found})
    except OSError:
        pass
    return []
