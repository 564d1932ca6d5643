"""Steps as actions: id, kind, needs, arguments in plain text, and sentences that say when, what, and how to undo.

Ids are kind and DVR, so they are stable from plan to plan. Arguments are what a reader wants to see; nothing secret is
among them. This module refuses to decide whether a step is needed.
"""

from collections.abc import Iterable

from reconciler.planning.changes import Comparison, Steps
from reconciler.planning.model import Action, ActionKind
from reconciler.planning.numbers import ranges
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr
from reconciler.wording import plural

__all__ = ["AWAIT_SERVE", "PUBLISH", "WRITE_LEDGER", "dvr_actions", "file_actions", "leaving_actions"]

WRITE_LEDGER = "write-ledger"
PUBLISH = "publish"
AWAIT_SERVE = "await-serve"


def file_actions(
    *, ledger: bool, generation: str, previous: str, files: int, touched: Iterable[str]
) -> tuple[Action, ...]:
    """What comes before Plex: ledger, generation (`generation` "" when it is published already), a serving `serve`.

    `touched` are the DVRs to which Plex actions follow that need their tuner to answer.
    """
    found: list[Action] = []
    if ledger:
        found.append(
            Action(
                WRITE_LEDGER,
                "write-ledger",
                "",
                reason="ids, ports and numbers are kept before anything uses them",
                precondition="the ledger has the serial this plan was made with",
                effect="the ledger holds DeviceIDs, ports and numbers exactly as planned",
                undo="none needed: numbers given stay reserved",
            )
        )
    if generation:
        found.append(
            Action(
                PUBLISH,
                "publish",
                "",
                needs=_present(found, WRITE_LEDGER),
                args={"generation": generation, "previous": previous, "files": str(files)},
                reason="lineups or guides differ from what is published",
                precondition="the files of the generation are complete",
                effect=f"generation {generation} is current",
                undo=f"ptctl rollback {previous}" if previous else "none: it is the first",
            )
        )
    names = sorted(touched)
    if names:
        found.append(
            Action(
                AWAIT_SERVE,
                "await-serve",
                "",
                needs=_present(found, WRITE_LEDGER, PUBLISH),
                args={"dvrs": ",".join(names)},
                reason="Plex probes a tuner when it is told about it, so the tuner must answer first",
                precondition="serve runs",
                effect="serve answers with this generation, and each tuner with its DeviceID",
                undo="none needed: it only looks",
            )
        )
    return tuple(found)


def dvr_actions(comparison: Comparison, *, needs: tuple[str, ...]) -> tuple[Action, ...]:
    """The actions of one DVR, in the order in which they need each other. `needs` come before its first."""
    target, sighting = comparison.target, comparison.sighting
    if target is None or sighting is None or not comparison.steps.any:
        return ()
    steps = comparison.steps
    device = sighting.device if isinstance(sighting.device, Device) else None
    dvr = sighting.dvr if isinstance(sighting.dvr, Dvr) else None
    found: list[Action] = []
    for kind in _kinds(steps):
        before = (found[-1].id,) if found else needs
        found.append(_action(kind, target, device, dvr, before))
    return tuple(found)


def leaving_actions(
    dvr: str, *, dvr_key: str, device_key: str, title: str, needs: tuple[str, ...]
) -> tuple[Action, ...]:
    """Delete a DVR of ours and then its tuner; what is gone already needs no action."""
    found: list[Action] = []
    if dvr_key:
        found.append(
            Action(
                f"delete-dvr:{dvr}",
                "delete-dvr",
                dvr,
                needs=needs,
                args={"key": dvr_key, "title": title},
                reason="it is not in the spec any more",
                precondition=f"no guide load runs; DVR {dvr_key} holds our tuner alone",
                effect=f"DVR {dvr_key} is gone, with its recording rules",
                risk="recording rules are lost",
            )
        )
    if device_key:
        found.append(
            Action(
                f"delete-device:{dvr}",
                "delete-device",
                dvr,
                needs=(found[-1].id,) if found else needs,
                args={"key": device_key},
                reason="its DVR is gone",
                precondition=f"tuner {device_key} is in no DVR",
                effect=f"tuner {device_key} is gone",
                undo="register it again",
            )
        )
    return tuple(found)


