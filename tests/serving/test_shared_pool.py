"""One budget for several processes, kept in a real redis-server: what holds in one pool holds across all."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from reconciler.secret import Secret
from reconciler.serving.budgets import Budgets
from reconciler.serving.pool import Account, Lease, Pool, PoolFull
from reconciler.serving.shared_pool import SharedPool
from tests.conftest import Run
from tests.serving.stage import until
from tests.serving.valkey import Valkey, valkey

pytestmark = pytest.mark.program("redis-server")
ONE = Account("username=env:USER", 1)
TWO = Account("username=env:USER", 2)


@asynccontextmanager
async def pools(server: Valkey, count: int, **more: float) -> AsyncIterator[list[SharedPool]]:
    """So many processes' pools on one budget, settled."""
    async with trio.open_nursery() as nursery:
        made = [SharedPool(Budgets(server.secret, "home", **more)) for _ in range(count)]
        for pool in made:
            nursery.start_soon(pool.run)
        await settled(made[0])
        yield made
        nursery.cancel_scope.cancel()


async def settled(pool: SharedPool) -> None:
    """A server that has just begun gives nobody anything for a moment."""
    pool.release(await pool.acquire([Account("settling", 1)], "viewer", wait_s=5))


async def refused(pool: Pool, account: Account, wait_s: float = 0.5) -> None:
    """A viewer gets nothing in this time."""
    with pytest.raises(PoolFull):
        await pool.acquire([account], "viewer", wait_s=wait_s)


def giving_up(pool: SharedPool, held: list[Lease]) -> Callable[[], None]:
    """What a holder does when it is asked for its slot."""
    return lambda: pool.release(held.pop())


@pytest.mark.accepts("STR-5")
def test_one_connection_for_two_processes(run: Run[None], tmp_path: Path) -> None:
    """The second viewer is refused while the first watches, and gets the slot within a second when he leaves."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2) as (a, b):
            lease = await a.acquire([ONE], "viewer", wait_s=3)
            await refused(b, ONE)
            assert {"elsewhere": 1, "viewer": 0}.items() <= b.use()[ONE.key].items()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(_later, a, lease))
                began = trio.current_time()
                second = await b.acquire([ONE], "viewer", wait_s=3)
                assert trio.current_time() - began < 1.0 + 0.5
            await refused(a, ONE)
            b.release(second)
            with trio.fail_after(1):
                a.release(await a.acquire([ONE], "viewer", wait_s=1))

    async def _later(pool: SharedPool, lease: Lease) -> None:
        await trio.sleep(0.5)
        pool.release(lease)

    run(main)


def test_zapping_costs_nothing(run: Run[None], tmp_path: Path) -> None:
    """Given back and taken again in one process, a hundred times: what was given back counts at once."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 1) as (a,):
            began = trio.current_time()
            for _ in range(100):
                a.release(await a.acquire([ONE], "viewer", wait_s=0))
            assert trio.current_time() - began < 5

    run(main)


@pytest.mark.accepts("STM-2", "SMK-3")
@pytest.mark.parametrize("held", ["probe", "refresh", "idle"])
def test_who_watches_goes_first(run: Run[None], tmp_path: Path, held: str) -> None:
    """A probe, a refresh and an upstream nobody watches give way to a viewer of another process within a second."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2) as (a, b):
            held_leases: list[Lease] = []
            watching = await a.acquire([TWO], "viewer", wait_s=1)
            if held == "idle":
                held_leases.append(
                    await a.acquire([TWO], "viewer", wait_s=1, yield_up=giving_up(a, held_leases))
                )
                a.set_idle(held_leases[0], idle=True)
            else:
                a.release(watching)
                held_leases.append(
                    await a.acquire([TWO], "probe" if held == "probe" else "refresh", wait_s=1,
                                    yield_up=giving_up(a, held_leases))
                )  # fmt: skip
                watching = await a.acquire([TWO], "viewer", wait_s=1)
            began = trio.current_time()
            await b.acquire([TWO], "viewer", wait_s=3)
            assert trio.current_time() - began < 1.0 + 0.5
            assert [] == held_leases
            await refused(b, TWO)
            assert 1 == a.use()[TWO.key]["viewer"], "the stream with a reader was not touched"
            a.release(watching)

    run(main)


@pytest.mark.accepts("SMK-3")
def test_the_last_slot_is_never_a_probes(run: Run[None], tmp_path: Path) -> None:
    """With one of two slots taken elsewhere, a probe gets nothing; a viewer does."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2) as (a, b):
            await a.acquire([TWO], "viewer", wait_s=1)
            with pytest.raises(PoolFull):
                await b.acquire([TWO], "probe", wait_s=0.5)
            await b.acquire([TWO], "viewer", wait_s=0)

    run(main)


