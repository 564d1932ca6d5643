"""A panel's lists by either of its calls, `player_api` and `get.php` (iptv-streams.md B).

The order of calls is the source's; whatever is no usable list moves on to the next host and then to the next call
(M3U-2): a status, a page, broken or cut-off JSON, a missing `#EXTM3U`, an empty list where there were streams before. This
module refuses to fall back to copies (`sources.catalogue` does) and to choose among accounts.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

import trio

from reconciler.catalog.entry import Dropped, Entry, Kind
from reconciler.catalog.loose_json import NotJson
from reconciler.catalog.playlist import parse
from reconciler.catalog.xtream import Listing, categories, episodes, streams
from reconciler.sources.accounts import Account
from reconciler.sources.copies import Copies, Head, conditions
from reconciler.sources.entrance import Entrance, panel_address
from reconciler.sources.errand import Errand, Spooled
from reconciler.sources.hosts import label
from reconciler.sources.progress import Step
from reconciler.sources.web import FetchFailed
from reconciler.spec.model import Source

__all__ = ["PanelLists", "fetch_lists", "together"]

T = TypeVar("T")
Call = Literal["player_api", "get_php"]
Fetched = tuple[Head, tuple[Entry, ...] | None]

ACTIONS: Final[dict[Kind, tuple[str, str]]] = {
    "live": ("get_live_categories", "get_live_streams"),
    "vod": ("get_vod_categories", "get_vod_streams"),
    "series": ("get_series_categories", "get_series"),
}
CATEGORY_BYTES: Final = 16 << 20
ROUNDS: Final = 2
SERIES_ASKED: Final = 40
"""More would spend the host's budget of requests (`pace`)."""


@dataclass(slots=True)
class PanelLists:
    """The lists that came, by kind: a new copy's head and its entries, or the confirmed head of the old copy (None)."""

    found: dict[Kind, Fetched] = field(default_factory=dict)
    failed: dict[Kind, str] = field(default_factory=dict)
    host: int = 0
    size_bytes: int = 0
    broken: set[int] = field(default_factory=set)
    """Indexes of hosts that gave no usable list."""


async def fetch_lists(
    errand: Errand, source: Source, entrance: Entrance, accounts: Sequence[Account], copies: Copies
) -> PanelLists:
    """The lists of all wanted kinds, by the first call and host that give them. What failed is in `failed`."""
    lists = PanelLists()
    account = entrance.account
    if account is None and not entrance.refused:
        # no host let us in, but `get.php` may work where `player_api` is switched off
        account = next(iter(accounts), None)
    if account is None:
        lists.failed.update(dict.fromkeys(source.content, "no account is accepted"))
        return lists
    asking = _Asking(errand, source, entrance, account, copies, lists)
    for attempt in range(ROUNDS):
        worst = await asking.everywhere()
        if not asking.missing() or worst is None or not await errand.pause(worst, attempt):
            break
    return lists


