"""The fallback for a Plex that does not start: one DVR's rows, by id and uuid, after a copy, and only then."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from reconciler.applying.context import ApplyContext, PlexDatabase
from reconciler.applying.events import RunResult
from reconciler.applying.executor import run as carry_out
from reconciler.errors import PlexError, PlexRefused, PlexUnreachable, StateError
from reconciler.ledger.journal import Journal
from reconciler.planning.plan import Planned
from reconciler.plex.database import (
    COLUMNS,
    exclusive,
    library_path,
    read_database,
    refuses_connections,
    stopped_plex,
)
from reconciler.plex.database_writer import RowChange, copy_database, restore_command, update_rows
from reconciler.plex.extra_data import pairs_of, text_of
from reconciler.plex.model import DatabaseView, Unknown
from tests.applying.house import House, house
from tests.conftest import Run
from tests.ports import free_port

TWO = {"news": {1000: "BBC", 1001: "CNN"}, "sport": {1600: "ESPN"}}


def rows(home: House) -> dict[int, tuple[Any, ...]]:
    """The table as it is on disk."""
    with sqlite3.connect(library_path(home.plex.directory)) as connection:
        found = connection.execute(
            "SELECT id, uri, uuid, extra_data FROM media_provider_resources"
        ).fetchall()
    connection.close()
    return {row[0]: row[1:] for row in found}


async def plan_offline(home: House, lineups: dict[str, dict[int, str]]) -> Planned:
    """A plan from the database, as the pipeline makes it when Plex is stopped."""
    view = await trio.to_thread.run_sync(read_database, home.plex.directory)
    return await home.planned(lineups, observed=Unknown("connection refused"), database=view)


async def apply_offline(home: House, planned: Planned) -> RunResult:
    """Carry it out without a connection to Plex."""
    with Journal(home.state, "apply", lambda: home.now) as journal:
        context = ApplyContext(
            before=home.ledger(),
            save_ledger=lambda ledger: ledger,
            publish=lambda: None,
            journal=journal,
            now=lambda: home.now,
            database=PlexDatabase(home.plex.directory, home.plex.url, home.state / "copies"),
        )
        return await carry_out(planned, context)


@pytest.mark.accepts("DBP-1", "DBP-4", "DBP-5", "DBP-7", "DBP-8", "DBP-2")
def test_the_address_of_one_dvr_is_repaired(tmp_path: Path, run: Run[None]) -> None:
    """Rows of that DVR change, both values and the copy in `url`; all other rows stay; twice is nothing; Plex then agrees."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            await home.plex.loads_done()
            record = home.tuned("news")
            await home.plex.stop()
            good = rows(home)
            with sqlite3.connect(library_path(home.plex.directory)) as connection:
                drift(connection, int(record.device_key), int(record.dvr_key), good)
            connection.close()
            before = rows(home)
            planned = await plan_offline(home, TWO)
            assert [a.id for a in planned.plan.actions] == ["database-update:news"]
            change = next(c for c in planned.plan.changes if c.dvr == "news")
            assert f"row {record.device_key}: http://10.9.9.9:1 -> {home.hub}/news" in change.details
            assert {"tuner.uri", "guide.url"} == {f.path for f in change.fields}
            assert planned.plan.server_machine == record.machine
            result = await apply_offline(home, planned)
            assert result.complete, result.outcomes
            after = rows(home)
            assert after == good
            changed = {key for key in before if before[key] != after[key]}
            assert changed == {int(record.device_key), int(record.dvr_key)}
            (note,) = result.remarks
            copies = list((home.state / "copies").iterdir())
            assert str(copies[0]) in note
            assert (copies[0] / "com.plexapp.plugins.library.db").exists()
            again = await plan_offline(home, TWO)
            assert (again.plan.actions, again.plan.empty) == ((), True)
            await home.plex.start()
            online = await home.planned(TWO)
            assert (online.plan.empty, [a for a in online.plan.actions if a.dvr]) == (True, [])

    run(main)


def drift(connection: sqlite3.Connection, device: int, dvr: int, known: dict[int, tuple[Any, ...]]) -> None:
    """Point a DVR's rows to an address that is gone."""
    connection.execute("UPDATE media_provider_resources SET uri='http://10.9.9.9:1' WHERE id=?", (device,))
    text = known[dvr][2]
    pairs = pairs_of(text)
    title = pairs["pv:lineup"].rpartition("#")[2]
    pairs["pv:lineup"] = f"lineup://tv.plex.providers.epg.xmltv/http%3A%2F%2F10.9.9.9%3A1%2Fguide.xml#{title}"
    connection.execute(
        "UPDATE media_provider_resources SET extra_data=? WHERE id=?", (text_of(pairs, like=text), dvr)
    )


