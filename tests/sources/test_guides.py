"""Guide files: where they come from, what is refused, and what stands in."""

import gzip
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.catalog.entry import Catalog, SourceReport
from reconciler.catalog.guide_bytes import open_guide
from reconciler.errors import CredentialError
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.panel import Panel
from reconciler.sandbox.provider import run_provider
from reconciler.secret import SecretRef
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.guides import GuideFile, load_guides
from reconciler.sources.web import Limits
from reconciler.spec.model import Credentials, Guide, Source, Spec
from tests.conftest import Run
from tests.sources.test_lists import body, serving

NOW = 1_800_000_000.0
QUICK = Limits(connect_s=1, login_s=2, answer_s=2, idle_s=1, guide_s=5, pause_s=0.01, retries=1)
CHANNELS_ONLY = b'<?xml version="1.0"?>\n<tv><channel id="a"><display-name>A</display-name></channel></tv>\n'
GUIDE = CHANNELS_ONLY.replace(
    b"</tv>", b'<programme start="20261201120000 +0000" channel="a"><title>T</title></programme></tv>'
)
NOTHING = Catalog((), {})


def a_spec(guide: Guide, tmp_path: Path, *sources: Source) -> Spec:
    """A spec with one guide."""
    own = Credentials("own", SecretRef("env", "U"), SecretRef("env", "P"))
    return Spec(
        "t",
        {s.name: s for s in sources},
        {guide.name: guide},
        (),
        (),
        {},
        credentials={"own": own},
        base=str(tmp_path),
    )


async def load(
    spec: Spec, tmp_path: Path, catalog: Catalog = NOTHING, now: float = NOW, **more: Any
) -> GuideFile:
    """The one guide of a spec."""
    more = {"environ": {}, "limits": QUICK, **more}
    (found,) = (await load_guides(spec, catalog, tmp_path / "cache", now=now, **more)).values()
    return found


def content(found: GuideFile) -> bytes:
    """The guide's bytes, unpacked."""
    assert found.path is not None
    return b"".join(open_guide(found.path))


def assert_copy_stands_in(found: GuideFile, told: str) -> None:
    """The good guide of two hours ago is what is used, past its time, with the reason."""
    assert ("cached", 7200, True, GUIDE) == (
        found.report.fetched, found.report.age_s, found.report.stale, content(found),
    )  # fmt: skip
    assert any(told in note for note in found.report.notes), found.report.notes


def test_a_guide_at_an_address(run: Run[Any], tmp_path: Path) -> None:
    """A guide is fetched, packed or plain; the same again is unchanged; nothing is written twice."""

    async def main() -> None:
        async with serving(body(GUIDE)) as server:
            spec = a_spec(Guide("g", url=f"{server.url}/guide.xml.gz"), tmp_path)
            for data in (GUIDE, gzip.compress(GUIDE, mtime=0)):
                server.answer = body(data)
                found = await load(spec, tmp_path)
                assert ("fresh", "url", GUIDE) == (found.report.fetched, found.report.via, content(found))
                again = await load(spec, tmp_path, now=NOW + 60)
                assert ("unchanged", found.path) == (again.report.fetched, again.path)
            assert 2 == len(list((tmp_path / "cache" / "guides").iterdir()))
            offline = await load(spec, tmp_path, now=NOW + 3660, cached_only=True)
            assert ("cached", 3600, GUIDE) == (offline.report.fetched, offline.report.age_s, content(offline))

    run(main)


@pytest.mark.accepts("SEC-3", "EPG-1")
@pytest.mark.parametrize(
    ("told", "data", "status"),
    [
        ("an HTML page instead of a guide", b"<html><body>no</body></html>", 200),
        ("a JSON answer instead of a guide", b"[]", 200),
        ("a stream instead of a guide", b"#EXTM3U\n", 200),
        ("answered 200 with", b"", 200),
        ("answered 502", b"", 502),
        ("the guide ends in the middle", GUIDE[:-9] + b" " * 5000, 200),
    ],
)
def test_what_is_no_guide_keeps_the_old_one(
    run: Run[Any], tmp_path: Path, told: str, data: bytes, status: int
) -> None:
    """A page, nothing, or half a guide leaves the last good one in use, with its age and the reason."""

    async def main() -> None:
        async with serving(body(GUIDE)) as server:
            spec = a_spec(Guide("g", url=f"{server.url}/guide.xml", max_age_s=3600), tmp_path)
            await load(spec, tmp_path)
            server.answer = body(data, status)
            found = await load(spec, tmp_path, now=NOW + 7200)
            assert_copy_stands_in(found, told)

    run(main)


def test_no_guide_at_all(run: Run[Any], tmp_path: Path) -> None:
    """Without answer and copy the guide is absent, and says so."""

    async def main() -> None:
        found = await load(a_spec(Guide("g", url="http://127.0.0.1:1/g.xml"), tmp_path), tmp_path)
        assert (None, "absent", True) == (found.path, found.report.fetched, found.report.stale)
        missing = await load(a_spec(Guide("g", path=str(tmp_path / "none.xml")), tmp_path), tmp_path)
        assert (None, "absent") == (missing.path, missing.report.fetched)

    run(main)


