"""Every wait of apply, with a name. What was seen to be needed is cited; a test gives milliseconds instead.

This module refuses to wait.
"""

from dataclasses import dataclass

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `pace_s` and `poll_s` come from the spec (`plex.pace`, `plex.poll`)."""

    pace_s: float = 2.0
    """Between the end of one write and the next: back to back, Plex was seen to crash (plex-livetv.md 1, "Pace")."""
    poll_s: float = 10.0
    ready_s: float = 60.0
    """Until `serve` names the generation and every touched tuner answers (design.md 4)."""
    ready_poll_s: float = 0.5
    fetch_s: float = 30.0
    """How long a create's own load may take to ask for our guide before a reload is sent (design.md 4)."""
    map_s: float = 180.0
    """For the channel map to fill: 30-120 s is typical, a fixed wait always lost (4.2)."""
    list_s: float = 45.0
    """For Plex to read a tuner's list of channels: after a reload without being told to, and after a scan (2.6)."""
    grace_s: float = 15.0
    """For a load that was asked for to show as an activity; completion can be silent (3.9)."""
    load_s: float = 600.0
    """For one guide load to end."""
    slot_s: float = 1800.0
    """For fewer than `guide_loads` loads to run, and for none before a delete."""
    unknown_s: float = 120.0
    """For Plex to tell again what it just could not: which loads run, or how a tuner stands. Longer only hides the trouble."""
    turn_s: float = 5.0
    """For a DVR's first turn to write, before the next one may line up."""

    @property
    def look_s(self) -> float:
        """Between two looks at what runs: never slower than the poll, never faster than a second needs."""
        return min(self.poll_s, 2.0)