def test_who_came_first_is_served_first(run: Run[None], tmp_path: Path) -> None:
    """Across processes, and viewers before a probe that came before them."""

    async def main() -> None:
        order: list[str] = []
        async with valkey(tmp_path) as server, pools(server, 3) as (a, b, c):
            one, two = [await a.acquire([TWO], "viewer", wait_s=1) for _ in range(2)]
            async with trio.open_nursery() as nursery:

                async def wait(pool: SharedPool, name: str, purpose: str) -> None:
                    lease = await pool.acquire([TWO], "probe" if purpose == "probe" else "viewer", wait_s=8)
                    order.append(name)
                    await trio.sleep(0.4)
                    pool.release(lease)

                nursery.start_soon(wait, c, "probe", "probe")
                await trio.sleep(0.4)
                nursery.start_soon(wait, c, "first", "viewer")
                await trio.sleep(0.4)
                nursery.start_soon(wait, b, "second", "viewer")
                await trio.sleep(0.4)
                a.release(one)
                await trio.sleep(1.2)
                a.release(two)
        assert ["first", "second", "probe"] == order

    run(main)


def test_the_dead_free_their_slots(run: Run[None], tmp_path: Path) -> None:
    """A process that ends as it should frees them at once, one that is killed after its lease's time."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 1, lease_s=1.5) as (a,):
            async with pools(server, 1, lease_s=1.5) as (other,):
                await other.acquire([ONE], "viewer", wait_s=1)
            a.release(await a.acquire([ONE], "viewer", wait_s=0.5))
            killed = SharedPool(Budgets(server.secret, "home", lease_s=1.5))
            await killed.acquire([ONE], "viewer", wait_s=1)  # nobody runs it: it never says a word again
            began = trio.current_time()
            await a.acquire([ONE], "viewer", wait_s=5)
            assert 0.8 < trio.current_time() - began < 2.5

    run(main)


def test_leases_outlive_their_time_while_held(run: Run[None], tmp_path: Path) -> None:
    """The heartbeat renews them."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2, lease_s=1.6) as (a, b):
            await a.acquire([ONE], "viewer", wait_s=1)
            await refused(b, ONE, 4)

    run(main)


