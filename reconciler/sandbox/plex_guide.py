"""XMLTV into the guide database of one DVR, and airings out of it.

The file has the name and the schema family of the real one (plex-livetv.md 8.1, 8.4). Programmes are kept for enabled
channels only (7.3); what has no sub-title, date or episode number becomes a title-only movie, all airings of one
title folded into one item (7.4). Everything here blocks and belongs in a worker thread; a guide is read as a stream.
"""

import calendar
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from lxml import etree

from reconciler.sandbox.plex_xmltv import (
    EPISODE,
    MOVIE,
    SEASON,
    SHOW,
    GuideChannel,
    Programme,
    epoch,
    guide_channel,
    guide_elements,
    guide_programme,
)

__all__ = [
    "Airing",
    "GuideIndex",
    "Wanted",
    "airings",
    "grid_key",
    "guide_index",
    "read_guide",
]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS library_sections (id INTEGER PRIMARY KEY, name varchar(255), section_type integer);
CREATE TABLE IF NOT EXISTS metadata_items (id INTEGER PRIMARY KEY, library_section_id integer, parent_id integer,
 metadata_type integer, guid varchar(255), title varchar(255), summary text, "index" integer,
 originally_available_at varchar(10), extra_data varchar(255));
CREATE TABLE IF NOT EXISTS media_items (id INTEGER PRIMARY KEY, metadata_item_id integer, begins_at integer,
 ends_at integer, channel_id integer, extra_data varchar(255));
CREATE INDEX IF NOT EXISTS index_media_items_on_channel ON media_items (channel_id, begins_at);
CREATE INDEX IF NOT EXISTS index_media_items_on_grid_key ON media_items (json_extract(extra_data, '$."at:gridKey"'));
CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, tag varchar(255), tag_type integer, extra_data text);
"""
CHANNEL_TAG: Final = 310


@dataclass(frozen=True, slots=True)
class GuideIndex:
    """The channels of an indexed guide by id. Ids that came twice are set apart: their rows are skipped (6.4)."""

    channels: Mapping[str, GuideChannel] = field(default_factory=dict)
    duplicates: frozenset[str] = frozenset()
    programmes: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """An enabled channel whose airings are kept."""

    key: str
    vcn: str
    call_sign: str

    @property
    def title(self) -> str:
        """How Plex writes the channel: number, blank, call sign (4.3)."""
        return f"{self.vcn} {self.call_sign}"


@dataclass(frozen=True, slots=True)
class Airing:
    """One airing with its programme; times in epoch seconds."""

    item: int
    type: int
    guid: str
    title: str
    summary: str
    show: str
    season: int | None
    episode: int | None
    released: str
    begins_at: int
    ends_at: int
    channel: Mapping[str, str]
    premiere: bool


def grid_key(channel_key: str) -> str:
    """The opaque key by which the grid is asked for a channel."""
    return hashlib.sha1(channel_key.encode(), usedforsecurity=False).hexdigest()[:24]


def read_guide(sources: Sequence[IO[bytes]], database: Path, wanted: Sequence[Wanted]) -> GuideIndex:
    """Replace what `database` holds by these guides, keeping the airings of the wanted channels.

    Raises `etree.XMLSyntaxError` for what is not well-formed and NotXmltv for what is something else; the database is
    then as it was.
    """
    channels: dict[str, GuideChannel] = {}
    seen: Counter[str] = Counter()
    programmes = 0
    with _opened(database) as connection:
        store = _Store(connection, {w.key: w for w in wanted})
        for element in (element for source in sources for element in guide_elements(source)):
            if element.tag == "channel":
                found = guide_channel(element)
                seen[found.id] += 1
                channels.setdefault(found.id, found)
            else:
                programmes += 1
                store.programme(element)
        duplicates = frozenset(i for i, n in seen.items() if n > 1)
        store.channels(channels.values(), duplicates)
    return GuideIndex(channels, duplicates, programmes)


def guide_index(database: Path) -> GuideIndex | None:
    """The index a database was left with, None if there is no database."""
    if not database.exists():
        return None
    with _opened(database) as connection:
        rows = connection.execute("SELECT extra_data FROM tags WHERE tag_type=?", (CHANNEL_TAG,)).fetchall()
        count = connection.execute("SELECT count(*) FROM media_items").fetchone()[0]
    documents = [json.loads(row[0]) for row in rows]
    return GuideIndex(
        {d["id"]: GuideChannel(d["id"], tuple(d["names"]), d["icon"]) for d in documents},
        frozenset(d["id"] for d in documents if d["duplicate"]),
        count,
    )


def airings(
    database: Path,
    *,
    channel: str = "",
    day: date | None = None,
    kinds: Sequence[int] = (),
    guid: str = "",
) -> list[Airing]:
    """Airings in order of channel and time. `channel` is a grid key, `day` a UTC day (overlap counts)."""
    if not database.exists():
        return []
    conditions, values = ["1"], list[object]()
    if channel:
        conditions.append("json_extract(m.extra_data, '$.\"at:gridKey\"')=?")
        values.append(channel)
    if day is not None:
        begin = calendar.timegm(day.timetuple())
        conditions.append("m.begins_at<? AND m.ends_at>?")
        values += [begin + 86_400, begin]
    if kinds:
        conditions.append(f"i.metadata_type IN ({','.join('?' * len(kinds))})")
        values += kinds
    if guid:
        conditions.append("i.guid=?")
        values.append(guid)
    query = (
        'SELECT i.id, i.metadata_type, i.guid, i.title, i.summary, show.title, season."index", i."index",'  # noqa: S608 - conditions are constants
        " i.originally_available_at, m.begins_at, m.ends_at, m.extra_data FROM media_items m"
        " JOIN metadata_items i ON i.id=m.metadata_item_id LEFT JOIN metadata_items season ON season.id=i.parent_id"
        " LEFT JOIN metadata_items show ON show.id=season.parent_id"
        f" WHERE {' AND '.join(conditions)} ORDER BY m.channel_id, m.begins_at"
    )
    with _opened(database) as connection:
        return [_airing(row) for row in connection.execute(query, values)]


class _opened:  # noqa: N801 - used as a function
    """A connection with a transaction: committed at the end, rolled back on an error, closed always."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(SCHEMA)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        else:
            self._connection.rollback()
        self._connection.close()


