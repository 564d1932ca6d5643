"""Every error `ptctl` raises on purpose, as one tree. Branches are named after who has to act.

    PtctlError                    carries: message, next step, exit code
     ├─ UsageError        P101  64  whoever typed the command
     ├─ SpecError         P102   3  the author of the spec (the diagnostics travel in it)
     ├─ OperatorError     P200   1  whoever runs the machine
     │   ├─ CredentialError P201    a reference leads nowhere
     │   ├─ StateError    P202      disk full, read-only, a broken ledger
     │   └─ LockHeld      P203   7  another run is at work
     ├─ ProviderError     P300   1  the IPTV provider
     ├─ PlexError         P400   1  Plex
     │   ├─ PlexUnreachable P401    no connection, or a time-out
     │   ├─ PlexDenied    P402      401 or 403
     │   └─ PlexRefused   P403      it answered, and said no (also 200 with status="-1")
     ├─ Interrupted       P103 130  whoever pressed Ctrl-C
     ├─ ApplyIncomplete   P501   6  some actions are undone; can be resumed
     └─ StalePlan         P502   5  the world moved since the plan was made, or the ledger is an older one

A message says what is wrong and where; `next_step` is the command or the edit that helps. Neither ever
holds a secret or a whole URL. This module refuses to print, to log and to import anything of ours.
"""

from typing import ClassVar

__all__ = [
    "ApplyIncomplete",
    "CredentialError",
    "Interrupted",
    "LockHeld",
    "OperatorError",
    "PlexDenied",
    "PlexError",
    "PlexRefused",
    "PlexUnreachable",
    "ProviderError",
    "PtctlError",
    "SpecError",
    "StalePlan",
    "StateError",
    "UsageError",
]


class PtctlError(Exception):
    """The root. `code` is the exit status of a command that ends with it (design.md 3), `page` what `ptctl help` explains."""

    code: ClassVar[int] = 1
    page: ClassVar[str] = "P100"

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    @property
    def advice(self) -> str:
        """The next step; where the place it arose knew none, the page of its code."""
        return self.next_step or f"ptctl help {self.page}"


class UsageError(PtctlError):
    """The command line makes no sense."""

    code = 64
    page = "P101"


class SpecError(PtctlError):
    """The spec is invalid. `diagnostics` holds every finding (a tuple of `diagnostics.Diagnostic`)."""

    code = 3
    page = "P102"

    def __init__(
        self, message: str, *, diagnostics: tuple[object, ...] = (), next_step: str | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.diagnostics = diagnostics


class Interrupted(PtctlError):
    """The command was told to end before it was done."""

    code = 130
    page = "P103"


class OperatorError(PtctlError):
    """Something about this machine or its configuration."""

    page = "P200"


class CredentialError(OperatorError):
    """A credential reference cannot be resolved. Names the reference, never a value."""

    page = "P201"


class StateError(OperatorError):
    """The state directory cannot be read or written."""

    page = "P202"


class LockHeld(OperatorError):
    """Another run holds the lock."""

    code = 7
    page = "P203"


class ProviderError(PtctlError):
    """No source is usable, or a guide cannot be had."""

    page = "P300"


class PlexError(PtctlError):
    """Plex did not do what was asked."""

    page = "P400"


class PlexUnreachable(PlexError):
    """No connection to Plex, or no answer in time. What it would have said is unknown."""

    page = "P401"


class PlexDenied(PlexError):
    """Plex answered 401 or 403."""

    page = "P402"


class PlexRefused(PlexError):
    """Plex answered and refused; `status` and `reason` are its own words."""

    page = "P403"

    def __init__(self, message: str, *, status: int, reason: str = "", next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.reason = reason


class StalePlan(PtctlError):
    """A saved plan no longer fits the world, or the ledger is not the newest; `moved` names what changed."""

    code = 5
    page = "P502"

    def __init__(self, message: str, *, moved: tuple[str, ...] = (), next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.moved = moved


class ApplyIncomplete(PtctlError):
    """Actions are undone. Nothing is half written; the next run goes on."""

    code = 6
    page = "P501"