def test_out_of_reach(run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Held ones stay, new ones are refused unless nothing limits them; back and empty, the books fill by themselves."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2) as (a, b):
            await a.acquire([ONE], "viewer", wait_s=1)
            server.kill()
            await until(lambda: a.trouble and b.trouble)
            assert "connection refused" == a.trouble
            await refused(b, ONE)
            await refused(b, Account("other", 5))
            await b.acquire([Account("open", None)], "viewer", wait_s=0)
            assert 1 == a.use()[ONE.key]["viewer"]
            await server.start()
            await refused(b, ONE, 4)  # long enough for a server that has just begun
            assert "" == a.trouble
            assert 1 == b.use()[ONE.key]["elsewhere"]
            await a.acquire([Account("open", None)], "viewer", wait_s=1)
            assert 1 == a.use()["open"]["elsewhere"], "what began meanwhile was told"

    run(main)
    told = [r.getMessage() for r in caplog.records if "shared pool" in r.getMessage()]
    assert 2 == sum("out of reach" in text for text in told), "once for each process"
    assert 2 == sum("is back" in text for text in told)


@pytest.mark.accepts("CRD-4")
def test_a_wrong_password_is_not_told(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Trouble says what, never the address or the password."""

    async def main() -> None:
        async with valkey(tmp_path, "--requirepass", "right-1234") as server, trio.open_nursery() as nursery:
            wrong = SharedPool(Budgets(Secret(server.url.replace("//", "//:wrong-9876@")), "home"))
            right = SharedPool(Budgets(Secret(server.url.replace("//", "//:right-1234@")), "home"))
            nursery.start_soon(wrong.run)
            nursery.start_soon(right.run)
            await until(lambda: wrong.trouble)
            assert "it does not take our name or password" == wrong.trouble
            await right.acquire([ONE], "viewer", wait_s=5)
            assert "" == right.trouble
            nursery.cancel_scope.cancel()

    run(main)
    assert "9876" not in caplog.text
    assert "1234" not in caplog.text


def test_a_lesson_is_shared(run: Run[None], tmp_path: Path) -> None:
    """What one process learned of an account's true limit holds for the others."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 2) as (a, b):
            unknown = Account("unknown", None)
            await a.acquire([unknown], "viewer", wait_s=1)
            second = await b.acquire([unknown], "viewer", wait_s=1)
            await until(lambda: b.use()["unknown"]["elsewhere"] == 1)
            b.learn(unknown)
            b.release(second, served=False)
            assert 1 == b.limit(unknown)
            await until(lambda: a.limit(unknown) == 1)
            await refused(b, unknown)

    run(main)


@pytest.mark.parametrize("shared", [False, True])
def test_a_cancelled_caller_holds_nothing(run: Run[None], tmp_path: Path, *, shared: bool) -> None:
    """Cancelled before, while waiting, or in the moment it is granted: no lease stays behind."""

    async def tried(pool: Pool) -> None:
        for pause_s in (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008):
            with trio.move_on_after(pause_s):
                lease = await pool.acquire([ONE], "viewer", wait_s=1)
                pool.release(lease)
        with trio.CancelScope() as scope:
            scope.cancel()
            pool.release(await pool.acquire([ONE], "viewer", wait_s=1))
        await until(lambda: pool.use().get(ONE.key, {}).get("viewer", 0) == 0, 2)
        with trio.fail_after(3):
            pool.release(await pool.acquire([ONE], "viewer", wait_s=2))

    async def main() -> None:
        if not shared:
            await tried(Pool())
            return
        async with valkey(tmp_path) as server, pools(server, 1) as (a,):
            await tried(a)

    run(main)


def test_what_is_owed_outlives_a_cancelled_caller(run: Run[None], tmp_path: Path) -> None:
    """Cancelled as his turn comes to tell the books what was given back before: it is told by the next one."""

    async def main() -> None:
        async with valkey(tmp_path) as server, pools(server, 1):
            # nobody runs it: what it owes is told by who asks
            pool = SharedPool(Budgets(server.secret, "home"))
            pool.release(await pool.acquire([ONE], "viewer", wait_s=1))
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    async with pool._turn:
                        nursery.start_soon(partial(pool.acquire, [ONE], "viewer", wait_s=1))
                        await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            assert scope.cancelled_caught
            pool.release(await pool.acquire([ONE], "viewer", wait_s=4))

    run(main)


@pytest.mark.slow
def test_never_more_than_the_limit(run: Run[None], tmp_path: Path) -> None:
    """Four processes that come and go at random for some seconds: never more at once than the account allows."""

    async def main() -> None:
        now = most = served = 0
        chance = random.Random(7)

        async def guest(pool: SharedPool) -> None:
            nonlocal now, most, served
            while True:
                try:
                    lease = await pool.acquire(
                        [TWO], chance.choice(("viewer", "viewer", "probe")), wait_s=0.6
                    )
                except PoolFull:
                    continue
                now += 1
                most = max(most, now)
                served += 1
                await trio.sleep(chance.choice((0.0, 0.01, 0.05)))
                now -= 1
                pool.release(lease)

        async with valkey(tmp_path) as server, pools(server, 4) as four:
            with trio.move_on_after(6):
                async with trio.open_nursery() as nursery:
                    for pool in four * 2:
                        nursery.start_soon(guest, pool)
        assert 2 == most
        assert served > 16  # twice as many as ask: on a busy machine 37, else hundreds

    run(main)
