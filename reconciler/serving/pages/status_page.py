"""The status page: what is served, who watches, how the sources do, what Plex was made to be, how the last run ended.

Every part is a region with a name. The page holds them all, and an event brings them again when something changed: one
piece of code makes both, so that they cannot differ. This module refuses to find anything out.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from reconciler.serving.blocked import Blocked
from reconciler.serving.drift import DriftSeen
from reconciler.serving.pages.layout import Frame, page
from reconciler.serving.pages.markup import Html, element, join
from reconciler.serving.pages.wording import DASH, ago, day_and_clock, iso_seconds, rate, unknown
from reconciler.serving.records import CopySeen
from reconciler.serving.status import (
    AccountUse,
    DvrStatus,
    Host,
    InPlex,
    RunStatus,
    SourceStatus,
    Status,
    StreamStatus,
)
from reconciler.serving.suspension import Suspension
from reconciler.wording import plural, span

__all__ = ["pulse", "regions", "status_page"]

BLOCKED_SHOWN: Final = 12
DRIFT_SHOWN: Final = 12
CLIENTS_SHOWN: Final = 4

_IN_PLEX: Final[Mapping[InPlex, tuple[str, str, str]]] = {
    "unknown": ("none", "unknown", "the ledger says nothing of it, or cannot be read"),
    "never": ("none", "not applied", "ptctl apply has not made it in Plex yet"),
    "current": ("good", "as applied", "Plex was given the lineup that is served now"),
    "waiting": ("warn", "changes wait", "the lineup changed after the last apply: ptctl plan"),
    "none": ("none", "no Plex", "the spec has no plex section: this is for other players"),
}
_STATES: Final = {
    "playing": ("good", "playing"),
    "tuning": ("warn", "tuning"),
    "switching": ("warn", "switching"),
    "lingering": ("none", "lingering"),
    "ending": ("none", "ending"),
}


def status_page(status: Status) -> bytes:
    """The page. Costs some 50 µs per row."""
    part = regions(status)
    frame = Frame("Status", status.name, "status", pulse=part["pulse"], live="status", mark=status.generation)

    def section(key: str, title: str, *, class_: str = "") -> Html:
        heading = element("h2", title, id=f"{key}-title")
        region = element("div", part[key], data_region=key)
        return element(
            "section", [heading, region], class_=f"panel {class_}".strip(), aria_labelledby=f"{key}-title"
        )

    wide = [section("watching", "Watching now"), section("dvrs", "DVRs")]
    narrow = [section("sources", "Sources"), section("drift", "Drift"), section("run", "Last run")]
    main = [
        element("h1", "Status", class_="unseen"),
        element("div", part["notice"], data_region="notice", class_="notices", aria_live="polite"),
        element("div", part["glance"], data_region="glance"),
        element(
            "div",
            [element("div", wide, class_="wide"), element("div", narrow, class_="narrow")],
            class_="columns",
        ),
    ]
    return page(frame, join(main))


def regions(status: Status) -> dict[str, Html]:
    """Every part of the page by name."""
    frame = Frame("Status", status.name)
    return {
        "pulse": pulse(status),
        "notice": _notices(status),
        "glance": _glance(status),
        "watching": _watching(status, frame),
        "dvrs": _dvrs(status, frame),
        "sources": _sources(status),
        "drift": _drift(status.drift, status),
        "run": _run(status.run, status.as_of),
    }


def pulse(status: Status) -> Html:
    """One word on the whole: serving, draining, waiting or in trouble."""
    if status.why:
        return badge("warn", status.why)
    if status.problems:
        return badge("bad", plural(len(status.problems), "problem"))
    return badge("good", "serving")


def badge(tone: str, said: str, why: str = "") -> Html:
    """A word with a mark before it, so that it does not rest on colour."""
    return element("span", said, class_=f"badge {tone}", title=why or None)


# --- regions -------------------------------------------------------------------------------------------------


def _notices(status: Status) -> Html:
    said: list[tuple[str, Html]] = []
    if status.why == "no artifacts yet":
        next_step = join(["Nothing is published yet. Next: ", element("code", "ptctl apply"), " or ",
                          element("code", "ptctl refresh")])  # fmt: skip
        said.append(("warn", next_step))
    if status.why == "draining":
        said.append(("warn", Html("Draining: no new streams are taken, running ones may end.")))
    if status.suspended is not None:
        said.append(("warn", _suspended(status.suspended)))
    for who, what in status.problems:
        said.append(("bad", join([element("b", f"{who}: ") if who else "", what])))
    if status.blocked:
        said.append(("warn", _blocked(status.blocked)))
    for source in status.sources:
        if source.resting and source.resting == len(source.hosts):
            last = next((h.last for h in source.hosts if h.last), "")
            why = f" ({last})" if last else ""
            said.append(("bad", join([element("b", f"{source.name}: "), f"every host failed lately{why}"])))
    return join([element("div", what, class_=f"notice {tone}") for tone, what in said])


def _suspended(held: Suspension) -> Html:
    """Why nothing is refreshed, and what goes on all the same."""
    return join(["No run begins by itself until ", day_and_clock(held.until), ": ", element("bdi", held.reason),
                 ". By hand: ", element("code", "ptctl refresh"), " and ", element("code", "ptctl apply")])  # fmt: skip


def _blocked(blocked: Sequence[Blocked]) -> Html:
    """What the loop was not to touch, each with the command that decides it."""
    items = [
        element("li", [element("b", f"{block.dvr or 'all'}: "), f"{block.code} {block.text}. Next: ",
                       element("code", block.next_step)])
        for block in blocked[:BLOCKED_SHOWN]
    ]  # fmt: skip
    more = len(blocked) - BLOCKED_SHOWN
    if more > 0:
        items.append(element("li", ["and ", str(more), " more: ", element("code", "ptctl plan")]))
    return join(["Left as it was, because a safety rule blocks it:", element("ul", items, class_="items")])


def _glance(status: Status) -> Html:
    resting = sum(source.resting for source in status.sources)
    drift = status.drift
    drifted = None if drift is None or drift.failed else len(drift.items)
    used = sum(account.used for source in status.sources for account in source.accounts)
    limits = [account.limit for source in status.sources for account in source.accounts]
    known = [limit for limit in limits if limit is not None]
    allowed = f"of {sum(known)}" if len(known) == len(limits) else f"of {sum(known)} known"
    tiles = [
        _tile("DVRs", f"{len(status.dvrs)}", plural(status.channels, "channel")),
        _tile("Tuners in use", f"{status.tuners_in_use}", f"of {status.tuners}"),
        _tile("Viewers", f"{status.viewers}", plural(len(status.streams), "stream")),
        _tile("Connections", f"{used}", allowed if known else "no limit known"),
        _tile(
            "Sources",
            f"{len(status.sources)}",
            _sources_word(status, resting),
            tone="warn" if resting else "",
        ),
        _tile(
            "Drift",
            (unknown() if drifted is None else f"{drifted}") if status.plex else DASH,
            _drift_word(drift) if status.plex else "no Plex in the spec",
            tone="warn" if drifted else "",
        ),
    ]
    return element("dl", tiles, class_="glance")


def _sources_word(status: Status, resting: int) -> str:
    if not status.sources:
        return "none published"
    if resting:
        return f"{plural(resting, 'host')} resting"
    return "no trouble" if any(source.tried for source in status.sources) else "not tried yet"


def _drift_word(drift: DriftSeen | None) -> str:
    if drift is None:
        return "not looked yet"
    return "no answer" if drift.failed else "difference" if len(drift.items) == 1 else "differences"


def _tile(label: str, value: str, more: str, *, tone: str = "") -> Html:
    return element(
        "div",
        [
            element("dt", label),
            element("dd", [element("span", value, class_="figure"), element("small", more)]),
        ],
        class_=f"tile {tone}".strip(),
    )


def _watching(status: Status, frame: Frame) -> Html:
    if not status.streams:
        return element("p", "Nobody is watching.", class_="empty")
    head = ("Channel", "On now", "Viewers", "From", "Rate", "Since")
    rows = [_stream(stream, status.as_of, frame) for stream in status.streams]
    return table("Streams that run now", head, rows)


def _stream(stream: StreamStatus, now: float, frame: Frame) -> Sequence[Html]:
    tone, word = _STATES.get(stream.state, ("none", stream.state))
    name: Html = element("bdi", stream.name)
    if stream.number:
        name = element("a", [element("b", stream.number), " ", name],
                       href=frame.to("channel", stream.dvr, stream.number))  # fmt: skip
    where = stream.dvr if stream.tuner is None else f"{stream.dvr}, tuner {stream.tuner}"
    clients = ", ".join(stream.clients[:CLIENTS_SHOWN])
    more = len(stream.clients) - CLIENTS_SHOWN
    switched = f", {plural(stream.switches, 'switch', 'switches')}" if stream.switches else ""
    from_ = [stream.source, element("small", f"{stream.host}{switched}".removeprefix(", "))]
    return (
        join([name, element("small", [where, " ", badge(tone, word)])]),
        element("bdi", stream.on_now.title) if stream.on_now else unknown("the guide says nothing"),
        join([str(stream.viewers), element("small", clients + (f" and {more} more" if more > 0 else ""))]),
        join(from_) if stream.source else Html(DASH),
        Html(rate(stream.rate_bps) or DASH),
        ago(stream.since, now),
    )


def _dvrs(status: Status, frame: Frame) -> Html:
    if not status.dvrs:
        return element("p", "No DVR is published.", class_="empty")
    head = ("DVR", "Channels", "Tuners", "Guide taken", "In Plex", "Look")
    rows = [_dvr(dvr, status.as_of, frame) for dvr in status.dvrs]
    return table("DVRs", head, rows, class_="cards tight")


def _dvr(dvr: DvrStatus, now: float, frame: Frame) -> Sequence[Html]:
    tone, word, why = _IN_PLEX[dvr.in_plex]
    loaded = iso_seconds(dvr.applied_at) if dvr.applied_at else None
    look = [
        element("a", "guide", href=frame.to("guide", query=urlencode({"dvr": dvr.name})),
                aria_label=f"guide of {dvr.name}"),
        element("a", "playlist", href=frame.to(f"dvr-{dvr.name}.m3u"), aria_label=f"playlist of {dvr.name}"),
    ]  # fmt: skip
    title = join([element("bdi", dvr.title), " "]) if dvr.title != dvr.name else ""
    range_ = f"{dvr.first_number}{DASH}{dvr.last_number}" if dvr.channels else ""
    problem = [element("small", badge("bad", dvr.problem))] if dvr.problem else []
    taken = (
        join([ago(dvr.guide_fetched_at, now), element("small", dvr.guide_fetched_by)])
        if dvr.guide_fetched_at is not None
        else element("span", "not yet", class_="unknown", title="no client has taken it since serve started")
    )
    return (
        join([element("b", dvr.name), element("small", [title, element("code", dvr.device_id)]), *problem]),
        join([f"{dvr.channels:,}", element("small", range_)]),
        join([_meter(dvr.in_use, dvr.tuners), f"{dvr.in_use} of {dvr.tuners}",
              element("small", plural(dvr.viewers, "viewer") if dvr.viewers else "")]),
        taken,
        join([badge(tone, word, why), element("small", ["loaded ", ago(loaded, now)]) if loaded else ""]),
        element("span", look, class_="links"),
    )  # fmt: skip


def _meter(used: int, most: int) -> Html:
    """A bar for the eye; the words beside it say the same."""
    full = "full" if used >= most else None
    return element("progress", "", value=min(used, most), max=max(1, most), class_=full, aria_hidden="true")


def _sources(status: Status) -> Html:
    if not status.sources:
        return element("p", unknown("nothing is published yet"), class_="empty")
    return join(
        [
            element("ul", [_source(source, status.as_of) for source in status.sources], class_="sources"),
            *([_guides(status)] if status.guides else []),
        ]
    )


def _source(source: SourceStatus, now: float) -> Html:
    if source.resting:
        tone, word = ("bad" if source.resting == len(source.hosts) else "warn"), "trouble lately"
    elif source.tried:
        tone, word = "good", "well"
    else:
        tone, word = "none", "not tried yet"
    lists = [_list(copy, now) for copy in source.lists] or [
        element("p", ["List ", unknown("there is no copy in the cache of this serve")])
    ]
    told = [
        _account(place, use, len(source.accounts))
        for place, use in enumerate(source.accounts, 1)
        if use.limit is not None or use.used or use.refused
    ]
    hosts = [_host(host) for host in source.hosts]
    return element(
        "li",
        [
            element("h3", [source.name, " ", element("small", source.kind), " ", badge(tone, word)]),
            element("div", lists, class_="lists"),
            element("dl", told, class_="facts") if told else "",
            element("ul", hosts, class_="hosts", aria_label=f"hosts of {source.name}") if hosts else "",
        ],
    )


def _list(copy: CopySeen, now: float) -> Html:
    """`12,345 entries, fetched 2 h ago`; which of a panel's lists it is, where that is not plain."""
    what = copy.name.rpartition(".")[2]
    kind = "" if what in {"m3u", "live"} else f"{what}: "
    return element("p", [f"{kind}{copy.count:,} entries, fetched ", ago(copy.fetched_at, now)])


