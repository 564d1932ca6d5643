"""A panel's answers become values: the login, categories, streams, episodes (iptv-streams.md B).

Every type is doubted, no record is fatal, and a login that is refused is told from a host that is no panel. Pure
functions; this module refuses to build URLs and to decide which host comes next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal

from reconciler.catalog.entry import Dropped, Entry, Kind
from reconciler.catalog.loose_json import (
    NotJson,
    flag,
    identifier,
    integer,
    load,
    mapping,
    records,
    sequence,
    text,
)
from reconciler.catalog.panel_list import read_rows
from reconciler.catalog.panel_rows import Rows

__all__ = ["Listing", "Login", "NotJson", "categories", "episodes", "login", "streams"]

USABLE: Final = frozenset({"active", "trial", ""})

# Any: a panel's JSON, whose types are what this package doubts.
Json = Any


@dataclass(frozen=True, slots=True)
class Login:
    """How a panel received an account.

    `verdict`: ok; refused (wrong user name or password); expired (or banned, disabled: `status` says); not-a-panel (the
    answer is no login answer: another host may do). Times are seconds since 1970. `connections` None: not said or
    without limit. `base` is the address that `server_info` names, "" where it names none; `clock` the panel's time.
    """

    verdict: Literal["ok", "refused", "expired", "not-a-panel"]
    status: str = ""
    message: str = ""
    expires: int | None = None
    connections: int | None = None
    active: int | None = None
    formats: tuple[str, ...] = ()
    base: str = ""
    timezone: str = ""
    clock: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One list of streams, in the panel's order."""

    entries: tuple[Entry, ...]
    dropped: tuple[Dropped, ...] = ()


def login(body: bytes, *, now: float) -> Login:
    """The verdict on the answer of `player_api.php` without an action.

    Valid is a JSON object with `auth` yes, or without `auth` where `user_info` or `server_info` is there (XTR-2): some
    panels return only `server_info`.
    """
    try:
        answer = load(body)
    except NotJson:
        return Login("not-a-panel")
    if answer is None or answer == []:
        # `[]`, `{}`, `""`, null, false: panels say so to a wrong login, dead back ends too
        return Login("not-a-panel", message="an empty answer")
    whole = mapping(answer)
    user, server = mapping(whole.get("user_info")), mapping(whole.get("server_info"))
    auth = user.get("auth", whole.get("auth"))
    if not user and not server and auth is None:
        return Login("not-a-panel")
    status, expires = text(user.get("status")), integer(user.get("exp_date"))
    told = Login(
        "ok",
        status=status,
        message=text(user.get("message") or whole.get("message"))[:200],
        expires=expires if expires and expires > 0 else None,
        connections=_limit(user.get("max_connections")),
        active=integer(user.get("active_cons")),
        formats=tuple(f for f in map(text, sequence(user.get("allowed_output_formats"))) if f),
        base=_base(server),
        timezone=text(server.get("timezone")),
        clock=integer(server.get("timestamp_now")),
    )
    if auth is not None and not flag(auth):
        verdict: Literal["ok", "refused", "expired"] = "refused" if status.lower() in USABLE else "expired"
    elif status.lower() not in USABLE or (told.expires is not None and told.expires < now):
        verdict = "expired"
    else:
        return told
    return Login(verdict, status, told.message, told.expires)


def _limit(value: Json) -> int | None:
    number = integer(value)
    return number if number is not None and 0 < number < 10_000 else None


def _base(server: Mapping[str, Json]) -> str:
    """`server_info` as an address: `url` is a host, sometimes with a scheme, sometimes with a port, often empty."""
    host = text(server.get("url")).rstrip("/")
    scheme = text(server.get("server_protocol")).lower()
    if "://" in host:
        scheme, host = host.lower().split("://", 1)[0], host.split("://", 1)[1]
    if not host or any(c in host for c in "/?#@ \\"):
        return ""
    if scheme not in {"http", "https"}:
        scheme = "http"
    if ":" in host.rpartition("]")[2]:
        return f"{scheme}://{host}"
    port = integer(server.get("https_port" if scheme == "https" else "port"))
    usual = 443 if scheme == "https" else 80
    return f"{scheme}://{host}" + (f":{port}" if port and 0 < port < 65536 and port != usual else "")


def categories(body: bytes) -> dict[str, str]:
    """Names by category id. Raises NotJson; records without an id are left out."""
    found: dict[str, str] = {}
    for record in records(load(body)):
        # m3u-editor calls the one for what has no group "all"
        key = identifier(record.get("category_id")) or text(record.get("category_id"))
        name = text(record.get("category_name"))
        if key and name:
            found.setdefault(key, name)
    return found


def streams(
    chunks: Iterable[bytes],
    *,
    source: str,
    kind: Kind,
    categories: Mapping[str, str],
    in_bulk: bool = True,
) -> Listing:
    """The entries in the answer of `get_live_streams`, `get_vod_streams` or `get_series`, which arrives in pieces.

    `categories` names the groups. `in_bulk=False` decodes every record by itself: the same result, slower. Raises
    NotJson where the answer is no list, or ends in the middle.
    """
    rows = Rows(source, kind, categories)
    read_rows(chunks, rows, in_bulk=in_bulk)
    dropped = []
    if rows.without_id:
        examples = tuple(dict.fromkeys(n for n in rows.without_id if n))[:3]
        dropped.append(Dropped("no usable stream id", len(rows.without_id), examples))
    entries = rows.entries
    if len(set(map(itemgetter(1), entries))) < len(entries):
        first = {e.key: e for e in reversed(entries)}
        twice = [e.name for e in entries if first[e.key] is not e]
        dropped.append(
            Dropped("the same stream as an earlier entry", len(twice), tuple(dict.fromkeys(twice))[:3])
        )
        entries = [e for e in entries if first[e.key] is e]
    return Listing(tuple(entries), tuple(dropped))


def episodes(body: bytes, *, series: Entry) -> Listing:
    """The episodes in the answer of `get_series_info`, as entries of the series' source and group.

    `episodes` may be an object of season -> list, a list of lists, or a flat list. Raises NotJson.
    """
    found: list[Entry] = []
    lost = 0
    for season, record in _episode_records(mapping(load(body)).get("episodes")):
        key = identifier(record.get("id")) or identifier(record.get("episode_id"))
        if not key:
            lost += 1
            continue
        season_number = integer(record.get("season")) or season
        number = integer(record.get("episode_num")) or 0
        title = text(record.get("title"))
        name = f"{series.name} S{season_number:02d}E{number:02d}"
        info = mapping(record.get("info"))
        found.append(
            series._replace(
                key=key,
                name=f"{name} {title}" if title and title not in {series.name, name} else name,
                logo=text(info.get("movie_image")) or series.logo,
                extension=text(record.get("container_extension")).lower() or "mp4",
                number=None,
            )
        )
    return Listing(tuple(found), (Dropped("no usable episode id", lost),) if lost else ())


def _episode_records(value: Json) -> list[tuple[int, Mapping[str, Json]]]:
    found: list[tuple[int, Mapping[str, Json]]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(sequence(value), 1)
    for season, item in pairs:
        if isinstance(item, dict) and ("id" in item or "episode_id" in item):
            found.append((0, item))
        else:
            found.extend((integer(season) or 0, record) for record in records(item))
    return found
