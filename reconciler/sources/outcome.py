"""What a source's fetch came to: entries and a report, with the copy standing in for what failed (design.md 1.7).

The only place that reads and writes copies of lists. Per list: what came is kept; what came and is the same is confirmed;
what did not come is replaced by its copy, and the report says how old that is. This module refuses to fetch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, cast

from reconciler.catalog.entry import Entry, Fetched, Kind, SourceReport
from reconciler.sources.copies import Copies, Head
from reconciler.sources.lists import ListFetched, list_identity
from reconciler.sources.panel import PanelLists, total_dropped
from reconciler.sources.progress import Progress, Step
from reconciler.spec.model import Source

__all__ = ["Outcome", "PanelSeen"]

_RANK: Final[dict[Fetched, int]] = {"fresh": 0, "unchanged": 1, "cached": 2, "absent": 3}


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
class Outcome:
    """From what came, or did not, to report and entries; the only place that reads and writes copies."""

    source: Source
    copies: Copies
    now: float
    progress: Progress

    def _lists(self) -> list[tuple[str, str, Kind | None]]:
        """Names of the copies of this source, what they are of, and their kind."""
        if self.source.kind == "m3u":
            return [(f"{self.source.name}.m3u", list_identity(self.source), None)]
        return [(f"{self.source.name}.{kind}", "xtream", kind) for kind in self.source.content]

    def has_copy(self) -> bool:
        """Whether every list of this source has a copy."""
        return all(self.copies.head(name, of) is not None for name, of, _ in self._lists())

    def from_copies(self) -> tuple[SourceReport, tuple[Entry, ...]]:
        """Nothing came: the copies, if there are any."""
        self.progress(Step(self.source.name, "read"))
        return self._report({}, {})

    def from_list(self, found: ListFetched) -> tuple[SourceReport, tuple[Entry, ...]]:
        """An M3U list came."""
        name = f"{self.source.name}.m3u"
        before = self.copies.head(name, list_identity(self.source))
        entries, fetched = self._kept(name, before, found.head, found.entries)
        report, entries = self._report({name: (found.head, fetched)}, {name: entries})
        return replace(report, size_bytes=found.size_bytes), entries

    def from_lists(self, lists: PanelLists) -> tuple[SourceReport, tuple[Entry, ...]]:
        """Some or all of a panel's lists came."""
        heads: dict[str, tuple[Head, Fetched]] = {}
        entries: dict[str, tuple[Entry, ...] | None] = {}
        for kind, (head, fresh) in lists.found.items():
            name = f"{self.source.name}.{kind}"
            before = self.copies.head(name, "xtream")
            entries[name], fetched = self._kept(name, before, head, fresh)
            heads[name] = head, fetched
        report, all_entries = self._report(heads, entries)
        return replace(report, size_bytes=lists.size_bytes), all_entries

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

    def _report(
        self,
        heads: Mapping[str, tuple[Head, Fetched]],
        entries: Mapping[str, tuple[Entry, ...] | None],
    ) -> tuple[SourceReport, tuple[Entry, ...]]:
        """One report over all lists of the source: the worst of them decides."""
        source, used, states, notes = self.source, [], [], []
        found: list[Entry] = []
        oldest = self.now
        for name, of, kind in self._lists():
            head, state = heads.get(name, (None, "absent"))
            own = entries.get(name)
            if head is None:
                head = self.copies.head(name, of)
                state = "cached"
            if head is not None and own is None:
                own = self.copies.entries(head, source.name)
            if head is None or own is None:
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
            if kind is None:
                own = tuple(e for e in own if e.kind in source.content)
            if state == "cached":
                notes.append(f"the copy of {_ago(self.now - head.fetched_at)} ago is used")
            found.extend(own)
        worst = cast("Fetched", max(states, key=lambda s: _RANK[cast("Fetched", s)]))
        if worst == "absent" and used:
            worst = "cached"  # a part is there: the note says which part is not
        age = max(0.0, self.now - oldest) if used else 0.0
        report = SourceReport(
            source.name,
            source.kind,
            worst,
            entries=len(found),
            age_s=age,
            stale=worst in {"cached", "absent"} and (age > source.max_age_s or not used),
            via=used[0].via if used else "",
            hosts=len(source.hosts),
            notes=tuple(dict.fromkeys(notes)),
            dropped=total_dropped(used),
            guide_urls=tuple(dict.fromkeys(u for h in used for u in h.guide_urls)),
        )
        return self._with_seen(report), tuple(found)

    def with_panel(self, report: SourceReport, seen: PanelSeen) -> SourceReport:
        """The report with what today's login showed, which is remembered."""
        hosts = self.source.hosts
        self.copies.remember(f"{self.source.name}.panel", {"hosts": hosts, **asdict(seen)})
        return self._with(report, seen)

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


def _ago(seconds: float) -> str:
    """A span as people say it: `40 min`, `7 h`, `3 d`."""
    if seconds < 5400:
        return f"{max(0, round(seconds / 60))} min"
    return f"{round(seconds / 3600)} h" if seconds < 48 * 3600 else f"{round(seconds / 86400)} d"
