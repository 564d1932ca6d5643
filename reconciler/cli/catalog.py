"""`ptctl catalog`: what the sources offer, in groups or one by one, and what a matcher would catch.

From the last copies; fetched once where there is none. Shows each entry as its provider lists it, and where the rules of
the spec send it now. This module refuses to change anything but the cache.
"""

import json
import os
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from reconciler.catalog.entry import Catalog, Kind, SourceReport
from reconciler.catalog.guide_index import GuideIndex
from reconciler.cli.console import Console
from reconciler.cli.progress import fetching
from reconciler.cli.specs import console_of, load_or_fail, spec_options
from reconciler.errors import ProviderError, UsageError
from reconciler.ledger import store
from reconciler.lineups.whereabouts import Goes, Whereabout, group_counts, whereabouts
from reconciler.rendering.ink import cells, cut, pad, paint
from reconciler.rendering.left_out import left_out
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.guide_indexes import guide_index
from reconciler.sources.guides import load_guides
from reconciler.sources.progress import Progress, Step
from reconciler.spec.model import Matcher, Spec
from reconciler.spec.one_matcher import read_matcher
from reconciler.wording import number, plural, span

__all__ = ["catalog", "offers"]

WORDS: Final = ("groups", "channels")
KIND_WORDS: Final[dict[Kind, str]] = {"live": "live", "vod": "films", "series": "series"}
WIDEST: Final = 44
WIDTH: Final = 100
MARGIN: Final = " " * 15
"""Below a source: where its kind begins."""


@click.command()
@click.argument("what", metavar="[groups|channels]", required=False)
@click.argument("spec", required=False, type=click.Path(path_type=str))
@click.option("--match", metavar="MATCHER", help="Only what this catches, e.g. '{group: \"US|*\"}'.")
@click.option(
    "-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text", help="How to print."
)
@click.option("--fetch", is_flag=True, help="Ask the sources now instead of using the last copies.")
@spec_options
@click.pass_context
def catalog(
    ctx: click.Context,
    *,
    what: str | None,
    spec: str | None,
    match: str | None,
    format_: str,
    fetch: bool,
    env: str | None,
    allow_exec: bool,
) -> None:
    """What the sources offer: groups (if left out) or channels.

    Counts are of entries as the providers list them; "goes to" is where the filters and buckets of the spec send them
    now. A matcher is written as in the spec: '{group: "US|*", name: {words: [NEWS]}}'.
    """
    console = console_of(ctx)
    if what is not None and what not in WORDS:
        if spec is not None or not Path(what).exists():
            raise UsageError(f'"{what}" is neither groups nor channels', next_step="ptctl catalog --help")
        what, spec = None, what
    matcher = _matcher(console, match) if match is not None else None
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    with fetching(console) as progress:
        found, guides = trio.run(
            partial(offers, loaded, fetch=fetch, allow_exec=allow_exec, now=time.time(), progress=progress)
        )
    entries = whereabouts(loaded, found, guides, store.load(Path(loaded.state)), matcher)
    reports = {**found.reports}
    if format_ == "json":
        console.data(_json(what or "groups", entries, reports, match))
    else:
        if match is not None and not entries:
            table: Iterable[str] = ["Nothing matches.", "", "Next:  ptctl catalog groups"]
        else:
            table = _channels(entries, console) if what == "channels" else _groups(entries, console)
        console.data("\n".join([*_sources(reports, entries, console, match), "", *table]))


def _matcher(console: Console, written: str) -> Matcher:
    found, diagnostics, texts = read_matcher(written, file="--match")
    if len(diagnostics):
        from reconciler.rendering import diagnostics_text

        console.note(diagnostics_text.render(diagnostics, texts, color=console.color_err))
    if found is None:
        raise UsageError("--match is not a valid matcher", next_step="ptctl catalog --help shows one")
    return found


async def offers(
    spec: Spec, *, fetch: bool, allow_exec: bool, now: float, progress: Progress
) -> tuple[Catalog, Mapping[str, GuideIndex]]:
    """Catalogue and guides from the last copies; what has none (or everything, with `fetch`) is asked for once.

    Raises ProviderError where no source has anything, CredentialError where a reference leads nowhere.
    """
    cache = Path(spec.state) / "cache"
    load = partial(
        load_catalog, spec, cache, now=now, environ=os.environ, allow_exec=allow_exec, progress=progress
    )
    found = await load(cached_only=not fetch)
    missing = [name for name, report in found.reports.items() if report.fetched == "absent"]
    if missing and not fetch:
        fresh = await load(only=missing)
        found = _joined(spec, found, fresh)
    if all(report.fetched == "absent" for report in found.reports.values()):
        notes = "; ".join(f"{name}: {n}" for name, r in found.reports.items() for n in r.notes[-1:])
        raise ProviderError(f"no source could be fetched: {notes}", next_step="ptctl doctor")
    guides = partial(
        load_guides, spec, found, cache, now=now, environ=os.environ, allow_exec=allow_exec, progress=progress
    )
    files = await guides(cached_only=not fetch)
    if not fetch and any(file.path is None for file in files.values()):
        files = await guides()
    indexes = {}
    for name, file in files.items():
        if file.path is not None:
            try:
                indexes[name] = await trio.to_thread.run_sync(guide_index, file.path, cache)
            except ProviderError as error:
                progress(Step(f"guide {name}", "done", detail=error.message))
    return found, indexes


