"""Plex's database while Plex is stopped: proof that it is, and the rows of tuners and DVRs.

The fallback for a Plex that does not start, nothing more (design.md 4). It acts only when `plex.url` refuses connections
*and* nobody else has the file open; a time-out is unknown, not stopped. Reading takes `media_provider_resources` and
nothing else, because stock SQLite cannot even check the rest (plex-livetv.md 8.6). This module refuses to write:
`plex.database_writer` does.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import trio
from lxml import etree

from reconciler.errors import PlexError, PlexRefused, PlexUnreachable
from reconciler.plex.extra_data import pairs_of
from reconciler.plex.model import (
    DEVICE,
    HARVESTER,
    PROVIDER,
    DatabaseRow,
    DatabaseView,
    Server,
    Unknown,
)

__all__ = [
    "COLUMNS",
    "TABLE",
    "exclusive",
    "library_path",
    "read_database",
    "refuses_connections",
    "stopped_plex",
]

LIBRARY: Final = Path("Plug-in Support") / "Databases" / "com.plexapp.plugins.library.db"
PREFERENCES: Final = "Preferences.xml"
TABLE: Final = "media_provider_resources"
COLUMNS: Final = frozenset(
    {
        "id",
        "parent_id",
        "type",
        "status",
        "state",
        "identifier",
        "protocol",
        "uri",
        "uuid",
        "extra_data",
        "updated_at",
    }
)
LOCK_S: Final = 1.0
CONNECT_S: Final = 3.0


async def refuses_connections(url: str) -> bool | Unknown:
    """Whether nobody listens at `plex.url`: True when the connection is refused, False when it is taken, else unknown.

    Costs one connection attempt of at most 3 s.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with trio.fail_after(CONNECT_S):
            stream = await trio.open_tcp_stream(parts.hostname or "", port)
    except trio.TooSlowError:
        return Unknown("plex.url does not answer in time; that is not the same as stopped")
    except OSError as error:
        if isinstance(error, ConnectionRefusedError) or _all_refused(error):
            return True
        return Unknown(f"plex.url cannot be reached ({error.strerror or type(error).__name__})")
    await stream.aclose()
    return False


async def stopped_plex(url: str, data: Path) -> DatabaseView | Unknown:
    """The database of a Plex that is proved to be stopped; Unknown with the reason in every other case.

    Costs a connection attempt and a read under the exclusive lock, at most a few seconds. Changes nothing.
    """
    away = await refuses_connections(url)
    if isinstance(away, Unknown):
        return away
    if not away:
        return Unknown("Plex takes connections, so its database is left alone")
    try:
        return await trio.to_thread.run_sync(read_database, data)
    except PlexError as error:
        return Unknown(error.message)


def library_path(data: Path) -> Path:
    """Where the library lies below Plex's data directory (8.1)."""
    return data / LIBRARY


@contextmanager
def exclusive(path: Path) -> Iterator[sqlite3.Connection]:
    """The database for us alone, with Plex proved to be away. Blocks its thread for at most a second of waiting.

    In WAL mode an exclusive transaction would pass beside idle readers; exclusive *locking* does not: it needs every
    other connection gone, and a running Plex holds about twenty (8.6). Raises PlexRefused when somebody has it open,
    PlexUnreachable when there is no such file, PlexError for an unknown schema and for whatever SQLite meets in between.
    """
    if not _is_file(path):
        raise PlexUnreachable(
            "there is no Plex database below plex.database.path", next_step="check plex.database.path"
        )
    with ExitStack() as stack:
        try:
            connection = sqlite3.connect(
                f"{path.as_uri()}?mode=rw", uri=True, timeout=LOCK_S, isolation_level=None
            )
            stack.callback(_let_go, connection)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
            _check_schema(connection)
            # Of a file that may only be read SQLite takes no exclusive lock and says nothing: a write that hits no row does.
            connection.execute(f"UPDATE {TABLE} SET uri = uri WHERE 0")  # noqa: S608 - constant
            yield connection
        except sqlite3.Error as error:
            raise _said(error) from None


def read_database(data: Path) -> DatabaseView:
    """Server and rows, read under the exclusive lock. Blocks; run it in a thread. Raises as `exclusive`."""
    with exclusive(library_path(data)) as connection:
        rows = connection.execute(
            "SELECT id, parent_id, type, identifier, uri, uuid, extra_data FROM media_provider_resources"
            " WHERE type IN (?, ?, ?) ORDER BY id",
            (HARVESTER, PROVIDER, DEVICE),
        ).fetchall()
    found = []
    for row in rows:
        try:
            extra = pairs_of(row[6])
        except ValueError as error:
            raise PlexError(f"row {row[0]} of Plex's database cannot be understood: {error}") from None
        found.append(
            DatabaseRow(row[0], row[1], row[2] or 0, row[3] or "", row[4] or "", row[5] or "", extra)
        )
    return DatabaseView(_server(data), tuple(found))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that we may not enter
        return False


def _let_go(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # what broke is told already
        if connection.in_transaction:
            connection.rollback()
    connection.close()


def _said(error: sqlite3.Error) -> PlexError:
    """SQLite's refusal in our words: in use, not ours to write, no database, or what it says itself."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return PlexRefused(
            "Plex's database is in use: Plex still runs, or another program has it open",
            status=0,
            reason="locked",
            next_step="stop Plex, then apply again",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR_LOCK")):
        return PlexError(
            f"Plex's database cannot be opened for writing ({name}), so it cannot be told whether Plex has it open",
            next_step="run ptctl as the user that Plex runs as, with its folder mounted writable",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return PlexError(
            "Plex's database is no SQLite file that can be read", next_step="check plex.database.path"
        )
    return PlexError(
        f"SQLite cannot work on Plex's database ({name}); nothing was changed",
        next_step="look at the disk that holds plex.database.path",
    )


def _check_schema(connection: sqlite3.Connection) -> None:
    names = {row[1] for row in connection.execute(f"PRAGMA table_info({TABLE})")}
    missing = COLUMNS - names
    if missing:
        what = f"table {TABLE}" if not names else f"column {', '.join(sorted(missing))} of {TABLE}"
        raise PlexError(
            f"Plex's database has no {what}: this version of Plex is not known, nothing was changed",
            next_step="repair the tuner through Plex's API: start Plex, then ptctl apply",
        )


def _server(data: Path) -> Server:
    try:
        root = etree.parse(
            data / PREFERENCES, etree.XMLParser(resolve_entities=False, no_network=True)
        ).getroot()
    except (OSError, etree.XMLSyntaxError):
        raise PlexUnreachable(
            "Preferences.xml beside Plex's database cannot be read", next_step="check plex.database.path"
        ) from None
    machine = root.get("ProcessedMachineIdentifier") or ""
    if not machine:
        raise PlexUnreachable(
            "Preferences.xml does not name the server", next_step="check plex.database.path"
        )
    return Server(machine=str(machine), version="", name=str(root.get("FriendlyName") or ""))


def _all_refused(error: OSError) -> bool:
    cause = error.__cause__
    causes = cause.exceptions if isinstance(cause, BaseExceptionGroup) else (cause,) if cause else ()
    return bool(causes) and all(isinstance(c, ConnectionRefusedError) for c in causes)