def test_a_guide_in_a_file(run: Run[Any], tmp_path: Path) -> None:
    """A file of the user's is copied when it changed, also one that was packed twice; with `--cached` nothing is read."""
    path = tmp_path / "own.xml"
    path.write_bytes(GUIDE)
    spec = a_spec(Guide("g", path=str(path)), tmp_path)

    async def main() -> None:
        found = await load(spec, tmp_path)
        assert (GUIDE, "fresh", "path") == (content(found), found.report.fetched, found.report.via)
        again = await load(spec, tmp_path, now=NOW + 60)
        assert ("unchanged", found.path) == (again.report.fetched, again.path)
        path.write_bytes(GUIDE)
        touched = await load(spec, tmp_path, now=NOW + 90)
        assert ("unchanged", found.path) == (touched.report.fetched, touched.path)
        path.write_bytes(gzip.compress(gzip.compress(GUIDE.replace(b">A<", b">B<"))))
        changed = await load(spec, tmp_path, now=NOW + 120)
        assert ("fresh", True) == (changed.report.fetched, b">B<" in content(changed))
        path.unlink()
        assert b">B<" in content(await load(spec, tmp_path, cached_only=True))

    run(main)


@pytest.mark.parametrize(
    ("told", "data"),
    [
        ("own.xml is empty", b""),
        ("an HTML page instead of a guide", b"<html><body>504</body></html>"),
        ("the guide ends in the middle", GUIDE[:-9]),
        ("the guide ends in the middle", gzip.compress(GUIDE, mtime=0)[:-12]),
        ("a guide without a programme", b"<tv></tv>"),
        ("a guide without a programme", CHANNELS_ONLY),
        ("a guide without a programme", gzip.compress(CHANNELS_ONLY, mtime=0)),
        ("a guide without a programme", CHANNELS_ONLY.decode().encode("utf-16")),
        ("no such file or directory", None),
    ],
    ids=[
        "empty",
        "page",
        "cut off",
        "cut off, packed",
        "hollow",
        "channels",
        "channels, packed",
        "channels, wide",
        "gone",
    ],
)
def test_a_file_in_the_making_keeps_the_last_good_guide(
    run: Run[Any], tmp_path: Path, told: str, data: bytes | None
) -> None:
    """Half a file, an empty one or none leaves the last whole one in use, with its age and the reason."""
    path = tmp_path / "own.xml"
    path.write_bytes(GUIDE)
    spec = a_spec(Guide("g", path=str(path), max_age_s=3600), tmp_path)

    async def main() -> None:
        await load(spec, tmp_path)
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        found = await load(spec, tmp_path, now=NOW + 7200)
        assert_copy_stands_in(found, told)

    run(main)


def test_a_guide_of_a_windows_editor_is_one(run: Run[Any], tmp_path: Path) -> None:
    """What is in UTF-16 is a guide as well, in a file and at an address; half of one is told from a whole one."""
    wide = GUIDE.decode().encode("utf-16")
    path = tmp_path / "own.xml"
    path.write_bytes(wide)

    async def main() -> None:
        of_file = a_spec(Guide("g", path=str(path)), tmp_path)
        assert ("fresh", wide) == ((found := await load(of_file, tmp_path)).report.fetched, content(found))
        path.write_bytes(wide[:-20])
        assert "cached" == (await load(of_file, tmp_path, now=NOW + 60)).report.fetched
        async with serving(body(wide)) as server:
            found = await load(a_spec(Guide("h", url=f"{server.url}/g.xml"), tmp_path), tmp_path)
            assert ("fresh", ()) == (found.report.fetched, found.report.notes)

    run(main)


def test_a_guide_in_a_pipe_is_none(run: Run[Any], tmp_path: Path) -> None:
    """Nobody may ever write into a pipe, and a device need not end: neither is copied."""
    os.mkfifo(tmp_path / "pipe")

    async def main() -> None:
        with trio.fail_after(30):
            for path in (str(tmp_path / "pipe"), "/dev/zero"):
                found = await load(a_spec(Guide("g", path=path), tmp_path), tmp_path)
                assert f"{path} is a pipe or a device, not a file" in found.report.failure

    run(main)


def test_half_a_file_is_better_than_none(run: Run[Any], tmp_path: Path) -> None:
    """Where there is no copy, what is whole in a broken-off file is used, and the report says so."""
    path = tmp_path / "own.xml"
    path.write_bytes(GUIDE[:-9])

    async def main() -> None:
        found = await load(a_spec(Guide("g", path=str(path)), tmp_path), tmp_path)
        assert ("fresh", GUIDE[:-9]) == (found.report.fetched, content(found))
        assert "the guide ends in the middle: what is there is used" in found.report.notes

    run(main)


