"""When a generation is built again, and when it is not: a large guide is read once per run, and not at all in a quiet one."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from reconciler import converge as converging
from reconciler.ledger import generations
from reconciler.pipeline import Prepared, Request, prepared
from reconciler.planning.model import Plan
from reconciler.spec import load
from reconciler.spec.model import Spec
from tests.conftest import Run

NOW: Final = 1_790_000_000.0
"""2026-09-21, 14:13 UTC."""
SPEC: Final = """\
version: 1
name: home
sources: {list: {kind: m3u, path: list.m3u}}
guides: {all: {path: guide.xml, match: [id]}}
buckets:
  - {name: news, match: {group: "News*"}}
dvrs: {news: {}}
serve: {listen: "127.0.0.1:5004", advertise: "http://127.0.0.1:5004", ports: 5005-5010}
"""
LIST: Final = """\
#EXTM3U
#EXTINF:-1 tvg-id="one.us" group-title="News",One
http://tv.example.net/live/1.ts
#EXTINF:-1 tvg-id="two.us" group-title="News",Two
http://tv.example.net/live/2.ts
"""
GUIDE: Final = """\
<tv><channel id="one.us"><display-name>One</display-name></channel>
<programme start="20260921150000 +0000" stop="20260921160000 +0000" channel="one.us"><title>{title}</title></programme>
</tv>
"""


def home(directory: Path, *, spec: str = SPEC, title: str = "The news") -> Spec:
    """The spec with its files in `directory`, read as the command line reads it."""
    (directory / "list.m3u").write_text(LIST)
    (directory / "guide.xml").write_text(GUIDE.format(title=title))
    (directory / "ptctl.yaml").write_text(spec)
    found, problems, _ = load(directory / "ptctl.yaml", env=None, allow_exec=False)
    assert found is not None, list(problems)
    return found


def request() -> Request:
    """A refresh at a fixed moment."""
    return Request(now=NOW, environ={}, plex=False)


async def refreshed(spec: Spec) -> "converging.Settled":
    """One whole refresh that nobody has to agree to."""

    async def consent(plan: Plan) -> bool:
        return True

    return await converging.converge(spec, request(), converging.Orders(consent=consent, command="refresh"))


def staged_files(ready: Prepared) -> list[str]:
    """What was built for this plan."""
    return sorted(p.relative_to(ready.staged).as_posix() for p in ready.staged.rglob("*") if p.is_file())


def test_a_run_that_changed_nothing_builds_nothing(run: Run[list[str]], tmp_path: Path) -> None:
    """Right after the first run, whose records differ from those it began with, no file is built again."""

    async def main() -> list[str]:
        spec = home(tmp_path)
        settled = await refreshed(spec)
        assert settled.converged
        async with prepared(spec, request()) as ready:
            return staged_files(ready)

    assert [] == run(main)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: home", "name: house"),
        ("dvrs: {news: {}}", "dvrs: {news: {tuners: 3}}"),
        ("dvrs: {news: {}}", "dvrs: {news: {guide: {days: 2}}}"),
        ("match: [id]", "match: [id], shift: 1h"),
    ],
)
def test_what_is_written_into_files_builds_them_again(
    run: Run[list[str]], tmp_path: Path, old: str, new: str
) -> None:
    """A change of the spec that shows in a manifest or guide is built, though lists and guide are the same."""

    async def main() -> list[str]:
        await refreshed(home(tmp_path))
        changed = SPEC.replace(old, new)
        assert changed != SPEC
        spec = replace(home(tmp_path, spec=changed), state=str(tmp_path / ".ptctl"))
        async with prepared(spec, request()) as ready:
            return staged_files(ready)

    assert ["manifest.json", "news/guide.xml", "news/lineup.json", "news/playlist.m3u"] == run(main)


def test_another_guide_is_built(run: Run[list[str]], tmp_path: Path) -> None:
    """A guide of the same size at another time is another guide."""

    async def main() -> list[str]:
        spec = home(tmp_path)
        await refreshed(spec)
        home(tmp_path, title="The nows")
        os.utime(tmp_path / "guide.xml", (NOW, NOW))
        async with prepared(spec, request()) as ready:
            return list(ready.built.files)

    assert ["manifest.json", "news/guide.xml"] == run(main)


@pytest.mark.parametrize("damage", ["removed", "edited", "emptied"])
@pytest.mark.parametrize("name", ["guide.xml", "lineup.json", "playlist.m3u"])
def test_a_damaged_file_is_published_anew(run: Run[None], tmp_path: Path, name: str, damage: str) -> None:
    """What is no longer as it was published is said and mended; then nothing is left, and what is mended is the same."""

    async def main() -> None:
        spec = home(tmp_path)
        await refreshed(spec)
        path = Path(spec.state) / "artifacts" / "current" / "news" / name
        whole = path.read_bytes()
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes(b"" if damage == "emptied" else whole + b" ")
        settled = await refreshed(spec)
        assert [w.code for w in settled.plan.warnings] == ["W123"]
        assert f"news/{name}" in settled.plan.warnings[0].message
        assert settled.converged
        assert path.read_bytes() == whole
        again = await refreshed(spec)
        assert again.why == "nothing to do"
        assert not again.plan.warnings

    run(main)


def test_a_held_generation_is_mended_too(run: Run[None], tmp_path: Path) -> None:
    """A hold keeps others from being published; what it holds gets its own bytes back, and stays held."""

    async def main() -> None:
        spec = home(tmp_path)
        await refreshed(spec)
        state = Path(spec.state)
        path = state / "artifacts" / "current" / "news" / "guide.xml"
        whole = path.read_bytes()
        held = generations.rollback(state, generations.current(state) or "", hold=True).held
        path.unlink()
        assert (await refreshed(spec)).converged
        assert whole == path.read_bytes()
        assert held == generations.held(state) == generations.current(state)

    run(main)


def test_a_restored_file_costs_one_build(run: Run[None], tmp_path: Path) -> None:
    """The same bytes with another time (a backup came back) are no damage: nothing is published."""

    async def main() -> None:
        spec = home(tmp_path)
        await refreshed(spec)
        os.utime(Path(spec.state) / "artifacts" / "current" / "news" / "guide.xml", (1, 1))
        for expected in (True, False):
            async with prepared(spec, request()) as ready:
                assert bool(staged_files(ready)) is expected
                assert not ready.plan.actions
                assert not ready.plan.warnings

    run(main)


def test_what_cannot_be_remembered_is_built_again(run: Run[None], tmp_path: Path) -> None:
    """Two plans at once may take the file away from each other: neither fails for it."""
    spec = home(tmp_path)
    (Path(spec.state) / "cache" / "built.json").mkdir(parents=True)

    async def main() -> None:
        for _ in range(2):
            async with prepared(spec, request()) as ready:
                assert "news/guide.xml" in staged_files(ready)

    run(main)


@pytest.mark.parametrize("broken", ['{"error": "<tv> is being made"}', "", "<html><p>504</p></html>"])
def test_a_guide_that_is_none_stops_nothing(run: Run[Plan], tmp_path: Path, broken: str) -> None:
    """A guide in a file that is none today is warned about by its name; the channels are planned all the same."""
    spec = home(tmp_path)
    (tmp_path / "guide.xml").write_text(broken)

    async def main() -> Plan:
        async with prepared(spec, request()) as ready:
            return ready.planned.plan

    plan = run(main)
    assert 2 == plan.channels_after
    (warning,) = [w for w in plan.warnings if w.code == "W121"]
    assert warning.message.startswith('guide "all" could not be fetched (')


def test_what_is_left_out_in_writing_is_told(
    run: Run[Plan], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A channel with more programmes than one may have loses some of them, and not in silence."""
    spec = home(tmp_path, title="x" * (4 << 20))
    guide = (tmp_path / "guide.xml").read_text()
    begin, end = guide.index("<programme"), guide.index("</tv>")
    (tmp_path / "guide.xml").write_text(guide[:begin] + guide[begin:end] * 10 + guide[end:])

    async def main() -> Plan:
        async with prepared(spec, request()) as ready:
            return ready.planned.plan

    run(main)
    assert [m for m in caplog.messages if "more than 32 MiB of programmes: the rest is left out" in m]


def test_a_guide_being_written_empties_nothing(run: Run[None], tmp_path: Path) -> None:
    """While a grabber writes its file anew, what was published of the last whole one stays."""
    spec = home(tmp_path)

    async def main() -> None:
        await refreshed(spec)
        generation = generations.current(Path(spec.state))
        (tmp_path / "guide.xml").write_text(GUIDE.format(title="Other")[:90])
        await refreshed(spec)
        assert generation == generations.current(Path(spec.state))

    run(main)
