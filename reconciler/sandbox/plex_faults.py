"""How the simulated Plex behaves and misbehaves: delays, quirks, and faults aimed at single requests.

Everything the simulator waits for is a field here, so that a test may take milliseconds and a rehearsal minutes.
Quirks are ways in which real servers were seen to differ; faults break the one request they are aimed at.
Both can change while the simulator runs. Options do not know the routes: they are data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

__all__ = ["FAULT_KINDS", "Behaviour", "FaultKind", "FaultRule", "FaultTable", "PlexOptions", "Strike"]

FaultKind = Literal["500", "401", "403", "404", "reset", "timeout", "refuse", "bad-xml", "empty"]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
AFTER_EFFECT: Final = frozenset({"timeout", "bad-xml", "empty"})


@dataclass(frozen=True, slots=True)
class PlexOptions:
    """Everything that may differ between servers. Times in seconds; section numbers are of plex-livetv.md."""

    friendly_name: str = "sandbox"
    machine_identifier: str = ""
    """Of a fresh data directory; empty makes one out of the directory's path."""
    version: str = "1.43.2.10687-563d026ea"
    claimed: bool = True
    plex_pass: bool = True
    shared_tokens: tuple[str, ...] = ()
    """Tokens that are valid but not the admin's: 403 where only the admin may go (1)."""

    create_delay_s: float = 0.0
    """`POST /livetv/dvrs` answers after so long; the DVR exists at once (3.2)."""
    load_delay_s: float = 0.2
    """From the fetched guide to the indexed one (4.2)."""
    load_timeout_s: float = 120.0
    scan_delay_s: float = 0.0
    channelmap_delay_s: float = 0.0
    """A slow map PUT: half of it takes effect in the middle, the rest only if the client is still there (1)."""
    probe_timeout_s: float = 5.0
    poll_every_s: float = 0.0
    """How often `discover.json` of every device is asked; 0 is never (6.2)."""
    tune_timeout_s: float = 30.0
    rolling_grab_s: float = 300.0
    """A rolling grab ends so long after the last timeline ping (6.1)."""
    tune_query: str = ""
    """Query that Plex appends to a stream's URL, which is otherwise used verbatim (6.2)."""
    segment_s: float = 1.0
    hidden_grabs: bool = False
    """Grabs that no list shows block every tune until a restart (6.1)."""
    hidden_grab_wait_s: float = 30.0

    request_line_limit_bytes: int = 32_768
    """Longer request lines are refused (7.1). A default proxy in front: 8192."""
    request_line_status: int = 400
    """The refusal: 400 by Plex, 414 by nginx."""

    silent_reload: bool = False
    """A reload works but never shows an activity (3.9)."""
    stale_refreshed_at: bool = False
    """`refreshedAt` stays as it was (3.9)."""
    fetch_stalls_api: bool = False
    """`GET /livetv/dvrs` waits while a guide is being fetched (7.3)."""
    stuck_load: bool = False
    """Loads that begin now never end."""
    failing_load: bool = False
    """Loads that begin now fetch nothing and end."""
    deadlock_on_delete: bool = False
    """Deleting a DVR during a guide load stops the server until it is restarted (3.4)."""
    crash_within_s: float = 0.0
    """A device or DVR written so soon after the one before crashes the server, which starts again (1, "Pace")."""
    stall_after_delete_s: float = 0.0
    """The DVR list says nothing for so long after a DVR was deleted (3.4)."""
    ghost_on_failed_load: bool = False
    """A DVR whose first load fails leaves the list; a restart lists it again (3.2)."""
    early_scan_s: float = 0.0
    """A scan so soon after the registration answers 500 (2.6)."""
    lineup_needs_scan: bool = False
    """A tuner's list of channels is read by a scan alone: stale after a load, and empty before the first (2.6)."""
    scan_needs_source: bool = False
    """A scan without `source` answers 500 (2.6)."""
    mapless_put: Literal["clear", "400"] = "clear"
    """What a channel map without maps does; both were seen (2.7, 7.1)."""
    prefs_put: Literal["reset", "overlay"] = "reset"
    """Whether settings left out of a prefs PUT fall back to their defaults (3.8)."""
    put_dvr: bool = False
    """Whether `PUT /livetv/dvrs/{key}` exists (3.7)."""
    reregister_keeps_tuners: bool = False
    """Registering a known DeviceID again leaves `tuners` as it was (6.2)."""
    reregister_makes_empty_dvr: bool = False
    """Registering a known DeviceID again leaves an empty DVR behind (2.5, 10.1)."""
    ignore_titles: bool = False
    """A tuner stays without a name: no description has `title` (2.5)."""
    always_dead: bool = False
    """Every device shows `dead` although it answers (6.3)."""
    no_parent_id: bool = False
    """A device does not say in which DVR it is; the DVR lists its devices all the same (2.2, 3.1)."""
    lineup_form: Literal["as-sent", "raw", "encoded"] = "as-sent"
    """How a lineup URI comes back, and with it the title (3.3, 8.2, 10.18)."""
    single_objects: bool = False
    """JSON has an object where an array of one belongs (1)."""
    legacy_extra_data: bool = False
    """`extra_data` as written before 1.40: the percent-encoded form alone (8.3)."""

    @classmethod
    def from_json(cls, base: "PlexOptions", changes: Mapping[str, Any]) -> "PlexOptions":
        """`base` with these fields changed; ValueError names a field that does not exist or has a wrong type."""
        known = {f.name: getattr(base, f.name) for f in fields(cls)}
        changes = {name: tuple(v) if isinstance(v, list) else v for name, v in changes.items()}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f'there is no option "{name}"')
            old = known[name]
            if isinstance(old, bool) is not isinstance(value, bool):
                raise ValueError(f'option "{name}" does not take {value!r}')
            expected = (int, float) if isinstance(old, float) else type(old)
            if not isinstance(value, expected):
                raise ValueError(f'option "{name}" does not take {value!r}')  # noqa: TRY004 - a value of a document
        return replace(base, **changes)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault for the `nth` (from 1) to the `nth + times - 1`-th request that fits; `times` 0 is all that follow.

    `path` is searched for in the decoded path. `reset`, the statuses and `refuse` come instead of the effect;
    `timeout` (the answer never comes), `bad-xml` and `empty` come after it. `effect` overrides that.
    """

    kind: FaultKind
    method: str = ""
    path: str = ""
    nth: int = 1
    times: int = 1
    effect: bool | None = None
    message: str = "The simulated server refuses"

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise ValueError(f'there is no fault "{self.kind}", only {", ".join(FAULT_KINDS)}')
        if self.nth < 1 or self.times < 0:
            raise ValueError("nth begins at 1, times at 0")
        try:
            re.compile(self.path)
        except re.error as problem:
            raise ValueError(f'path "{self.path}" is no regular expression: {problem}') from problem

    @property
    def has_effect(self) -> bool:
        """Whether the request still does what it should."""
        return self.kind in AFTER_EFFECT if self.effect is None else self.effect


@dataclass(frozen=True, slots=True)
class Strike:
    """A rule that hit a request."""

    rule: FaultRule
    occurrence: int


@dataclass(slots=True)
class FaultTable:
    """The rules in force and how often each has fitted. The first rule that hits wins; all keep counting."""

    rules: tuple[FaultRule, ...] = ()
    _seen: list[int] = field(default_factory=list)

    def add(self, *rules: FaultRule) -> None:
        """More rules, counted from now on."""
        self.rules += rules
        self._seen += [0] * len(rules)

    def add_json(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Rules out of a request; ValueError or TypeError for what is none, and then none is added."""
        self.add(*[FaultRule(**document) for document in documents])

    def clear(self) -> None:
        """No rules."""
        self.rules, self._seen = (), []

    def strike(self, method: str, path: str) -> Strike | None:
        """Counts this request and says which rule hits it."""
        hit: Strike | None = None
        for index, rule in enumerate(self.rules):
            if rule.method not in {"", method} or not re.search(rule.path, path):
                continue
            self._seen[index] += 1
            seen = self._seen[index]
            if hit is None and seen >= rule.nth and (rule.times == 0 or seen < rule.nth + rule.times):
                hit = Strike(rule, seen)
        return hit


class Behaviour:
    """The options and faults in force, and the ones to go back to."""

    def __init__(self, options: PlexOptions) -> None:
        self.base = options
        self.options = options
        self.faults = FaultTable()
        self.wedged = False
        """A deadlock has happened: nothing is answered until a restart."""

    def restarted(self) -> None:
        """What a restart cures."""
        self.wedged = False
        self.options = replace(self.options, hidden_grabs=False)

    def reset(self) -> None:
        """Back to the options of the start, without faults."""
        self.options = self.base
        self.faults.clear()
