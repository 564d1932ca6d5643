"""What somebody else changed in Plex since the last apply, told apart from what the spec changed.

Drift is the difference between Plex and what the ledger says was applied (design.md 4): address, guide, title, map.
What the plan does about it is in each item's `resolution`. This module refuses to plan steps.
"""

from collections.abc import Iterable

from reconciler.planning.addresses import host_and_port, same_address
from reconciler.planning.diff import MapDiff
from reconciler.planning.model import DriftItem
from reconciler.planning.numbers import numbers_in
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr
from reconciler.wording import plural, some

__all__ = ["address_drift", "guide_drift", "map_drift", "missing_drift", "settings_drift"]

EXAMPLES = 4


def missing_drift(target: Target, *, what: str) -> tuple[DriftItem, ...]:
    """A tuner or a DVR of ours that Plex no longer has."""
    record = target.record
    if what == "tuner":
        named = f"tuner {record.device_key}".strip()
        return (
            DriftItem(
                target.dvr,
                "tuner",
                named,
                "",
                "register it again, with a new DVR",
                f"{named} is gone from Plex",
            ),
        )
    named = f"DVR {record.dvr_key}".strip()
    note = f"{named} is gone from Plex, and its recording rules with it"
    return (DriftItem(target.dvr, "dvr", named, "", "create it again", note),)


def address_drift(target: Target, device: Device) -> tuple[DriftItem, ...]:
    """A tuner that points elsewhere than it was made to."""
    applied = target.record.applied
    assert applied is not None
    return (
        DriftItem(
            target.dvr,
            "tuner.uri",
            applied.tuner_uri,
            device.uri,
            f"set to {host_and_port(target.uri)}",
            f"tuner address is {device.uri}",
        ),
    )


def guide_drift(target: Target, dvr: Dvr) -> tuple[DriftItem, ...]:
    """A DVR whose guide lies elsewhere than it was applied with: no call does that, its row in the database can (8.2)."""
    applied = target.record.applied
    if applied is None or same_address(applied.guide_url, dvr.guide):
        return ()
    resolution = f"replace the DVR, with --allow replace:{target.dvr}"
    note = f"its guide is {dvr.guide}"
    return (DriftItem(target.dvr, "guide.url", applied.guide_url, dvr.guide, resolution, note),)


def settings_drift(target: Target, device: Device) -> tuple[DriftItem, ...]:
    """A tuner that was renamed or switched off."""
    applied = target.record.applied
    if applied is None:
        return ()
    found = []
    # An edited title is the spec's change, and an adopted tuner keeps the name it has.
    ours = {applied.title, target.title}
    kept = target.record.title_refused == target.title or (target.record.adopted and device.title)
    if device.title not in ours and not kept:
        found.append(
            DriftItem(
                target.dvr, "tuner.title", target.title, device.title, f'name it "{target.title}" again'
            )
        )
    if device.state == "disabled":
        found.append(
            DriftItem(
                target.dvr,
                "tuner.state",
                "enabled",
                "disabled",
                "switch it on",
                "tuner is switched off in Plex",
            )
        )
    return tuple(found)


def map_drift(
    target: Target, device: Device, found: MapDiff, applied_numbers: frozenset[str] | None
) -> tuple[tuple[DriftItem, ...], MapDiff]:
    """Channels that were switched on, off or over in Plex, and which part of the difference that explains.

    `applied_numbers` are those last switched on; None where that generation is gone: then only counts are told.
    """
    applied = target.record.applied
    assert applied is not None
    on = {pair.device for pair in device.enabled}
    if applied_numbers is None:
        item = DriftItem(
            target.dvr,
            "channels",
            f"{applied.channels} on",
            f"{len(on)} on",
            "set the whole map again",
            f"its channel map is not the one last applied ({applied.channels} on then, {len(on)} now)",
        )
        return (item,), MapDiff((), (), ())
    was = applied_numbers - {str(n) for n in numbers_in(applied.unmatched)}
    gone, come = was - on, on - was
    off = tuple(n for n in found.missing if str(n) in gone)
    items = []
    counts = (f"{len(was)} on", f"{len(on)} on")
    if gone:
        resolution = "switch on again" if off else "none: the spec no longer wants them"
        note = f"{plural(len(gone), 'channel')} switched off in Plex: {_named(target, gone)}"
        items.append(DriftItem(target.dvr, "channels", *counts, resolution, note))
    if come:
        note = f"{plural(len(come), 'channel')} switched on in Plex: {_named(target, come)}"
        keep = come <= {str(n) for n in target.numbers}
        items.append(
            DriftItem(
                target.dvr, "channels", *counts, "keep: wanted now" if keep else "switch off again", note
            )
        )
    if found.crossed:
        names = _named(target, {str(n) for n in found.crossed})
        note = f"{plural(len(found.crossed), 'channel')} paired with another guide channel in Plex: {names}"
        items.append(DriftItem(target.dvr, "channels", "own guide", "another's guide", "pair again", note))
    extra = tuple(n for n in found.extra if n in come)
    return tuple(items), MapDiff(off, extra, found.crossed)


def _named(target: Target, numbers: Iterable[str]) -> str:
    ordered = sorted(numbers, key=lambda n: (len(n), n))
    named = [f"{n} {target.names.get(int(n), '') if n.isdecimal() else ''}".strip() for n in ordered]
    return some(named, EXAMPLES)