@dataclass(slots=True)
class _Asking:
    """One account asking for the lists still missing."""

    errand: Errand
    source: Source
    entrance: Entrance
    account: Account
    copies: Copies
    lists: PanelLists
    host: int = 0

    def missing(self) -> list[Kind]:
        return [k for k in self.source.content if k not in self.lists.found]

    async def everywhere(self) -> FetchFailed | None:
        """Every call at every host until nothing is missing; gives the last failure."""
        worst = await self._rounds(self.source.order, [k for k in self.missing() if k != "series"])
        if "series" in self.missing():
            # one list has all episodes; `player_api` gives them one series at a time
            calls = sorted(self.source.order)
            worst = await self._rounds(calls, ["series"]) or worst
        return worst

    async def _rounds(self, calls: Sequence[Call], wanted: Sequence[Kind]) -> FetchFailed | None:
        worst: FetchFailed | None = None
        for call in calls:
            if call == "player_api" and self.entrance.account is None:
                continue  # its login has just failed everywhere
            for host in self.entrance.candidates():
                self.host = host
                kinds = [k for k in wanted if k not in self.lists.found]
                # what comes in the same list is taken along
                together = tuple(self.missing()) if kinds else ()
                jobs = [together] if call == "get_php" else [(k,) for k in kinds]
                for job in filter(None, jobs):
                    worst = await self._one(call, job) or worst
        return worst

    async def _one(self, call: Call, kinds: tuple[Kind, ...]) -> FetchFailed | None:
        try:
            if call == "get_php":
                found = await self._by_get_php(kinds)
            else:
                found = {kinds[0]: await self._by_player_api(kinds[0])}
        except FetchFailed as failure:
            place = label(self.entrance.hosts, self.host, named=self.entrance.named)
            self.errand.note(f"{place}, {call.replace('_php', '.php')}: {failure.detail}")
            self.lists.failed.update(dict.fromkeys(kinds, failure.detail))
            self.lists.broken.add(self.host)
            return failure
        self.lists.found.update(found)
        for kind in found:
            self.lists.failed.pop(kind, None)
        self.lists.host = self.host + 1
        return None

    def _origin(self, call: str, arguments: Mapping[str, str]) -> str:
        return f"{self.entrance.hosts[self.host]} {call} {arguments.get('action', '')}".strip()

    def _copy(self, kind: Kind) -> Head | None:
        return self.copies.head(f"{self.source.name}.{kind}", of="xtream")

    async def _spooled(self, call: str, file: str, before: Head | None, **arguments: str) -> Spooled:
        limits = self.errand.web.limits
        asked: dict[str, str] = {}
        if before and before.origin == self._origin(call, arguments):
            asked = conditions(before)
        found = await self.errand.spooled(
            panel_address(self.entrance.hosts[self.host], call, self.account, **arguments),
            file=file,
            what=f"the list of source {self.source.name!r}",
            whole_s=limits.list_s,
            limit_bytes=limits.list_bytes,
            step=Step(self.source.name, "list", self.host + 1),
            headers=asked,
        )
        self.lists.size_bytes += found.answer.size_bytes
        return found

    async def _by_player_api(self, kind: Kind) -> Fetched:
        """Categories and streams. An empty list where the copy has entries is a failure, not a deletion."""
        names, action = ACTIONS[kind]
        before = self._copy(kind)
        groups = await self._categories(names, before)
        named = _digest_of(groups)
        # a list that did not change still has to be read anew when its groups have other names
        known = before if before and before.digest.endswith(f":{named}") else None
        found = await self._spooled("player_api.php", f"{kind}.json", known, action=action)
        if found.answer.unchanged and known:
            found.path.unlink(missing_ok=True)
            return replace(known, fetched_at=self.errand.now), None
        try:
            digest = f"{await _in_thread(found.digest)}:{named}"
            head = Head(
                "xtream",
                self.errand.now,
                0,
                via="player_api",
                origin=self._origin("player_api.php", {"action": action}),
                etag=found.answer.headers.get("etag", ""),
                modified=found.answer.headers.get("last-modified", ""),
                digest=digest,
                categories=groups,
            )
            if before and before.via == "player_api" and before.digest == digest:
                return replace(before, fetched_at=self.errand.now), None

            def read() -> Listing:
                return streams(found.chunks(), source=self.source.name, kind=kind, categories=dict(groups))

            try:
                listing = await _in_thread(read)
            except NotJson as error:
                raise FetchFailed("json", _json_failure(error)) from None
        finally:
            found.path.unlink(missing_ok=True)
        _refuse_empty(listing.entries, kind, before)
        if kind == "series":
            listing = await self._episodes(listing)
        return replace(head, count=len(listing.entries), dropped=listing.dropped), listing.entries

    async def _episodes(self, listing: Listing) -> Listing:
        """The episodes of the first series, asked for one by one within the budget of requests."""
        found: list[Entry] = []
        left_out: list[Dropped] = []
        lost = 0
        for series in listing.entries[:SERIES_ASKED]:
            answer = await self.errand.web.get(
                panel_address(
                    self.entrance.hosts[self.host],
                    "player_api.php",
                    self.account,
                    action="get_series_info",
                    series_id=series.key,
                ),
                headers=self.errand.headers,
                whole_s=self.errand.web.limits.list_s,
                limit_bytes=CATEGORY_BYTES,
            )
            try:
                own = episodes(answer.body, series=series)
                found += own.entries
                left_out += (replace(one, examples=(series.name,)) for one in own.dropped)
            except NotJson:
                lost += 1
        if lost:
            self.errand.note(f"{lost} series have no readable episodes")
        if len(listing.entries) > SERIES_ASKED:
            self.errand.note(
                f"episodes of the first {SERIES_ASKED} of {len(listing.entries):,} series are listed: "
                "get_php in `order` lists all at once"
            )
        return Listing(tuple(found), together((*listing.dropped, *left_out)))

    async def _categories(self, action: str, before: Head | None) -> tuple[tuple[str, str], ...]:
        answer = await self.errand.web.get(
            panel_address(self.entrance.hosts[self.host], "player_api.php", self.account, action=action),
            headers=self.errand.headers,
            whole_s=self.errand.web.limits.list_s,
            limit_bytes=CATEGORY_BYTES,
        )
        try:
            found = tuple(categories(answer.body).items())
        except NotJson as error:
            raise FetchFailed("json", _json_failure(error)) from None
        if not found and before and before.categories:
            # without their names every channel would leave its group (design.md 1.7)
            self.errand.note("the panel lists no categories: the names of the last good fetch are used")
            return before.categories
        return found

    async def _by_get_php(self, kinds: tuple[Kind, ...]) -> dict[Kind, Fetched]:
        """One M3U for all kinds. It must begin with `#EXTM3U` and hold entries."""
        output = "ts" if self.source.stream.format == "ts" else "m3u8"
        heads = {k: self._copy(k) for k in kinds}
        tags = {(h.etag, h.modified, h.digest) if h else None for h in heads.values()}
        known = next(iter(heads.values())) if len(tags) == 1 else None
        found = await self._spooled("get.php", "m3u", known, type="m3u_plus", output=output)
        if found.answer.unchanged and known:
            found.path.unlink(missing_ok=True)
            return {k: (replace(h, fetched_at=self.errand.now), None) for k, h in heads.items() if h}
        try:
            digest = await _in_thread(found.digest)
            if all(h and h.via == "get_php" and h.digest == digest for h in heads.values()):
                return {k: (replace(h, fetched_at=self.errand.now), None) for k, h in heads.items() if h}
            start = (await _in_thread(found.head)).removeprefix(b"\xef\xbb\xbf").lstrip()
            if not start[:7].upper().startswith(b"#EXTM3U"):
                raise self.errand.unwanted(found, start, "a playlist")
            playlist = await _in_thread(
                lambda: parse(
                    found.chunks(), source=self.source.name, concealer=self.errand.concealer, panel=True
                )
            )
        finally:
            found.path.unlink(missing_ok=True)
        result: dict[Kind, Fetched] = {}
        for kind in kinds:
            entries = tuple(e for e in playlist.entries if e.kind == kind)
            try:
                _refuse_empty(entries, kind, heads[kind])
            except FetchFailed:
                if kind == "live":
                    raise
                continue
            head = Head(
                "xtream",
                self.errand.now,
                len(entries),
                via="get_php",
                origin=self._origin("get.php", {}),
                etag=found.answer.headers.get("etag", ""),
                modified=found.answer.headers.get("last-modified", ""),
                digest=digest,
                guide_urls=playlist.guide_urls,
                notes=playlist.notes,
                dropped=playlist.dropped if kind == kinds[0] else (),
            )
            result[kind] = head, entries
        if not result:
            raise FetchFailed("empty", "a playlist without entries")
        return result


def _refuse_empty(entries: Sequence[Entry], kind: Kind, before: Head | None) -> None:
    if entries:
        return
    if before and before.count:
        raise FetchFailed("empty", f"an empty list where {before.count:,} were listed before")
    if kind == "live":
        raise FetchFailed("empty", "an empty list")


def _json_failure(error: NotJson) -> str:
    return (
        f"{error}"
        if not error.shown or error.shown[:1] in "[{<"
        else f"the answer is no JSON ({error.shown})"
    )


def _digest_of(groups: tuple[tuple[str, str], ...]) -> str:
    return hashlib.sha256(repr(groups).encode()).hexdigest()[:16]


async def _in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


def together(dropped: Iterable[Dropped]) -> tuple[Dropped, ...]:
    """What several lists left out, one of each reason."""
    merged: dict[str, Dropped] = {}
    for one in dropped:
        known = merged.get(one.reason)
        merged[one.reason] = (
            Dropped(one.reason, known.count + one.count, (*known.examples, *one.examples)[:3])
            if known
            else one
        )
    return tuple(merged.values())
