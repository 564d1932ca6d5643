"""Films whose first host gives something else, or says odd things about them."""

from pathlib import Path

import pytest

from reconciler.lineups.manifest import Alternative
from reconciler.sandbox.answers import zipped
from tests.conftest import Run
from tests.serving.origin import answer, origin, stage_of
from tests.serving.stage import ask, served

FILM = b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40


@pytest.mark.accepts("E20-2")
@pytest.mark.parametrize(
    "bad",
    [
        answer(b""),
        answer(b"", length=False),
        answer(b"<html><body>gone</body></html>", "200 OK", ("Content-Type", "video/x-matroska")),
        answer(b'{"error": 1}'),
        answer(b"Blocked"),
        answer(b"max connections reached"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
    ids=["length 0", "no byte", "a page called a film", "JSON", "a word", "a limit", "broken chunks"],
)
def test_the_next_host_has_the_film(run: Run[None], tmp_path: Path, bad: bytes) -> None:
    """What is no film is not passed on as one, whatever it is called."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {"/bad.mkv": bad, "/film.mkv": answer(FILM)}
            stage = stage_of(tmp_path)
            stage.channels = {
                "list/film": tuple(
                    Alternative("list", url=f"{provider.url}/{name}.mkv", kind="vod")
                    for name in ("bad", "film")
                )
            }
            stage.publish()
            async with served(stage) as serving:
                got = await ask(serving.hub, "/play/list%2Ffilm")
                assert (200, FILM) == (got.status, got.body)
                assert ["/bad.mkv", "/film.mkv"] == provider.paths()

    run(main)


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        (answer(b"RI", "206 Partial Content", ("Content-Range", "bytes 0-1/9000")), 206, b"RI"),
        (answer(b"<html>", "206 Partial Content", ("Content-Range", "bytes 5-10/9000")), 206, b"<html>"),
        (answer(FILM, "200 OK", ("ETag", '"\xa0odd"')), 200, FILM),
        (answer(zipped(FILM), "200 OK", ("Content-Encoding", "gzip")), 200, FILM),
    ],
    ids=["two bytes", "the middle", "an odd tag", "packed"],
)
def test_parts_and_odd_heads_pass(
    run: Run[None], tmp_path: Path, given: bytes, status: int, body: bytes
) -> None:
    """A part of a film says nothing about the whole, and a header that cannot be passed on is left out."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages["/film.mkv"] = given
            stage = stage_of(tmp_path)
            stage.channels = {"list/film": (Alternative("list", url=f"{provider.url}/film.mkv", kind="vod"),)}
            stage.publish()
            async with served(stage) as serving:
                got = await ask(serving.hub, "/play/list%2Ffilm", headers=[("Range", "bytes=0-1")])
                assert (status, body) == (got.status, got.body)
                assert got.headers.get("content-length", str(len(body))) == str(len(body))

    run(main)
