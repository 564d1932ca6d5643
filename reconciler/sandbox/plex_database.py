"""The library database of the simulated Plex: the table, the indexes and the encodings of the real one.

A real SQLite file, so that the database fallback can be rehearsed on it: WAL, page size 1024,
`media_provider_resources` as in 1.43.2 and `extra_data` in both forms (plex-livetv.md 8.2, 8.3, 8.6). Tables that
stock SQLite cannot write in a real file cannot be written here either. Rows in, rows out: what they mean is said
in `plex_state`.
"""

import base64
import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

__all__ = [
    "DATABASES",
    "LIBRARY",
    "Database",
    "Row",
    "Rule",
    "encoded_pairs",
    "extra_data",
    "pairs",
    "percent",
    "read_extra_data",
]

DATABASES: Final = Path("Plug-in Support") / "Databases"
LIBRARY: Final = "com.plexapp.plugins.library.db"

RESOURCES: Final = """
CREATE TABLE "media_provider_resources" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "parent_id" integer,
 "type" integer, "status" integer, "state" integer, "identifier" varchar(255), "protocol" varchar(255),
 "uri" varchar(255), "uuid" varchar(255), "extra_data" varchar(255), "last_seen_at" dt_integer(8),
 "created_at" dt_integer(8), "updated_at" dt_integer(8), "data" blob);
CREATE UNIQUE INDEX "index_media_provider_resources_on_uuid" ON "media_provider_resources" ("uuid");
CREATE INDEX "index_media_provider_resources_on_parent_id" ON "media_provider_resources" ("parent_id");
CREATE INDEX "index_media_provider_resources_on_type" ON "media_provider_resources" ("type");
CREATE INDEX "index_media_provider_resources_on_identifier" ON "media_provider_resources" ("identifier");
"""
# The collation belongs to Plex's own SQLite: with any other, writing metadata_items, integrity_check, REINDEX and
# ANALYZE fail with "no such collation sequence: icu_root", as measured on a real file (8.6). The tokenizer of the
# tag index cannot be had without ICU, so triggers say what it would.
NEIGHBOURS: Final = """
CREATE TABLE "metadata_items" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "metadata_type" integer,
 "guid" varchar(255), "title" varchar(255), "title_sort" varchar(255) COLLATE icu_root);
CREATE INDEX "index_title_sort_icu" ON "metadata_items" ("title_sort" COLLATE icu_root);
INSERT INTO "metadata_items" ("metadata_type", "guid", "title", "title_sort")
 VALUES (1, 'plex://movie/5d7768244de0ee001fcc7fed', 'A Film of One''s Own', 'Film of One''s Own');
CREATE TABLE "tags" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "tag" varchar(255), "tag_type" integer);
INSERT INTO "tags" ("tag", "tag_type") VALUES ('Drama', 1);
CREATE TRIGGER "fts4_tag_titles_before_insert_icu" BEFORE INSERT ON "tags"
 BEGIN SELECT RAISE(ABORT, 'unknown tokenizer: collating'); END;
CREATE TRIGGER "fts4_tag_titles_before_update_icu" BEFORE UPDATE ON "tags"
 BEGIN SELECT RAISE(ABORT, 'unknown tokenizer: collating'); END;
CREATE TRIGGER "fts4_tag_titles_before_delete_icu" BEFORE DELETE ON "tags"
 BEGIN SELECT RAISE(ABORT, 'unknown tokenizer: collating'); END;
CREATE TABLE "media_subscriptions" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "metadata_type" integer,
 "extra_data" varchar(255), "created_at" dt_integer(8));
"""
COLUMNS: Final = (
    "id, parent_id, type, status, state, identifier, protocol, uri, uuid, extra_data, last_seen_at, data"
)


