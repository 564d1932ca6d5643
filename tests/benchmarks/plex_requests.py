"""Plex and the plan: the channel-map request (C1), comparing large lineups (P1), a plan with nothing to do (P2)."""

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import trio
from deepdiff import DeepDiff

from reconciler.lineups.model import Row
from reconciler.planning.diff import churn
from reconciler.planning.inputs import PublishedRow
from reconciler.plex import requests
from reconciler.plex.model import ChannelPair
from tests.applying.house import house
from tests.planning.worlds import channel

__all__ = ["BENCHMARKS"]

CHANNELS: Final = 480
ITEMS: Final = 50_000
PEER_ITEMS: Final = 2_000
DVRS: Final = 13
ROUNDS: Final = 5


def channel_map() -> Iterable[tuple[str, str, str, float, str]]:
    """C1: one request for 480 channels; its bytes as counted beside those a query library would send."""
    pairs = [ChannelPair(str(n), str(n), str(n)) for n in range(1000, 1000 + CHANNELS)]
    request = requests.put_channel_map("17", pairs)
    encoded = len(request.target.replace("[", "%5B").replace("]", "%5D").replace(",", "%2C"))
    best = min(_cpu(lambda: requests.put_channel_map("17", pairs)) for _ in range(ROUNDS))
    exact = request.line_bytes == requests.channel_map_line_bytes(
        range(1000, 1000 + CHANNELS), device_key="17"
    )
    yield (
        f"C1 map of {CHANNELS} channels, bytes",
        f"{request.line_bytes} ({'exact' if exact else 'WRONG'})",
        f"{encoded} encoded",
        request.line_bytes / requests.LINE_LIMIT_BYTES,
        "at most 1.00 of 30,000",
    )
    yield (
        f"C1 building it, {CHANNELS} channels",
        f"{best * 1000:.2f} ms",
        "1 ms",
        best / 0.001,
        "at most 3.00",
    )


def comparing() -> Iterable[tuple[str, str, str, float, str]]:
    """P1: 50,000 channels on both sides, one in a hundred changed; DeepDiff on a part of it beside."""
    before = tuple(PublishedRow(n, f"main/{n}", f"Channel {n}") for n in range(ITEMS))
    after = tuple(
        Row(n, channel(str(n), name=f"Channel {n}{'!' if n % 100 == 0 else ''}")) for n in range(ITEMS)
    )
    best = min(_cpu(lambda: churn(before, after, {})) for _ in range(ROUNDS))
    old = {row.id: row.name for row in before[:PEER_ITEMS]}
    new = {row.channel.id: row.channel.name for row in after[:PEER_ITEMS]}
    peer = _cpu(lambda: DeepDiff(old, new)) * ITEMS / PEER_ITEMS
    yield (f"P1 compare {ITEMS:,} channels, CPU", f"{best:.3f} s", "0.4 s", best / 0.4, "at most 1.00")
    yield (
        f"P1 beside DeepDiff (of {PEER_ITEMS:,}, scaled)",
        f"{best:.3f} s",
        f"{peer:.1f} s",
        best / peer,
        "at most 0.10",
    )


def quiet_plan() -> Iterable[tuple[str, str, str, float, str]]:
    """P2: thirteen DVRs of 479 with nothing to change: CPU of looking and planning (Plex simulated beside), requests."""
    lineups = {f"d{i:02}": {1000 + 600 * i + k: f"d{i}c{k}" for k in range(479)} for i in range(DVRS)}
    figures: list[tuple[float, int]] = []

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with house(Path(folder)) as home:
                result = await home.apply(lineups)
                assert result.complete, result.failed
                for _ in range(ROUNDS):
                    before = home.connection.requests
                    began = time.process_time()
                    planned = await home.planned(lineups)
                    figures.append((time.process_time() - began, home.connection.requests - before))
                    assert planned.plan.empty

    trio.run(main)
    cpu, sent = min(figures)
    yield ("P2 plan 13 x 479, nothing to do, CPU with Plex", f"{cpu:.2f} s", "1 s", cpu / 1.0, "at most 1.00")
    yield ("P2 requests to Plex", str(sent), "30", sent / 30, "at most 1.00")


def _cpu(work: object) -> float:
    assert callable(work)
    began = time.process_time()
    work()
    return time.process_time() - began


BENCHMARKS: Final = {"C1": channel_map, "P1": comparing, "P2": quiet_plan}
