"""Every safety code from the command line: reached, refused without a write, and lifted by its own word alone.

One list, two DVRs, a `serve` and a Plex; each case edits the spec, the list or Plex after a first apply. "Refused" means:
exit 4 of `apply`, the code and the lifting words on the screen with the whole plan, and no write in Plex's record.
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from reconciler.sandbox.faults import Fault
from reconciler.sandbox.plex import FaultRule
from tests.conftest import Run
from tests.e2e.world import World, again, once, world

SPEC: Final = """\
version: 1
name: test-home
credentials:
  plex: {{token: "env:TEST_TOKEN"}}
sources:
  main: {{kind: m3u, path: list.m3u{source}}}
buckets:
  - {{name: news, match: {{group: News}}{news_bucket}}}
{sport_bucket}
dvrs:
  news: {{{news}}}
{sport}
plex: {{url: "{plex}", credentials: plex, pace: 5ms, poll: 100ms}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}, reconcile: "off"}}
{more}
"""
NEWS: Final = 20
SPORTS: Final = 60
SPORT_BUCKET: Final = "  - {name: sport, match: {group: Sport}}"
SPORT: Final = "  sport: {numbers: 2000-2599}"


@dataclass
class Home:
    """The spec and the list of a test, as words to change."""

    world: World

    def spec(self, **words: str) -> None:
        """Write the spec with these words in their places."""
        filled = {
            "source": "",
            "news_bucket": "",
            "sport_bucket": SPORT_BUCKET,
            "news": "numbers: 1000-1599",
            "sport": SPORT,
            "more": "",
            **words,
        }
        self.world.write_spec(SPEC, **filled)

    def playlist(self, *, news: int = NEWS, sport: int = SPORTS, first_id: int = 1, skip: int = 0) -> None:
        """Write the list: so many channels of each group, the first `skip` of the news replaced by later ones."""
        lines = ["#EXTM3U"]
        for group, count, base, start in (("News", news, 0, skip), ("Sport", sport, 1000, 0)):
            for i in range(start, start + count):
                lines.append(f'#EXTINF:-1 tvg-id="{group}{i}" group-title="{group}",{group} {i}')
                lines.append(f"http://10.0.0.9:8080/live/user/pass/{base + first_id + i}.ts")
        (self.world.directory / "list.m3u").write_text("\n".join(lines) + "\n")


Case = Callable[[Home], Awaitable[None]]


async def shrink(home: Home) -> None:
    """Half of the news is gone."""
    home.playlist(news=10)


async def empty(home: Home) -> None:
    """All of the news is gone."""
    home.playlist(news=0)


async def total(home: Home) -> None:
    """A quarter of everything is gone, none of it alone enough."""
    home.playlist(news=15, sport=44)


async def minimum(home: Home) -> None:
    """The bucket asks for more than there is."""
    home.spec(news_bucket=", minimum: 30")


async def identity(home: Home) -> None:
    """A new panel: the same channels under other stream ids."""
    home.playlist(first_id=5001)


async def delete(home: Home) -> None:
    """A DVR is taken out of the spec."""
    home.spec(sport_bucket="  - {name: sport, match: {group: Sport}}", sport="")


async def replace_title(home: Home) -> None:
    """A DVR gets another title."""
    home.spec(news='numbers: 1000-1599, title: "My News"')


async def renumber(home: Home) -> None:
    """A DVR gets another range."""
    home.spec(news="numbers: 4000-4599")


async def overlap(home: Home) -> None:
    """Somebody else's DVR has two numbers that newcomers get."""
    home.world.plex.add_foreign_dvr("10AAAAAA", title="Antenna", channels=("1020", "1021"))
    home.playlist(news=22)


async def exhausted(home: Home) -> None:
    """A range that is full with what is reserved in it."""
    home.spec(news="numbers: 1000-1019")
    home.playlist(skip=5)


CASES: Final[dict[str, tuple[str, str, Case]]] = {
    "S101": ("S101", "shrink:news", shrink),
    "S102": ("S102", "empty:news", empty),
    "S103": ("S103", "shrink:all", total),
    "S103 minimum": ("S103", "shrink:all", minimum),
    "S105": ("S105", "rematch:main", identity),
    "S201": ("S201", "delete:sport", delete),
    "S202": ("S202", "replace:news", replace_title),
    "S204": ("S204", "renumber:news", renumber),
    "S302": ("S302", "overlap:news", overlap),
    "S303": ("S303", "reuse:news", exhausted),
}


