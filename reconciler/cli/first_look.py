"""A provider looked at before there is a spec: the same loading as ever, with a spec made for the moment.

Secrets that were just given travel as variables of an environment that only this process knows. This module refuses to
write anything but the cache it is given.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.catalog.guide_index import GuideIndex
from reconciler.drafting.provider import Given, Provider
from reconciler.errors import (
    CredentialError,
    PlexDenied,
    PlexRefused,
    PlexUnreachable,
    ProviderError,
    UsageError,
)
from reconciler.plex.connection import connected
from reconciler.plex.model import Observed, Unknown
from reconciler.plex.reader import observe, read_device_channels
from reconciler.secret import Secret, SecretRef
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.credentials import resolve
from reconciler.sources.guide_indexes import guide_index
from reconciler.sources.guides import load_guides
from reconciler.sources.progress import Progress, Step
from reconciler.spec.model import Credentials, Guide, Source, Spec
from reconciler.wording import number

__all__ = ["Look", "look", "look_at_plex", "names_in_plex", "value_of"]


@dataclass(frozen=True, slots=True)
class Look:
    """What a provider offers. `spec` holds its source and guides alone."""

    spec: Spec
    catalog: Catalog
    guides: Mapping[str, GuideIndex]
    report: SourceReport


@dataclass(slots=True)
class _Environment:
    """Values as variables; file references stay what they are."""

    values: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def ref(self, given: Given) -> SecretRef:
        if isinstance(given, SecretRef):
            return given
        name = f"PTCTL_DRAFT_{len(self.values)}"
        self.values[name] = given.reveal()
        return SecretRef("env", name)


async def look(provider: Provider, *, base: Path, cache: Path, now: float, progress: Progress) -> Look:
    """Log in, fetch the live channels and the guides, and read what the guides list.

    Raises ProviderError, saying what the hosts answered, where nothing came; CredentialError where a file leads nowhere.
    A guide that cannot be had is left out.
    """
    environment = _Environment()
    spec = _spec(provider, environment, base)
    found = await load_catalog(spec, cache, now=now, environ=environment.values, progress=progress)
    report = found.reports[provider.name]
    if report.fetched == "absent" or not report.entries:
        left = (f"left out {number(d.count)}: {d.reason}" for d in report.dropped)
        why = "; ".join(dict.fromkeys((*report.notes, *left))) or "it lists no live channel"
        # a list that came has no account to look at
        step = "give a list of live channels at http addresses"
        if provider.hosts or report.fetched == "absent":
            step = "check the file" if provider.path else "check address, user name and password"
        raise ProviderError(f"the provider gives nothing: {why}", next_step=step)
    files = await load_guides(spec, found, cache, now=now, environ=environment.values, progress=progress)
    indexes = {}
    for name, file in files.items():
        if file.path is not None:
            try:
                indexes[name] = guide_index(file.path, cache)
            except ProviderError as error:
                progress(Step(f"guide {name}", "done", detail=error.message))
    return Look(spec, found, indexes, report)


def _spec(provider: Provider, environment: _Environment, base: Path) -> Spec:
    name = provider.name
    credentials: dict[str, Credentials] = {}
    if provider.username is not None and provider.password is not None:
        credentials[name] = Credentials(
            name, username=environment.ref(provider.username), password=environment.ref(provider.password)
        )
    source = Source(
        name,
        "xtream" if provider.hosts else "m3u",
        hosts=provider.hosts,
        credentials=tuple(credentials),
        path=str((base / provider.path).absolute()) if provider.path else "",
        url=str(environment.ref(provider.url)) if provider.url is not None else "",
    )
    guides = {name: Guide(name, source=name)}
    if provider.guide:
        guides["extra"] = Guide(
            "extra", url=str(environment.ref(Secret(provider.guide))), match=("id", "name")
        )
    if provider.guide_path:
        guides["extra"] = Guide(
            "extra", path=str((base / provider.guide_path).absolute()), match=("id", "name")
        )
    return Spec(
        name="draft",
        sources={name: source},
        guides=guides,
        filters=(),
        buckets=(),
        dvrs={},
        credentials=credentials,
        base=str(base.absolute()),
    )


def value_of(given: Given, base: Path) -> Secret:
    """The value behind what was given. Raises UsageError where a file does not hold it."""
    if isinstance(given, Secret):
        return given
    try:
        return resolve(given, environ=os.environ, base=base)
    except CredentialError as error:
        raise UsageError(error.message, next_step=error.next_step) from None


async def look_at_plex(url: str, token: Secret, *, name: str) -> Observed:
    """Plex as it is now; reads only. `name` tells the installation's client identifier.

    Raises PlexUnreachable, PlexDenied, and PlexRefused where it answers with something else. There is no spec yet, so
    the errors speak of the address and of the flags.
    """
    try:
        async with connected(url, token, client_id=f"ptctl-{name}") as connection:
            return await observe(connection)
    except PlexDenied:
        raise PlexDenied(
            f"{url}: Plex refused the token",
            next_step="check --plex-token-env, --plex-token-file or --plex-prefs",
        ) from None
    except PlexUnreachable as error:
        raise PlexUnreachable(error.message.replace("plex.url", url), next_step="check --plex-url") from None
    except PlexRefused as error:
        raise PlexRefused(
            f"{url} does not answer like Plex: {error.message}",
            status=error.status,
            next_step="check --plex-url",
        ) from None


async def names_in_plex(
    url: str, token: Secret, devices: Iterable[str], *, name: str
) -> dict[str, Mapping[str, str]]:
    """Channel names by number of the devices with these keys, as Plex last read them; unknown ones are left out."""
    found: dict[str, Mapping[str, str]] = {}
    async with connected(url, token, client_id=f"ptctl-{name}") as connection:
        for key in devices:
            names = await read_device_channels(connection, key)
            if not isinstance(names, Unknown) and names:
                found[key] = names
    return found
