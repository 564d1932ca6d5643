"""Streams as viewers see them, against the simulated provider."""

from pathlib import Path

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.serving.packets import find_psi
from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, served, until, watching

PACKET = 188


def whole_packets(data: bytes) -> bytes:
    """The data, after checking that it is nothing but packets."""
    count = len(data) // PACKET
    assert count
    assert count == data[: count * PACKET : PACKET].count(0x47)
    return data[: count * PACKET]


@pytest.mark.accepts("TUN-4", "PLY-3")
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_stream_plays(run: Run[None], tmp_path: Path, clips: Path, form: str) -> None:
    """A tune gives 200, video/mp2t, no length, and transport packets with PAT and PMT at the start."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": form})
            stage.publish()
            async with served(stage) as serving:
                for path in (
                    "/auto/v1000",
                    "/stream/1000",
                    "/tuner0/v1000",
                    "/auto/v1000?transcode=none?duration=9",
                ):
                    began = trio.current_time()
                    async with watching(serving.dvrs["news"], path) as viewer:
                        assert 200 == viewer.status
                        assert "video/mp2t" == viewer.headers["content-type"]
                        assert "content-length" not in viewer.headers
                        assert "tuner0" == viewer.headers["x-hdhomerun-resource"]
                        data = whole_packets(await viewer.read(100_000))
                        assert find_psi(data[: 188 * 40]) is not None
                        assert trio.current_time() - began < 4
                assert ["ts", "hls"][form == "hls"] == form
                await until(lambda: not serving.relay.sessions)
            assert 0 == handle.sockets()

    run(main)


@pytest.mark.accepts("STR-2")
def test_one_upstream_for_twenty_viewers(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Twenty viewers cost one upstream connection and get the same packets."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                got: list[bytes] = []

                async def watch() -> None:
                    async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                        got.append(whole_packets(await viewer.read(300_000)))

                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(watch)
                assert 20 == len(got)
                assert 1 == handle.peak()

    run(main)


@pytest.mark.accepts("E20-1", "E20-4")
@pytest.mark.parametrize(
    "kind",
    [
        *("refuse", "empty", "empty-length", "html", "text", "json-error", "status", "tos-redirect"),
        *("zeros", "reset", "challenge", "silent", "hang"),
    ],
)
def test_bad_answers_lead_to_the_next_host(
    run: Run[None], tmp_path: Path, clips: Path, kind: FaultKind
) -> None:
    """Whatever the first host answers instead of a stream, the second one is on within the first-byte deadline."""

    async def main() -> None:
        async with provided(clips) as handle:
            handle.faults.switch_on(Fault(kind, host=0))
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                began = trio.current_time()
                async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                    assert 200 == viewer.status
                    whole_packets(await viewer.read(50_000))
                assert trio.current_time() - began < 5
                handle.faults.switch_on(Fault(kind, host=1))
                async with watching(serving.dvrs["news"], "/auto/v1001") as viewer:
                    assert 503 == viewer.status
                    assert viewer.headers["x-hdhomerun-error"][:3] in {"806", "807"}
                    assert "0" == viewer.headers["content-length"]

    run(main)