@asynccontextmanager
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    """Everything running over a first apply, so that there is something to lose."""
    async with again(tmp_path, await once("safety codes", applied)) as servers, servers.serving():
        yield Home(servers)


async def applied(directory: Path) -> World:
    """A first apply, and what it was made by at its end."""
    async with world(directory, spec=None, hosts=1) as servers:
        home = Home(servers)
        home.spec()
        home.playlist()
        async with servers.serving():
            # Without artifacts serve refreshes once by itself, and may hold the lock for a moment more.
            done = await servers.ptctl("apply", "--yes", "--wait", "1m")
            assert done.code == 0, done.text
        await servers.plex.loads_done()
    return servers


async def refused(home: Home, code: str, word: str) -> None:
    """`plan` shows everything and the word; `apply` ends with 4 and sends nothing."""
    plan = await home.world.ptctl("plan", "--exit-code")
    assert plan.code == 4, plan.text
    assert code in plan.out, plan.text
    assert "total" in plan.out, plan.text
    if word:
        assert f"--allow {word}" in plan.out, plan.text
    writes, files = len(home.world.plex.writes()), home.world.files()
    done = await home.world.ptctl("apply", "--yes")
    assert done.code == 4, done.text
    assert len(home.world.plex.writes()) == writes
    assert home.world.files() == files


@pytest.mark.slow
@pytest.mark.accepts("PLN-7")
@pytest.mark.parametrize("name", CASES)
def test_reached_and_lifted(run: Run[None], tmp_path: Path, name: str) -> None:
    """Refused as it stands, refused with another's word, done with its own."""
    code, word, case = CASES[name]

    async def main() -> None:
        async with at_home(tmp_path) as home:
            servers = home.world
            await case(home)
            await refused(home, code, word)
            other = await servers.ptctl("plan", "--exit-code", "--allow", "busy:sport")
            assert (other.code, code in other.out) == (4, True), other.text
            lifted = await servers.ptctl("apply", "--yes", "--allow", word)
            assert lifted.code == 0, lifted.text
            again = await servers.ptctl("plan", "--exit-code")
            # A missed minimum and an emptied DVR stay what they are; all else is settled.
            assert again.code == (4 if name in {"S102", "S103 minimum"} else 0), again.text

    run(main)


@pytest.mark.slow
@pytest.mark.accepts("PLN-7")
def test_protected_has_no_word(run: Run[None], tmp_path: Path) -> None:
    """S203 stands with every word; `protect: false`, applied once, ends it."""

    async def main() -> None:
        async with at_home(tmp_path) as home:
            servers = home.world
            home.spec(sport=SPORT.replace("}", ", protect: true}"))
            assert (await servers.ptctl("apply", "--yes")).code == 0
            home.spec(sport="")
            await refused(home, "S203", "")
            words = ("--allow", "delete:sport", "--allow", "busy:sport", "--allow", "protect:sport")
            still = await servers.ptctl("apply", "--yes", *words)
            assert (still.code, "S203" in still.out + still.err) == (4, True), still.text
            home.spec(sport=SPORT.replace("}", ", protect: false}"))
            assert (await servers.ptctl("apply", "--yes")).code == 0
            home.spec(sport="")
            gone = await servers.ptctl("apply", "--yes", "--allow", "delete:sport")
            assert gone.code == 0, gone.text
            assert len(servers.plex.state()["dvrs"]) == 1

    run(main)


@pytest.mark.slow
@pytest.mark.accepts("PLN-7", "PLN-8")
def test_size_and_unknown_have_no_word(run: Run[None], tmp_path: Path) -> None:
    """S301: more newcomers than places and `overflow: fail`. S401: a DVR that Plex does not show."""

    async def main() -> None:
        async with at_home(tmp_path) as home:
            servers = home.world
            home.spec(news="numbers: 1000-1599, limit: 20")
            home.playlist(news=22)
            await refused(home, "S301", "")
            home.spec()
            servers.plex.add_fault(FaultRule("500", "GET", r"/livetv/dvrs/\d+$", times=0))
            await refused(home, "S401", "")
            servers.plex.reset_faults()
            assert (await servers.ptctl("apply", "--yes")).code == 0

    run(main)


