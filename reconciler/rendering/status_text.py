"""What `serve` is doing, as text: from the hub's status document alone. Refuses to ask, to count streams, to judge."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.rendering.ink import Role, cut, pad, paint
from reconciler.wording import number, plural, span

__all__ = ["render_away", "render_status"]

Document = Mapping[str, Any]  # Any: JSON
_IN_PLEX: Final[Mapping[str, tuple[str, Role | None]]] = {
    "current": ("as served", "good"),
    "waiting": ("older than served", "change"),
    "never": ("not applied", "change"),
    "unknown": ("not known", "dim"),
    "none": ("no Plex in the spec", "dim"),
}


def render_status(document: Document, *, color: bool) -> str:
    """The whole status: generation, DVRs, streams, sources, last run, drift."""
    parts = [
        list(_head(document, color=color)),
        list(_dvrs(document, color=color)),
        list(_streams(document)),
        list(_sources(document, color=color)),
        list(_run(document, color=color)),
        list(_refused(document, color=color)),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in part) for part in parts if part) + "\n"


def render_away(why: str, local: Document, *, color: bool) -> str:
    """What the state directory alone tells while `serve` does not answer."""
    lines = [
        paint(f"serve does not answer: {why}", "danger", color=color),
        f"  published   generation {local['generation'] or 'none'}",
        f"  ledger      serial {local['serial']}, {plural(local['dvrs'], 'DVR')}",
    ]
    run = local["run"]
    if run:
        lines.append(f"  last run    {_begun(run)}, {_end(run)}")
    return "\n".join([*lines, "", "Next:  ptctl serve"]) + "\n"


def _head(document: Document, *, color: bool) -> Iterator[str]:
    used = sum(dvr["in_use"] for dvr in document["dvrs"])
    every = sum(dvr["tuners"] for dvr in document["dvrs"])
    watching = sum(stream["viewers"] for stream in document["streams"])
    why = document["why"] or plural(len(document["problems"]), "problem")
    word = "ready" if document["ready"] else f"not ready: {why}"
    title = f"{document['name']}  generation {document['generation'] or 'none'}  "
    yield paint(title, "head", color=color) + paint(
        word, "good" if document["ready"] else "danger", color=color
    )
    yield f"  {used} of {plural(every, 'tuner')} in use, {plural(watching, 'viewer')}"
    held = document.get("suspended")
    if held:
        yield paint(
            f"  no run begins by itself until {_moment(held['until'])}: {held['reason']}",
            "change",
            color=color,
        )
    for who, problem in document["problems"]:
        yield paint(f"  {who or 'files'}: {problem}", "danger", color=color)
    for block in document["blocked"]:
        said = f"  {block['dvr'] or 'all'}: left as it was, {block['code']} {block['text']}"
        yield paint(said, "blocked", color=color)
        yield f"    Next:  {block['next_step']}"


def _dvrs(document: Document, *, color: bool) -> Iterator[str]:
    if not document["dvrs"]:
        return
    yield paint(f"{'DVR':<14} {'channels':>8}  {'numbers':<12} {'tuners':<8} in Plex", "head", color=color)
    for dvr in document["dvrs"]:
        words, role = _IN_PLEX[dvr["in_plex"]]
        span = f"{dvr['first_number']}-{dvr['last_number']}" if dvr["first_number"] else ""
        at = f", loaded {dvr['applied_at']}" if dvr["applied_at"] else ""
        yield (
            f"{pad(cut(dvr['name'], 14), 14)} {number(dvr['channels']):>8}  {span:<12} "
            f"{dvr['in_use']} of {dvr['tuners']:<3} "
        ) + paint(words + at, role, color=color)


def _streams(document: Document) -> Iterator[str]:
    for stream in document["streams"]:
        rate = f"{stream['rate_bps'] / 1e6:.1f} Mbit/s"
        via = " ".join(filter(None, (stream["source"], stream["host"])))
        switched = f", {plural(stream['switches'], 'switch', 'switches')}" if stream["switches"] else ""
        yield (
            f"{stream['dvr']:<14} {stream['number']:>6} {pad(cut(stream['name'], 24), 24)} "
            f"{stream['state']}, {plural(stream['viewers'], 'viewer')}, {rate}, {via}{switched}"
        )


def _sources(document: Document, *, color: bool) -> Iterator[str]:
    now = float(document["as_of"])
    for source in document["sources"]:
        ages = [now - copy["fetched_at"] for copy in source["lists"]]
        count = sum(copy["count"] for copy in source["lists"])
        age = f"{span(max(ages))} old, {plural(count, 'entry')}" if ages else "no copy"
        limits = [a["limit"] for a in source["accounts"]]
        used = sum(a["used"] for a in source["accounts"])
        most = "no limit" if None in limits or not limits else str(sum(limits))
        resting = [h["label"] for h in source["hosts"] if h["resting"]]
        yield f"source {pad(cut(source['name'], 14), 14)} {age}; connections {used} of {most}" + (
            paint(f"; failing lately: {', '.join(resting)}", "change", color=color) if resting else ""
        )
    for guide in document["guides"]:
        yield f"guide  {pad(cut(guide['name'], 14), 14)} {span(now - guide['fetched_at'])} old"


def _run(document: Document, *, color: bool) -> Iterator[str]:
    run, drift = document["run"], document["drift"]
    if run is not None:
        role: Role = "good" if run["exit"] == 0 else "change"
        text = f"run {_begun(run)}: {run['done']} done, {run['failed']} failed"
        yield f"last   {text}, " + paint(_end(run), role, color=color)
    if not document.get("plex", True):
        return
    if drift is None:
        yield "drift  not known: nobody has looked since serve started (serve.reconcile, or ptctl plan)"
    elif drift["failed"]:
        yield f"drift  not known: {drift['failed']}"
    else:
        at = _moment(drift["at"])
        yield f"drift  {plural(len(drift['items']), 'difference') if drift['items'] else 'none'} ({at})"
        yield from (f"       {item['dvr']}: {item['text'] or item['path']}" for item in drift["items"])


def _refused(document: Document, *, color: bool) -> Iterator[str]:
    for peer, count in sorted(document.get("refused", {}).items()):
        yield paint(f"refused {peer}: {plural(count, 'request')} (serve.access.allow)", "change", color=color)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _begun(run: Document) -> str:
    """`117 apply, 2026-02-28T04:09:00Z`; of a run that died before its first line, or found the disk full, the number."""
    return (
        f"{run['number']} {run['command']}, {run['began']}"
        if run["began"]
        else f"{run['number']}, nothing noted"
    )


def _end(run: Document) -> str:
    # at work, or killed: the journal does not tell which
    return "no end noted" if run["exit"] is None else f"exit {run['exit']}"
