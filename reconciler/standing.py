"""Whether a refresh would do what the last one proved: nothing. Refuses to guess; what it cannot prove is a full run's.

A refresh every few hours meets unchanged lists and guides nearly always, and finding that out the long way costs seconds
of CPU: every list read, every lineup computed. What a refresh's result depends on is written down as facts: those at hand
without asking (version, spec, day, words, ledger, published files, verdicts), and those that asking gives (copies and
reports). A run that ended with nothing left to do keeps the hash of its facts and its plan in `<state>/cache`. Where both
hashes are the same again, so is the plan. The first is compared before anybody is asked, so that in doubt a run begins as
it always did. The caller holds the lock.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconciler import __version__, state_db
from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.catalog.guide_times import day_window
from reconciler.errors import ProviderError, StateError
from reconciler.ledger import generations
from reconciler.ledger.atomic import replace_file
from reconciler.planning.document import dump, load
from reconciler.planning.model import Plan
from reconciler.sources.catalogue import fetch_catalog
from reconciler.sources.copies import Copies, Head
from reconciler.sources.guide_indexes import guide_index
from reconciler.sources.guides import Offered, guide_copy, load_guides
from reconciler.sources.outcome import Outcome
from reconciler.sources.probe_store import load_probes
from reconciler.sources.progress import Progress, silent
from reconciler.spec.model import Spec

__all__ = ["Question", "Standing", "fingerprint", "outside", "remember", "standing"]

FORMAT: Final = "ptctl-standing/1"
MEMORY: Final = "standing.json"
TABLES: Final = {
    "ledger_seen": "SELECT lineage, serial FROM ledger_seen",
    "guide_history": "SELECT channel, empty_runs, guide, pruned FROM guide_history ORDER BY channel",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a refresh was asked, as far as its result depends on it. `now` in seconds since 1970.

    `outside`: what `outside` said when it was asked.
    """

    now: float
    environ: Mapping[str, str]
    allow: tuple[str, ...] = ()
    env: str = ""
    allow_exec: bool = False
    progress: Progress = silent
    outside: str = ""


def fingerprint(facts: Mapping[str, object]) -> str:
    """The SHA-256 (hex) of facts made of texts, numbers, tuples and their like. Pure; their order plays no part."""
    return hashlib.sha256(repr(sorted(facts.items())).encode("utf-8", "surrogatepass")).hexdigest()


def outside(spec: Spec, now: float) -> str:
    """The fingerprint of what others may change in the middle of a run, lock or no lock: people's files, verdicts."""
    probes = load_probes(Path(spec.state))
    return fingerprint(
        {
            "texts": tuple((path, _digest(Path(path))) for path in spec.files),  # a plan names lines
            "guides": tuple((g.path, _status(Path(g.path))) for g in spec.guides.values() if g.path),
            "blacklists": tuple((path, _digest(Path(path))) for path in spec.probes.blacklist),
            "probes": tuple(
                (channel, repr(known), now - known.last_bad < spec.probes.expire_s)
                for channel, known in sorted(probes.items())
            ),
        }
    )


class Standing(NamedTuple):
    """What a look came to: the plan of a refresh that has nothing to do, else None and a full run is due.

    `offered` is what was fetched, None where nobody was asked.
    """

    plan: Plan | None = None
    offered: Offered | None = None