@pytest.mark.slow
@pytest.mark.accepts("PLN-7", "BUS-1")
def test_busy_where_serve_is_away(run: Run[None], tmp_path: Path) -> None:
    """S501: with `serve` gone nobody knows who watches; the word for it lifts that, and serve is still needed to go on."""

    async def main() -> None:
        async with world(tmp_path, spec=None, hosts=1) as servers:
            home = Home(servers)
            home.spec()
            home.playlist()
            async with servers.serving():
                assert (await servers.ptctl("apply", "--yes", "--wait", "1m")).code == 0
            home.spec(news='numbers: 1000-1599, title: "My News"')
            plan = await servers.ptctl("plan", "--exit-code", "--allow", "replace:news")
            assert (plan.code, "S501" in plan.out, "--allow busy:news" in plan.out) == (4, True, True), (
                plan.text
            )
            both = ("--allow", "replace:news", "--allow", "busy:news")
            writes = len(servers.plex.writes())
            assert (await servers.ptctl("plan", "--exit-code", *both)).code == 2
            assert len(servers.plex.writes()) == writes
            async with servers.serving():
                done = await servers.ptctl("apply", "--yes", "--allow", "replace:news")
                assert done.code == 0, done.text

    run(main)


@pytest.mark.slow
@pytest.mark.accepts("PLN-7")
def test_a_source_that_is_too_old(run: Run[None], tmp_path: Path) -> None:
    """S402: what a copy over its max_age would change is held until the source answers or the word is given."""

    async def main() -> None:
        async with world(tmp_path, spec=None, hosts=1) as servers, AsyncExitStack() as stack:
            (tmp_path / "own.m3u").write_text(
                "#EXTM3U\n#EXTINF:-1,Garden camera\nhttp://10.0.0.9/camera.ts\n"
            )
            servers.write_spec(TWO_SOURCES, more="")
            await stack.enter_async_context(servers.serving())
            first = await servers.ptctl("apply", "--yes", "--wait", "1m")
            assert first.code == 0, first.text
            servers.provider.faults.switch_on(Fault("refuse"))
            age(tmp_path / ".ptctl" / "cache", 120.0)
            name = (tmp_path / ".ptctl" / "artifacts" / "current" / "rest" / "playlist.m3u").read_text()
            taken = re.findall(r'tvg-name="([^"]+)"', name)[0]
            servers.write_spec(
                TWO_SOURCES, more=f'filters: [{{name: out, drop: {{name: {{is: "{taken}"}}}}}}]'
            )
            plan = await servers.ptctl("plan", "--exit-code")
            assert (plan.code, "--allow stale:panel" in plan.out) == (4, True), plan.text
            writes = len(servers.plex.writes())
            assert (await servers.ptctl("apply", "--yes")).code == 4
            assert len(servers.plex.writes()) == writes
            done = await servers.ptctl("apply", "--yes", "--allow", "stale:panel")
            assert done.code == 0, done.text

    run(main)


def age(cache: Path, seconds: float) -> None:
    """Make every copy so much older, as if nobody had fetched for a while."""
    aged = 0
    for path in cache.rglob("*.json"):
        head = json.loads(path.read_text())
        if isinstance(head, dict) and "fetched_at" in head:
            path.write_text(json.dumps({**head, "fetched_at": head["fetched_at"] - seconds}))
            aged += 1
    assert aged


TWO_SOURCES: Final = """\
version: 1
name: test-home
credentials:
  panel: {{username: "env:TEST_USER", password: "env:TEST_PASS"}}
  plex: {{token: "env:TEST_TOKEN"}}
sources:
  own: {{kind: m3u, path: own.m3u}}
  panel: {{kind: xtream, hosts: [{hosts}], credentials: panel, max_age: 1m}}
{more}
buckets:
  - {{name: rest, match: {{}}, overflow: drop}}
dvrs:
  rest: {{}}
plex: {{url: "{plex}", credentials: plex, pace: 5ms, poll: 100ms}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}, reconcile: "off"}}
"""
