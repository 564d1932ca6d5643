"""Looking at everything that an adoption needs, and building a lost ledger again.

Sources and Plex are read, the rules are `planning.adoption` and `planning.rebuilding`. A plan that meets a DVR with one of
our DeviceIDs, of which the ledger knows nothing, adopts it with the numbers that are on (design.md 4): a lost ledger may
not renumber a house. This module refuses to write: whoever calls it saves the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import trio

from reconciler.catalog.names import normalise_name
from reconciler.errors import OperatorError
from reconciler.ledger import generations
from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.lineups.model import Desired, DvrTarget
from reconciler.pipeline.gather import Gathered, Request, client_id, gather, plex_token
from reconciler.pipeline.published import rows_of
from reconciler.pipeline.verdicts import desired_state
from reconciler.planning.adoption import Adoption, Match, Told, adopt, found_dvr, told_ids
from reconciler.planning.rebuilding import rebuilt, refined
from reconciler.planning.sight import look_for
from reconciler.plex.connection import connected
from reconciler.plex.model import Device, Dvr, Observed, Unknown
from reconciler.plex.reader import observe, read_device_channels
from reconciler.spec.model import Spec

__all__ = ["Rebuilt", "adopted", "rebuild", "taken_over"]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The ledger again. `from_files` are DVRs the published files told, `from_plex` those that Plex alone had.

    `missing` are DVRs that Plex does not have, `unmatched` numbers of which the channel is not known, by DVR. `left` says by
    DVR why it could not be taken over: the next plan does it, once that is put right.
    """

    ledger: Ledger
    from_files: tuple[str, ...]
    from_plex: tuple[str, ...]
    missing: tuple[str, ...]
    unmatched: Mapping[str, tuple[Match, ...]]
    left: Mapping[str, str]


async def adopted(spec: Spec, request: Request, dvr: str, key: str, told: Iterable[Told]) -> Adoption:
    """The ledger with DVR `key` of Plex as `dvr`. Raises OperatorError where it cannot be, and what looking raises."""
    told = tuple(told)
    observed, names = await _look(spec, request, key)
    if isinstance(names, Unknown):
        if not told:
            raise OperatorError(
                f"the names of its channels cannot be read ({names.why}): no number would find its channel again",
                next_step=f"try again, or tell them:  ptctl adopt {dvr} --plex {key} --channels FILE",
            )
        names = {}
    seen = await gather(spec, replace(request, plex=False))
    desired = await _desired(spec, request, seen)
    target = next(t for t in desired.dvrs if t.record.name == dvr)
    channels = [row.channel for row in target.lineup.rows]
    return adopt(
        target,
        desired,
        seen.ledger,
        observed,
        key,
        names=names,
        normal=normalise_name,
        now=_moment(request).strftime("%Y-%m-%dT%H:%M:%SZ"),
        channels=told_ids(told, channels, normalise_name),
    )


