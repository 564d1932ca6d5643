"""What a new user reads in the first hour when something small is wrong: each text says what, where and what to do."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.e2e.world import world

LIST = '#EXTM3U\n#EXTINF:-1 tvg-id="one" group-title="News",One\nhttp://127.0.0.1:9/one.ts\n'
FILES = """\
version: 1
name: files
sources:
  nz: {{kind: m3u, path: list.m3u}}
  more: {{kind: m3u, path: more.m3u}}
guides:
  nz: {{path: guide.xml}}
buckets:
  - {{name: tv, match: {{}}}}
dvrs:
  tv: {{}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}, reconcile: "off"}}
"""


@pytest.mark.accepts("DOC-2")
def test_a_list_that_is_gone_says_so(run: Run[None], tmp_path: Path) -> None:
    """Source and guide of one name are told apart, and W120 holds the whole cause: which file, and what is wrong."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(FILES)
            (tmp_path / "list.m3u").write_text(LIST)
            (tmp_path / "more.m3u").write_text(LIST)
            (tmp_path / "guide.xml").write_text('<tv><channel id="one"/></tv>')
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            assert "source nz: fresh" in made.err
            (tmp_path / "list.m3u").unlink()
            found = await home.ptctl("plan")
            (line,) = [line for line in found.out.splitlines() if "W120" in line]
            assert f"({tmp_path / 'list.m3u'}: no such file or directory)" in line, found.text

    run(main)


def test_a_guide_that_has_ended_is_warned_about(run: Run[None], tmp_path: Path) -> None:
    """W122 with the channels it concerns and the time, in each plan; a channel without any programme is not counted."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(FILES)
            more = [
                f'#EXTINF:-1 tvg-id="{i}" group-title="News",{i}\nhttp://127.0.0.1:9/{i}.ts' for i in "ab"
            ]
            (tmp_path / "list.m3u").write_text(LIST + "\n".join(more) + "\n")
            (tmp_path / "more.m3u").write_text("#EXTM3U\n")
            old = '<programme channel="{}" start="20200101100000 +0100" stop="20200101110000 +0100"><title>x</title></programme>'
            ids = "".join(f'<channel id="{i}"/>' for i in ("one", "a", "b"))
            (tmp_path / "guide.xml").write_text(f"<tv>{ids}{old.format('one')}{old.format('a')}</tv>")
            expected = 'guide "nz" has ended for 2 of 3 channels; its newest programme there was over at 2020-01-01 10:00 UTC'
            for command in ("plan", "refresh", "plan"):  # the last one builds nothing anew
                found = await home.ptctl(command)
                assert found.code == 0, found.text
                assert command == "refresh" or expected in found.out, found.text

    run(main)