@dataclass(slots=True)
class Row:
    """One row of `media_provider_resources`; `id` 0 until it is inserted. Times are epoch seconds."""

    type: int
    identifier: str
    id: int = 0
    parent_id: int | None = None
    status: int = 1
    state: int = 1
    protocol: str = ""
    uri: str = ""
    uuid: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    last_seen_at: int = 0
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule: what it records and through which guide (`dvr` is the DVR's row id)."""

    id: int
    type: int
    dvr: int
    title: str
    guid: str
    section: str
    created_at: int
    prefs: tuple[tuple[str, str], ...] = ()


def extra_data(extra: Mapping[str, str], *, legacy: bool = False) -> str:
    """The text of `extra_data`: JSON with a percent-encoded copy of itself in `url`, or (legacy) the copy alone."""
    ordered = sorted(extra.items())
    url = "&".join(f"{percent(key)}={percent(value)}" for key, value in ordered)
    if legacy:
        return url
    return json.dumps(dict([*ordered, ("url", url)]), ensure_ascii=False, separators=(",", ":"))


def read_extra_data(text: str | None) -> dict[str, str]:
    """The pairs of either form (Plex tolerates both, 8.3); the members win over their copy in `url`."""
    if not text:
        return {}
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return pairs(text)
    if not isinstance(document, dict):
        return {}
    return {key: str(value) for key, value in document.items() if key != "url"}


def pairs(text: str) -> dict[str, str]:
    """`a=b&c=d`, percent-decoded."""
    halves = (part.partition("=") for part in text.split("&") if part)
    return {unquote(key): unquote(value) for key, _, value in halves}


def encoded_pairs(items: Iterable[tuple[str, str]]) -> str:
    """Base64 of `device=lineup&…`, as `pv:channelMapping` holds it (8.3)."""
    text = "&".join(f"{quote(key, safe=':.')}={quote(value, safe=':.')}" for key, value in items)
    return base64.b64encode(text.encode()).decode()


def percent(text: str) -> str:
    """Percent-encoded as Plex does it: everything but letters, digits and `_-~`, so `.` is `%2E`."""
    return quote(text, safe="").replace(".", "%2E")


def _icu_root(left: str, right: str) -> int:
    a, b = left.casefold(), right.casefold()
    return (a > b) - (a < b)


class Database:
    """The open file. One connection, held from start to end as Plex holds its own (8.6).

    Every write is committed at once. Blocks its thread for the time of a small SQLite statement.
    """

    def __init__(self, directory: Path, *, legacy: bool) -> None:
        """Open or make `<directory>/Plug-in Support/Databases/com.plexapp.plugins.library.db`."""
        self.path = directory / DATABASES / LIBRARY
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._legacy = legacy
        fresh = not self.path.exists()
        self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=2)
        self._connection.create_collation("icu_root", _icu_root)
        if fresh:
            self._connection.execute("PRAGMA page_size=1024")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.executescript(RESOURCES + NEIGHBOURS)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("SELECT count(*) FROM media_provider_resources").fetchone()

    def close(self) -> None:
        """Let go of the file; SQLite folds the WAL in."""
        self._connection.close()

    def rows(self) -> list[Row]:
        """All rows by id."""
        found = self._connection.execute(f"SELECT {COLUMNS} FROM media_provider_resources ORDER BY id")  # noqa: S608 - constant
        return [
            Row(
                id=r[0],
                parent_id=r[1],
                type=r[2] or 0,
                status=r[3] or 0,
                state=r[4] or 0,
                identifier=r[5] or "",
                protocol=r[6] or "",
                uri=r[7] or "",
                uuid=r[8] or "",
                extra=read_extra_data(r[9]),
                last_seen_at=r[10] or 0,
                data=r[11],
            )
            for r in found
        ]

    def insert(self, row: Row) -> int:
        """Add a row and give it the next id of the one counter that all kinds share (3.1)."""
        now = int(time.time())
        cursor = self._connection.execute(
            "INSERT INTO media_provider_resources (parent_id, type, status, state, identifier, protocol, uri, uuid,"
            " extra_data, last_seen_at, created_at, updated_at, data) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (*self._values(row), now, now, row.data),
        )
        assert cursor.lastrowid is not None
        row.id = cursor.lastrowid
        return row.id

    def update(self, row: Row) -> None:
        """Write all columns of an existing row."""
        self._connection.execute(
            "UPDATE media_provider_resources SET parent_id=?, type=?, status=?, state=?, identifier=?, protocol=?,"
            " uri=?, uuid=?, extra_data=?, last_seen_at=?, updated_at=?, data=? WHERE id=?",
            (*self._values(row), int(time.time()), row.data, row.id),
        )

    def delete(self, *ids: int) -> None:
        """Remove rows; absent ones are no error."""
        self._connection.executemany("DELETE FROM media_provider_resources WHERE id=?", [(i,) for i in ids])

    def rules(self) -> list[Rule]:
        """All recording rules by id."""
        found = self._connection.execute(
            "SELECT id, metadata_type, extra_data, created_at FROM media_subscriptions ORDER BY id"
        )
        return [_rule(*row) for row in found]

    def add_rule(self, rule: Rule) -> Rule:
        """Store a rule and give it its id."""
        extra = {
            "at:dvr": str(rule.dvr),
            "at:guid": rule.guid,
            "at:section": rule.section,
            "at:title": rule.title,
        }
        extra.update({f"pr:{key}": value for key, value in rule.prefs})
        cursor = self._connection.execute(
            "INSERT INTO media_subscriptions (metadata_type, extra_data, created_at) VALUES (?,?,?)",
            (rule.type, extra_data(extra, legacy=self._legacy), rule.created_at),
        )
        assert cursor.lastrowid is not None
        return _rule(cursor.lastrowid, rule.type, extra_data(extra), rule.created_at)

    def delete_rules(self, *ids: int) -> None:
        """Remove rules; absent ones are no error."""
        self._connection.executemany("DELETE FROM media_subscriptions WHERE id=?", [(i,) for i in ids])

    def _values(self, row: Row) -> tuple[object, ...]:
        return (
            row.parent_id,
            row.type,
            row.status,
            row.state,
            row.identifier,
            row.protocol,
            row.uri,
            row.uuid or None,
            extra_data(row.extra, legacy=self._legacy),
            row.last_seen_at,
        )


def _rule(key: int, kind: int, text: str, created_at: int) -> Rule:
    extra = read_extra_data(text)
    prefs = tuple(sorted((k.removeprefix("pr:"), v) for k, v in extra.items() if k.startswith("pr:")))
    return Rule(
        id=key,
        type=kind,
        dvr=int(extra.get("at:dvr", "0")),
        title=extra.get("at:title", ""),
        guid=extra.get("at:guid", ""),
        section=extra.get("at:section", ""),
        created_at=created_at,
        prefs=prefs,
    )
