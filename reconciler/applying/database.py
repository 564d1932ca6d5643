"""The handler for rows of Plex's database. Refuses unless Plex is away: connections refused and the file ours alone."""

from typing import Final, Literal

import trio

from reconciler.applying.context import Run
from reconciler.applying.done import Done
from reconciler.errors import PlexRefused, PlexUnreachable
from reconciler.planning.model import Action
from reconciler.plex.database import refuses_connections
from reconciler.plex.database_writer import RowChange, copy_database, restore_command, update_rows
from reconciler.plex.model import Unknown
from reconciler.wording import plural

__all__ = ["database_update"]

VALUES: Final[tuple[tuple[str, Literal["uri", "pv:lineup"]], ...]] = (
    ("device", "uri"),
    ("lineup", "pv:lineup"),
    ("provider", "uri"),
)


async def database_update(run: Run, action: Action) -> Done:
    """Change the values the plan names, after a copy of the database; twice is harmless."""
    place = run.context.database
    assert place is not None, "a database action without a database"
    away = await refuses_connections(place.url)
    if isinstance(away, Unknown):
        raise PlexUnreachable(
            f"whether Plex is stopped cannot be known: {away.why}", next_step="stop Plex, then apply again"
        )
    if not away:
        raise PlexRefused("Plex runs: its database is left alone", status=0, next_step="ptctl apply")
    args = action.args or {}
    changes = [
        RowChange(
            int(args[f"{name}.row"]),
            args[f"{name}.uuid"],
            what,
            args[f"{name}.before"],
            args[f"{name}.after"],
        )
        for name, what in VALUES
        if f"{name}.row" in args
    ]
    if run.copied is None:
        run.copied = await trio.to_thread.run_sync(copy_database, place.data, place.copies)
    done = await trio.to_thread.run_sync(update_rows, place.data, changes)
    note = (
        f"the database was copied to {run.copied} first; to go back: stop Plex, then  "
        f"{restore_command(run.copied, place.data)}"
    )
    return Done(
        f"{plural(done, 'value')} of Plex's database changed, read back"
        if done
        else "the rows were as wanted",
        (note,),
    )
