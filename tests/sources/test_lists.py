"""M3U sources by address and by file, fetched from small servers that misbehave as real ones do."""

import bz2
import gzip
import io
import lzma
import os
import resource
import signal
import socket
import struct
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.catalog.entry import SourceReport
from reconciler.sandbox.wire import Exchange, Request, serve
from reconciler.secret import SecretRef
from reconciler.sources.catalogue import load_catalog
from reconciler.sources.web import Limits, is_private_host
from reconciler.spec.model import Credentials, Source, Spec, StreamOptions
from tests.conftest import Run

NOW = 1_800_000_000.0
QUICK = Limits(
    connect_s=1, answer_s=1, idle_s=0.5, list_s=3, pause_s=0.01, patience_s=1, retries=1, list_bytes=1 << 20
)
LIST = b'#EXTM3U url-tvg="guide.xml"\n#EXTINF:-1 tvg-id="a",Eins\nhttp://h/1.ts\n#EXTINF:-1,Zwei\nhttp://h/2.ts\n'
Answer = Callable[[Exchange], Awaitable[None]]


@dataclass
class Server:
    """A server whose answer can be exchanged."""

    answer: Answer
    url: str = ""
    requests: list[Request] = field(default_factory=list)


@asynccontextmanager
async def serving(answer: Answer) -> Any:
    """A server on loopback."""
    server = Server(answer)

    async def handle(exchange: Exchange) -> None:
        server.requests.append(exchange.request)
        await server.answer(exchange)

    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, handle)
        server.url = f"http://127.0.0.1:{port}"
        yield server
        nursery.cancel_scope.cancel()


def body(data: bytes, status: int = 200, **headers: str) -> Answer:
    """The same answer each time."""

    async def answer(exchange: Exchange) -> None:
        lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
        await exchange.respond(status, data, "text/plain", lines)

    return answer


async def load(
    source: Source, tmp_path: Path, now: float = NOW, **environ: str
) -> tuple[SourceReport, list[str]]:
    """The report and the names of one M3U source."""
    own = Credentials("own", SecretRef("env", "U"), SecretRef("env", "P"))
    spec = Spec("t", {source.name: source}, {}, (), (), {}, credentials={"own": own}, base=str(tmp_path))
    catalog = await load_catalog(spec, tmp_path / "cache", now=now, environ=environ, limits=QUICK)
    return catalog.reports[source.name], [e.name for e in catalog.entries]


def list_at(url: str, **more: Any) -> Source:
    """A source at an address."""
    return Source("list", "m3u", url=url, **more)


@pytest.mark.parametrize(
    "more",
    [
        {"headers": (("X Y", "1"),)},
        {"headers": (("X-Key", "Schlüssel"),)},
        {"stream": StreamOptions(user_agent="VLC\r\nX: y")},
    ],
)
def test_a_header_that_is_none_is_said(run: Run[None], tmp_path: Path, more: dict[str, Any]) -> None:
    """Nothing is sent, nothing tried again, and the words are about the header."""

    async def main() -> None:
        async with serving(body(LIST)) as server:
            report, _ = await load(list_at(server.url, **more), tmp_path)
            assert "a header cannot be sent" in report.failure
            assert [] == server.requests

    run(main)


