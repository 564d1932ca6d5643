"""The playlists and guides of all instances as sources and guides of one spec, each once, accounts as references.

Thirteen tuners that read the same provider become one source, so that its connections are counted once. This module
refuses to look at channels, but for the accounts in their addresses.
"""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.drafting.addresses import Panel, is_public, is_web, panel_of, stream_account
from reconciler.drafting.bounds import free_name
from reconciler.drafting.draft import Loss, Vault, slug
from reconciler.drafting.threadfin_rules import playback
from reconciler.drafting.threadfin_settings import Instance, Listed
from reconciler.drafting.yaml_text import Value
from reconciler.secret import Secret

__all__ = ["Inputs"]

_SAYS_NOTHING: Final = frozenset(
    {"m3u", "m3u8", "playlist", "xmltv", "epg", "guide", "main", "iptv", "default", "list"}
)
Account = tuple[Secret, Secret]


@dataclass(slots=True)
class Inputs:
    """What all instances read. `of` are names of sources and guides by instance and file id."""

    vault: Vault
    losses: list[Loss]
    fallbacks: Mapping[str, str]
    """What to call a playlist that has no name of its own, by instance."""
    credentials: dict[str, Value] = field(default_factory=dict)
    sources: dict[str, dict[str, Value]] = field(default_factory=dict)
    guides: dict[str, dict[str, Value]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    of: dict[tuple[str, str], str] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    _known: dict[tuple[object, ...], str] = field(default_factory=dict)

    def add(self, instance: Instance) -> None:
        """Take in the files of one instance."""
        for file in instance.of_kind("m3u", "hdhr"):
            self.of[instance.name, file.id] = self._source(instance, file)
        for file in instance.of_kind("xmltv"):
            self.of[instance.name, file.id] = self._guide(instance, file)

    def sources_of(self, instance: Instance) -> list[str]:
        """The sources an instance reads, each once."""
        return list(dict.fromkeys(self.of[instance.name, f.id] for f in instance.of_kind("m3u", "hdhr")))

    def _named(self, file: Listed, fallback: str, taken: Container[str]) -> str:
        own = slug(file.name, "")
        return free_name(fallback if own in _SAYS_NOTHING or not own else own, taken)

    def _source(self, instance: Instance, file: Listed) -> str:
        panel = panel_of(file.source) if file.kind == "m3u" else None
        key: tuple[object, ...] = (
            ("panel", panel.username, panel.password) if panel else (file.kind, file.source.strip())
        )
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = self._named(file, self.fallbacks[instance.name], self.sources)
            self.sources[name] = self._new_source(name, instance, file, panel)
        elif panel is not None:
            hosts = self.sources[name]["hosts"]
            assert isinstance(hosts, list)
            if panel.host not in hosts:
                hosts.append(panel.host)
        self._streams(self.sources[name], instance, file, name)
        return name

    def _new_source(
        self, name: str, instance: Instance, file: Listed, panel: Panel | None
    ) -> dict[str, Value]:
        if panel is not None:
            self._account(name, panel)
            # get.php first: it is what the old tuner read, so groups are spelt as its filters expect
            return {
                "kind": "xtream",
                "hosts": [panel.host],
                "credentials": name,
                "order": ["get_php", "player_api"],
            }
        if file.kind == "hdhr":
            self.notes[f"sources.{name}"] = "was an HDHomeRun: its own playlist is read instead"
            return {"kind": "m3u", "url": f"http://{file.source.strip().rstrip('/')}/lineup.m3u"}
        source: dict[str, Value] = {"kind": "m3u", **self._place(name, file, instance.name)}
        if (account := _account_in_streams(instance, file)) is not None:
            self._account(name, account)
            source["credentials"] = name
        return source

    def _place(self, name: str, file: Listed, where: str) -> dict[str, Value]:
        """Where a list or guide is: a path, an address, or a reference to one that may hold a secret."""
        place = file.source.strip()
        if not is_web(place):
            what = f"{file.name or file.id} is a file on the old tuner's machine"
            self.losses.append(Loss(where, what, "copy or mount it where the spec says, or edit the path"))
            return {"path": place}
        return {"url": place if is_public(place) else self.vault.keep(f"{name}-url", Secret(place))}

    def _account(self, name: str, panel: Panel) -> None:
        self.accounts[name] = (panel.username, panel.password)
        self.credentials[name] = {
            "username": self.vault.keep(f"{name}-user", panel.username),
            "password": self.vault.keep(f"{name}-pass", panel.password),
        }

    def _streams(self, source: dict[str, Value], instance: Instance, file: Listed, name: str) -> None:
        where = f"{instance.name}: playlist {file.name or file.id}"
        if file.proxy:
            self.losses.append(
                Loss(where, "fetched through an HTTP proxy", "set it for the machine's network")
            )
        played = playback(file.buffer or instance.text("buffer"), instance.text("ffmpeg.options"))
        if played.loss:
            self.losses.append(Loss(where, played.loss, played.advice))
        stream: dict[str, Value] = {}
        agent = played.user_agent or instance.text("user.agent")
        if agent:
            stream["user_agent"] = agent
        if played.profile:
            stream["profile"] = played.profile
        headers = {k: v for k, v in (("Origin", file.origin), ("Referer", file.referer)) if v}
        if headers:
            stream["headers"] = {
                k: v if is_public(v) else self.vault.keep(f"{name}-{k}", Secret(v))
                for k, v in headers.items()
            }
        known = source.setdefault("stream", stream)
        if known != stream:
            self.losses.append(
                Loss(
                    where,
                    f'its playback settings differ from those source "{name}" has',
                    "dvrs.<name>.stream wins",
                )
            )
        if source["kind"] == "m3u" and file.tuners:
            before = source.get("connections", 0)
            source["connections"] = max(before if isinstance(before, int) else 0, file.tuners)

    def _guide(self, instance: Instance, file: Listed) -> str:
        panel = panel_of(file.source)
        if panel is not None:
            source = self._known.get(("panel", panel.username, panel.password))
            if source is not None:
                key: tuple[object, ...] = ("guide of", source)
                name = self._known.setdefault(key, source)
                self.guides.setdefault(name, {"source": source, "match": ["id"]})
                return name
        key = ("xmltv", file.source.strip())
        name = self._known.get(key, "")
        if not name:
            name = self._known[key] = self._named(file, "guide", self.guides)
            self.guides[name] = {**self._place(f"{name}-guide", file, instance.name), "match": ["id"]}
        return name


def _account_in_streams(instance: Instance, file: Listed) -> Panel | None:
    """The account that most streams of a list carry in their addresses."""
    found = Counter(
        (account.host, account.username, account.password)
        for channel in instance.channels or ()
        if channel.file == file.id and (account := stream_account(channel.url)) is not None
    )
    if not found:
        return None
    (host, username, password), _ = found.most_common(1)[0]
    return Panel(host, username, password, "live")