class _Store:
    """Rows of one guide load. Items are found again by guid, so that equal identities fold into one."""

    def __init__(self, connection: sqlite3.Connection, wanted: Mapping[str, Wanted]) -> None:
        self._connection = connection
        self._wanted = wanted
        self._tags: dict[str, int] = {key: number for number, key in enumerate(wanted, 1)}
        self._items: dict[str, int] = {}
        self._extras: dict[tuple[str, bool], str] = {}
        for table in ("library_sections", "metadata_items", "media_items", "tags"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant
        connection.executemany("INSERT INTO library_sections VALUES (?,?,8)", [(1, "Movies"), (2, "Shows")])

    def programme(self, element: etree._Element) -> None:
        """Store one programme if its channel is wanted and its times make sense."""
        wanted = self._wanted.get(element.get("channel", ""))
        begins, ends = epoch(element.get("start", "")), epoch(element.get("stop", ""))
        if wanted is None or begins is None or ends is None or ends <= begins:
            return
        fresh = element.find("new") is not None or element.find("premiere") is not None
        self._connection.execute(
            "INSERT INTO media_items (metadata_item_id, begins_at, ends_at, channel_id, extra_data) VALUES (?,?,?,?,?)",
            (
                self._item(guide_programme(element)),
                begins,
                ends,
                self._tags[wanted.key],
                self._extra(wanted, fresh=fresh),
            ),
        )

    def channels(self, channels: Iterable[GuideChannel], duplicates: frozenset[str]) -> None:
        """Store all channels of the guide, wanted or not: matching needs them after a restart too."""
        rows = []
        spare = len(self._tags)
        for channel in channels:
            if (number := self._tags.get(channel.id)) is None:
                spare += 1
                number = spare
            document = {
                "id": channel.id,
                "names": channel.names,
                "icon": channel.icon,
                "duplicate": channel.id in duplicates,
            }
            rows.append(
                (number, channel.names[0] if channel.names else "", CHANNEL_TAG, json.dumps(document))
            )
        self._connection.executemany("INSERT INTO tags VALUES (?,?,?,?)", rows)

    def _extra(self, wanted: Wanted, *, fresh: bool) -> str:
        """`extra_data` of an airing (8.4), written once per channel."""
        if (known := self._extras.get((wanted.key, fresh))) is None:
            known = json.dumps(
                {
                    "at:channelCallSign": wanted.call_sign,
                    "at:channelIdentifier": wanted.key,
                    "at:channelTitle": wanted.title,
                    "at:channelVcn": wanted.vcn,
                    "at:gridKey": grid_key(wanted.key),
                    "at:premiere": "1" if fresh else "0",
                }
            )
            self._extras[wanted.key, fresh] = known
        return known

    def _item(self, programme: Programme) -> int:
        if (known := self._items.get(programme.guid)) is not None:
            return known
        parent = None
        if programme.type == EPISODE:
            title = quote(programme.title, safe="")
            show = self._parent(f"tv.plex.xmltv://show/{title}", SHOW, programme.title, None, None)
            season = programme.season if programme.season is not None else 0
            guid = f"tv.plex.xmltv://season/{title}/{season}"
            parent = self._parent(guid, SEASON, f"Season {season}", show, season)
        cursor = self._connection.execute(
            'INSERT INTO metadata_items (library_section_id, parent_id, metadata_type, guid, title, summary, "index",'
            " originally_available_at, extra_data) VALUES (?,?,?,?,?,?,?,?,'')",
            (
                1 if programme.type == MOVIE else 2,
                parent,
                programme.type,
                programme.guid,
                programme.subtitle or programme.title,
                programme.summary,
                programme.episode,
                programme.released,
            ),
        )
        assert cursor.lastrowid is not None
        self._items[programme.guid] = cursor.lastrowid
        return cursor.lastrowid

    def _parent(self, guid: str, kind: int, title: str, parent: int | None, index: int | None) -> int:
        if (known := self._items.get(guid)) is not None:
            return known
        cursor = self._connection.execute(
            'INSERT INTO metadata_items (library_section_id, parent_id, metadata_type, guid, title, "index")'
            " VALUES (2,?,?,?,?,?)",
            (parent, kind, guid, title, index),
        )
        assert cursor.lastrowid is not None
        self._items[guid] = cursor.lastrowid
        return cursor.lastrowid


def _airing(row: Sequence[object]) -> Airing:
    item, kind, guid, title, summary, show, season, episode, released, begins, ends, extra = row
    channel = json.loads(str(extra))
    assert isinstance(item, int)
    assert isinstance(kind, int)
    assert isinstance(begins, int)
    assert isinstance(ends, int)
    return Airing(
        item=item,
        type=kind,
        guid=str(guid or ""),
        title=str(title or ""),
        summary=str(summary or ""),
        show=str(show or ""),
        season=season if isinstance(season, int) else None,
        episode=episode if isinstance(episode, int) else None,
        released=str(released or ""),
        begins_at=begins,
        ends_at=ends,
        channel=channel,
        premiere=channel.get("at:premiere") == "1",
    )
