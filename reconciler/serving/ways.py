"""The ways to a channel's bytes, in the order to try them: every alternative on every host.

The catalogue's order is the wish, health puts what failed lately behind, and a pinned host comes first (or alone, when
the pin is strict). A way has no credential in it: account and address are put together for one attempt, from the
references, so that a changed password is used by the next tune. This module refuses to connect.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from reconciler.catalog.address import PASSWORD, USERNAME, fill, host_of
from reconciler.errors import CredentialError
from reconciler.lineups.manifest import Alternative, Routes, SourceRoute, read_reference
from reconciler.secret import Secret, SecretRef
from reconciler.serving.health import Health
from reconciler.serving.pool import Account as PoolAccount
from reconciler.sources.credentials import account, resolve
from reconciler.sources.reach import reach_of
from reconciler.sources.stream_addresses import addresses
from reconciler.spec.model import Credentials

__all__ = ["CredentialReader", "Target", "Way", "accounts_of", "ways_of"]


@dataclass(frozen=True, slots=True)
class Way:
    """One attempt that may be made. `url` holds placeholders where credentials belong."""

    channel: str
    source: SourceRoute
    place: int
    host: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    pinned: bool = False

    @property
    def host_key(self) -> tuple[str, ...]:
        """Its host's health."""
        return (self.source.name, self.host)

    @property
    def stream_key(self) -> tuple[str, ...]:
        """The health of this channel there."""
        return (self.source.name, self.host, self.channel, str(self.place))

    @property
    def accounts(self) -> tuple[PoolAccount, ...]:
        """The accounts that may be used."""
        return accounts_of(self.source)

    @property
    def is_of_an_account(self) -> bool:
        """Whether a refusal says something about other ways: a list without credentials names hosts that have nothing in common."""
        return bool(self.source.credentials)

    @property
    def private(self) -> bool:
        """Whether addresses of the private network are in order: the source's own host is one, or it is a file."""
        own = self.source.hosts or ((self.source.base,) if "://" in self.source.base else ())
        return not own or any(_is_private(urlsplit(host).hostname or "") for host in own)


@dataclass(frozen=True, slots=True)
class Target:
    """A way with its values: what goes over the wire. Never printable."""

    url: Secret
    user_agent: str
    headers: tuple[tuple[str, str], ...]
    own_headers: tuple[tuple[str, Secret], ...]
    own_hosts: frozenset[str]


def accounts_of(source: SourceRoute) -> tuple[PoolAccount, ...]:
    """A source's accounts, by keys that are safe to show. A list without credentials is one account of its own."""
    if not source.credentials:
        return (PoolAccount(source.name, source.connections),)
    return tuple(PoolAccount(_account_key(refs), source.connections) for refs in source.credentials)


def ways_of(channel: str, routes: Routes, health: Health, dvr: str = "") -> list[Way]:
    """All ways of a DVR (or of an export) to a channel, best first. Equal health keeps the catalogue's order."""
    ways: list[Way] = []
    for place, alternative in enumerate(routes.channels.get(channel, ())):
        source = routes.source(alternative.source, dvr)
        if source is not None:
            ways += _ways(channel, source, alternative, place)
    return sorted(ways, key=lambda way: health.penalty(way.host_key) + health.penalty(way.stream_key))


def _ways(channel: str, source: SourceRoute, alternative: Alternative, place: int) -> list[Way]:
    urls = addresses(source, alternative)
    pin = host_of(source.pin) if source.pin else ""
    return [
        Way(channel, source, place, host_of(url), url, alternative.headers, bool(pin) and host_of(url) == pin)
        for url in urls
    ]


def _account_key(refs: Mapping[str, str]) -> str:
    """The references themselves: equal references are one account, whichever source names them."""
    return " ".join(f"{part}={text}" for part, text in sorted(refs.items()))


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".local", ".lan", ".home", ".internal", ".svc")):
        return True
    try:
        return reach_of(host) != "public"
    except ValueError:
        return "." not in host  # a name of the own network, as in Compose and Kubernetes


class _Where(TypedDict):
    environ: Mapping[str, str]
    base: Path
    allow_exec: bool


@dataclass(frozen=True, slots=True)
class CredentialReader:
    """Turns references into values, at each tune (CRD-5). Reads files: call it in a worker thread where it may wait."""

    base: Path
    allow_exec: bool = False

    def target(self, way: Way, account_key: str) -> Target:
        """The way with the values of one of its accounts. Raises CredentialError."""
        source = way.source
        url = Secret(way.url)
        if USERNAME in way.url or PASSWORD in way.url:
            refs = next((r for r in source.credentials if _account_key(r) == account_key), None)
            if refs is None:
                raise CredentialError(f"source {source.name!r} has no credentials for its addresses")
            login = account(_credentials(source.name, refs), **self._where())
            url = fill(way.url, login.username, login.password)
        plain = tuple((name, value) for name, value, is_ref in source.headers if not is_ref)
        secret = tuple(
            (name, resolve(_ref(value), **self._where())) for name, value, is_ref in source.headers if is_ref
        )
        own = frozenset(
            {urlsplit(way.url).hostname or "", *(urlsplit(h).hostname or "" for h in source.hosts)}
        )
        return Target(url, source.user_agent, (*plain, *way.headers), secret, own)

    def _where(self) -> _Where:
        return {"environ": os.environ, "base": self.base, "allow_exec": self.allow_exec}

    @property
    def may_wait(self) -> bool:
        """Whether resolving can take long: commands."""
        return self.allow_exec


def _ref(text: str) -> SecretRef:
    ref = read_reference(text)
    if ref is None:
        raise CredentialError("a reference in the routes is none", next_step="ptctl refresh")
    return ref


def _credentials(name: str, refs: Mapping[str, str]) -> Credentials:
    parsed = {part: _ref(text) for part, text in refs.items()}
    for part, ref in parsed.items():
        if ref.scheme == "subscription" and part in {"username", "password"}:
            parsed[part] = ref._replace(part="username" if part == "username" else "password")
    return Credentials(
        name, username=parsed.get("username"), password=parsed.get("password"), url=parsed.get("url")
    )
