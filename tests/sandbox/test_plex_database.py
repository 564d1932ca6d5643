"""The database of the simulated Plex has the shape of the real one, and is read again at a restart only."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from reconciler.sandbox.plex import PlexOptions
from reconciler.sandbox.plex_database import encoded_pairs, extra_data, pairs, read_extra_data
from tests.conftest import Run
from tests.sandbox.plex_bench import TOKEN, world


def test_extra_data_is_written_as_plex_writes_it() -> None:
    """The real rows of plex-livetv.md 8.3, byte by byte."""
    assert extra_data({"at:builtIn": "1"}) == '{"at:builtIn":"1","url":"at%3AbuiltIn=1"}'
    both = {"pv:language": "eng", "at:country": "usa"}
    assert extra_data(both, legacy=True) == "at%3Acountry=usa&pv%3Alanguage=eng"
    assert extra_data({"at:a": "1.5 b"}, legacy=True) == "at%3Aa=1%2E5%20b"
    assert encoded_pairs([("1001", "1001")]) == "MTAwMT0xMDAx"


@given(st.dictionaries(st.text(min_size=1).filter(lambda k: k != "url"), st.text()), st.booleans())
def test_extra_data_survives(extra: dict[str, str], legacy: bool) -> None:
    """What is written in either form is read back."""
    try:
        json.dumps(extra).encode()
        "".join([*extra, *extra.values()]).encode()
    except UnicodeEncodeError:
        return
    assert read_extra_data(extra_data(extra, legacy=legacy)) == extra


def test_broken_extra_data_is_empty() -> None:
    """NULL, a list and an empty text have no pairs."""
    assert [read_extra_data(text) for text in (None, "[1]", "")] == [{}, {}, {}]
    assert pairs("a=b%3Dc&d&") == {"a": "b=c", "d": ""}


def test_rows_and_schema(tmp_path: Path, run: Run[Any]) -> None:
    """Table, indexes, types and keys are those of 8.2; three kinds of rows share one counter."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.active()
            path = w.plex.machine.state._database.path
            assert (
                path
                == tmp_path / "Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db"
            )
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            rows = reader.execute(
                "SELECT id, parent_id, type, status, state, identifier, protocol, uuid, extra_data"
                " FROM media_provider_resources ORDER BY id"
            ).fetchall()
            assert [row[:3] for row in rows] == [(1, 2, 4), (2, None, 1), (3, 2, 3)]
            assert rows[0][7] == "device://tv.plex.grabbers.hdhomerun/1040ABC5"
            extra = json.loads(rows[0][8])
            assert extra["pv:channelMappingByKey"] == "MTAwMT0xMDAxJjEwMDI9MTAwMiYxMDAzPTEwMDM="
            assert extra["pv:channelsEnabled"] == "1001,1002,1003"
            assert json.loads(rows[1][8])["pv:lineupTitle"] == "ptctl%20news"
            assert [r[5] for r in rows[1:]] == ["tv.plex.harvesters.dvr", "tv.plex.providers.epg.xmltv"]
            assert tuple(
                reader.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "page_size", "user_version")
            ) == ("wal", 1024, 0)
            unique = reader.execute("PRAGMA index_list(media_provider_resources)").fetchall()
            assert {"index_media_provider_resources_on_uuid"} == {i[1] for i in unique if i[2]}
            assert len(unique) == 4
            reader.close()
            prefs = etree.parse(w.plex.directory / "Preferences.xml").getroot()
            assert (TOKEN, w.plex.machine_identifier) == (
                prefs.get("PlexOnlineToken"),
                prefs.get("ProcessedMachineIdentifier"),
            )

    run(main)