async def rebuild(spec: Spec, request: Request) -> Rebuilt:
    """The ledger from the published files, and from Plex for DVRs of which no file is left.

    Raises OperatorError where neither files nor Plex tell anything, or Plex cannot be read.
    """
    observed = await _observed(spec, request)
    seen = await gather(spec, replace(request, plex=False))
    now = _moment(request).strftime("%Y-%m-%dT%H:%M:%SZ")
    ledger = Ledger()
    if seen.published is not None:
        rows = rows_of(generations.current_path(Path(spec.state)), seen.published)
        ledger = rebuilt(
            spec,
            seen.catalog.entries,
            seen.published,
            rows,
            observed,
            generation=seen.generation,
            now=now,
        )
    files = tuple(ledger.dvrs)
    found: dict[str, tuple[Match, ...]] = {}
    left: dict[str, str] = {}
    desired = await _desired(spec, request, replace(seen, ledger=ledger))
    for target in desired.dvrs:
        if observed is None or target.record.name in ledger.dvrs:
            continue
        sighted = _sighted(target, observed)
        if sighted is None:
            continue
        dvr, device = sighted
        names = await _names(spec, request, device.key)
        if isinstance(names, Unknown):  # without them every channel would get another number
            why = f"the names of the channels of DVR {dvr.key} cannot be read: {names.why}"
            left[target.record.name] = why
            continue
        try:
            made = _of_plex(spec, target, desired, ledger, observed, dvr, device, names, now)
        except OperatorError as problem:
            # what a person has to put right first is no reason to lose the others
            step = f" ({problem.next_step})" if problem.next_step else ""
            left[target.record.name] = f"{problem.message}{step}"
            continue
        ledger, found[target.record.name] = made.ledger, made.unmatched
    if not ledger.dvrs and left:
        why = "; ".join(f"{name}: {text}" for name, text in left.items())
        raise OperatorError(f"nothing can be rebuilt: {why}", next_step="ptctl doctor")
    if not ledger.dvrs:
        raise OperatorError(
            "there is nothing to rebuild from: no published files, and no DVR in Plex with a DeviceID of this spec",
            next_step="ptctl plan",
        )
    again = await _desired(spec, request, replace(seen, ledger=ledger))
    return Rebuilt(
        ledger=refined(ledger, again.ledger),
        from_files=files,
        from_plex=tuple(name for name in ledger.dvrs if name not in files),
        missing=tuple(n for n, r in ledger.dvrs.items() if observed is not None and not r.dvr_key),
        unmatched={name: matches for name, matches in found.items() if matches},
        left=left,
    )


async def taken_over(spec: Spec, request: Request, seen: Gathered) -> tuple[Gathered, Ledger]:
    """What to compute with where Plex has DVRs with our DeviceIDs that the ledger does not know, or knows only as planned.

    The ledger of the returned `Gathered` has them as adopted. The other one is the ledger as it is, with what those
    channels were before: a plan compares with it. A DVR whose channels' names cannot be read, or that cannot be adopted
    (two tuners in it), is unknown.
    Costs a request for each such DVR, and the desired state once more; nothing where there is none.
    """
    observed, was = seen.observed, seen.ledger
    if not isinstance(observed, Observed):
        return seen, was
    seen = replace(seen, ledger=_titled(spec, was, observed))
    if not _strangers(spec, was, observed):
        return seen, was
    now = _moment(request).strftime("%Y-%m-%dT%H:%M:%SZ")
    desired = await _desired(spec, request, seen)
    ledger = seen.ledger
    by_device = {record.device_id.casefold(): record for record in ledger.dvrs.values()}
    for target in desired.dvrs:
        name = target.record.name
        # By DeviceID first: a DVR that the spec has renamed (`moved:`) is in the ledger under its old name.
        known = by_device.get(target.record.device_id.casefold()) or seen.ledger.dvrs.get(name)
        if known is not None and (_learned(known) or known.name != name):
            continue
        found = _sighted(target, observed)
        if found is None or not found[1].enabled:
            continue
        dvr, device = found
        names = await _names(spec, request, device.key)
        if isinstance(names, Unknown):
            why = Unknown(f"the names of the channels of DVR {dvr.key}: {names.why}")
            observed = replace(observed, details={**observed.details, dvr.key: why})
            continue
        try:
            ledger = _of_plex(spec, target, desired, ledger, observed, dvr, device, names, now).ledger
        except OperatorError as problem:
            # One that a person has to put right first is no reason to refuse the others.
            why = Unknown(f"it cannot be adopted: {problem}")
            observed = replace(observed, details={**observed.details, dvr.key: why})
            continue
        if known is not None:
            # Made by a `refresh` without a look at Plex, or by a run that died: the numbers count, the rest is as planned.
            ledger = replace(ledger, dvrs={**ledger.dvrs, known.name: known})
    before = replace(was, channels=ledger.channels, retired=ledger.retired)
    return replace(seen, ledger=ledger, observed=observed), before


