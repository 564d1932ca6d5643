"""A refresh with nothing to do is proved by facts; whatever moves one of them takes the full path."""

import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from reconciler import standing as module
from reconciler.planning.model import Plan
from reconciler.sources.probe_outcome import Known, Outcome
from reconciler.sources.probe_store import save_probes
from reconciler.spec import load
from reconciler.spec.model import Spec
from reconciler.standing import Question, fingerprint, outside, remember, standing
from tests.conftest import Run
from tests.e2e.world import Result, World, world

SPEC: Final = """\
version: 1
name: quiet
sources:
  list: {{kind: m3u, path: list.m3u}}
  panel: {{kind: xtream, hosts: [{hosts}], credentials: panel}}
credentials:
  panel: {{username: "env:TEST_USER", password: "env:TEST_PASS"}}
guides:
  own: {{path: guide.xml, match: [id]}}
  panel: {{source: panel, match: [id]}}
buckets:
  - {{name: news, match: {{group: "News*"}}}}
  - {{name: rest, match: {{}}, overflow: drop}}
dvrs: {{news: {{}}, rest: {{}}}}
probes: {{mode: smoke, expire: 7d, blacklist: [bad.json]}}
serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}}}
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
<programme start="20260921150000 +0000" stop="20260921160000 +0000" channel="one.us"><title>One</title></programme>
</tv>
"""
WEEK_S: Final = 7 * 86400


def touched(*paths: Path) -> None:
    """As if the same text had been written again: only the time of change differs."""
    assert paths
    for path in paths:
        os.utime(path, ns=(1, 1))


def probed(home: World, *, outcome: Outcome, ago_s: float = 0.0) -> None:
    """A verdict about a channel."""
    at = at_of(home) - ago_s
    save_probes(home.state, [Known("panel/1", outcome, at, "x", "http-403", "", at, at)])


def at_of(home: World) -> float:
    """When the last refresh asked."""
    found: float = json.loads((home.state / "cache/lists/list.m3u.json").read_text())["fetched_at"]
    return found


@dataclass(frozen=True, slots=True)
class Looked:
    """The spec as read, and what is asked about it."""

    spec: Spec
    question: Question


def looked(home: World, *, after_s: float = 1.0, allow: tuple[str, ...] = (), env: str = "") -> Looked:
    """The question of a refresh that begins `after_s` seconds after the last."""
    spec, found, _ = load(home.spec, env=None, allow_exec=False)
    assert spec is not None, list(found)
    now = at_of(home) + after_s
    environ = {**home.environment}
    return Looked(spec, Question(now, environ, allow, env, outside=outside(spec, now)))


def newest_forgotten(home: World) -> None:
    """`state.db` without the newest ledger."""
    with sqlite3.connect(home.state / "state.db") as db:
        db.execute("DELETE FROM ledger_seen")
    db.close()


def edited(home: World, **values: str) -> None:
    """The kept memory with other values."""
    path = home.state / "cache" / module.MEMORY
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


CHANGES: Final[Mapping[str, Callable[[World], object]]] = {
    "spec": lambda h: h.spec.write_text(h.spec.read_text().replace("smoke", "deep")),
    "a comment of the spec": lambda h: h.spec.write_text("# moved a line down\n" + h.spec.read_text()),
    "own guide": lambda h: touched(h.directory / "guide.xml"),
    "ledger": lambda h: (h.state / "ledger.json").write_text((h.state / "ledger.json").read_text() + " "),
    "routes": lambda h: (h.state / "private/routes.json").write_text("{}"),
    "blacklist": lambda h: (h.directory / "bad.json").write_text('["main/1"]'),
    "probe": lambda h: probed(h, outcome="bad"),
    "damaged file": lambda h: touched(h.state / "artifacts/current/news/guide.xml"),
    "damaged manifest": lambda h: touched(h.state / "artifacts/current/manifest.json"),
    "generation gone": lambda h: (h.state / "artifacts/current").unlink(),
    "hold": lambda h: (h.state / "artifacts/held").write_text("0123456789abcdef"),
    "copy of a list": lambda h: touched(*(h.state / "cache/lists").glob("panel.live.*.columns")),
    "copy of a guide": lambda h: touched(*(h.state / "cache/guides").glob("*.data")),
    "newest ledger": newest_forgotten,
    "memory of another form": lambda h: edited(h, format="ptctl-standing/0"),
    "memory of another version": lambda h: edited(h, at_hand="0" * 64),
    "list": lambda h: (h.directory / "list.m3u").write_text(LIST.replace("Two", "Second")),
    "panel's list": lambda h: h.provider.replace(
        replace(h.provider.panel, channels=h.provider.panel.channels[1:])
    ),
}
"""Lists last: once fetched they are the copies, and only a full run leads back to quiet."""


def write(directory: Path) -> None:
    """What the spec names beside it."""
    (directory / "list.m3u").write_text(LIST)
    (directory / "guide.xml").write_text(GUIDE)
    (directory / "bad.json").write_text("[]")


async def refreshed(home: World, *arguments: str) -> Result:
    """One `ptctl refresh`, of the spec as the tests name it."""
    return await home.ptctl("refresh", str(home.spec), *arguments)


async def quiet(home: World) -> None:
    """Refreshed until nothing is left, which is once."""
    home.write_spec(SPEC)
    write(home.directory)
    made = await refreshed(home)
    assert 0 == made.code, made.text
    assert (home.state / "cache" / module.MEMORY).is_file(), made.text


