"""What `serve` is told once, at its start, as one frozen value.

The command line builds it from `spec.serve`, the access rules and the credentials; nothing in here is read from the
generation, because a generation may change while the process runs and this may not. This module refuses to read
files and to resolve a credential.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reconciler.secret import Secret
from reconciler.serving.window import Window
from reconciler.spec.model import ALL_PRIVATE, Notify

__all__ = ["Layout", "Profile", "ServeSettings", "Terms", "TimeLimits"]

Layout = Literal["ports", "path"]
Profile = Literal["copy", "remux", "salvage"]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Every limit of the stream path in seconds (design.md 6). A DVR's or a source's own word replaces two of them."""

    connect_s: float = 2.0
    first_byte_s: float = 3.0
    tune_s: float = 9.0
    """All candidates of one tune together."""
    race_s: float = 1.0
    """From the second candidate on: how long one may be alone before the next starts beside it."""
    silence_s: float = 2.0
    """A transport stream without a packet for so long is dead."""
    switch_s: float = 9.0
    """How long a running stream may look for another way before it ends."""
    served_s: float = 5.0
    """A way that played for so long was worth its switch: some providers restart their streams every ten seconds."""
    linger_s: float = 3.0
    """An upstream without viewers is kept so long: Kodi opens twice, Plex tunes again."""
    slot_s: float = 3.0
    """How long a tune waits for a closing upstream when the account is full."""
    stall_s: float = 30.0
    """A viewer that takes nothing for so long is dropped."""
    join_s: float = 3.0
    """How long a late viewer waits for a key frame."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How one way is to be tried: the DVR's word, else the source's, else the default."""

    limits: TimeLimits = TimeLimits()
    profile: Profile = "copy"
    alone: bool = True
    """Whether no other way could be asked instead: then more is put up with."""
    after: Window | None = None
    """Where a stream that was played this way a moment ago goes on. Belongs to the attempt, which moves it."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """The process. Addresses are what it listens on, never what it tells others: that stands in the manifest."""

    listen: tuple[str, int]
    layout: Layout = "ports"
    also: tuple[str, ...] = ()
    """Further `host:port` for the hub."""
    allow: tuple[str, ...] = ALL_PRIVATE
    admin_token: Secret | None = None
    drain_s: float = 30.0
    limits: TimeLimits = TimeLimits()
    base: Path = Path()
    """Where relative paths of credential references start: the spec's directory."""
    allow_exec: bool = False
    notify: tuple[Notify, ...] = ()
    pool: Secret | None = None
    """The address of the Redis that keeps the accounts' budgets; None: this process counts alone."""
    scope: str = ""
    """The spec's name: one budget for all who serve it."""
    plex: bool = True
    """Whether there is a Plex to compare with: without one nothing waits for an apply."""
