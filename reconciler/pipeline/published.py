"""What is published now, as rows to compare with: names and logos from its own files.

Refuses to guess: what the files do not tell stays empty, which planning reads as "not known".
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.errors import StateError
from reconciler.ledger import generations
from reconciler.ledger.journal import Run, read_run, run_numbers
from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import DvrManifest, Manifest, read_manifest
from reconciler.planning.estimates import LOADING, RUNS
from reconciler.planning.inputs import PublishedRow
from reconciler.planning.model import LastApply
from reconciler.planning.published import published_rows
from reconciler.plex.model import Unknown

__all__ = ["last_apply", "load_seconds", "manifests_of", "rows_of", "tuners_of"]

LOOKED_AT: Final = 100
"""How many earlier runs are looked through; one that had nothing to do writes no journal."""


def rows_of(folder: Path | None, manifest: Manifest | None) -> dict[str, tuple[PublishedRow, ...]]:
    """The rows of every published DVR by its name, by number. Reads two small files per DVR."""
    if folder is None or manifest is None:
        return {}
    return {dvr.name: _rows(folder / dvr.slug, dvr) for dvr in manifest.dvrs}


def tuners_of(state: Path) -> dict[str, DvrManifest] | Unknown:
    """The published DVRs by name, none before the first generation; Unknown where what is published cannot be read."""
    try:
        folder = generations.current_path(state)
        manifest = read_manifest((folder / "manifest.json").read_bytes()) if folder else None
    except (OSError, StateError) as error:
        said = error.message if isinstance(error, StateError) else (error.strerror or "no answer").lower()
        return Unknown(f"what is published cannot be read: {said}")
    return {dvr.name: dvr for dvr in manifest.dvrs} if manifest else {}


def manifests_of(state: Path, ledger: Ledger) -> Mapping[str, Manifest]:
    """The manifests of the generations that DVRs were last applied with, where they still exist."""
    found = {}
    for name in {record.applied.generation for record in ledger.dvrs.values() if record.applied}:
        path = state / "artifacts" / name / "manifest.json"
        if name in generations.generations(state) and path.is_file():
            found[name] = read_manifest(path.read_bytes())
    return found


def load_seconds(state: Path) -> list[list[float]]:
    """How long the guide loads of the last runs with any took, a list for each: what a plan's estimate rests on.

    Most runs load nothing, so more are looked at than are counted.
    """
    found: list[list[float]] = []
    for run in _earlier(state):
        took = [s.seconds for s in run.steps if s.kind in LOADING and s.outcome == "done"]
        if took:
            found.append(took)
        if len(found) == RUNS:
            break
    return found


def last_apply(state: Path) -> LastApply | None:
    """The newest of the earlier runs that finished an action in Plex."""
    for run in _earlier(state):
        if any(step.dvr and step.outcome == "done" for step in run.steps):
            return LastApply(run.number, run.began)
    return None


def _earlier(state: Path) -> Iterator[Run]:
    for number in reversed(run_numbers(state)[-LOOKED_AT:]):
        # a journal of another version: what is told of the past is no reason to refuse a plan
        with suppress(StateError):
            yield read_run(state, number)


def _rows(folder: Path, dvr: DvrManifest) -> tuple[PublishedRow, ...]:
    return published_rows(dvr, _bytes(folder / "lineup.json"), _bytes(folder / "playlist.m3u"))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # costs names and logos of what leaves, never the plan
