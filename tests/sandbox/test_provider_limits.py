"""Connection limits of the simulated provider are counted in sockets, per account and over all hosts."""

from pathlib import Path

import pytest
import trio

from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account
from tests.sandbox.provided import LIVE, LOGIN, asked, fetch, provider, small_panel, until

ONE = small_panel(accounts=(Account("anna", "pa ss/1", max_connections=1), Account("ben", "b", 0)))


@pytest.mark.parametrize("status", [403, 423, 429, 458, 503, 509])
def test_newcomer_is_refused_with_the_status_chosen(clips: Path, status: int) -> None:
    """The second stream is refused on any host, the first goes on; once it is closed there is room again."""

    async def main() -> None:
        manners = Manners(limit_answer=status, limit_text="max connections")
        async with provider(clips, ONE, manners=manners) as handle:
            async with asked(f"{handle.urls[0]}{LIVE}/11.ts") as first:
                await first.read(1)
                async with asked(f"{handle.urls[1]}{LIVE}/12.ts") as second:
                    body = await second.read(int(second.header("content-length")))
                    assert (second.status, body) == (status, b"max connections")
                assert [seat.channel for seat in handle.connections("anna")] == [11]
                assert (handle.sockets(), handle.refusals(), handle.peak("anna")) == (1, 1, 1)
            await until(lambda: not handle.connections("anna"))
            async with asked(f"{handle.urls[1]}{LIVE}/12.ts") as third:
                assert third.status == 200

    trio.run(main)


def test_unlimited_account_has_no_limit(clips: Path) -> None:
    """`max_connections` 0 admits everybody, and other accounts do not count."""

    async def main() -> None:
        async with provider(clips, ONE) as handle, trio.open_nursery() as nursery:
            counted = trio.Event()

            async def watch() -> None:
                async with asked(f"{handle.urls[0]}/live/ben/b/11.ts") as answer:
                    assert answer.status == 200
                    await answer.read_for(0.3)
                    await counted.wait()

            for _ in range(10):
                nursery.start_soon(watch)
            await until(lambda: len(handle.connections("ben")) == 10)
            async with asked(f"{handle.urls[0]}{LIVE}/11.ts") as answer:
                assert answer.status == 200
            counted.set()

    trio.run(main)


def test_oldest_is_cut(clips: Path) -> None:
    """With the other policy the newcomer is served and the oldest stream ends."""

    async def main() -> None:
        async with provider(clips, ONE, manners=Manners(limit_policy="cut-oldest")) as handle:
            base = f"{handle.urls[0]}{LIVE}"
            async with asked(f"{base}/11.ts") as first:
                await first.read(1)
                async with asked(f"{base}/12.ts") as second:
                    assert second.status == 200
                    with trio.fail_after(2):
                        await first.read(1 << 40)
                    size = len(second.body)
                    assert len(await second.read_for(0.3)) > size
                    assert [seat.channel for seat in handle.connections("anna")] == [12]

    trio.run(main)


def test_slate_looks_like_a_stream(clips: Path) -> None:
    """Over the limit a stream comes all the same, with status 200: TS and HLS show the slate."""

    async def main() -> None:
        manners = Manners(limit_answer="slate", pace=False)
        async with provider(clips, ONE, manners=manners) as handle:
            base = handle.urls[0]
            async with asked(f"{base}{LIVE}/11.ts") as first:
                await first.read(1)
                async with asked(f"{base}{LIVE}/12.ts") as second:
                    assert (second.status, (await second.read(1))[:1]) == (200, b"G")
                text = (await fetch(f"{base}{LIVE}/12.m3u8")).text
                uri = next(line for line in text.splitlines() if line.startswith("/hls/"))
                assert (await fetch(base + uri)).content[:1] == b"G"
                assert [seat.channel for seat in handle.connections("anna")] == [11]

    trio.run(main)
    assert [path.name for path in clips.rglob("main-LIMIT.ts")] == ["main-LIMIT.ts"]


def test_closed_connection_is_noticed_late(clips: Path) -> None:
    """For as long as the panel has not noticed, the seat is taken and shown as active."""

    async def main() -> None:
        async with provider(clips, ONE, manners=Manners(notice=0.5)) as handle:
            url = f"{handle.urls[0]}{LIVE}/11.ts"
            async with asked(url) as first:
                await first.read(1)
            await until(lambda: handle.sockets() == 0)
            async with asked(url) as second:
                assert second.status == 403
            said = (await fetch(f"{handle.urls[0]}/player_api.php?{LOGIN}")).json()
            assert said["user_info"]["active_cons"] == 1
            await trio.sleep(0.6)
            async with asked(url) as third:
                assert third.status == 200

    trio.run(main)