def test_a_server_that_answers_and_resets(run: Run[None], tmp_path: Path) -> None:
    """What closes with something unread sends a reset behind its answer: the list is read, or it is a failed fetch."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some(1 << 16)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(LIST)}\r\n\r\n".encode()
        await stream.socket.send(head + LIST)
        stream.socket.close()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            report, names = await load(list_at(f"http://127.0.0.1:{port}/list"), tmp_path)
            assert (report.fetched, names) in [("fresh", ["Eins", "Zwei"]), ("absent", [])]
            nursery.cancel_scope.cancel()

    run(main)


def packed(how: str) -> bytes:
    """LIST, packed."""
    if how == "gzip":
        return gzip.compress(LIST)
    if how == "bzip2":
        return bz2.compress(LIST)
    if how == "xz":
        return lzma.compress(LIST)
    if how == "twice":
        return gzip.compress(gzip.compress(LIST))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme", "x")
        archive.writestr("list.m3u", LIST)
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["gzip", "bzip2", "xz", "zip"])
def test_packed_lists_are_known_by_their_bytes(run: Run[Any], tmp_path: Path, how: str) -> None:
    """gzip, xz and zip are unpacked whatever the name and the headers say."""

    async def main() -> None:
        async with serving(body(packed(how))) as server:
            report, names = await load(list_at(f"{server.url}/list.txt"), tmp_path)
            assert ("fresh", ["Eins", "Zwei"]) == (report.fetched, names)
            assert ("guide.xml",) == report.guide_urls

    run(main)


def test_a_list_of_a_windows_editor_is_read(run: Run[Any], tmp_path: Path) -> None:
    """UTF-16 with its mark is a playlist, not a page of something else."""

    async def main() -> None:
        async with serving(body(LIST.decode().encode("utf-16"))) as server:
            report, names = await load(list_at(f"{server.url}/list.m3u"), tmp_path)
            assert ("fresh", ["Eins", "Zwei"], ("guide.xml",)) == (report.fetched, names, report.guide_urls)

    run(main)


def test_content_coding_and_file_packing_add_up(run: Run[Any], tmp_path: Path) -> None:
    """A packed file that a server packs once more on the way is unpacked twice."""

    async def main() -> None:
        async with serving(body(packed("twice"), Content_Encoding="gzip")) as server:
            assert ["Eins", "Zwei"] == (await load(list_at(f"{server.url}/l.m3u.gz"), tmp_path))[1]
        async with serving(body(packed("gzip"), Content_Encoding="gzip")) as server:
            assert ["Eins", "Zwei"] == (await load(list_at(f"{server.url}/l.m3u"), tmp_path))[1]
        async with serving(body(packed("twice"))) as server:
            assert ["Eins", "Zwei"] == (await load(list_at(f"{server.url}/l.m3u.gz"), tmp_path))[1]

    run(main)


@pytest.mark.parametrize(
    "data", [LIST, zlib.compress(LIST), zlib.compress(LIST)[2:-4]], ids=["lie", "zlib", "raw"]
)
def test_deflate_that_nobody_asked_for(run: Run[Any], tmp_path: Path, data: bytes) -> None:
    """`Content-Encoding: deflate` is undone in both of its forms; over a plain body it is a lie and is passed over."""

    async def main() -> None:
        async with serving(body(data, Content_Encoding="deflate")) as server:
            report, names = await load(list_at(f"{server.url}/l.m3u"), tmp_path)
            assert ("fresh", ["Eins", "Zwei"]) == (report.fetched, names), report.notes

    run(main)


def test_conditional_requests(run: Run[Any], tmp_path: Path) -> None:
    """ETag and date are sent back; 304 means unchanged and fresh again."""

    async def answer(exchange: Exchange) -> None:
        if exchange.request.headers.get("if-none-match") == '"one"':
            await exchange.respond(304, b"")
        else:
            await exchange.respond(
                200, LIST, "", [("ETag", '"one"'), ("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")]
            )

    async def main() -> None:
        async with serving(answer) as server:
            source = list_at(f"{server.url}/l.m3u")
            assert "fresh" == (await load(source, tmp_path))[0].fetched
            report, names = await load(source, tmp_path, NOW + 9000)
            assert ("unchanged", 0, ["Eins", "Zwei"]) == (report.fetched, report.age_s, names)
            assert "Sun, 01 Nov 2026 10:00:00 GMT" == server.requests[-1].headers["if-modified-since"]

    run(main)


@pytest.mark.accepts("SEC-3")
@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ("an HTML page instead of a playlist", body(b"<html><body>Blocked</body></html>")),
        ("a JSON answer instead of a playlist", body(b'{"error":"no"}')),
        ("a few words instead of a playlist", body(b"FAILED TO CONNECT")),
        ("answered 200 with", body(b"")),
        ("answered 503", body(b"busy", 503)),
        ("answered 884, a status of the provider's own", body(b"", 884)),
        ("an empty list where 2 were listed before", body(b"#EXTM3U\n")),
        ("larger than 1 MiB", body(b"#EXTM3U\n" + b"x" * (2 << 20))),
        ("unpacked", body(gzip.compress(b"#EXTM3U\n" + b" " * (64 << 20)))),
        ("ends early", body(gzip.compress(LIST * 999)[:-20])),
        ("more than 8 redirects", body(b"", 302, Location="/again")),
        ("redirected to something other than http", body(b"", 302, Location="file:///etc/passwd")),
        *(
            ("leads to a link-local or reserved address", body(b"", 302, Location=f"http://{host}/latest/"))
            for host in ("169.254.169.254", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe", "[fe80::1]")
        ),
    ],
)
def test_what_is_no_list_keeps_the_copy(run: Run[Any], tmp_path: Path, told: str, answer: Answer) -> None:
    """Each way of not sending a list is refused in bounded time and memory; the last good list stands in."""

    async def main() -> None:
        async with serving(body(LIST)) as server:
            source = list_at(f"{server.url}/l.m3u")
            await load(source, tmp_path)
            server.answer = answer
            report, names = await load(source, tmp_path, NOW + 600)
            assert ("cached", ["Eins", "Zwei"]) == (report.fetched, names)
            assert any(told in note for note in report.notes), report.notes

    run(main)


def test_broken_connections(run: Run[Any], tmp_path: Path) -> None:
    """Resets, silence and half bodies are failures with a name; nothing is waited for without a limit."""

    async def silent(exchange: Exchange) -> None:
        await exchange.start(200, [("Content-Length", "999")])
        await exchange.send(LIST[:40])
        await trio.sleep(30)

    async def half(exchange: Exchange) -> None:
        await exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + LIST[:40])
        await exchange.stream.aclose()

    async def rst(exchange: Exchange) -> None:
        await exchange.reset()

    async def main() -> None:
        for told, answer in (("silent for", silent), ("broke off", half), ("", rst)):
            async with serving(answer) as server:
                begun = trio.current_time()
                report, names = await load(list_at(f"{server.url}/l.m3u"), tmp_path)
                assert ("absent", []) == (report.fetched, names)
                assert any(told in note for note in report.notes), report.notes
                assert trio.current_time() - begun < 5
                assert 2 == len(server.requests)

    run(main)


def test_headers_and_agent(run: Run[Any], tmp_path: Path) -> None:
    """The source's agent and headers are sent as they are; secret ones stay with the source's own host."""

    async def main() -> None:
        async with serving(body(LIST)) as other, serving(body(b"", 302, Location="x")) as server:
            server.answer = body(b"", 302, Location=f"{other.url}/moved")
            source = list_at(
                f"{server.url}/l.m3u",
                headers=(("Referer", "http://r/"), ("X-Key", SecretRef("env", "K"))),
                stream=StreamOptions(user_agent='Odd "Agent" 1.0'),
            )
            assert ["Eins", "Zwei"] == (await load(source, tmp_path, K="s3cret"))[1]
            (first,), (second,) = server.requests, other.requests
            assert ('Odd "Agent" 1.0', "http://r/", "s3cret") == (
                first.headers["user-agent"], first.headers["referer"], first.headers["x-key"],
            )  # fmt: skip
            assert ('Odd "Agent" 1.0', "http://r/") == (
                second.headers["user-agent"],
                second.headers["referer"],
            )
            assert "x-key" not in second.headers

    run(main)


def test_placeholders_in_an_address(run: Run[Any], tmp_path: Path) -> None:
    """`{username}` and `{password}` are filled percent-encoded; an address may itself be a reference."""
    rows = b"#EXTM3U\n#EXTINF:-1,Eins\nhttp://h/live/bob/a%2Fb%20c/7.ts\n"

    async def main() -> None:
        async with serving(body(rows)) as server:
            source = list_at(
                f"{server.url}/get.php?username={{username}}&password={{password}}", credentials=("own",)
            )
            await load(source, tmp_path, U="bob", P="a/b c")
            assert "username=bob&password=a%2Fb%20c" in server.requests[-1].target
            line = {"LINE": f"{server.url}/get.php?username=bob&password=a%2Fb+c"}
            spec = Spec("t", {"list": list_at("env:LINE")}, {}, (), (), {}, base=str(tmp_path))
            catalog = await load_catalog(spec, tmp_path / "c", now=NOW, environ=line, limits=QUICK)
            assert ["http://h/live/{username}/{password}/7.ts"] == [e.url for e in catalog.entries]

    run(main)


def test_a_file_is_read_each_time(run: Run[Any], tmp_path: Path) -> None:
    """A local list is read anew, packed or not; when it vanishes the copy stands in and says why."""
    path = tmp_path / "locals.m3u"

    async def main() -> None:
        source = Source("locals", "m3u", path=str(path))
        path.write_bytes(packed("gzip"))
        assert ("fresh", ["Eins", "Zwei"]) == _short(await load(source, tmp_path))
        assert ("unchanged", ["Eins", "Zwei"]) == _short(await load(source, tmp_path))
        path.write_bytes(LIST.replace(b"Eins", b"Uno"))
        assert ("fresh", ["Uno", "Zwei"]) == _short(await load(source, tmp_path))
        path.unlink()
        report, names = await load(source, tmp_path, NOW + 60)
        assert ("cached", ["Uno", "Zwei"]) == (report.fetched, names)
        assert any("no such file" in note for note in report.notes)

    run(main)


def test_a_pipe_or_a_device_is_no_file(run: Run[Any], tmp_path: Path) -> None:
    """Nobody may ever write into a pipe, and a device need not end: neither is waited for."""
    os.mkfifo(tmp_path / "pipe")

    async def main() -> None:
        with trio.fail_after(30):
            for path in (str(tmp_path / "pipe"), "/dev/zero"):
                report, _ = await load(Source("main", "m3u", path=path), tmp_path)
                assert f"{path} is a pipe or a device, not a file" in report.failure

    run(main)


def test_a_file_emptied_to_its_header_keeps_the_copy(run: Run[Any], tmp_path: Path) -> None:
    """A generator that has only begun to write its list takes no channel away; a list that was always empty may be."""
    path = tmp_path / "locals.m3u"

    async def main() -> None:
        source = Source("locals", "m3u", path=str(path))
        path.write_bytes(b"#EXTM3U\n")
        assert ("fresh", []) == _short(await load(source, tmp_path))
        path.write_bytes(LIST)
        assert ("fresh", ["Eins", "Zwei"]) == _short(await load(source, tmp_path))
        path.write_bytes(b"#EXTM3U\n")
        report, names = await load(source, tmp_path, NOW + 60)
        assert ("cached", ["Eins", "Zwei"]) == (report.fetched, names)
        assert f"{path} lists nothing where 2 were listed before" in report.failure

    run(main)


@pytest.mark.parametrize(
    ("told", "data"),
    [
        ("list.m3u is empty", b"\n"),
        ("holds an HTML page instead of a playlist", b"<html><body>504</body></html>"),
        ("holds a JSON answer instead of a playlist", b'{"user_info": {"auth": 0}}'),
        ("is packed twice: unpack it first", gzip.compress(gzip.compress(LIST))),
        ("list.m3u is no playlist", b"[playlist]\nFile1=http://h/1\n".lstrip(b"[")),
    ],
)
def test_a_file_that_is_no_list_says_what_it_is(
    run: Run[Any], tmp_path: Path, told: str, data: bytes
) -> None:
    """The note names the file and what stands in it instead."""
    (tmp_path / "list.m3u").write_bytes(data)

    async def main() -> None:
        report, names = await load(Source("main", "m3u", path=str(tmp_path / "list.m3u")), tmp_path)
        assert ("absent", []) == (report.fetched, names)
        assert any(told in note for note in report.notes), report.notes

    run(main)


def test_a_list_without_entries_says_why(run: Run[Any], tmp_path: Path) -> None:
    """An address that gives a stream's playlist, or entries without addresses, is refused with what was seen."""

    async def main() -> None:
        async with serving(body(b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\nseg1.ts\n")) as server:
            report, _ = await load(list_at(f"{server.url}/l.m3u"), tmp_path)
            assert "this is the playlist of one stream, not a list of channels" in report.failure
            server.answer = body(b"#EXTM3U\n#EXTINF:-1,Eins\nchannels/1.ts\n")
            report, _ = await load(list_at(f"{server.url}/l.m3u"), tmp_path)
            assert "(left out 1: the address does not begin with http)" in report.failure

    run(main)


def _short(found: tuple[SourceReport, list[str]]) -> tuple[str, list[str]]:
    return found[0].fetched, found[1]


def test_another_address_is_another_list(run: Run[Any], tmp_path: Path) -> None:
    """The copy of one address never stands in for another under the same name."""

    async def main() -> None:
        async with serving(body(LIST)) as server:
            await load(list_at(f"{server.url}/a"), tmp_path)
            server.answer = body(b"", 500)
            assert "cached" == (await load(list_at(f"{server.url}/a"), tmp_path))[0].fetched
            assert "absent" == (await load(list_at(f"{server.url}/b"), tmp_path))[0].fetched

    run(main)


@pytest.mark.accepts("SEC-1")
def test_private_hosts_are_known(run: Run[Any]) -> None:
    """Loopback, private, link-local, metadata and mapped addresses are private; public ones are not."""

    async def main() -> None:
        private = [
            "127.0.0.1",
            "localhost",
            "10.1.2.3",
            "169.254.169.254",
            "[::1]",
            "fd00::1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
        ]
        assert [True] * len(private) == [await is_private_host(h) for h in private]
        assert [False, False] == [await is_private_host(h) for h in ("1.1.1.1", "2606:4700::1111")]

    run(main)


class _TwoFaced(trio.abc.HostnameResolver):
    """A name that leads into the world when asked first, and to this machine from then on."""

    asked = 0

    async def getaddrinfo(self, host: Any, port: Any, *_: int) -> Any:
        assert "panel.example" in str(host)
        self.asked += 1
        address = "1.1.1.1" if self.asked == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise NotImplementedError


@pytest.mark.accepts("SEC-1")
def test_a_rebound_name_gets_no_request(run: Run[Any], tmp_path: Path) -> None:
    """A name judged as public that is dialled as private is refused before a byte is sent."""

    async def main() -> None:
        async with serving(body(LIST)) as server:
            trio.socket.set_custom_hostname_resolver(_TwoFaced())
            port = server.url.rpartition(":")[2]
            report, names = await load(list_at(f"http://panel.example:{port}/list"), tmp_path)
            assert ("absent", []) == (report.fetched, names)
            assert "leads to an address of a private network" in " ".join(report.notes)
            assert [] == server.requests

    run(main)


@pytest.mark.accepts("STM-4")
def test_requests_to_one_host_are_counted(run: Run[Any], tmp_path: Path) -> None:
    """One load of one list is one request; two sources at one host are asked one after the other."""

    async def main() -> None:
        running = 0
        most = 0

        async def slow(exchange: Exchange) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.sleep(0.05)
            running -= 1
            await exchange.respond(200, LIST)

        async with serving(slow) as server:
            sources = {n: Source(n, "m3u", url=f"{server.url}/{n}") for n in ("a", "b", "c")}
            spec = Spec("t", sources, {}, (), (), {}, base=str(tmp_path))
            await load_catalog(spec, tmp_path / "cache", now=NOW, environ={}, limits=QUICK)
            assert (3, 1) == (len(server.requests), most)

    run(main)


@pytest.mark.parametrize("size", [4096, 8192, 65_536])
@pytest.mark.accepts("M3U-3")
def test_an_error_page_that_is_left_at_its_last_byte(run: Run[Any], tmp_path: Path, size: int) -> None:
    """A page of which all has come while it is not read to its end: the source is absent, and nothing breaks."""

    async def main() -> None:
        async with serving(body(b"<html>" + b"x" * (size - 6), 404)) as server:
            report, _ = await load(list_at(server.url), tmp_path)
            assert "absent" == report.fetched

    run(main)


@pytest.mark.accepts("M3U-3")
def test_a_full_disk_is_called_that(run: Run[Any], tmp_path: Path) -> None:
    """The last chunk cannot be written: the disk's own error arises, not one of the connection that is closed then."""

    async def main() -> None:
        async with serving(body(b"#EXTM3U\n" + b"x" * 20_000)) as server:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
            try:
                with pytest.raises(ExceptionGroup) as caught:
                    await load(list_at(server.url), tmp_path)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                signal.signal(signal.SIGXFSZ, before)
            assert caught.group_contains(OSError, match="File too large")
            assert not caught.group_contains(ValueError)

    run(main)


def test_https_where_http_is_spoken(run: Run[Any], tmp_path: Path) -> None:
    """A wrong scheme is no closed port: what is told sends nobody to the firewall."""

    async def main() -> None:
        async with serving(body(LIST)) as server:
            report, _ = await load(list_at(server.url.replace("http:", "https:") + "/list.m3u"), tmp_path)
            assert "the TLS handshake failed" in report.failure

    run(main)