def _joined(spec: Spec, one: Catalog, two: Catalog) -> Catalog:
    """Two loads of different sources as one, in the order of the spec."""
    reports = {**one.reports, **two.reports}
    entries = [*one.entries, *two.entries]
    rank = {name: place for place, name in enumerate(spec.sources)}
    entries.sort(key=lambda e: rank[e.source])  # stable: the order of each list is kept
    return Catalog(tuple(entries), {name: reports[name] for name in spec.sources})


def _goes(goes: Goes, place: str) -> str:
    match goes:
        case "bucket":
            return place
        case "filter":
            return f"(filter {place})"
        case "merged":
            return "(alternative)"
        case "export":
            return f"({place}.m3u)"
        case "none":
            return "(no bucket)"


def _sources(
    reports: Mapping[str, SourceReport], entries: Sequence[Whereabout], console: Console, match: str | None
) -> Iterator[str]:
    yield paint("Sources", "head", color=console.color_out)
    counts = Counter((e.source, e.kind) for e in entries)
    for name, report in reports.items():
        kinds = [f"{number(n)} {word}" for k, word in KIND_WORDS.items() if (n := counts[name, k])]
        said = "   ".join(kinds) or "nothing"
        age = f"   {span(report.age_s)} old" if report.fetched == "cached" else ""
        yield f"  {name:<12} {report.kind:<7} {report.fetched:<9} {said}{' matching' if match else ''}{age}"
        yield from textwrap.wrap(
            "; ".join(report.notes), WIDTH, initial_indent=MARGIN, subsequent_indent=MARGIN
        )
        yield from left_out(report, MARGIN, WIDTH)


def _groups(entries: Sequence[Whereabout], console: Console) -> Iterator[str]:
    groups = group_counts(entries)
    width = min(max([24, *(cells(g.group) for g in groups)]), WIDEST)
    many = len({g.source for g in groups}) > 1
    before: Kind | None = None
    for group in groups:
        if group.kind != before:
            before = group.kind
            title = {"live": "Groups", "vod": "Films (never in a DVR)", "series": "Series (never in a DVR)"}
            head = pad(title[group.kind], width + 2) + "   entries   with id  in guide        goes to"
            yield paint(head, "head", color=console.color_out)
        share = f"{100 * group.share:.0f} %"
        name = pad(cut(group.group or "(no group)", width), width)
        goes = ", ".join(
            f"{_goes(*to)} {number(n)}" if len(group.goes) > 1 else _goes(*to) for to, n in group.goes[:3]
        )
        more = f", {len(group.goes) - 3} more" if len(group.goes) > 3 else ""
        yield (
            f"  {name} {number(group.entries):>9} {number(group.with_id):>9} {number(group.listed):>9} {share:>5}   "
            f"{goes}{more}" + (f"   [{group.source}]" if many else "")
        )
    live = [g for g in groups if g.kind == "live"]
    total, listed = sum(g.entries for g in live), sum(g.listed for g in live)
    places = Counter[str]()
    for group in live:
        places.update({_goes(*to): n for to, n in group.goes})
    share = f" ({100 * listed / total:.0f} %)" if total else ""
    if groups:
        yield ""
    yield f"{plural(len(live), 'group')}, {plural(total, 'channel')}, {number(listed)} in a guide{share}"
    if places:
        yield "Goes to: " + " · ".join(f"{place} {number(n)}" for place, n in places.most_common())


def _channels(entries: Sequence[Whereabout], console: Console) -> Iterator[str]:
    if not entries:
        yield plural(0, "entry")
        return
    width = min(max([12, *(cells(e.name) for e in entries)]), 34)
    ids = min(max([8, *(cells(e.id) for e in entries)]), 24)
    groups = min(max([8, *(cells(e.group) for e in entries)]), 24)
    head = f"  {pad('Channel', width)}  {pad('Id', ids)}  {pad('Group', groups)}  Guide  Goes to"
    yield paint(head, "head", color=console.color_out)
    for entry in entries:
        guide = "listed" if entry.listed else "id" if entry.guide_id else "-"
        name, group = pad(cut(entry.name, width), width), pad(cut(entry.group, groups), groups)
        yield f"  {name}  {pad(entry.id, ids)}  {group}  {guide:<6} {_goes(entry.goes, entry.place)}"
    yield ""
    places = Counter(_goes(e.goes, e.place) for e in entries)
    went = " · ".join(f"{place} {number(n)}" for place, n in places.most_common())
    yield f"{plural(len(entries), 'entry')}: {went}"


def _json(
    what: str, entries: Sequence[Whereabout], reports: Mapping[str, SourceReport], match: str | None
) -> str:
    document: dict[str, object] = {
        "format": "ptctl-catalog/1",
        "match": match,
        "sources": {
            name: {
                "kind": r.kind,
                "fetched": r.fetched,
                "age_s": round(r.age_s),
                "entries": r.entries,
                "left_out": [asdict(dropped) for dropped in r.dropped],
                "notes": list(r.notes),
            }
            for name, r in reports.items()
        },
    }
    if what == "channels":
        document["channels"] = [asdict(e) for e in entries]
    else:
        document["groups"] = [
            {**asdict(g), "goes": [{"to": _goes(*to), "entries": n} for to, n in g.goes]}
            for g in group_counts(entries)
        ]
    return json.dumps(document, ensure_ascii=False, indent=1)
