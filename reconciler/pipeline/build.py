"""The files of a generation, staged in the cache: lineups, playlists, guides, manifest.

A DVR whose change is blocked has its files carried over byte for byte. Where nothing that goes into a generation moved
since the last one was built, nothing is built again: what goes in is hashed, and the hash is remembered. This module
refuses to publish.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from reconciler import __version__
from reconciler.catalog.guide_bytes import open_guide
from reconciler.catalog.guide_times import day_window
from reconciler.catalog.guide_write import DvrGuide, GuideInput, GuideWanted, write_guides
from reconciler.errors import StateError
from reconciler.ledger import generations
from reconciler.ledger.atomic import replace_file
from reconciler.lineups import artifacts
from reconciler.lineups.manifest import DvrManifest, Manifest, manifest_bytes
from reconciler.lineups.model import Desired, DvrTarget
from reconciler.pipeline.gather import Gathered
from reconciler.planning.inputs import GuideEnded, Judgement
from reconciler.spec.model import Spec

__all__ = ["Built", "build"]

log = logging.getLogger(__name__)

MEMORY: Final = "built.json"
SCRATCH: Final = "scratch"


@dataclass(frozen=True, slots=True)
class Built:
    """A generation and the names of its files that the published one does not have with these bytes."""

    manifest: Manifest
    generation: str
    files: tuple[str, ...]
    ended: tuple[GuideEnded, ...] = ()


def build(spec: Spec, judgement: Judgement, gathered: Gathered, staged: Path, *, now: float) -> Built:
    """Stage the files in `staged`. Raises StateError (disk full) and ProviderError (a guide that cannot be unpacked).

    Costs one pass over each guide that is wanted; nothing when nothing moved since the published generation.
    """
    state = Path(spec.state)
    desired = judgement.desired
    kept = _carried(judgement, gathered)
    small = artifacts.files(spec, desired)
    key = _key(spec, desired, kept, small, gathered, now)
    known = _remembered(state)
    current = generations.current_path(state)
    if known and current and gathered.published is not None:
        was, is_now = known[:2], (key, gathered.generation)
        if was == is_now and known.files == _statuses(current):
            return Built(gathered.published, gathered.generation, (), known.ended)
    digests: dict[str, str] = {}
    for name, data in small.items():
        generations.write(staged, name, data)
        digests[name] = hashlib.sha256(data).hexdigest()
    for entry in kept.values():
        generations.carry_over(state, staged, entry.slug)
    fresh = [t for t in artifacts.served(desired) if t.record.name not in kept]
    guides, ended = _guides(spec, desired, fresh, gathered, staged, now)
    digests.update({f"{t.record.slug}/guide.xml": guides[t.record.name] for t in fresh})
    manifest = artifacts.manifest(spec, desired, guides, kept)
    generations.write(staged, "manifest.json", manifest_bytes(manifest))
    made = {
        name: digest
        for name, digest in digests.items()
        if not name.startswith(tuple(f"{e.slug}/" for e in kept.values()))
    }
    generation = generations.finish(staged, made)
    fresh_files = _new_files(current, staged, made)
    lasting = current if current and generation == gathered.generation and not fresh_files else staged
    _remember(state, _Memory(key, generation, ended, _statuses(lasting)))
    return Built(manifest, generation, fresh_files, ended)


def _carried(judgement: Judgement, gathered: Gathered) -> dict[str, DvrManifest]:
    """Published entries by the DVR's name of today: a renamed DVR's files lie under its old one."""
    published = {dvr.name: dvr for dvr in (gathered.published.dvrs if gathered.published else ())}
    found = {name: published.get(judgement.old_names.get(name, name)) for name in sorted(judgement.carried)}
    return {name: dvr for name, dvr in found.items() if dvr is not None}


def _guides(
    spec: Spec, desired: Desired, targets: list[DvrTarget], gathered: Gathered, staged: Path, now: float
) -> tuple[dict[str, str], tuple[GuideEnded, ...]]:
    """Write the guide of each target; their SHA-256 by DVR name, and which guides have ended for some channel."""
    names = {t.record.name for t in targets}
    inputs = [
        GuideInput(
            guide.name,
            _opener(gathered.guide_files[guide.name]),
            guide.shift_s,
            gathered.guides[guide.name].places,
        )
        for guide in spec.guides.values()
        if guide.name in gathered.guide_files
    ]
    wanted = [row for row in artifacts.guide_wanted(desired) if row.dvr in names]
    paths = {t.record.name: staged / t.record.slug / "guide.xml" for t in targets}
    scratch = staged / SCRATCH
    with ExitStack() as stack:
        outputs = [
            DvrGuide(
                name=t.record.name,
                out=stack.enter_context(paths[t.record.name].open("wb")),
                window=day_window(now, t.dvr.guide.days),
                filler_s=t.dvr.guide.filler_s,
                unavailable=t.dvr.guide.prune.unavailable if t.dvr.guide.prune else (),
            )
            for t in targets
        ]
        report = write_guides(inputs, wanted, outputs, stack.enter_context(scratch.open("w+b")))
    scratch.unlink()
    for name, notes in report.notes.items():
        # the rest was seen when the guide was indexed, and stands in the plan
        for note in notes:
            if note not in gathered.guides[name].notes:
                log.warning("guide %s: %s", name, note)
    return {name: _digest(path) for name, path in paths.items()}, _ended(wanted, report.ended)


def _ended(wanted: Iterable[GuideWanted], ended: Mapping[str, Mapping[int, int]]) -> tuple[GuideEnded, ...]:
    told: Counter[str] = Counter()
    over: dict[str, list[int]] = {}
    for row in wanted:
        if row.guide and not row.off:
            told[row.guide] += 1
            if (at := ended[row.dvr].get(row.number)) is not None:
                over.setdefault(row.guide, []).append(at)
    return tuple(
        GuideEnded(
            guide, len(times), told[guide], f"{datetime.fromtimestamp(max(times), UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
        for guide, times in sorted(over.items())
    )


def _opener(path: Path) -> Callable[[], Iterable[bytes]]:
    return lambda: open_guide(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(
    spec: Spec,
    desired: Desired,
    kept: Mapping[str, DvrManifest],
    files: Mapping[str, bytes],
    gathered: Gathered,
    now: float,
) -> str:
    """The hash of all that goes into a generation: the small `files` themselves, and what the guides are made of.

    Nothing else of the ledger counts: a record also holds what was applied, which each run changes.
    """
    total = hashlib.sha256(__version__.encode())
    no_digests = {t.record.name: "" for t in desired.dvrs}
    head = {"manifest.json": manifest_bytes(artifacts.manifest(spec, desired, no_digests, kept))}
    for name, data in sorted({**files, **head}.items()):
        total.update(f"{name}\0{len(data)}\0".encode() + data)
    total.update(repr(artifacts.guide_wanted(desired)).encode())
    for target in desired.dvrs:
        days = day_window(now, target.dvr.guide.days)
        total.update(repr((target.record.name, target.dvr.guide, days)).encode())
    for guide in spec.guides.values():
        path = gathered.guide_files.get(guide.name)
        stat = path.stat() if path else None
        total.update(
            repr((guide.name, guide.shift_s, stat and (stat.st_size, stat.st_mtime_ns, stat.st_ino))).encode()
        )
    return total.hexdigest()


class _Memory(NamedTuple):
    """What was built last: the hash of what went in, the generation that came out, and what there was to say.

    `files` are size and time of change of each file: one that somebody has changed or removed since is made anew.
    """

    key: str
    generation: str
    ended: tuple[GuideEnded, ...]
    files: Mapping[str, Sequence[int]]


def _remembered(state: Path) -> _Memory | None:
    try:
        found = json.loads((state / "cache" / MEMORY).read_bytes())
        ended = tuple(GuideEnded(*one) for one in found["ended"])
        return _Memory(found["key"], found["generation"], ended, found["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(state: Path, what: _Memory) -> None:
    """What cannot be remembered is built again: no reason to fail. Plans run side by side, without the lock."""
    ended = [[one.guide, one.channels, one.of, one.newest] for one in what.ended]
    text = json.dumps({**what._asdict(), "ended": ended})
    with suppress(StateError):
        replace_file(state / "cache" / MEMORY, text.encode())


def _statuses(folder: Path) -> dict[str, list[int]]:
    """Size in bytes and time of change of each file below, by its name there. Publishing renames, which keeps both."""
    found = {p.relative_to(folder).as_posix(): p.stat() for p in folder.rglob("*") if p.is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in sorted(found.items())}


def _new_files(current: Path | None, staged: Path, known: Mapping[str, str]) -> tuple[str, ...]:
    names = sorted(p.relative_to(staged).as_posix() for p in staged.rglob("*") if p.is_file())
    if current is None:
        return tuple(names)
    fresh = []
    for name in names:
        old = current / name
        if name in known or name == "manifest.json":
            digest = known.get(name) or _digest(staged / name)
            if (
                not old.is_file()
                or old.stat().st_size != (staged / name).stat().st_size
                or _digest(old) != digest
            ):
                fresh.append(name)
    return tuple(fresh)