@pytest.mark.accepts("DBP-4")
def test_the_command_puts_the_copy_back(tmp_path: Path) -> None:
    """Also over what a killed Plex has left behind (SQLite would replay that), and in folders with odd names."""
    data, copies = tmp_path / "Plex's $HOME data", tmp_path / 'the "copies"'
    library = library_path(data)
    library.parent.mkdir(parents=True)
    with sqlite3.connect(library) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE media_provider_resources (id INTEGER PRIMARY KEY, uri TEXT)")
        connection.execute("INSERT INTO media_provider_resources VALUES (1, 'before')")
    connection.close()
    copied = copy_database(data, copies)
    later = (
        "import os, signal, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(\"UPDATE media_provider_resources SET uri='after'\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", later, str(library)], check=False)
    assert library.with_name(f"{library.name}-wal").stat().st_size
    subprocess.run(["sh", "-c", restore_command(copied, data)], check=True)
    with sqlite3.connect(library) as connection:
        found = connection.execute("SELECT uri FROM media_provider_resources").fetchall()
    connection.close()
    assert [("before",)] == found


@pytest.mark.accepts("DBP-3")
def test_a_running_plex_is_never_touched(tmp_path: Path, run: Run[None]) -> None:
    """It takes connections, and it holds the file: either is enough to refuse, and nothing can force it."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            assert await refuses_connections(home.plex.url) is False
            with pytest.raises(PlexRefused, match="in use"):
                await trio.to_thread.run_sync(read_database, home.plex.directory)
            record = home.tuned("news")
            change = RowChange(int(record.device_key), "x", "uri", "a", "b")
            with pytest.raises(PlexRefused, match="in use"):
                await trio.to_thread.run_sync(update_rows, home.plex.directory, [change])
            await home.plex.stop()
            assert await refuses_connections(home.plex.url) is True
            planned = await plan_offline(home, {**TWO, "news": TWO["news"]})
            moved = replace(home, host="http://10.0.0.77:5004")
            planned = await plan_offline(moved, TWO)
            await home.plex.start()
            result = await apply_offline(home, planned)
            assert all("Plex runs" in o.text for o in result.failed)
            assert len(result.failed) == 2

    run(main)


def test_a_silent_host_is_not_stopped(run: Run[None]) -> None:
    """No answer is unknown; only a refused connection counts."""

    async def main() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reconciler.plex.database.CONNECT_S", 0.2)
            port = free_port()
            listeners = await trio.open_tcp_listeners(port, host="127.0.0.1", backlog=1)
            assert await refuses_connections(f"http://127.0.0.1:{port}") is False
            await listeners[0].aclose()
            assert await refuses_connections(f"http://127.0.0.1:{port}") is True
        assert isinstance(await refuses_connections("http://nowhere.invalid:1"), Unknown)

    run(main)


@pytest.mark.accepts("DBP-2")
def test_missing_rows_are_said_and_never_made(tmp_path: Path, run: Run[None]) -> None:
    """The ledger knows keys that the database does not have: S401, no action, no row more."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            await home.plex.loads_done()
            sport = home.plex.device(home.tuned("sport").device_id)
            home.plex.machine.state.drop_dvr(home.plex.dvr_of(sport.device_id))
            home.plex.machine.state.drop_device(sport)
            await home.plex.stop()
            before = rows(home)
            planned = await plan_offline(home, TWO)
            assert [("S401", "sport")] == [(b.code, b.dvr) for b in planned.plan.blocks]
            assert planned.plan.actions == ()
            gone = RowChange(9999, "no such uuid", "uri", "", "http://x")
            with pytest.raises(PlexRefused, match="no row 9999"):
                update_rows(home.plex.directory, [gone])
            assert rows(home) == before

    run(main)


