"""Optional stages that are off leave no trace, and a guide that is away takes nobody's id (M3U-7, LNK-2)."""

import json
from pathlib import Path

import pytest
from lxml import etree

from reconciler.sandbox.faults import Fault
from tests.conftest import Run
from tests.e2e.world import SPEC, World, world

PROBING = "probes: {{mode: smoke, every: 1m, concurrency: 4, breaker: 60%, expire: 7d}}\n"
LISTED = SPEC.replace("buckets:", "  - {{name: need-guide, only: {{guide: listed}}}}\nbuckets:")


def published(home: World) -> dict[str, bytes]:
    """Every published file by name; the generation's own name as well."""
    current = home.state / "artifacts" / "current"
    files = {str(p.relative_to(current)): p.read_bytes() for p in sorted(current.rglob("*")) if p.is_file()}
    return {**files, "generation": str(current.readlink()).encode()}


@pytest.mark.accepts("M3U-7")
def test_probes_that_are_off_leave_no_trace(run: Run[None], tmp_path: Path) -> None:
    """Plain; probed with a channel found bad and taken out; probes off again: the bytes are those of the plain run."""

    async def main() -> None:
        async with world(tmp_path, channels=20, connections=64) as home:
            assert 0 == (await home.ptctl("refresh")).code
            plain = published(home)
            lineup = json.loads(plain["manifest.json"])["dvrs"][0]
            channel = int(next(iter(lineup["channels"].values())).partition("/")[2])
            home.provider.faults.switch_on(Fault("empty", path="stream", channel=channel))
            home.write_spec(SPEC + PROBING)
            assert 0 == (await home.ptctl("probe")).code
            assert 0 == (await home.ptctl("refresh")).code
            assert plain != published(home)
            home.write_spec(SPEC + PROBING.replace("smoke", "'off'"))
            assert 0 == (await home.ptctl("refresh")).code
            assert plain == published(home)

    run(main)


@pytest.mark.accepts("M3U-7")
def test_pruning_that_is_off_leaves_no_trace(run: Run[None], tmp_path: Path) -> None:
    """Plain; one channel pruned by patterns that fit all its titles; not pruned again: the bytes are the plain run's."""

    async def main() -> None:
        async with world(tmp_path, channels=20) as home:
            assert 0 == (await home.ptctl("refresh")).code
            plain = published(home)
            guide = etree.fromstring(plain["rest/guide.xml"])
            number = next(iter(guide)).get("id")
            titles = {p.findtext("title") for p in guide.iter("programme") if p.get("channel") == number}
            prune = f"guide: {{prune: {{empty_for: 1d, runs: 1, unavailable: {json.dumps(sorted(titles))}, scope: lineup}}}}"
            home.write_spec()
            spec = home.spec.read_text()
            home.spec.write_text(spec.replace("  rest: {}", f"  rest: {{{prune}}}"))
            pruned = await home.ptctl("refresh")
            assert 0 == pruned.code, pruned.text
            rows = json.loads(published(home)["rest/lineup.json"])
            assert number not in {row["GuideNumber"] for row in rows}
            home.spec.write_text(spec)
            assert 0 == (await home.ptctl("refresh")).code
            assert plain == published(home)

    run(main)


@pytest.mark.accepts("LNK-2", "EPG-1")
@pytest.mark.parametrize("fault", ["status", "html", "empty", "hollow"])
def test_a_guide_that_is_away_keeps_its_ids(run: Run[None], tmp_path: Path, fault: str) -> None:
    """With a filter on listed ids: the guide fails, or is a page, empty, or hollow. The last good ids hold, no byte moves."""

    async def main() -> None:
        async with world(tmp_path, channels=20, spec=LISTED) as home:
            first = await home.ptctl("refresh")
            assert 0 == first.code, first.text
            before = published(home)
            assert any(json.loads(before["manifest.json"])["dvrs"])
            if fault == "hollow":
                home.provider.faults.switch_on(
                    Fault("text", path="xmltv", text=b"<?xml version='1.0'?><tv></tv>".decode())
                )
            else:
                home.provider.faults.switch_on(Fault(fault, path="xmltv"))  # type: ignore[arg-type]
            plan = await home.ptctl("plan")
            assert "W121" in plan.out, plan.text
            again = await home.ptctl("refresh")
            assert 0 == again.code, again.text
            assert before == published(home)

    run(main)