def put_back(home: World, before: Mapping[Path, tuple[bytes, int]], current: Path) -> None:
    """Files in place with their old text and time, so that nothing tells that they were changed."""
    for path in {p for p in home.directory.rglob("*") if p.is_file()} - before.keys():
        path.unlink()
    link = home.state / "artifacts/current"
    if not link.is_symlink():
        link.symlink_to(current)
    for path, (text, at_ns) in before.items():
        if not path.is_file() or path.read_bytes() != text or path.stat().st_mtime_ns != at_ns:
            path.write_bytes(text)
            os.utime(path, ns=(at_ns, at_ns))


def files(home: World) -> dict[Path, tuple[bytes, int]]:
    """Every file there is, with text and time."""
    found = [p for p in home.directory.rglob("*") if p.is_file() and "current" not in p.parts]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


async def plan_of(found: Looked) -> Plan | None:
    """The plan that stands, where one does."""
    return (await standing(found.spec, found.question)).plan


def test_every_fact_counts(run: Run[None], tmp_path: Path) -> None:
    """With nothing changed nothing is due; with any one thing changed a full run is."""

    async def main() -> None:
        async with world(tmp_path) as home:
            await quiet(home)
            before = files(home)
            current = (home.state / "artifacts/current").readlink()
            for what, change in CHANGES.items():
                put_back(home, before, current)
                plan = await plan_of(looked(home))
                assert plan is not None, f"before: {what}"
                assert plan.empty
                change(home)
                assert await plan_of(looked(home)) is None, what
                if "list" in what.split():
                    made = await refreshed(home)
                    assert 0 == made.code, made.text
                    before, current = files(home), (home.state / "artifacts/current").readlink()

    run(main)


def test_time_and_words_count(run: Run[None], tmp_path: Path) -> None:
    """Another day, a verdict that expires, and other words are other questions; a moment later is the same one."""

    async def main() -> None:
        async with world(tmp_path) as home:
            home.write_spec(SPEC)
            write(home.directory)
            assert 0 == (await refreshed(home)).code
            probed(home, outcome="bad", ago_s=WEEK_S - 600.0)
            assert 0 == (await refreshed(home)).code
            assert await plan_of(looked(home)) is not None
            for other in (
                looked(home, after_s=86_400.0),
                looked(home, after_s=700.0),
                looked(home, allow=("shrink:rest",)),
                looked(home, env="winter"),
            ):
                assert await plan_of(other) is None, other.question
            assert await plan_of(looked(home)) is not None

    run(main)


def test_it_ends_as_a_full_run_does(run: Run[None], tmp_path: Path) -> None:
    """Text, JSON and exit status are those of a full run, and no file but the cache's is touched."""

    async def main() -> None:
        async with world(tmp_path) as home:
            await quiet(home)
            for form in ("text", "json"):
                kept = home.files()
                short = await refreshed(home, "-f", form)
                assert kept == home.files()
                (home.state / "cache" / module.MEMORY).unlink()
                full = await refreshed(home, "-f", form)
                assert (full.code, timeless(full.out)) == (short.code, timeless(short.out))
                assert full.err == short.err
            # a guide that cannot be used is no fact to build on
            (home.directory / "guide.xml").write_text(GUIDE.replace(">One<", f">{'x' * (9 << 20)}<"))
            for _ in range(2):
                assert 0 == (await refreshed(home)).code
                assert not (home.state / "cache" / module.MEMORY).exists()

    run(main)


def timeless(text: str) -> str:
    """Without the moment and the seconds."""
    return re.sub(r"\(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, (\d+ requests), [\d.]+ s\)", r"(\1)", text)


def test_a_change_met_while_looking_is_fetched_once(run: Run[None], tmp_path: Path) -> None:
    """A list that changed is published by the same run, and the provider is asked for it no second time."""

    async def main() -> None:
        async with world(tmp_path) as home:
            await quiet(home)
            before = len(home.provider.journal.visits)
            quiet_run = await refreshed(home)
            asked = len(home.provider.journal.visits) - before
            panel = home.provider.panel
            home.provider.replace(replace(panel, channels=panel.channels[1:]))
            made = await refreshed(home)
            assert (0, 0) == (quiet_run.code, made.code), made.text
            assert "Planned again: nothing is left." in made.out
            assert asked == len(home.provider.journal.visits) - before - asked

    run(main)


def test_what_another_process_fetched_is_not_remembered(run: Run[None], tmp_path: Path) -> None:
    """A copy that is not of this very run may hold other entries than those that were computed with."""

    async def main() -> None:
        async with world(tmp_path) as home:
            await quiet(home)
            seen = looked(home)
            plan = await plan_of(seen)
            memory = home.state / "cache" / module.MEMORY
            remember(seen.spec, seen.question, plan)
            assert memory.is_file()
            remember(seen.spec, replace(seen.question, now=seen.question.now + 1), plan)
            assert not memory.exists()

    run(main)


@given(
    st.dictionaries(st.text(), st.tuples(st.text(), st.integers()), min_size=1),
    st.data(),
    st.text(min_size=1),
)
def test_fingerprints_tell_facts_apart(
    facts: dict[str, tuple[str, int]], data: st.DataObject, more: str
) -> None:
    """The same facts in any order give the same fingerprint, and any one that differs another."""
    name = data.draw(st.sampled_from(sorted(facts)))
    assert fingerprint(facts) == fingerprint(dict(reversed(list(facts.items()))))
    text, number = facts[name]
    assert fingerprint(facts) != fingerprint({**facts, name: (text + more, number)})
    assert fingerprint(facts) != fingerprint({k: v for k, v in facts.items() if k != name})
