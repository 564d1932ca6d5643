"""What may stand in the way between the spec, this machine, Plex and the provider, as findings with the next command.

Pure: everything looked at is given. What could not be looked at is said, never passed over as good. This module refuses to
look and to repair anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final, Literal

from reconciler.ledger.model import Ledger
from reconciler.planning.addresses import same_address
from reconciler.planning.numbers import ranges
from reconciler.plex.model import XMLTV_PROVIDER, Device, Dvr, Observed, Server, Unknown
from reconciler.spec.model import Spec
from reconciler.wording import plural

__all__ = ["TESTED", "Finding", "of_clients", "of_clock", "of_plex", "of_serve"]

Level = Literal["good", "hint", "warn", "bad"]

TESTED: Final = ("1.43",)
"""Releases of Plex whose answers this version was written after (recorded on 1.43.2 and 1.43.4)."""
DEAD: Final = "dead"
"""Plex's word for a tuner it could not reach; older versions say `1` where others say `alive` (plex-livetv.md 2.2). It was seen
to stay for a day while the tuner answered (6.3)."""
CLOCK_S: Final = 120
"""Guides are cut to the hour and tokens live for minutes; less than this disturbs neither."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `next_step` is the command or the edit that helps, "" where nothing is to do."""

    level: Level
    check: str
    text: str
    next_step: str = ""


def of_plex(spec: Spec, ledger: Ledger, observed: Observed) -> Iterator[Finding]:
    """Version, guide providers, numbers, DeviceIDs and reachability of tuners, from what Plex has."""
    yield _version(observed.server)
    unknown = [p for p in (observed.dvrs, observed.devices) if isinstance(p, Unknown)]
    if isinstance(observed.dvrs, Unknown) or isinstance(observed.devices, Unknown):
        yield Finding(
            "bad",
            "dvrs",
            f"Plex does not tell its DVRs: {unknown[0].why}",
            "look at Plex's log, then ptctl doctor",
        )
        return
    ids = {record.device_id.casefold(): name for name, record in ledger.dvrs.items()}
    ids |= {d.device_id.casefold(): name for name, d in spec.dvrs.items() if d.device_id}
    yield from _duplicates(observed.devices, ids)
    yield from _guides(observed.dvrs, ids)
    yield from _overlaps(observed.dvrs, ids)
    yield from _tuners(observed.devices, ids, ledger)


def of_serve(spec: Spec, ledger: Ledger, status: Mapping[str, Any] | Unknown) -> Iterator[Finding]:
    """Whether the hub answers, serves what is published, and was ever asked for a stream."""
    if isinstance(status, Unknown):
        yield Finding("bad", "serve", f"serve does not answer: {status.why}", "ptctl serve")
        return
    if status["why"]:
        step = "ptctl serve" if status["why"] == "draining" else "ptctl refresh"
        yield Finding("bad", "serve", f"serve is not ready: {status['why']}", step)
    for who, problem in status["problems"]:
        yield Finding("bad", "serve", f"{who or 'files'}: {problem}", _step_for(who, spec))
    held = status.get("suspended")
    if held:
        yield Finding(
            "hint",
            "serve",
            f"no run begins by itself for now: {held['reason']}",
            "if that is over: DELETE /api/v1/suspension at the hub",
        )
    if status["ready"] and not status["problems"]:
        yield Finding("good", "serve", f"serve answers with generation {status['generation']}")
    tried = any(h["good"] or h["bad"] for source in status["sources"] for h in source["hosts"])
    if spec.plex is not None and any(r.applied for r in ledger.dvrs.values()) and not tried:
        yield Finding(
            "hint",
            "hidden grabs",
            "nobody asked for a stream since serve started; should Plex say that it cannot tune all the same, it holds "
            "tunes that no list shows",
            "nothing while all is well; else restart Plex while nobody watches",
        )


def _step_for(who: str, spec: Spec) -> str:
    """What helps against a problem of the status: of a DVR, of "" (files), or of a part that the status names itself."""
    match who:
        case "":
            return "ptctl refresh"
        case "serve.refresh":
            return "ptctl refresh" if spec.plex is None else "ptctl plan"
        case "serve.pool":
            return "see that it runs, and that serve.pool has its address, name and password"
        case "suspension.json":
            return "DELETE /api/v1/suspension at the hub, or remove the file"
        case _:
            return "free the port, or change it in the spec"


def of_clients(
    allow: Sequence[str], plex_addresses: Iterable[str], refused: Mapping[str, int]
) -> Iterator[Finding]:
    """Whether `serve.access.allow` admits Plex, and who was turned away. `refused` counts requests by address."""
    addresses = sorted(set(plex_addresses))
    networks = [ip_network(text, strict=False) for text in allow]
    outside = [a for a in addresses if not any(ip_address(a) in n for n in networks)]
    for address in addresses:
        if address in refused:
            text = f"serve refused {refused[address]} requests of Plex's host {address}"
            yield Finding("bad", "access", text, f"add {address} to serve.access.allow")
        elif address in outside:
            text = f"serve.access.allow does not admit Plex's host {address}: Plex would say that the device is not found"
            yield Finding("bad", "access", text, f"add {address} to serve.access.allow")
    others = {peer: count for peer, count in refused.items() if peer not in addresses}
    if others:
        peers = ", ".join(f"{peer} ({count})" for peer, count in sorted(others.items())[:5])
        yield Finding(
            "warn", "access", f"other clients were refused: {peers}", "serve.access.allow admits clients"
        )
    if addresses and not outside and not refused:
        yield Finding("good", "access", f"Plex's host {', '.join(addresses)} is admitted")


