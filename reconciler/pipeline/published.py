"""What is published now, as rows to compare with: names and logos from its own files, guide ids from the ledger.

Refuses to guess: what the files do not tell stays empty, which planning reads as "not known".
"""

import json
from collections.abc import Mapping
from pathlib import Path

from reconciler.catalog.playlist import parse
from reconciler.ledger import generations
from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import DvrManifest, Manifest, read_manifest
from reconciler.planning.inputs import PublishedRow

__all__ = ["manifests_of", "rows_of"]


def rows_of(
    folder: Path | None, manifest: Manifest | None, ledger: Ledger
) -> dict[str, tuple[PublishedRow, ...]]:
    """The rows of every published DVR by its name, by number. Reads two small files per DVR."""
    if folder is None or manifest is None:
        return {}
    return {dvr.name: _rows(folder / dvr.slug, dvr, ledger) for dvr in manifest.dvrs}


def manifests_of(state: Path, ledger: Ledger) -> Mapping[str, Manifest]:
    """The manifests of the generations that DVRs were last applied with, where they still exist."""
    found = {}
    for name in {record.applied.generation for record in ledger.dvrs.values() if record.applied}:
        path = state / "artifacts" / name / "manifest.json"
        if name in generations.generations(state) and path.is_file():
            found[name] = read_manifest(path.read_bytes())
    return found


def _rows(folder: Path, dvr: DvrManifest, ledger: Ledger) -> tuple[PublishedRow, ...]:
    names = {
        row["GuideNumber"]: row["GuideName"] for row in json.loads((folder / "lineup.json").read_bytes())
    }
    listed = parse([(folder / "playlist.m3u").read_bytes()], source=dvr.name)
    logos = {
        entry.guide_id: entry.logo for entry in listed.entries
    }  # tvg-id is the guide number in our own files
    rows = []
    for number, channel in dvr.channels.items():
        record = ledger.channels.get(channel)
        rows.append(
            PublishedRow(
                number=int(number),
                id=channel,
                name=names.get(number, ""),
                guide_id=record.guide_id if record else "",
                logo=logos.get(number, ""),
                off=number in dvr.off,
            )
        )
    return tuple(sorted(rows, key=lambda row: row.number))