def test_the_guide_of_a_panel(run: Run[Any], tmp_path: Path) -> None:
    """A panel's guide comes from the host that works; when that one fails, from another."""
    panel = Panel.demo(NOW, channels=20)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(
                partial(run_provider, panel, hosts=2, stream_cache=tmp_path / "streams")
            )
            source = Source("main", "xtream", hosts=handle.urls, credentials=("own",))
            spec = a_spec(Guide("g", source="main"), tmp_path, source)
            environ = {"U": "demo", "P": panel.accounts[0].password}
            catalog = await load_catalog(spec, tmp_path / "cache", now=NOW, environ=environ, limits=QUICK)
            found = await load(spec, tmp_path, catalog, environ=environ)
            assert ("fresh", "xmltv.php") == (found.report.fetched, found.report.via)
            assert b"<tv" in content(found)
            handle.faults.switch_on(Fault("html", host=0, path="xmltv"))
            found = await load(spec, tmp_path, catalog, now=NOW + 60, environ=environ)
            assert found.report.fetched in {"fresh", "unchanged"}
            assert any(note.startswith("host 1") for note in found.report.notes)
            assert not [p for p in (tmp_path / "cache").rglob("*.json") if b"orchard" in p.read_bytes()]
            nursery.cancel_scope.cancel()

    run(main)


def list_report(*guide_urls: str) -> Catalog:
    """A catalogue whose list `list` names these guides."""
    return Catalog((), {"list": SourceReport("list", "m3u", "fresh", guide_urls=guide_urls)})


def test_the_guide_a_list_names(run: Run[Any], tmp_path: Path) -> None:
    """A relative guide address is relative to the list; the first that works is used; a file is looked for beside it."""

    async def main() -> None:
        async with serving(body(GUIDE)) as server:
            source = Source("list", "m3u", url=f"{server.url}/lists/all.m3u")
            spec = a_spec(Guide("g", source="list"), tmp_path, source)
            found = await load(spec, tmp_path, list_report("http://127.0.0.1:1/dead.xml", "../epg/guide.xml"))
            assert ("fresh", "header") == (found.report.fetched, found.report.via)
            assert "/epg/guide.xml" == server.requests[-1].target
            (tmp_path / "own.xml").write_bytes(GUIDE)
            local = replace(source, url="", path=str(tmp_path / "own.m3u"))
            spec = a_spec(Guide("g", source="list"), tmp_path, local)
            assert GUIDE == content(await load(spec, tmp_path, list_report("own.xml")))

    run(main)


def test_the_guide_of_a_list_at_a_secret_address(run: Run[Any], tmp_path: Path) -> None:
    """The guide is relative to the address the reference leads to, and may lie in the house where the list does."""

    async def main() -> None:
        async with serving(body(GUIDE)) as server:
            spec = a_spec(Guide("g", source="list"), tmp_path, Source("list", "m3u", url="env:LIST_AT"))
            for address in (f"{server.url}/lists/all.m3u", f"{server.url}/get.php?username=u&password=p"):
                here, there = {"LIST_AT": address}, tmp_path / str(len(address))
                found = await load(spec, there, list_report("/epg/guide.xml"), environ=here)
                assert "fresh" == found.report.fetched, address
                assert "/epg/guide.xml" == server.requests[-1].target
            found = await load(spec, tmp_path / "none", list_report("http://[g.xml"), environ=here)
            assert "absent" == found.report.fetched
            for nothing in ("http://[all.m3u", "list.m3u", "ftp://h/list.m3u", "http:///list.m3u"):
                with pytest.raises(CredentialError, match="source 'list': 'env:LIST_AT' holds no address"):
                    await load(spec, tmp_path, list_report(), environ={"LIST_AT": nothing})
            quoted = a_spec(Guide("h", url="env:AT"), tmp_path)
            found = await load(quoted, tmp_path, environ={"AT": f'"{server.url}/g.xml" '})
            assert "fresh" == found.report.fetched
            with pytest.raises(CredentialError, match="guide 'h': 'env:AT' holds no address"):
                await load(quoted, tmp_path, environ={"AT": "g.xml"})

    run(main)


@pytest.mark.accepts("SEC-1")
def test_a_list_cannot_send_us_into_the_home_network(run: Run[Any], tmp_path: Path) -> None:
    """A list on the internet that names a guide at a private address or a file of ours is not followed."""

    async def main() -> None:
        async with serving(body(GUIDE)) as server:
            source = Source("list", "m3u", url="http://1.1.1.1/list.m3u")
            spec = a_spec(Guide("g", source="list"), tmp_path, source)
            for address in (f"{server.url}/guide.xml", "file:///etc/passwd", "ftp://h/x"):
                found = await load(spec, tmp_path, list_report(address))
                assert "absent" == found.report.fetched, address
            assert 0 == len(server.requests)
            named = await load(spec, tmp_path, list_report())
            assert "the list of source 'list' names no guide" in named.report.notes

    run(main)