@pytest.mark.slow
def test_hls_client_counts_while_it_asks(clips: Path) -> None:
    """Playlist and segments of one client are one connection; it is free again some time after the last request."""

    async def main() -> None:
        async with provider(clips, ONE, manners=Manners(hls_hold=1.0)) as handle:
            url = f"{handle.urls[0]}{LIVE}/11.m3u8"
            text = (await fetch(url)).text
            uri = next(line for line in text.splitlines() if line.startswith("/hls/"))
            for _ in range(3):
                assert (await fetch(handle.urls[0] + uri)).status_code == 200
                assert (await fetch(url)).status_code == 200
                await trio.sleep(0.25)
            assert len(handle.connections("anna")) == 1
            other = {"User-Agent": "another"}
            assert (await fetch(url, headers=other)).status_code == 403
            await trio.sleep(1.1)
            assert (await fetch(url, headers=other)).status_code == 200

    trio.run(main)


def test_films_take_a_seat(clips: Path) -> None:
    """A film is one connection as long as it is being sent."""
    from dataclasses import replace

    from reconciler.sandbox.panel import Channel

    async def main() -> None:
        panel = replace(ONE, channels=(*ONE.channels, Channel(90, "Film", kind="movie", container="mp4")))
        async with provider(clips, panel) as handle:
            film = f"{handle.urls[0]}/movie/anna/pa%20ss%2F1/90.mp4"
            async with asked(f"{handle.urls[0]}{LIVE}/11.ts") as stream:
                await stream.read(1)
                assert (await fetch(film)).status_code == 403
            await until(lambda: not handle.connections("anna"))
            assert (await fetch(film)).status_code == 200

    trio.run(main)


def test_barred_accounts_and_strangers(clips: Path) -> None:
    """Expired and banned accounts log in and get nothing; wrong passwords get 403 from streams, 401 from lists."""

    async def main() -> None:
        accounts = (Account("old", "x", expires=1_000_000_000), Account("bad", "x", status="Banned"))
        async with provider(clips, small_panel(accounts=accounts)) as handle:
            base = handle.urls[0]
            for name, status in (("old", "Expired"), ("bad", "Banned")):
                login = f"username={name}&password=x"
                user = (await fetch(f"{base}/player_api.php?{login}")).json()["user_info"]
                assert (user["auth"], user["status"]) == (1, status)
                assert (await fetch(f"{base}/live/{name}/x/11.ts")).status_code == 403
                assert (await fetch(f"{base}/get.php?{login}")).status_code == 403
                assert (await fetch(f"{base}/player_api.php?{login}&action=get_live_streams")).json() == []
            assert (await fetch(f"{base}/live/who/x/11.ts")).status_code == 403
            assert (await fetch(f"{base}/xmltv.php?username=who&password=x")).status_code == 401
            assert (await fetch(f"{base}/live/old/y/11.ts")).status_code == 403

    trio.run(main)


def test_api_has_a_rate(clips: Path) -> None:
    """Too many requests get 429 and are told how long to wait."""

    async def main() -> None:
        async with provider(clips, manners=Manners(api_rate=(3, 2.0))) as handle:
            url = f"/player_api.php?{LOGIN}"
            answers = [await fetch(handle.urls[n % 2] + url) for n in range(4)]
            assert [a.status_code for a in answers] == [200, 200, 200, 429]
            wait_s = int(answers[3].headers["retry-after"])
            assert wait_s in {1, 2}
            await trio.sleep(wait_s)
            assert (await fetch(handle.urls[0] + url)).status_code == 200

    trio.run(main)


@pytest.mark.slow
def test_two_hundred_clients(clips: Path) -> None:
    """Two hundred streams run at once, none starves, and all are gone after their clients left."""

    async def main() -> None:
        async with provider(clips, ONE) as handle:
            sizes: list[int] = []

            async def watch() -> None:
                async with asked(f"{handle.urls[0]}/live/ben/b/11.ts") as answer:
                    await answer.read(1)
                    sizes.append(len(await answer.read_for(2)))

            async with trio.open_nursery() as nursery:
                for _ in range(200):
                    nursery.start_soon(watch)
            assert len(sizes) == 200
            # 2 s of burst and 2 s of stream at some 97 kB/s; a quarter is room for a busy machine.
            assert min(sizes) > 0.75 * 4 * 97_000 / 2
            await until(lambda: handle.sockets() == 0)

    trio.run(main)
