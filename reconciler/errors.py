"""Every error `ptctl` raises on purpose, as one tree. Branches are named after who has to act.

    PtctlError                    carries: message, next step, exit code
     ├─ UsageError            64  whoever typed the command
     ├─ SpecError              3  the author of the spec (the diagnostics travel in it)
     ├─ OperatorError          1  whoever runs the machine
     │   ├─ CredentialError       a reference leads nowhere
     │   ├─ StateError            disk full, read-only, a broken ledger
     │   └─ LockHeld           7  another run is at work
     ├─ ProviderError          1  the IPTV provider
     ├─ PlexError              1  Plex
     │   ├─ PlexUnreachable       no connection, or a time-out
     │   ├─ PlexDenied            401 or 403
     │   └─ PlexRefused           it answered, and said no (also 200 with status="-1")
     ├─ SafetyRefused          4  a rule of design.md 4
     ├─ StalePlan              5  the world moved since the plan was made, or the ledger is an older one
     └─ ApplyIncomplete        6  some actions are undone; can be resumed

A message says what is wrong and where; `next_step` is the command or the edit that helps. Neither ever
holds a secret or a whole URL. This module refuses to print, to log and to import anything of ours.
"""

from typing import ClassVar

__all__ = [
    "ApplyIncomplete",
    "CredentialError",
    "LockHeld",
    "OperatorError",
    "PlexDenied",
    "PlexError",
    "PlexRefused",
    "PlexUnreachable",
    "ProviderError",
    "PtctlError",
    "SafetyRefused",
    "SpecError",
    "StalePlan",
    "StateError",
    "UsageError",
]


class PtctlError(Exception):
    """The root. `code` is the exit status of a command that ends with it (design.md 3)."""

    code: ClassVar[int] = 1

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class UsageError(PtctlError):
    """The command line makes no sense."""

    code = 64


class SpecError(PtctlError):
    """The spec is invalid. `diagnostics` holds every finding (a tuple of `diagnostics.Diagnostic`)."""

    code = 3

    def __init__(
        self, message: str, *, diagnostics: tuple[object, ...] = (), next_step: str | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.diagnostics = diagnostics


class OperatorError(PtctlError):
    """Something about this machine or its configuration."""


class CredentialError(OperatorError):
    """A credential reference cannot be resolved. Names the reference, never a value."""


class StateError(OperatorError):
    """The state directory cannot be read or written."""


class LockHeld(OperatorError):
    """Another run holds the lock."""

    code = 7


class ProviderError(PtctlError):
    """No source is usable, or a guide cannot be had."""


class PlexError(PtctlError):
    """Plex did not do what was asked."""


class PlexUnreachable(PlexError):
    """No connection to Plex, or no answer in time. What it would have said is unknown."""


class PlexDenied(PlexError):
    """Plex answered 401 or 403."""


class PlexRefused(PlexError):
    """Plex answered and refused; `status` and `reason` are its own words."""

    def __init__(self, message: str, *, status: int, reason: str = "", next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.reason = reason


class SafetyRefused(PtctlError):
    """A safety rule blocks a change."""

    code = 4


class StalePlan(PtctlError):
    """A saved plan no longer fits the world, or the ledger is not the newest; `moved` names what changed."""

    code = 5

    def __init__(self, message: str, *, moved: tuple[str, ...] = (), next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.moved = moved


class ApplyIncomplete(PtctlError):
    """Actions are undone. Nothing is half written; the next run goes on."""

    code = 6