def _fact(label: str, value: str | Sequence[str]) -> Html:
    return element("div", [element("dt", label), element("dd", value)])


def _account(place: int, use: AccountUse, of: int) -> Html:
    label = "Connections" if of == 1 else f"Account {place}"
    parts: list[str] = [
        _meter(use.used, use.limit) if use.limit else "",
        f"{use.used} of {use.limit}" if use.limit is not None else f"{use.used}, no limit known",
    ]
    if use.idle:
        parts.append(f", {use.idle} without a viewer")
    if use.refused:
        parts.append(f", refused {plural(use.refused, 'time')}")
    return _fact(label, parts)


def _host(host: Host) -> Html:
    tried = host.good + host.bad
    tone = "warn" if host.resting else "good" if tried else "none"
    said = f"{host.good} of {tried} played" if tried else "not tried yet"
    last = f", last trouble: {host.last}" if host.last else ""
    return element("li", [badge(tone, host.label), element("span", said + last)])


def _guides(status: Status) -> Html:
    rows = [_fact(copy.name, ["fetched ", ago(copy.fetched_at, status.as_of)]) for copy in status.guides]
    return join([element("h3", "Guides", class_="apart"), element("dl", rows, class_="facts")])


def _drift(seen: DriftSeen | None, status: Status) -> Html:
    waiting = [dvr.name for dvr in status.dvrs if dvr.in_plex == "waiting"]
    never = [dvr.name for dvr in status.dvrs if dvr.in_plex == "never"]
    parts: list[Html] = []
    if not status.plex:
        parts.append(element("p", "The spec has no plex section, so there is nothing to compare with."))
    elif seen is None:
        parts.append(
            element(
                "p",
                [
                    unknown(),
                    ": Plex was not looked at since serve started. Next: ",
                    element("code", "ptctl plan"),
                ],
            )
        )
    elif seen.failed:
        parts.append(element("p", [unknown(), ": ", seen.failed, ", ", ago(seen.at, status.as_of)]))
    elif not seen.items:
        parts.append(element("p", [badge("good", "none"), " Plex is as it was applied, looked ",
                                   ago(seen.at, status.as_of)]))  # fmt: skip
    else:
        items = [
            element("li", [element("b", f"{item.dvr} ") if item.dvr else "", item.text, " ",
                           element("code", item.path)])
            for item in seen.items[:DRIFT_SHOWN]
        ]  # fmt: skip
        more = len(seen.items) - DRIFT_SHOWN
        if more > 0:
            items.append(element("li", f"and {more} more"))
        parts.append(element("p", [badge("warn", plural(len(seen.items), "difference")), " looked ",
                                   ago(seen.at, status.as_of)]))  # fmt: skip
        parts.append(element("ul", items, class_="items"))
    if waiting:
        parts.append(element("p", ["Changes wait for an apply: ", ", ".join(waiting)], class_="aside"))
    if never and status.ledger_known:
        parts.append(element("p", ["Not applied yet: ", ", ".join(never)], class_="aside"))
    return join(parts)