def _titled(spec: Spec, ledger: Ledger, observed: Observed) -> Ledger:
    """The ledger with the titles of DVRs that somebody made anew for tuners of ours: a title is fixed then (3.3).

    Known before the files are made, because a tuner is called as its DVR is.
    """
    found = dict(ledger.dvrs)
    for name, record in ledger.dvrs.items():
        dvr = spec.dvrs.get(record.split_of or name)
        sighting = look_for(record.device_id, record, observed)
        if (
            dvr is not None
            and not dvr.title
            and sighting.how == "device-id"
            and isinstance(sighting.dvr, Dvr)
        ):
            found[name] = replace(record, title=sighting.dvr.title or record.title)
    return replace(ledger, dvrs=found)


def _learned(record: DvrRecord) -> bool:
    """Whether the ledger knows which DVR of Plex this is."""
    return bool(record.dvr_key or record.applied)


def _strangers(spec: Spec, ledger: Ledger, observed: Observed) -> bool:
    """Whether a DVR of the spec was never found in Plex while Plex has tuners that the ledger does not know."""
    learned = {name for name, record in ledger.dvrs.items() if _learned(record)}
    if isinstance(observed.devices, Unknown) or spec.dvrs.keys() <= learned:
        return False
    known = {ledger.dvrs[name].device_id.casefold() for name in learned}
    return any(device.device_id.casefold() not in known for device in observed.devices)


def _sighted(target: DvrTarget, observed: Observed) -> tuple[Dvr, Device] | None:
    """The DVR and the tuner that have this target's DeviceID."""
    sighting = look_for(target.record.device_id, None, observed)
    if isinstance(sighting.dvr, Dvr) and isinstance(sighting.device, Device):
        return sighting.dvr, sighting.device
    return None


def _of_plex(
    spec: Spec,
    target: DvrTarget,
    desired: Desired,
    ledger: Ledger,
    observed: Observed,
    dvr: Dvr,
    device: Device,
    names: Mapping[str, str],
    now: str,
) -> Adoption:
    """A DVR of which only Plex knows, by the DeviceID that it always gets."""
    first, last = spec.serve.ports
    port = urlsplit(device.uri).port
    record = target.record
    if record.port is not None and port is not None and first <= port <= last:
        record = replace(record, port=port)
    said = replace(target.dvr, device_id=record.device_id)
    return adopt(
        replace(target, record=record, dvr=said),
        desired,
        ledger,
        observed,
        dvr.key,
        names=names,
        normal=normalise_name,
        now=now,
    )


async def _desired(spec: Spec, request: Request, seen: Gathered) -> Desired:
    today = _moment(request).date()
    return await trio.to_thread.run_sync(lambda: desired_state(spec, request, seen, today=today).desired)


async def _look(spec: Spec, request: Request, key: str) -> tuple[Observed, Mapping[str, str] | Unknown]:
    """What Plex has, this DVR in particular, and the names of its channels by number."""
    if spec.plex is None:
        raise OperatorError(
            "the spec has no plex section, so there is nothing to adopt",
            next_step="write plex: with url and credentials",
        )
    token = plex_token(spec, request)
    async with connected(spec.plex.url, token, client_id=client_id(spec)) as connection:
        observed = await observe(connection, ours=lambda found: found.key == key)
    _, device = found_dvr(observed, key)
    return observed, await _names(spec, request, device.key)


async def _names(spec: Spec, request: Request, device_key: str) -> Mapping[str, str] | Unknown:
    """The names of a tuner's channels by number."""
    assert spec.plex is not None
    token = plex_token(spec, request)
    async with connected(spec.plex.url, token, client_id=client_id(spec)) as connection:
        return await read_device_channels(connection, device_key)


async def _observed(spec: Spec, request: Request) -> Observed | None:
    if spec.plex is None:
        return None
    token = plex_token(spec, request)
    async with connected(spec.plex.url, token, client_id=client_id(spec)) as connection:
        observed = await observe(connection)
    unknown = [
        part
        for part in (observed.dvrs, observed.devices, *observed.details.values())
        if isinstance(part, Unknown)
    ]
    if unknown:
        raise OperatorError(f"Plex cannot be read: {unknown[0].why}", next_step="ptctl doctor")
    return observed


def _moment(request: Request) -> datetime:
    return datetime.fromtimestamp(request.now, UTC)
