"""`ptctl snapshot`, `plan --world`, `plan --base`: a review without Plex, providers and secrets."""

import gzip
import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from reconciler.cli.snapshot import read_world
from reconciler.errors import StateError
from reconciler.planning import world as snapshots
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.plex_records import XMLTV
from tests.conftest import Run
from tests.e2e.world import PASSWORD, SPEC, TOKEN, USER, World, world

VOLATILE = {"made", "seconds", "requests", "sources"}


def change_of(document: str, dvr: str) -> dict[str, object]:
    """One DVR's change out of a JSON plan."""
    found: dict[str, object] = next(c for c in json.loads(document)["changes"] if c["dvr"] == dvr)
    return found


async def snapped(home: World, *, name: str = "world.json") -> Path:
    """A snapshot of this world."""
    taken = await home.ptctl("snapshot", "--out", name)
    assert taken.code == 0, taken.text
    return home.directory / name


def without_secrets(home: World) -> World:
    """The same directory without one secret in the environment."""
    return replace(home, env={"TEST_USER": "", "TEST_PASS": "", "TEST_TOKEN": ""})


@pytest.mark.accepts("GIT-1", "CRD-4")
def test_a_pull_request_is_reviewed_without_secrets(run: Run[None], tmp_path: Path) -> None:
    """Servers gone and no secret set: `--world` plans as live, `--base` shows exactly the author's change as Markdown."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.plex.add_foreign_dvr(
                "10A1B2C3",
                title="Antenna",
                lineup=f"lineup://{XMLTV}/{quote('http://other.example/xmltv.php?username=joe&password=hush', safe='')}#A",
            )
            async with home.serving(ready=False):
                assert 0 == (await home.ptctl("apply", "--yes", "--wait", "60s")).code
            panel = home.provider.panel
            gone = next(c for c in panel.channels if c.group.startswith("SPORTS"))
            home.provider.replace(replace(panel, channels=tuple(c for c in panel.channels if c is not gone)))
            live = await home.ptctl("plan", "-f", "json")
            file = await snapped(home)
            text = file.read_text("utf-8")
            for secret in (USER, PASSWORD, TOKEN, "hush", "joe"):
                for form in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode()):
                    assert form not in text
            assert "/live/" not in text
            home.provider.faults.switch_on(Fault("refuse"))
            await home.plex.stop()
            bare = without_secrets(home)
            over = await bare.ptctl("plan", "--world", "world.json", "-f", "json")
            assert over.code == 0, over.text
            one, two = json.loads(live.out), json.loads(over.out)
            assert {k: v for k, v in one.items() if k not in {*VOLATILE, "digests"}} == {
                k: v for k, v in two.items() if k not in {*VOLATILE, "digests"}
            }
            assert one["digests"]["plex"].keys() == two["digests"]["plex"].keys()
            refused = await bare.ptctl("plan", "--world", "world.json", "--out", "plan.json")
            assert refused.code == 64, refused.text
            (tmp_path / "main.yaml").write_bytes(home.spec.read_bytes())
            same = await bare.ptctl("plan", "--world", "world.json", "--base", "main.yaml", "--exit-code")
            assert same.code == 0, same.text
            home.write_spec(SPEC.replace("  sports: {{}}\n", "  sports: {{tuners: 4}}\n"))
            shown = await bare.ptctl(
                "plan", "--world", "world.json", "--base", "main.yaml", "-f", "markdown", "--exit-code"
            )
            assert shown.code == 2, shown.text
            assert "1 to change, 2 the same" in shown.out, shown.out
            assert "- tuners: 2 -> 4" in shown.out, shown.out
            assert "Warnings" not in shown.out

    run(main)


@pytest.mark.accepts("GIT-1")
def test_base_shows_channels_that_move_between_specs(run: Run[None], tmp_path: Path) -> None:
    """A filter of the author takes channels out; without a snapshot both specs are planned over one fetch, and Plex is asked nothing."""

    async def main() -> None:
        async with world(tmp_path) as home:
            (tmp_path / "main.yaml").write_bytes(home.spec.read_bytes())
            home.write_spec(
                SPEC.replace("buckets:\n", '  - {{name: less, drop: {{group: "US| Locals"}}}}\nbuckets:\n')
            )
            asked = len(home.plex.journal.entries)
            shown = await home.ptctl("plan", "--base", "main.yaml", "-f", "json", "--exit-code")
            assert shown.code == 4, (
                shown.text
            )  # nothing would be left for it, and a third of all channels goes
            assert asked == len(home.plex.journal.entries)
            locals_ = change_of(shown.out, "locals")
            assert ["S102", "S103"] == [b["code"] for b in locals_["blocks"]]  # type: ignore[attr-defined]
            assert "same" == change_of(shown.out, "sports")["kind"]
            assert "same" == change_of(shown.out, "rest")["kind"]
            broken = tmp_path / "broken.yaml"
            broken.write_text("version: 1\nname: x\nbucket: []\n")
            assert 3 == (await home.ptctl("plan", "--base", "broken.yaml")).code

    run(main)


def test_a_snapshot_is_compressed_and_read_back(run: Run[None], tmp_path: Path) -> None:
    """`.gz` is compressed, both read back; a DVR that is new in the spec is planned; unknown sources are said."""

    async def main() -> None:
        async with world(tmp_path) as home:
            packed = await snapped(home, name="world.json.gz")
            found = snapshots.load(gzip.decompress(packed.read_bytes()))
            assert snapshots.load(snapshots.dump(found)) == found
            assert "test-home" == found.spec_name
            live = [c for c in home.provider.panel.channels if c.kind == "live"]
            assert len(live) == len(found.catalog.entries)
            home.write_spec(SPEC.replace("guides:", "  more: {{kind: m3u, path: more.m3u}}\nguides:", 1))
            (tmp_path / "more.m3u").write_text("#EXTM3U\n")
            over = await home.ptctl("plan", "--world", "world.json.gz")
            assert over.code == 0, over.text
            assert 'W316  the snapshot has nothing of "more"' in over.out

    run(main)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"version: 1", "not JSON"),
        (b'{"format": "ptctl-world/9"}', "this version reads 'ptctl-world/1'"),
        (b'{"format": "ptctl-world/1"}', "broken"),
        (b"[" * 200_000, "not JSON"),
        (gzip.compress(b"{}", mtime=0)[:-9], "cannot read"),
        (gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 20, "cannot read"),
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, text: bytes, says: str) -> None:
    """Another file, another version, half a document, a damaged one: what it is, and how to make one."""
    (tmp_path / "file").write_bytes(text)
    with pytest.raises(StateError, match=says) as refused:
        read_world(tmp_path / "file")
    assert "ptctl snapshot --out FILE" == refused.value.next_step


def test_a_refused_snapshot_ends_the_plan(run: Run[None], tmp_path: Path) -> None:
    """Exit 1, with what the file is and the command that makes one."""

    async def main() -> None:
        (tmp_path / "file").write_bytes(b"version: 1")
        spec = Path(__file__).parents[2] / "examples/quickstart.yaml"
        async with world(tmp_path / "home", spec=None) as home:
            shown = await home.ptctl("plan", str(spec), "--world", str(tmp_path / "file"))
        assert shown.code == 1, shown.text
        assert "not JSON" in shown.err
        assert "ptctl snapshot --out" in shown.err

    run(main)


def test_a_row_too_much_is_refused() -> None:
    """A value of the wrong kind is named with its place."""
    text = '{"format":"ptctl-world/1","catalog_reports":{},"columns":["source","key","name"],"entries":[["a",1,"x"]]}'
    with pytest.raises(StateError, match=r"entries\[0\]\.key"):
        snapshots.load(text)
