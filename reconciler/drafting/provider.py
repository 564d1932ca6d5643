"""One provider as sections of a spec: credentials, source and guide, every secret as a reference.

What is asked at a terminal or taken from the environment is kept in the env file; what lies in a file stays there and
is referred to. This module refuses to fetch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.drafting.addresses import is_public, panel_of
from reconciler.drafting.draft import Vault
from reconciler.drafting.yaml_text import Value
from reconciler.secret import Secret, SecretRef

__all__ = ["Given", "Provider", "Sections", "provider_from", "sections"]

Given = Secret | SecretRef


@dataclass(frozen=True, slots=True)
class Provider:
    """Where channels come from. With `hosts` an Xtream panel, else an M3U at `url` or in the file `path`.

    `guide` is the address of a further XMLTV guide, or `guide_path` its file, "" for none; `own_guide`: the source brings one. An account of an M3U is
    what the addresses in the list hold: it becomes placeholders.
    """

    name: str = "main"
    hosts: tuple[str, ...] = ()
    username: Given | None = None
    password: Given | None = None
    url: Given | None = None
    path: str = ""
    guide: str = ""
    guide_path: str = ""
    own_guide: bool = True


@dataclass(frozen=True, slots=True)
class Sections:
    """The parts of a spec that say where channels come from."""

    credentials: Mapping[str, Value]
    sources: Mapping[str, Value]
    guides: Mapping[str, Value]


def provider_from(address: Secret, name: str = "main") -> Provider:
    """The provider that an address means: a panel for `get.php?username=…`, else a playlist."""
    panel = panel_of(address.reveal())
    if panel is None:
        return Provider(name, url=address)
    return Provider(name, (panel.host,), panel.username, panel.password)


def sections(provider: Provider, vault: Vault) -> Sections:
    """The sections; secret values go into `vault`."""
    name = provider.name
    credentials: dict[str, Value] = {}
    source: dict[str, Value]
    if provider.username is not None and provider.password is not None:
        credentials[name] = {
            "username": _reference(
                vault, f"{name}-user" if name != "main" else "iptv-user", provider.username
            ),
            "password": _reference(
                vault, f"{name}-pass" if name != "main" else "iptv-pass", provider.password
            ),
        }
    if provider.hosts:
        source = {"kind": "xtream", "hosts": list(provider.hosts), "credentials": name}
    else:
        source = {"kind": "m3u"}
        if provider.path:
            source["path"] = provider.path
        elif isinstance(provider.url, Secret) and is_public(provider.url.reveal()):
            source["url"] = provider.url.reveal().strip()
        elif provider.url is not None:
            source["url"] = _reference(vault, "iptv-url" if name == "main" else f"{name}-url", provider.url)
        if credentials:
            source["credentials"] = name
    guides: dict[str, Value] = {}
    if provider.own_guide:
        guides[name] = {"source": name, "match": ["id"]}
    if provider.guide:
        kept = (
            provider.guide if is_public(provider.guide) else vault.keep("guide-url", Secret(provider.guide))
        )
        guides["extra"] = {"url": kept, "match": ["id", "name"]}
    if provider.guide_path:
        guides["extra"] = {"path": provider.guide_path, "match": ["id", "name"]}
    return Sections(credentials, {name: source}, guides)


def _reference(vault: Vault, wanted: str, given: Given) -> str:
    return vault.keep(wanted, given) if isinstance(given, Secret) else str(given)
