"""Repairing rows of Plex's database: addresses and guide locations of one DVR, by id and uuid, after a copy.

Nothing is inserted, no other row and no other table is touched, and no maintenance pragma runs: stock SQLite cannot
(plex-livetv.md 8.6). One transaction under the exclusive lock; every changed row is read back. Only `applying` imports
this module. It refuses to work on a database that somebody has open.
"""

import os
import shlex
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from reconciler.errors import PlexRefused, StateError
from reconciler.plex.database import exclusive, library_path
from reconciler.plex.extra_data import pairs_of, text_of

__all__ = ["RowChange", "copy_database", "restore_command", "update_rows"]

MOMENT: Final = "updated_at = CASE typeof(updated_at) WHEN 'text' THEN updated_at ELSE ? END"
"""Older versions keep moments as text (8.2), in a form that nobody published: there it stays as it is."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """One value of one row. `what` "uri" is the column; "pv:lineup" is the pair of `extra_data`, with its copy."""

    row: int
    uuid: str
    what: Literal["uri", "pv:lineup"]
    before: str
    after: str


def copy_database(data: Path, folder: Path) -> Path:
    """A consistent copy (database, -wal, -shm, Preferences.xml) in a new directory below `folder`; its path.

    Nobody else may enter it: Preferences.xml holds the owner's token (1). Modes, and owners where we may, are kept: a
    file that Plex cannot write would stop it when it is put back (8.6). Taken while nobody has the file open, so the
    files belong together. Blocks for as long as copying takes. Raises StateError when the disk refuses.
    """
    library = library_path(data)
    target = folder / time.strftime("plex-database-%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        target.mkdir(mode=0o700, parents=True)
        for path in (
            library,
            *(library.with_name(library.name + end) for end in ("-wal", "-shm")),
            data / "Preferences.xml",
        ):
            if path.exists():
                found = path.stat()
                shutil.copy2(path, target / path.name)
                with suppress(PermissionError):  # root alone may give files away
                    os.chown(target / path.name, found.st_uid, found.st_gid)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)  # half a copy would be taken for a whole one
        raise StateError(
            f"Plex's database could not be copied to {target}: {(error.strerror or str(error)).lower()}; "
            "nothing was changed",
            next_step="make room there or change the rights, then: ptctl apply",
        ) from error
    return target


def restore_command(copied: Path, data: Path) -> str:
    """The shell command that puts a copy back while Plex is stopped.

    What a Plex that was killed has left in `-wal` goes first: SQLite would replay it over the copy.
    """
    library = library_path(data)
    left = " ".join(shlex.quote(f"{library}{end}") for end in ("-wal", "-shm"))
    return f"rm -f {left} && cp -p {shlex.quote(f'{copied}/{library.name}')}* {shlex.quote(f'{library.parent}/')}"


def update_rows(data: Path, changes: Sequence[RowChange]) -> int:
    """Write all changes or none; how many values were changed (0: everything was as wanted already).

    Blocks. Raises PlexRefused when Plex has the database open, when a row is not there, or when it no longer holds what
    the plan saw; then nothing is changed.
    """
    with exclusive(library_path(data)) as connection:
        done = sum(_change(connection, change) for change in changes)
        connection.commit()
        connection.execute("BEGIN")
        for change in changes:
            if _value(connection, change) != change.after:
                raise PlexRefused(
                    f"row {change.row} does not hold what was written to it", status=0, reason="read back"
                )
    return done


def _change(connection: sqlite3.Connection, change: RowChange) -> int:
    found = _value(connection, change)
    if found == change.after:
        return 0
    if found != change.before:
        raise PlexRefused(
            f"row {change.row} changed since the plan was made; nothing was changed",
            status=0,
            next_step="ptctl plan",
        )
    now = int(time.time())
    if change.what == "uri":
        cursor = connection.execute(
            f"UPDATE media_provider_resources SET uri=?, {MOMENT} WHERE id=? AND uuid=?",  # noqa: S608 - constant
            (change.after, now, change.row, change.uuid),
        )
    else:
        text = _extra(connection, change)
        pairs = {**pairs_of(text), "pv:lineup": change.after}
        cursor = connection.execute(
            f"UPDATE media_provider_resources SET extra_data=?, {MOMENT} WHERE id=? AND uuid=?",  # noqa: S608 - constant
            (text_of(pairs, like=text), now, change.row, change.uuid),
        )
    if cursor.rowcount != 1:
        raise PlexRefused(
            f"{cursor.rowcount} rows match row {change.row} and its uuid instead of one", status=0
        )
    return 1


def _value(connection: sqlite3.Connection, change: RowChange) -> str:
    if change.what == "uri":
        row = connection.execute(
            "SELECT uri FROM media_provider_resources WHERE id=? AND uuid=?", (change.row, change.uuid)
        ).fetchone()
        if row is None:
            raise _gone(change)
        return str(row[0] or "")
    return pairs_of(_extra(connection, change)).get("pv:lineup", "")


def _extra(connection: sqlite3.Connection, change: RowChange) -> str:
    row = connection.execute(
        "SELECT extra_data FROM media_provider_resources WHERE id=? AND uuid=?", (change.row, change.uuid)
    ).fetchone()
    if row is None:
        raise _gone(change)
    return str(row[0] or "")


def _gone(change: RowChange) -> PlexRefused:
    return PlexRefused(
        f"Plex's database has no row {change.row} with the uuid of this DVR; nothing was changed",
        status=404,
        reason="no row",
        next_step="start Plex, then: ptctl plan",
    )
