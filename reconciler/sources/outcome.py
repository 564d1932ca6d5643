"""What a source's fetch came to: entries and a report, with the copy standing in for what failed (design.md 1.7).

The only place that reads and writes copies of lists. Per list: what came is kept; what came and is the same is confirmed;
what did not come is replaced by its copy, and the report says how old that is. This module refuses to fetch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from reconciler.catalog.entry import Entry, Fetched, Kind, SourceReport
from reconciler.sources.copies import Copies, Head
from reconciler.sources.lists import ListFetched, list_identity
from reconciler.sources.panel import PanelLists, together
from reconciler.sources.progress import Progress, Step
from reconciler.spec.model import Source
from reconciler.wording import span

__all__ = ["Came", "Outcome", "PanelSeen"]

_RANK: Final[dict[Fetched, int]] = {"fresh": 0, "unchanged": 1, "cached": 2, "absent": 3}
_NOTHING: Final[tuple[Head | None, Fetched]] = (None, "absent")


@dataclass(frozen=True, slots=True)
class PanelSeen:
    """What a login showed of a panel; kept, because it holds on days when no host answers. As in `SourceReport`."""

    host: int = 0
    connections: int | None = None
    account_connections: tuple[int | None, ...] = ()
    direct_hosts: tuple[int, ...] = ()
    cloudflare_hosts: tuple[int, ...] = ()
    stream_base: str = ""


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a source's lists, by the names of their copies. Nothing in it: the copies stand in.

    `entries` None: those of the copy still hold, and need not be read to know that. `seen`: what a login showed.
    """

    heads: Mapping[str, tuple[Head, Fetched]] = field(default_factory=dict)
    entries: Mapping[str, tuple[Entry, ...] | None] = field(default_factory=dict)
    size_bytes: int = 0
    seen: PanelSeen | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """From what came, or did not, to report and entries; the only place that reads and writes copies."""

    source: Source
    copies: Copies
    now: float
    progress: Progress

    def lists(self) -> list[tuple[str, str, Kind | None]]:
        """Names of the copies of this source, what they are of, and their kind."""
        if self.source.kind == "m3u":
            return [(f"{self.source.name}.m3u", list_identity(self.source), None)]
        return [(f"{self.source.name}.{kind}", "xtream", kind) for kind in self.source.content]

    def has_copy(self) -> bool:
        """Whether every list of this source has a copy."""
        return all(self.copies.head(name, of) is not None for name, of, _ in self.lists())

    def nothing_came(self) -> Came:
        """The copies, if there are any."""
        self.progress(Step(self.source.name, "read"))
        return Came()

    def list_came(self, found: ListFetched) -> Came:
        """An M3U list came: it is kept."""
        name = f"{self.source.name}.m3u"
        before = self.copies.head(name, list_identity(self.source))
        entries, fetched = self._kept(name, before, found.head, found.entries)
        return Came({name: (found.head, fetched)}, {name: entries}, found.size_bytes)

    def lists_came(self, lists: PanelLists) -> Came:
        """Some or all of a panel's lists came: they are kept."""
        heads: dict[str, tuple[Head, Fetched]] = {}
        entries: dict[str, tuple[Entry, ...] | None] = {}
        for kind, (head, fresh) in lists.found.items():
            name = f"{self.source.name}.{kind}"
            before = self.copies.head(name, "xtream")
            entries[name], fetched = self._kept(name, before, head, fresh)
            heads[name] = head, fetched
        return Came(heads, entries, lists.size_bytes)

    def report(self, came: Came) -> SourceReport:
        """The report from the heads alone: `entries` counts what the lists hold, of whatever kind. Reads no list."""
        return self._told(came, read=False)[0]

    def read(self, came: Came) -> tuple[SourceReport, tuple[Entry, ...]]:
        """Report and entries; copies are read where nothing newer came."""
        return self._told(came, read=True)

    def _kept(
        self, name: str, before: Head | None, head: Head, fresh: tuple[Entry, ...] | None
    ) -> tuple[tuple[Entry, ...] | None, Fetched]:
        if fresh is None:
            self.copies.confirm(name, head)
            return None, "unchanged"
        if before and before.digest == head.digest:
            self.copies.confirm(name, replace(head, columns=before.columns))
            return fresh, "unchanged"
        self.copies.keep(name, head, fresh)
        return fresh, "fresh"

    def _told(self, came: Came, *, read: bool) -> tuple[SourceReport, tuple[Entry, ...]]:
        """One report over all lists of the source: the worst of them decides."""
        source = self.source
        used: list[Head] = []
        states: list[Fetched] = []
        notes: list[str] = []
        found: list[Entry] = []
        count = 0
        oldest = self.now
        for name, of, kind in self.lists():
            head, state = came.heads.get(name, _NOTHING)
            own = came.entries.get(name)
            if head is None:
                head = self.copies.head(name, of)
                state = "cached"
            if head is not None and own is None and read:
                own = self.copies.entries(head, source.name)
            if head is None or (own is None and read):
                states.append("absent")
                notes.append(
                    f"no {kind} list and no copy"
                    if kind and len(source.content) > 1
                    else "no list and no copy"
                )
                continue
            states.append(state)
            used.append(head)
            oldest = min(oldest, head.fetched_at)
            notes.extend(head.notes)
            if state == "cached":
                notes.append(f"the copy of {span(self.now - head.fetched_at)} ago is used")
            if own is None:
                count += head.count
                continue
            if kind is None:
                own = tuple(e for e in own if e.kind in source.content)
            count += len(own)
            if read:
                found.extend(own)
        worst = max(states, key=_RANK.__getitem__)
        if worst == "absent" and used:
            worst = "cached"  # a part is there: the note says which part is not
        age = max(0.0, self.now - oldest) if used else 0.0
        report = SourceReport(
            source.name,
            source.kind,
            worst,
            entries=count,
            size_bytes=came.size_bytes,
            age_s=age,
            stale=worst in {"cached", "absent"} and (age > source.max_age_s or not used),
            via=used[0].via if used else "",
            hosts=len(source.hosts),
            notes=tuple(dict.fromkeys(notes)),
            dropped=together(one for head in used for one in head.dropped),
            guide_urls=tuple(dict.fromkeys(u for h in used for u in h.guide_urls)),
        )
        told = self._with(report, came.seen) if came.seen else self._with_seen(report)
        return told, tuple(found)

    def with_panel(self, came: Came, seen: PanelSeen) -> Came:
        """What came, with what today's login showed, which is remembered."""
        hosts = self.source.hosts
        self.copies.remember(f"{self.source.name}.panel", {"hosts": hosts, **asdict(seen)})
        return replace(came, seen=seen)

    def _with_seen(self, report: SourceReport) -> SourceReport:
        """The report with what an earlier login at the same hosts showed."""
        if self.source.kind == "m3u":
            return self._with(report, PanelSeen())
        known = self.copies.recall(f"{self.source.name}.panel")
        hosts = known.pop("hosts", None)
        try:
            seen = PanelSeen(**known) if hosts == self.source.hosts else PanelSeen()
        except TypeError:
            seen = PanelSeen()
        return self._with(report, seen)

    def _with(self, report: SourceReport, seen: PanelSeen) -> SourceReport:
        wanted = self.source.connections
        return replace(
            report,
            host=seen.host,
            connections=wanted if isinstance(wanted, int) else seen.connections,
            account_connections=seen.account_connections,
            direct_hosts=seen.direct_hosts,
            cloudflare_hosts=seen.cloudflare_hosts,
            stream_base=seen.stream_base,
        )