def _kinds(steps: Steps) -> list[ActionKind]:
    wanted: list[tuple[bool, ActionKind]] = [
        (steps.register, "register-device"),
        (steps.repair, "repair-address"),
        (bool(steps.remove_dvr), "delete-dvr"),
        (steps.settings, "set-device"),
        (steps.create, "create-dvr"),
        (steps.load, "load-guide"),
        (steps.enable, "enable-channels"),
    ]
    return [kind for needed, kind in wanted if needed]


def _action(
    kind: ActionKind, target: Target, device: Device | None, dvr: Dvr | None, needs: tuple[str, ...]
) -> Action:
    name = target.dvr
    key = device.key if device else ""
    dvr_key = dvr.key if dvr else ""
    identity = f"{kind}:{name}"
    match kind:
        case "register-device":
            return Action(
                identity, kind, name, needs, {"uri": target.uri, "device_id": target.device_id},
                reason="Plex does not know the tuner",
                precondition=f"{target.uri}/discover.json answers with DeviceID {target.device_id}",
                effect="Plex has the tuner",
                undo="delete the tuner",
            )  # fmt: skip
        case "repair-address":
            assert device is not None
            return Action(
                identity, kind, name, needs,
                {"uri": target.uri, "device_id": target.device_id, "before": device.uri, "tuners": str(target.tuners)},
                reason="the tuner's address or its number of streams changed",
                precondition=f"{target.uri}/discover.json answers with DeviceID {target.device_id}",
                effect="tuner, DVR and map stay; the address is new (same DeviceID)",
                undo=f"register the tuner at {device.uri} again",
            )  # fmt: skip
        case "set-device":
            return Action(
                identity, kind, name, needs, {"key": key, "title": _device_title(target, device)},
                reason="a tuner without a name shows a blank row, and one that is off is not used",
                precondition="the tuner is registered",
                effect="the tuner is named and on",
                undo="set the old name",
            )  # fmt: skip
        case "create-dvr":
            return Action(
                identity, kind, name, needs, {"title": target.title, "guide": target.guide, "lineup": target.lineup},
                reason="Plex has no DVR for the tuner",
                precondition="the tuner is in no DVR; fewer than guide_loads guide loads run",
                effect="Plex has the DVR and has loaded its guide",
                undo="delete the DVR",
                guide_loads=1,
            )  # fmt: skip
        case "load-guide":
            return Action(
                identity, kind, name, needs, {"key": dvr_key},
                reason="the guide or the lineup changed",
                precondition="fewer than guide_loads guide loads run",
                effect="Plex has read guide and lineup again",
                undo="none needed",
                guide_loads=1,
            )  # fmt: skip
        case "enable-channels":
            return Action(
                identity, kind, name, needs,
                {"key": key, "numbers": ranges(target.numbers), "channels": str(len(target.numbers)), "bytes": str(target.map_bytes)},
                reason="the channels that are on differ from the lineup",
                precondition="Plex pairs every channel, or has had three minutes to; fewer than guide_loads guide loads run",
                effect=f"{plural(len(target.numbers), 'channel')} {'is' if len(target.numbers) == 1 else 'are'} on ({ranges(target.numbers)})",
                undo="put the previous map back",
                guide_loads=1,
            )  # fmt: skip
        case _:  # delete-dvr of a replacement
            assert dvr is not None
            return Action(
                identity, "delete-dvr", name, needs, {"key": dvr_key, "title": dvr.title},
                reason="Plex cannot change a DVR's guide or title in place",
                precondition=f"no guide load runs; DVR {dvr_key} holds our tuner alone",
                effect=f"DVR {dvr_key} is gone, with its recording rules",
                risk="recording rules are lost",
            )  # fmt: skip


def _device_title(target: Target, device: Device | None) -> str:
    return device.title if device and device.title and target.record.adopted else target.title


def _present(found: Iterable[Action], *ids: str) -> tuple[str, ...]:
    have = {action.id for action in found}
    return tuple(i for i in ids if i in have)