def test_stock_sqlite_is_refused_where_it_would_be(tmp_path: Path, run: Run[Any]) -> None:
    """Only media_provider_resources can be written; the rest fails with the messages measured on a real file (8.6)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.register()
            other = sqlite3.connect(w.plex.machine.state._database.path, isolation_level=None)
            for statement, message in (
                ("INSERT INTO tags (tag) VALUES ('x')", "unknown tokenizer: collating"),
                (
                    "INSERT INTO metadata_items (title_sort) VALUES ('x')",
                    "no such collation sequence: icu_root",
                ),
                ("PRAGMA integrity_check", "no such collation sequence: icu_root"),
                ("REINDEX", "no such collation sequence: icu_root"),
                (
                    "INSERT INTO media_provider_resources (uuid) SELECT uuid FROM media_provider_resources",
                    "UNIQUE constraint failed",
                ),
            ):
                with pytest.raises(sqlite3.Error, match=message):
                    other.execute(statement).fetchall()
            other.close()

    run(main)


def test_running_server_holds_the_file(tmp_path: Path, run: Run[Any]) -> None:
    """An exclusive lock cannot be had while the server runs, and can when it is stopped (8.6)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.register()
            path = w.plex.machine.state._database.path
            assert not _exclusive(path)
            await w.plex.stop()
            assert _exclusive(path)

    run(main)


def _exclusive(path: Path) -> bool:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    else:
        return True
    finally:
        connection.close()


@pytest.mark.parametrize("legacy", [False, True])
def test_restart_restores_everything(tmp_path: Path, run: Run[Any], legacy: bool) -> None:
    """Devices, DVRs, maps, settings, rules, title and guide are as before; the port and the identity too."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0, legacy_extra_data=legacy)) as w:
            dvr, device = await w.active()
            await w.send("PUT", f"/media/grabbers/devices/{device['key']}?title=News%20%26%20more")
            await w.send("PUT", f"/livetv/dvrs/{dvr['key']}/prefs?startOffsetMinutes=3")
            await w.send("PUT", f"/media/grabbers/devices/{device['key']}/prefs?transcodeQuality=50")
            w.plex.add_foreign_dvr()
            w.plex.add_rule(w.plex.dvr_of("1040ABC5"), "Rivers")
            before, shown = w.plex.state_text(), (await w.send("GET", "/livetv/dvrs")).json()
            offer = {"device": device["uuid"], "lineup": dvr["lineup"]}
            pairs_before = (await w.client.get("/livetv/epg/channelmap", params=offer)).json()
            identity = (await w.send("GET", "/identity")).json()
            await w.plex.restart()
            assert before == w.plex.state_text()
            assert shown == (await w.send("GET", "/livetv/dvrs")).json()
            assert identity == (await w.send("GET", "/identity")).json()
            assert pairs_before == (await w.client.get("/livetv/epg/channelmap", params=offer)).json()
            assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 3

    run(main)


def test_edits_are_seen_after_a_restart(tmp_path: Path, run: Run[Any]) -> None:
    """An address repaired in the file shows in the API only when the server has been started again (8.6)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.register()
            path = w.plex.machine.state._database.path

            def repair(uri: str) -> None:
                with sqlite3.connect(path) as edit:
                    edit.execute("UPDATE media_provider_resources SET uri=? WHERE id=1", (uri,))
                edit.close()

            repair("http://10.0.0.5:5004")
            assert w.tuner.url == (await w.get("/media/grabbers/devices/1"))["Device"][0]["uri"]
            await w.plex.stop()
            repair("http://10.0.0.6:5004")
            await w.plex.start()
            assert (await w.get("/media/grabbers/devices/1"))["Device"][0]["uri"] == "http://10.0.0.6:5004"

    run(main)


def test_a_restored_folder_is_another_server(tmp_path: Path, run: Run[Any]) -> None:
    """A new Preferences.xml beside the old database: the same rows under another identity."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.register()
            before = w.plex.machine_identifier
            await w.plex.stop()
            place = w.plex.directory / "Preferences.xml"
            root = etree.parse(place).getroot()
            root.set("ProcessedMachineIdentifier", "f" * 40)
            place.write_bytes(etree.tostring(root))
            await w.plex.start()
            told = (await w.get("/identity"))["machineIdentifier"]
            assert before != told == "f" * 40
            assert (await w.get("/media/grabbers/devices/1"))["Device"][0]["deviceId"]

    run(main)
