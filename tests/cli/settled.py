"""A home in which everything is as the spec says: applied, served, nothing left. Where tests of refusals begin."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.panel import Channel
from tests.e2e.world import SPEC, Result, World, again, once, world

__all__ = ["CHANGES", "INCOMPLETE", "REFUSED", "STALE", "Guard", "change_of", "settled", "with_channels"]

REFUSED: Final = 4
CHANGES: Final = 2
STALE: Final = 5
INCOMPLETE: Final = 6


@asynccontextmanager
async def settled(directory: Path, *, spec: str = SPEC, **files: str) -> AsyncIterator[World]:
    """The world of 60 channels after a first apply, with `serve` running for the length of the block. `files` lie beside the
    spec: a name without its `.m3u`, and the text.

    A first apply costs more than most of what is tried on it: each test process makes one of a kind, and copies it.
    """

    async def make(there: Path) -> World:
        for name, text in files.items():
            (there / f"{name}.m3u").write_text(text, "utf-8")
        async with world(there, spec=spec, channels=60) as home:
            # published before serve starts, or its own first run would hold the lock
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            async with home.serving():
                first = await home.ptctl("apply", "--yes")
                assert first.code == 0, first.text
            await home.plex.loads_done()
        return home

    async with again(directory, await once((spec, *files.items()), make)) as home, home.serving():
        yield home


def with_channels(
    home: World,
    keep: Callable[[Channel], bool] = lambda _: True,
    change: Callable[[Channel], Channel] = lambda c: c,
) -> None:
    """Let the provider list only some channels, or other ones."""
    panel = home.provider.panel
    home.provider.replace(replace(panel, channels=tuple(change(c) for c in panel.channels if keep(c))))


def change_of(document: str, dvr: str) -> dict[str, Any]:
    """One DVR's change out of a JSON plan."""
    found: dict[str, Any] = next(c for c in json.loads(document)["changes"] if c["dvr"] == dvr)
    return found


@dataclass(slots=True)
class Guard:
    """What reached Plex, counted: a refusal is proved by the record of requests (style.md 30)."""

    home: World
    seen: int = 0

    def __post_init__(self) -> None:
        self.seen = len(self.home.plex.writes())

    def writes(self) -> list[str]:
        """The writing requests since the last look, as `METHOD path`."""
        fresh = self.home.plex.writes()[self.seen :]
        self.seen += len(fresh)
        return [f"{entry.method} {entry.path}" for entry in fresh]

    async def refused(self, code: str, *arguments: str) -> Result:
        """`apply` with these arguments is refused by this code: exit 4, the whole plan shown, no write, no file touched."""
        files = self.home.files()
        shown = await self.home.ptctl("apply", "--yes", *arguments)
        assert shown.code == REFUSED, shown.text
        assert code in shown.out, shown.text
        for dvr in json.loads((self.home.state / "artifacts/current/manifest.json").read_text())["dvrs"]:
            assert dvr["name"] in shown.out, shown.text
        assert [] == self.writes()
        assert files == self.home.files()
        return shown

    async def done(self, *arguments: str) -> list[str]:
        """`apply` with these arguments does it, and nothing is left; the writes to Plex."""
        shown = await self.home.ptctl("apply", "--yes", *arguments)
        assert shown.code == 0, shown.text
        return self.writes()
