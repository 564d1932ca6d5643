"""The tuner side of each DVR: DeviceID, port, slug, title and block of numbers, pinned at creation.

What is in the ledger stays; what the spec says outright wins; the rest is the next free one in the order of the spec.
This module refuses to look at channels.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.lineups.device_ids import device_id
from reconciler.spec.model import Dvr, Moved, Removed, Spec

__all__ = ["BLOCK", "FIRST", "Devices", "dvrs_renamed", "let_go", "slug_of"]

BLOCK: Final = 600  # thirteen DVRs of 480 fit into four digits, with room for retired numbers (style.md 3)
FIRST: Final = 1000


def dvrs_renamed(ledger: Ledger, moved: Iterable[Moved]) -> Ledger:
    """The ledger with `moved` DVRs under their new names, split parts and numbers with them.

    A rename whose old name is gone or whose new name is taken was done before: nothing happens.
    """
    for rule in moved:
        if rule.kind != "dvr" or rule.old not in ledger.dvrs or rule.new in ledger.dvrs:
            continue
        names = {rule.old: rule.new}
        taken = set(ledger.dvrs)
        for record in ledger.dvrs.values():
            if record.split_of == rule.old:
                wanted = f"{rule.new}-{_part(record.name)}"
                names[record.name] = record.name if wanted in taken else wanted
                taken.add(wanted)
        ledger = replace(
            ledger,
            dvrs={
                names.get(n, n): replace(r, name=names.get(n, n), split_of=names.get(r.split_of, r.split_of))
                for n, r in ledger.dvrs.items()
            },
            channels={
                i: replace(c, dvr=names[c.dvr]) if c.dvr in names else c for i, c in ledger.channels.items()
            },
            retired=tuple(replace(r, dvr=names[r.dvr]) if r.dvr in names else r for r in ledger.retired),
        )
    return ledger


def let_go(ledger: Ledger, removed: Iterable[Removed]) -> Ledger:
    """The ledger without the DVRs that are `removed` and kept in Plex. Protected ones stay: that is S203's business."""
    gone = {
        name
        for rule in removed
        if rule.keep
        for name, record in ledger.dvrs.items()
        if rule.dvr in {name, record.split_of} and not record.protected
    }
    if not gone:
        return ledger
    return replace(
        ledger,
        dvrs={n: r for n, r in ledger.dvrs.items() if n not in gone},
        channels={i: c for i, c in ledger.channels.items() if c.dvr not in gone},
        retired=tuple(r for r in ledger.retired if r.dvr not in gone),
    )


def slug_of(name: str, taken: Collection[str] = ()) -> str:
    """A name as part of a path: lower-case letters, digits, hyphens; `-2`, `-3` where it is taken."""
    stem = re.sub(r"[^a-z0-9_.]+", "-", name.casefold()).strip("-.") or "dvr"
    slug, counter = stem, 1
    while slug in taken:
        counter += 1
        slug = f"{stem}-{counter}"
    return slug


class Devices:
    """Gives each DVR its record. One instance per run: it remembers what it gave."""

    def __init__(self, spec: Spec, ledger: Ledger) -> None:
        self._spec = spec
        self._known: Mapping[str, DvrRecord] = ledger.dvrs
        records = list(ledger.dvrs.values())
        self._slugs = {r.slug for r in records}
        self._ids = {r.device_id for r in records} | {d.device_id for d in spec.dvrs.values() if d.device_id}
        self._ports = {r.port for r in records if r.port} | {d.port for d in spec.dvrs.values() if d.port}
        self._ports.add(spec.serve.listen[1])
        self._blocks = [r.block for r in records] + [d.numbers for d in spec.dvrs.values() if d.numbers]
        self.without_port: list[str] = []

    def record(self, name: str, dvr: Dvr, split_of: str = "") -> DvrRecord:
        """The record of a DVR or of a further part of a split one. The block is the old one where there is one:
        `lineups.numbering` decides whether an edited range may take its place.
        """
        known = self._known.get(name)
        if known is not None:
            return self._updated(known, dvr)
        id_ = ("" if split_of else dvr.device_id or "") or device_id(self._spec.name, name, self._ids)
        self._ids.add(id_)
        slug = slug_of(name, self._slugs)
        self._slugs.add(slug)
        return DvrRecord(
            name=name,
            device_id=id_,
            port=self._port(name, None if split_of else dvr.port),
            slug=slug,
            title=_title(name, dvr, split_of),
            block=self._block(None if split_of else dvr.numbers),
            guide_path=dvr.guide_path or "guide.xml",
            protected=bool(dvr.protect),
            split_of=split_of,
        )

    def _updated(self, known: DvrRecord, dvr: Dvr) -> DvrRecord:
        part = bool(known.split_of)
        port = known.port
        if not part and dvr.port:
            port = dvr.port
        elif port is None and self._spec.serve.layout == "ports":
            port = self._port(known.name, None)
        return replace(
            known,
            device_id=known.device_id if part else dvr.device_id or known.device_id,
            port=port,
            title=_title(known.name, dvr, known.split_of) if dvr.title else known.title,
            guide_path=dvr.guide_path or known.guide_path,
            protected=known.protected if dvr.protect is None else dvr.protect,
        )

    def _port(self, name: str, wanted: int | None) -> int | None:
        if wanted is not None:
            return wanted
        if self._spec.serve.layout != "ports":
            return None
        first, last = self._spec.serve.ports
        port = next((p for p in range(first, last + 1) if p not in self._ports), None)
        if port is None:
            self.without_port.append(name)
            return None
        self._ports.add(port)
        return port

    def _block(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        if wanted is not None:
            return wanted
        start = FIRST
        while near := [last for first, last in self._blocks if first < start + BLOCK and start <= last]:
            start = max(near) + 1
        block = (start, start + BLOCK - 1)
        self._blocks.append(block)
        return block


def _title(name: str, dvr: Dvr, split_of: str) -> str:
    if not dvr.title:
        return name
    return f"{dvr.title} {_part(name)}" if split_of else dvr.title


def _part(name: str) -> str:
    """`2` of `news-2`. What stands before it is the DVR's name, or an earlier one that it kept through a rename."""
    return name.rpartition("-")[2]