async def standing(spec: Spec, question: Question) -> Standing:
    """Whether all is as the last run left it.

    Sources and guides are asked only where everything at hand is as it was; their copies are then up to date. Raises what
    fetching raises (CredentialError), and StateError for a broken `state.db`.
    """
    began = time.monotonic()
    state = Path(spec.state)
    known = _remembered(state)
    if known is None or known["at_hand"] != fingerprint(_at_hand(spec, question)):
        return Standing()
    cache = state / "cache"
    fetched = await fetch_catalog(
        spec,
        cache,
        state=state,
        now=question.now,
        environ=question.environ,
        allow_exec=question.allow_exec,
        progress=question.progress,
    )
    reports = {one.outcome.source.name: one.report() for one in fetched}
    files = await load_guides(
        spec,
        Catalog((), reports),
        cache,
        now=question.now,
        environ=question.environ,
        allow_exec=question.allow_exec,
        progress=question.progress,
    )
    reports |= {f"guide {name}": found.report for name, found in files.items()}
    offered = Offered(fetched, files)
    if any(report.fetched != "unchanged" for report in reports.values()):
        return Standing(offered=offered)
    copies = _copies(spec, question.now)
    if copies is None or known["asked"] != fingerprint({"copies": copies, "reports": _said(reports)}):
        return Standing(offered=offered)
    plan = load(known["plan"])
    plan = replace(
        plan,
        made=datetime.fromtimestamp(question.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sources=tuple(_as_of_today(kept, reports[_key(kept)]) for kept in plan.sources),
        seconds=time.monotonic() - began,
    )
    return Standing(plan, offered)


def remember(spec: Spec, question: Question, plan: Plan | None) -> None:
    """Keep the plan of a full refresh that began at `question.now`, where nothing is left to do; else forget the last.

    Call it when everything is written. What cannot be kept is done without.
    """
    state = Path(spec.state)
    path = state / "cache" / MEMORY
    kept = _kept(spec, question, plan) if plan is not None else None
    with suppress(OSError, StateError):  # else the next run is a full one
        if kept is None:
            path.unlink(missing_ok=True)
        else:
            replace_file(path, json.dumps(kept).encode())


def _kept(spec: Spec, question: Question, plan: Plan) -> dict[str, str] | None:
    prunes = any(dvr.guide.prune for dvr in spec.dvrs.values())
    if prunes or not _nothing_left(plan):
        return None  # each run over a guide that prunes counts (design.md 5)
    if question.outside != outside(spec, question.now):
        return None  # which of the two this run has read is not known
    copies = _copies(spec, question.now)
    reports = {_key(report): report for report in plan.sources}
    for guide in spec.guides.values():
        name = f"guide {guide.name}"
        _, path = guide_copy(guide, Path(spec.state) / "cache")
        if path is None or name not in reports:
            return None
        try:
            told = guide_index(path, Path(spec.state) / "cache").notes
        except ProviderError:
            return None  # its copy is no guide inside, which each run has to say anew
        if reports[name].notes != told:
            return None  # something was said of fetching it, which a quiet run would not say
        reports[name] = replace(reports[name], notes=())
    if copies is None or reports.keys() != {*spec.sources, *(f"guide {n}" for n in spec.guides)}:
        return None
    return {
        "format": FORMAT,
        "at_hand": fingerprint(_at_hand(spec, question)),
        "asked": fingerprint({"copies": copies, "reports": _said(reports)}),
        "plan": dump(plan),
    }


def _nothing_left(plan: Plan) -> bool:
    return (
        not plan.actions
        and not plan.blocks
        and not plan.drift
        and all(c.kind == "same" and not c.blocks and not c.content_only for c in plan.changes)
    )


def _remembered(state: Path) -> dict[str, str] | None:
    try:
        found: Any = json.loads((state / "cache" / MEMORY).read_bytes())  # Any: JSON
    except (OSError, ValueError):
        return None
    names = {"format", "at_hand", "asked", "plan"}
    if not isinstance(found, dict) or found.keys() != names or found["format"] != FORMAT:
        return None
    return found


def _at_hand(spec: Spec, question: Question) -> dict[str, object]:
    """What a refresh's result depends on besides what it asks for."""
    state = Path(spec.state)
    now = question.now
    return {
        "version": (__version__, sys.version),
        "spec": (spec.digest, spec.name, spec.base, spec.state, spec.files),
        "asked": (tuple(sorted(question.allow)), question.env),
        "day": (datetime.fromtimestamp(now, UTC).date().isoformat(), day_window(now, 1)[0]),
        "ledger": _digest(state / "ledger.json"),
        "routes": _digest(generations.routes_path(state)),
        "published": (generations.current(state), generations.held(state), generations.generations(state)),
        "files": _files(state),
        "tables": tuple((name, state_db.rows(state, name, query)) for name, query in TABLES.items()),
        "outside": question.outside,
    }


def _files(state: Path) -> tuple[object, ...]:
    """Every file of the published generation, and the manifests of the others, as the disk has them."""
    current = generations.current_path(state)
    found = sorted(current.rglob("*")) if current else []
    found += [state / "artifacts" / name / "manifest.json" for name in generations.generations(state)]
    return tuple((path.as_posix(), _status(path)) for path in found)


def _copies(spec: Spec, now: float) -> tuple[object, ...] | None:
    """The copies that the run of this moment made or confirmed; None where one is missing or another process's."""
    cache = Path(spec.state) / "cache"
    copies = Copies(cache / "lists")
    heads: list[tuple[str, Head | None, Path | None]] = []
    for source in spec.sources.values():
        for name, of, _ in Outcome(source, copies, now, silent).lists():
            head = copies.head(name, of)
            heads.append((name, head, copies.file(head) if head else None))
    heads += [(f"guide {g.name}", *guide_copy(g, cache)) for g in spec.guides.values()]
    if any(head is None or head.fetched_at != now for _, head, _ in heads):
        return None
    return tuple(
        (name, repr(replace(head, fetched_at=0.0)), _status(path))
        for name, head, path in heads
        if head and path
    )


def _said(reports: Mapping[str, SourceReport]) -> Sequence[tuple[str, str]]:
    """Reports without what differs between two runs that got the same."""
    return sorted(
        (name, repr(replace(r, fetched="unchanged", seconds=0.0, size_bytes=0, age_s=0.0, entries=0)))
        for name, r in reports.items()
    )


def _as_of_today(kept: SourceReport, today: SourceReport) -> SourceReport:
    """Today's report with what only reading showed, and would show again."""
    return replace(today, entries=kept.entries, notes=kept.notes)


def _key(report: SourceReport) -> str:
    """A guide may bear the name of its source."""
    return f"guide {report.name}" if report.kind == "xmltv" else report.name


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.errno}"


def _status(path: Path) -> tuple[int, ...]:
    """Size, time of change and place of a file; () where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino
