"""Small specs and catalogues for the tests of lineups, built by hand so that these tests need no YAML."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from reconciler.catalog.entry import Catalog, Entry
from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.ledger.model import Ledger
from reconciler.lineups.desired import compute
from reconciler.lineups.model import Desired, Verdict
from reconciler.spec.model import (
    Advertise,
    AllOf,
    Bucket,
    Dvr,
    FieldIs,
    FieldName,
    Glob,
    Guide,
    Matcher,
    Serve,
    Source,
    Spec,
)

__all__ = [
    "TODAY",
    "catalog",
    "entry",
    "everything",
    "field",
    "guide",
    "many",
    "numbers",
    "run",
    "simple_spec",
]

TODAY: Final = date(2026, 3, 4)
everything: Final = AllOf(())


def field(name: FieldName, text: str) -> Matcher:
    """A glob over one field."""
    return FieldIs(name, Glob(text))


def entry(key: int | str, name: str, group: str = "", **more: Any) -> Entry:
    """A live channel of the panel "main"; `key` "" for a list without stream ids."""
    return Entry(source=more.pop("source", "main"), key=str(key), name=name, group=group, **more)


def many(count: int, group: str = "US|NEWS", first: int = 1) -> list[Entry]:
    """Channels of one group with rising stream ids and numbers."""
    return [entry(i, f"Channel {i:04d}", group, number=i) for i in range(first, first + count)]


def catalog(*entries: Entry) -> Catalog:
    """What all sources list."""
    return Catalog(entries, {})


def guide(*ids: str, names: Mapping[str, tuple[str, ...]] | None = None) -> GuideIndex:
    """A guide that lists programmes for each id."""
    known = {i: GuideChannel(i, (names or {}).get(i, (i,))) for i in ids}
    return GuideIndex(known, dict.fromkeys(ids, 10))


def simple_spec(*buckets: Bucket, dvrs: Mapping[str, Dvr] | Iterable[str] | None = None, **more: Any) -> Spec:
    """A spec with a panel "main", a list "locals" and one DVR per bucket, unless told otherwise."""
    if dvrs is None:
        dvrs = [b.name for b in buckets]
    if not isinstance(dvrs, Mapping):
        dvrs = {name: Dvr(name, name) for name in dvrs}
    return Spec(
        **{
            "name": "home",
            "sources": {
                "main": Source("main", "xtream", hosts=("http://tv1.example.net:8080",)),
                "locals": Source("locals", "m3u", path="/srv/locals.m3u"),
            },
            "guides": {"main": Guide("main", source="main")},
            "filters": (),
            "buckets": buckets,
            "dvrs": dvrs,
            "serve": Serve(advertise=Advertise("http://ptctl:5004", "http://nas.lan:5004")),
            "digest": "spec-1",
            **more,
        }
    )


def run(
    spec: Spec,
    entries: Iterable[Entry],
    ledger: Ledger | None = None,
    *,
    guides: Mapping[str, GuideIndex] | None = None,
    today: date = TODAY,
    allow: Iterable[str] = (),
    verdicts: Mapping[str, Verdict] | None = None,
    **more: Any,
) -> Desired:
    """The desired state; the ledger of an earlier result goes on where it ended."""
    return compute(
        spec,
        Catalog(tuple(entries), {}),
        guides or {},
        ledger or Ledger(lineage="test"),
        today=today,
        allow=frozenset(allow),
        verdicts=verdicts or {},
        **more,
    )


def numbers(desired: Desired, dvr: str) -> dict[str, int]:
    """Numbers by channel id in one DVR."""
    target = next(t for t in desired.dvrs if t.record.name == dvr)
    return {row.channel.id: row.number for row in target.lineup.rows}


def with_dvr(spec: Spec, name: str, **changes: Any) -> Spec:
    """The spec with one DVR changed."""
    return replace(spec, dvrs={**spec.dvrs, name: replace(spec.dvrs[name], **changes)})
