"""The plan as a value: changes, drift, actions, warnings, costs. Sorted, serialisable, nothing random in it.

Every figure a renderer shows stands here; renderers compute nothing but layout. `planning.document` turns a plan into
its versioned JSON (`ptctl-plan/1`) and back. This module refuses to decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from reconciler.catalog.entry import SourceReport
from reconciler.diagnostics import Span
from reconciler.lineups.model import Block, Cause, Funnel, Held

__all__ = [
    "RULES",
    "Action",
    "ActionKind",
    "Change",
    "ChangeKind",
    "Counts",
    "Digests",
    "DriftItem",
    "FieldChange",
    "Foreign",
    "LastApply",
    "Loss",
    "NamedChannel",
    "Plan",
    "PlanWarning",
    "Summary",
]

ChangeKind = Literal["add", "change", "adopt", "move", "replace", "delete", "disown", "same"]

ActionKind = Literal[
    "write-ledger",
    "publish",
    "await-serve",
    "register-device",
    "set-device",
    "create-dvr",
    "load-guide",
    "enable-channels",
    "repair-address",
    "delete-dvr",
    "delete-device",
    "database-update",
]


RULES: Final[Mapping[str, str]] = {
    "S101": "shrink",
    "S102": "empty",
    "S103": "total shrink",
    "S105": "identity",
    "S201": "delete",
    "S202": "replace",
    "S203": "protected",
    "S204": "renumber",
    "S301": "size",
    "S302": "overlap",
    "S303": "exhausted",
    "S401": "unknown",
    "S402": "stale",
    "S501": "busy",
}
"""Each safety rule in a word (design.md 4)."""


@dataclass(frozen=True, slots=True)
class NamedChannel:
    """One channel in a list of a change. `why` is a few words ("gone from source main")."""

    number: int
    name: str
    id: str
    cause: Cause
    group: str = ""
    why: str = ""
    before: str = ""
    """For changed ones: what it was ("name: ESPN -> ESPN 8")."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Channels of a DVR. `changed` are name, logo, guide id or number changes of channels that stay."""

    before: int
    after: int
    added: tuple[NamedChannel, ...] = ()
    removed: tuple[NamedChannel, ...] = ()
    changed: tuple[NamedChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One attribute: `path` like "guide.url", both values as text, and what it forces ("", "replace")."""

    path: str
    before: str
    after: str
    cause: Cause = "spec"
    forces: Literal["", "replace"] = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """What is lost by a change, e.g. 5 recording rules. `count` -1: it could not be told."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one DVR. `note` is the short remark of the table's last column."""

    kind: ChangeKind
    dvr: str
    counts: Counts
    causes: tuple[Cause, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    map_bytes: int = 0
    blocks: tuple[Block, ...] = ()
    loses: tuple[Loss, ...] = ()
    note: str = ""
    at: Span | None = None
    guide_loads: int = 0
    content_only: bool = False
    """Only the guide moved on: no change for the exit code (design.md 4)."""
    undo: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftItem:
    """Something in Plex that differs from what was last applied, and what the plan does about it."""

    dvr: str
    path: str
    recorded: str
    found: str
    resolution: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A DVR, or a tuner in no DVR, that is not ours: seen, counted, left alone."""

    key: str
    title: str
    device: str
    channels: int
    kind: Literal["dvr", "tuner"] = "dvr"


@dataclass(frozen=True, slots=True)
class Action:
    """One step of apply. `needs` are ids of actions that must have succeeded. `args` are plain text values.

    `precondition`, `effect` and `undo` are sentences. Ids are stable: kind and DVR.
    """

    id: str
    kind: ActionKind
    dvr: str
    needs: tuple[str, ...] = ()
    args: Mapping[str, str] | None = None
    reason: str = ""
    precondition: str = ""
    effect: str = ""
    risk: str = ""
    undo: str = ""
    guide_loads: int = 0


@dataclass(frozen=True, slots=True)
class PlanWarning:
    """A W code with one sentence and the command that explains it."""

    code: str
    message: str
    next_step: str = ""
    dvr: str = ""


@dataclass(frozen=True, slots=True)
class Digests:
    """What a saved plan rests on (design.md 4). `plex` by DVR name, foreign ones under "not ours"."""

    spec: str
    selection: str
    plex: Mapping[str, str]
    arguments: str
    generation: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of changes by kind; `blocked` counts changes with a block, which are in no other count."""

    add: int = 0
    change: int = 0
    adopt: int = 0
    move: int = 0
    replace: int = 0
    delete: int = 0
    disown: int = 0
    same: int = 0
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class LastApply:
    """The newest run that did something in Plex: its number, and the ISO second (UTC) at which it began."""

    run: int
    at: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it. `made` (ISO second, UTC) is the only part that differs between equal inputs.

    `plex` "absent" when the spec has no plex section, "unknown" with `plex_why` when it could not be read, "not-asked" when
    the command does not look at it.
    """

    made: str
    version: str
    spec_name: str
    spec_files: tuple[str, ...]
    env: str
    plex: Literal["known", "absent", "unknown", "not-asked"]
    plex_why: str
    server_name: str
    server_machine: str
    server_version: str
    ledger_lineage: str
    ledger_serial: int
    digests: Digests
    sources: tuple[SourceReport, ...]
    funnels: tuple[Funnel, ...]
    entries: int
    without_guide: int
    filtered: tuple[tuple[str, int], ...]
    unbucketed: tuple[tuple[str, int], ...]
    held: tuple[Held, ...]
    drift: tuple[DriftItem, ...]
    foreign: tuple[Foreign, ...]
    changes: tuple[Change, ...]
    warnings: tuple[PlanWarning, ...]
    actions: tuple[Action, ...]
    summary: Summary
    files_written: tuple[str, ...]
    guide_loads: int
    estimate_s: float | None
    estimate_basis: str
    requests: int
    seconds: float
    arguments: str = ""
    """The command line's choices as canonical JSON: what `apply PLANFILE` plans again with."""
    blocks: tuple[Block, ...] = ()
    allowed: tuple[str, ...] = ()
    base: str = ""
    last_apply: LastApply | None = None
    """What `drift` is measured from; None where no journal tells it."""

    @property
    def channels_before(self) -> int:
        """Channels of all DVRs before."""
        return sum(c.counts.before for c in self.changes)

    @property
    def channels_after(self) -> int:
        """Channels of all DVRs after."""
        return sum(c.counts.after for c in self.changes)

    @property
    def empty(self) -> bool:
        """Nothing to change; a guide that only moved on does not count."""
        return not self.drift and all(c.kind == "same" or c.content_only for c in self.changes)