def _run(run: RunStatus | None, now: float) -> Html:
    if run is None:
        return element("p", unknown("there is no journal that this serve can read"), class_="empty")
    began, ended = iso_seconds(run.began), iso_seconds(run.ended)
    if run.exit is None and not run.ended:
        # A run without its last line is at work, or was killed: the journal does not tell which.
        tone, word = "none", "no end noted"
    elif run.failed:
        tone, word = "bad", plural(run.failed, "action failed", "actions failed")
    elif run.exit:
        tone, word = "warn", f"exit {run.exit}"
    else:
        tone, word = "good", "done"
    facts = [
        _fact("Run", f"{run.number}, {run.command or 'nothing noted'}"),
        _fact("Began", ago(began, now) if began else unknown()),
    ]
    if began is not None and ended is not None:
        facts.append(_fact("Took", span(ended - began)))
    other = f", {run.other} other" if run.other else ""
    facts.append(_fact("Actions", f"{run.done} done, {run.failed} failed{other}"))
    failures = [element("li", [element("code", id_), " ", detail]) for id_, detail in run.failures]
    return join(
        [
            element("p", badge(tone, word)),
            element("dl", facts, class_="facts"),
            element("ul", failures, class_="items") if failures else "",
        ]
    )


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[Html]], *, class_: str = "cards"
) -> Html:
    """A table that becomes cards on a phone: each cell says its column. Roles are spelled out, because CSS takes them."""
    columns = [element("th", name, scope="col", role="columnheader") for name in head]
    body = []
    for row in rows:
        first = element("th", row[0], scope="row", role="rowheader")
        rest = [
            element("td", element("div", cell), role="cell", data_label=name)
            for name, cell in zip(head[1:], row[1:], strict=True)
        ]
        body.append(element("tr", [first, *rest], role="row"))
    return element(
        "table",
        [
            element("caption", caption, class_="unseen"),
            element("thead", element("tr", columns, role="row"), role="rowgroup"),
            element("tbody", body, role="rowgroup"),
        ],
        role="table",
        class_=class_,
    )