@pytest.mark.accepts("DBP-6")
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE media_provider_resources",
        "DROP TABLE media_provider_resources; CREATE TABLE media_provider_resources (id integer, uri text)",
    ],
)
def test_an_unknown_schema_is_refused(tmp_path: Path, run: Run[None], statement: str) -> None:
    """A missing table or column is another Plex than the one that is understood."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.plex.stop()
            with sqlite3.connect(library_path(home.plex.directory)) as connection:
                connection.executescript(statement)
            connection.close()
            with pytest.raises(PlexError, match="nothing was changed"):
                read_database(home.plex.directory)

    run(main)


def test_no_database(tmp_path: Path) -> None:
    """A wrong path is said as such; a file that is no database too."""
    with pytest.raises(PlexUnreachable, match="no Plex database"):
        read_database(tmp_path)
    path = library_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(PlexError), exclusive(path):
        pass


def test_a_plan_that_no_longer_fits_changes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """The row holds something else than the plan saw: refused, and the other values of the same plan stay too."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            await home.plex.stop()
            before = rows(home)
            news, sport = home.tuned("news"), home.tuned("sport")
            good = RowChange(
                int(news.device_key),
                before[int(news.device_key)][1],
                "uri",
                before[int(news.device_key)][0],
                "http://x",
            )
            bad = RowChange(
                int(sport.device_key), before[int(sport.device_key)][1], "uri", "http://other", "http://y"
            )
            with pytest.raises(PlexRefused, match="changed since the plan"):
                update_rows(home.plex.directory, [good, bad])
            assert rows(home) == before

    run(main)


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key != "url"), st.text()), st.booleans())
def test_extra_data_survives_both_forms(pairs: dict[str, str], legacy: bool) -> None:
    """What is written reads back, in the form the row had; the copy in `url` says the same."""
    text = text_of(pairs, like="at%3Aa=b" if legacy else "{}")
    assert pairs == pairs_of(text)
    if not legacy:
        assert pairs == pairs_of(json.loads(text)["url"])


def test_extra_data_is_written_as_plex_writes_it() -> None:
    """Sorted, compact, the copy with dots encoded: byte for byte as captured (plex-livetv.md 8.3)."""
    assert text_of({"at:builtIn": "1"}, like="{}") == '{"at:builtIn":"1","url":"at%3AbuiltIn=1"}'
    assert text_of({"a": "x.y"}, like=None) == '{"a":"x.y","url":"a=x%2Ey"}'
    with pytest.raises(ValueError, match="shape"):
        pairs_of('{"a": 1}')


@pytest.mark.accepts("DBP-1")
def test_a_dvr_that_others_use_and_another_server_are_left_alone(tmp_path: Path, run: Run[None]) -> None:
    """Its guide is the guest's too; and rows of another server may bear the same ids."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            await home.plex.loads_done()
            foreign = home.plex.add_foreign_dvr()
            guest = home.plex.machine.state.devices_of(foreign.key)[0]
            guest.parent = home.plex.dvr_of(home.tuned("sport").device_id).key
            home.plex.machine.state.save_device(guest)
            await home.plex.stop()
            moved = replace(home, host="http://10.0.0.77:5004")
            planned = await plan_offline(moved, TWO)
            (block,) = planned.plan.blocks
            assert ("S401", "sport") == (block.code, block.dvr)
            assert f"also holds tuner row {guest.key}, which is not ours" in block.message
            assert [a.dvr for a in planned.plan.actions] == ["news"]
            view = await trio.to_thread.run_sync(read_database, home.plex.directory)
            other = replace(view, server=replace(view.server, machine="another"))
            planned = await moved.planned(TWO, observed=Unknown("refused"), database=other)
            assert planned.plan.actions == ()
            assert all("of another Plex server" in block.message for block in planned.plan.blocks)

    run(main)


def test_a_title_with_a_mark_stays_as_it_was(tmp_path: Path, run: Run[None]) -> None:
    """Raw in the row, with a second mark in it: only the location changes (plex-livetv.md 3.3)."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.dvr = {"news": {"title": "News #1"}}
            await home.apply({"news": TWO["news"]})
            await home.plex.loads_done()
            record = home.tuned("news")
            dvr = home.plex.dvr_of(record.device_id)
            home.plex.set_lineup(dvr, "lineup://tv.plex.providers.epg.xmltv/http://old/guide.xml#News #1")
            await home.plex.stop()
            result = await apply_offline(home, await plan_offline(home, {"news": TWO["news"]}))
            assert result.complete, result.outcomes
            held = pairs_of(rows(home)[dvr.key][2])["pv:lineup"]
            assert held.endswith("guide.xml#News #1")
            await home.plex.start()
            assert (await home.planned({"news": TWO["news"]})).plan.empty

    run(main)


def library_at(data: Path, mode: str = "wal") -> Path:
    """A small database with all columns that are looked for."""
    library = library_path(data)
    library.parent.mkdir(parents=True)
    with sqlite3.connect(library) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute(f"CREATE TABLE media_provider_resources ({', '.join(sorted(COLUMNS))})")
        connection.executemany("INSERT INTO media_provider_resources (uri) VALUES (?)", [("x" * 900,)] * 50)
    connection.close()
    return library


