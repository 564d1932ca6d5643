"""The generation that is served: read from `<state>/artifacts/current`, and noticed when it changes.

`serve` reads nothing else (design.md 6): the manifest says which tuners there are, the files lie beside it, and
`<state>/private/routes.json` says where streams come from. Everything small is in memory as finished documents; guides
and playlists stay files. A generation is an immutable value: a new one replaces it as a whole and running streams keep
the old. This module refuses to write, and to serve half of a generation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import trio

from reconciler.errors import StateError
from reconciler.lineups.manifest import DvrManifest, Manifest, Routes, read_manifest, read_routes
from reconciler.serving import hdhr
from reconciler.serving.answers import HTML, JSON, M3U, XML, Document
from reconciler.serving.blocked import Blocked

__all__ = ["Generation", "Live", "Stamp", "Tuner", "current_stamp", "load_generation", "needs_muxer"]

Stamp = tuple[str, int]
"""What tells one state of the files from the next: the generation's id, and when the routes were written (ns)."""


@dataclass(frozen=True, slots=True)
class Tuner:
    """One DVR of a generation with its finished documents. `names` maps guide number to channel name."""

    dvr: DvrManifest
    directory: Path
    documents: Mapping[str, Document]
    files: Mapping[str, tuple[Path, str]]
    """Path below the tuner's root to a file and its content type: sent from disk."""
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything `serve` serves at one time."""

    id: str
    manifest: Manifest
    routes: Routes
    tuners: Mapping[str, Tuner]
    """By DVR name."""
    slugs: Mapping[str, Tuner] = field(default_factory=dict)
    exports: Mapping[str, Path] = field(default_factory=dict)
    """File name at the hub's root (`dvr-news.m3u`, `vod.m3u`) to its file."""


def needs_muxer(generation: Generation) -> bool:
    """Whether a DVR or a source has a profile that needs ffmpeg."""
    profiles = {tuner.dvr.profile for tuner in generation.tuners.values()}
    profiles |= {source.profile for source in generation.routes.sources.values()}
    return not profiles <= {"", "copy"}  # "" is a DVR that leaves it to the source


def current_stamp(state: Path) -> Stamp | None:
    """What is published now, or None. Costs a readlink and a stat."""
    try:
        # A symlink that is swapped atomically; on a mounted volume it may be a link to a link, so only its name counts.
        target = (state / "artifacts" / "current").readlink()
    except OSError:
        return None
    try:
        written_ns = (state / "private" / "routes.json").stat().st_mtime_ns
    except OSError:
        written_ns = 0
    return target.name, written_ns


def load_generation(state: Path, stamp: Stamp, *, only: frozenset[str] | None = None) -> Generation:
    """The generation `stamp` names. `only` leaves out other DVRs. Raises StateError for broken or missing files.

    Without routes (a read-only replica without the private part) the documents are served and every tune fails.
    """
    directory = state / "artifacts" / stamp[0]
    manifest = read_manifest(_bytes(directory / "manifest.json"))
    routes_file = state / "private" / "routes.json"
    routes = read_routes(_bytes(routes_file)) if stamp[1] else Routes(stamp[0])
    wanted = [dvr for dvr in manifest.dvrs if only is None or dvr.name in only]
    tuners = {dvr.name: _tuner(directory / dvr.slug, dvr) for dvr in wanted}
    exports = {f"{name}.m3u": directory / f"{name}.m3u" for name in manifest.exports}
    for name, tuner in tuners.items():
        exports.setdefault(f"dvr-{name}.m3u", tuner.directory / "playlist.m3u")
        exports.setdefault(f"dvr-{tuner.dvr.slug}.m3u", tuner.directory / "playlist.m3u")
    for name in manifest.exports:
        exports.setdefault(f"dvr-{name}.m3u", directory / f"{name}.m3u")
    slugs = {tuner.dvr.slug: tuner for tuner in tuners.values()}
    return Generation(stamp[0], manifest, routes, tuners, slugs, exports)


def _tuner(directory: Path, dvr: DvrManifest) -> Tuner:
    lineup = _bytes(directory / "lineup.json")
    rows: list[dict[str, Any]] = hdhr.lineup_rows(lineup)
    device = Document(hdhr.device_xml(dvr), XML)
    documents = {
        "": Document(hdhr.device_page(dvr), HTML),
        "discover.json": Document(hdhr.discover_json(dvr), JSON),
        "lineup.json": Document(lineup, JSON),
        "lineup.xml": Document(hdhr.lineup_xml(rows), XML),
        "lineup.m3u": Document(hdhr.lineup_m3u(rows), M3U),
        "lineup_status.json": Document(hdhr.lineup_status_json(dvr), JSON),
        "device.xml": device,
        # Plex of 2017 and 2018 asked for it (tvhProxy #12, #21); Threadfin answers with the description.
        "capability": device,
    }
    guide = (directory / "guide.xml", XML)
    files = {
        "guide.xml": guide,
        "xmltv/threadfin.xml": guide,
        # encoded or not, as it was adopted; a query is Plex's to send and nothing to us
        unquote(dvr.guide_path.lstrip("/").partition("?")[0]): guide,
        "playlist.m3u": (directory / "playlist.m3u", M3U),
    }
    names = {str(row["GuideNumber"]): str(row.get("GuideName", "")) for row in rows if "GuideNumber" in row}
    return Tuner(dvr, directory, documents, files, names)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", next_step="ptctl refresh") from error


class Live:
    """What is served at this moment: one generation or none, and whether new work is still taken."""

    __slots__ = ("blocked", "changed", "draining", "generation", "problems", "run_trouble")

    def __init__(self) -> None:
        self.generation: Generation | None = None
        self.draining = False
        self.problems: dict[str, str] = {}
        """What keeps a part from being served, by DVR name ("" for the generation itself)."""
        self.run_trouble = ""
        """Why the last run of the loop did not do its work, for people. What is published is served all the same."""
        self.blocked: tuple[Blocked, ...] = ()
        """What the last run that got as far as a plan left as it was."""
        self.changed = trio.Event()
        """Set when the generation was replaced; a new event takes its place."""

    def replace(self, generation: Generation) -> None:
        """Serve this one from now on. Running streams keep what they have."""
        self.generation = generation
        self.changed.set()
        self.changed = trio.Event()

    def note_run(self, trouble: str, blocked: tuple[Blocked, ...] | None = None) -> None:
        """How the last run went: what is wrong, or "" for well, and what it was not to touch (None: it did not find out)."""
        self.run_trouble = trouble
        if blocked is not None:
            self.blocked = blocked

    @property
    def ready(self) -> bool:
        """Whether a load balancer should send clients here."""
        return self.generation is not None and not self.draining and not self.problems