def of_clock(source: str, off_s: float | None) -> Finding:
    """How far the provider's clock is from ours. None: it did not tell the time."""
    if off_s is None:
        return Finding("hint", "clock", f'the provider of "{source}" does not tell the time')
    if abs(off_s) <= CLOCK_S:
        return Finding("good", "clock", f'within {CLOCK_S} s of the provider of "{source}"')
    where = "ahead of" if off_s > 0 else "behind"
    text = (
        f'the provider of "{source}" is {abs(off_s):.0f} s {where} this machine: guides and tokens may be off'
    )
    return Finding("warn", "clock", text, "set this machine's clock (timedatectl, chronyc tracking)")


def _version(server: Server | Unknown) -> Finding:
    if isinstance(server, Unknown):
        return Finding("bad", "plex version", f"Plex does not tell its version: {server.why}", "ptctl plan")
    release = ".".join(server.version.split(".")[:2])
    if release in TESTED:
        return Finding("good", "plex version", f"Plex {server.version} is of a tested release")
    text = f"Plex {server.version} is of no tested release ({', '.join(TESTED)}): read the plan before you apply it"
    return Finding("warn", "plex version", text, "ptctl plan")


def _duplicates(devices: Sequence[Device], ids: Mapping[str, str]) -> Iterator[Finding]:
    by_id: dict[str, list[Device]] = {}
    for device in devices:
        by_id.setdefault(device.device_id.casefold(), []).append(device)
    doubled = {id_: some for id_, some in by_id.items() if len(some) > 1}
    for id_, some in sorted(doubled.items()):
        keys = ", ".join(device.key for device in some)
        whose = f' of "{ids[id_]}"' if id_ in ids else ""
        text = (
            f"devices {keys} in Plex all have the DeviceID {some[0].device_id}{whose}: their addresses flip"
        )
        yield Finding(
            "bad" if id_ in ids else "warn",
            "device ids",
            text,
            "delete all but one of them in Plex's settings",
        )
    if not doubled:
        yield Finding("good", "device ids", f"{plural(len(by_id), 'DeviceID')} in Plex, none twice")


def _guides(dvrs: Sequence[Dvr], ids: Mapping[str, str]) -> Iterator[Finding]:
    wrong = [
        (ids[device.device_id.casefold()], dvr)
        for dvr in dvrs
        for device in dvr.devices
        if device.device_id.casefold() in ids and dvr.provider != XMLTV_PROVIDER
    ]
    for name, dvr in wrong:
        text = f'"{name}" is in DVR {dvr.key}, which has a guide of Plex\'s own ({dvr.provider}): it refuses XMLTV beside it'
        yield Finding(
            "bad", "cloud guide", text, f"take the tuner out of DVR {dvr.key} in Plex, then ptctl apply"
        )
    if not wrong:
        yield Finding("good", "cloud guide", "no tuner of ours is in a DVR with a guide of Plex's own")


def _overlaps(dvrs: Sequence[Dvr], ids: Mapping[str, str]) -> Iterator[Finding]:
    ours: dict[str, str] = {}
    others: dict[str, str] = {}
    for dvr in dvrs:
        for device in dvr.devices:
            name = ids.get(device.device_id.casefold())
            for pair in device.enabled:
                (ours if name else others)[pair.device] = name or dvr.key
    found: dict[tuple[str, str], list[int]] = {}
    for number in ours.keys() & others.keys():
        if number.isdecimal():
            found.setdefault((ours[number], others[number]), []).append(int(number))
    for (name, key), numbers in sorted(found.items()):
        text = f'numbers {ranges(sorted(numbers))} of "{name}" are on in DVR {key} as well, which is not ours'
        yield Finding(
            "bad", "numbers", text, f"give {name} another range (numbers:), then ptctl renumber {name}"
        )
    if not found:
        yield Finding("good", "numbers", "no number of ours is on in a DVR of somebody else")


def _tuners(devices: Sequence[Device], ids: Mapping[str, str], ledger: Ledger) -> Iterator[Finding]:
    mine = [(ids[d.device_id.casefold()], d) for d in devices if d.device_id.casefold() in ids]
    for name, device in mine:
        record = ledger.dvrs.get(name)
        applied = record.applied if record else None
        if device.status == DEAD:
            text = f'Plex shows the tuner of "{name}" at {device.uri} as dead; that can be a day old'
            step = f"from Plex's host: curl {device.uri}/discover.json   (where it answers, Plex finds it again by itself)"
            yield Finding("bad", "tuners", text, step)
        elif device.state == "disabled":
            yield Finding("warn", "tuners", f'the tuner of "{name}" is switched off in Plex', "ptctl apply")
        elif applied is not None and not same_address(device.uri, applied.tuner_uri):
            text = f'Plex looks for "{name}" at {device.uri}, it was applied with {applied.tuner_uri}'
            yield Finding("warn", "tuners", text, "ptctl plan")
    good = sum(device.status != DEAD and device.state != "disabled" for _, device in mine)
    if mine and good == len(mine):
        yield Finding("good", "tuners", f"Plex reaches {good} of our tuners")