@pytest.mark.accepts("DBP-3")
def test_a_damaged_file_is_no_database(tmp_path: Path) -> None:
    """Damage is said as what it is: not "in use", and no traceback."""
    library = library_at(tmp_path)
    whole = library.read_bytes()
    library.write_bytes(whole[:100] + b"\xff" * 4000 + whole[4100:])
    with pytest.raises(PlexError, match="no SQLite file that can be read"):
        read_database(tmp_path)


@pytest.mark.accepts("DBP-3")
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_file_we_may_not_write_proves_nothing(mode: str) -> None:
    """Of one that may only be read SQLite takes no lock: said as that, with what to do, and never as "stopped"."""
    program = (
        "import os, sys, pathlib\n"
        "from reconciler.plex.database import read_database\n"
        "from reconciler.errors import PlexError\n"
        "os.geteuid() or os.setresuid(65534, 65534, 65534)\n"
        "try: read_database(pathlib.Path(sys.argv[1]))\n"
        "except PlexError as error: print(error.message, error.next_step)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        data.chmod(0o755)
        library_at(data, mode).chmod(0o444)
        told = subprocess.run(
            [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True
        )
    assert "cannot be opened for writing (SQLITE_" in told.stdout
    assert "as the user that Plex runs as" in told.stdout


def test_old_moments_stay_text(tmp_path: Path, run: Run[None]) -> None:
    """Versions that keep dates as text get no number among them (plex-livetv.md 8.2)."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            record = home.tuned("news")
            await home.plex.stop()
            old = "2019-03-04 05:06:07"
            with sqlite3.connect(library_path(home.plex.directory)) as connection:
                connection.execute("UPDATE media_provider_resources SET updated_at=?", (old,))
            connection.close()
            moved = replace(home, host="http://10.0.0.77:5004")
            result = await apply_offline(moved, await plan_offline(moved, {"news": TWO["news"]}))
            assert result.complete, result.outcomes
            with sqlite3.connect(library_path(home.plex.directory)) as connection:
                found = connection.execute(
                    "SELECT uri, updated_at FROM media_provider_resources WHERE id=?", (record.device_key,)
                ).fetchone()
            connection.close()
            assert found == ("http://10.0.0.77:5004/news", old)

    run(main)


def test_a_copy_keeps_its_owner_and_its_secret(tmp_path: Path) -> None:
    """Plex must be able to write what is put back, and Preferences.xml holds the owner's token (plex-livetv.md 1, 8.6)."""
    data = tmp_path / "data"
    library = library_path(data)
    library.parent.mkdir(parents=True)
    sqlite3.connect(library).close()
    library.write_bytes(b"")
    (data / "Preferences.xml").write_text('<Preferences PlexOnlineToken="x"/>')
    if os.geteuid() == 0:
        os.chown(library, 1234, 2345)
    copied = copy_database(data, tmp_path / "copies")
    assert copied.stat().st_mode & 0o077 == 0
    owner = (library.stat().st_uid, library.stat().st_gid)
    assert owner == ((copied / library.name).stat().st_uid, (copied / library.name).stat().st_gid)
    library.unlink()
    subprocess.run(["sh", "-c", restore_command(copied, data)], check=True)
    assert owner == (library.stat().st_uid, library.stat().st_gid)


def test_half_a_copy_is_no_copy(tmp_path: Path) -> None:
    """A disk that is full in the middle leaves no directory that looks like a copy to go back to."""
    library = library_path(tmp_path / "plex")
    library.parent.mkdir(parents=True)
    library.write_bytes(b"whole")
    (tmp_path / "plex" / "Preferences.xml").mkdir()  # cannot be copied as a file
    with pytest.raises(StateError, match="nothing was changed"):
        copy_database(tmp_path / "plex", tmp_path / "copies")
    assert [] == list((tmp_path / "copies").iterdir())


def test_stopped_is_proved_or_unknown(tmp_path: Path, run: Run[None]) -> None:
    """A view only of a Plex that refuses connections and whose file is free; else the reason why not."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            running = await stopped_plex(home.plex.url, home.plex.directory)
            assert isinstance(running, Unknown)
            assert "takes connections" in running.why
            held = await stopped_plex("http://127.0.0.1:9", home.plex.directory)
            assert isinstance(held, Unknown)
            assert "in use" in held.why
            url = home.plex.url
            await home.plex.stop()
            view = await stopped_plex(url, home.plex.directory)
            assert isinstance(view, DatabaseView)
            assert view.server.machine == home.tuned("news").machine

    run(main)
