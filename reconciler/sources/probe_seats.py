"""Connections that probes hold of each account, those included that a panel goes on counting after we are done.

An HLS client counts as a connection as long as its panel thinks it may ask again, and a closed one is noticed late
(iptv-streams.md B4): trying a hundred playlists quickly would fill an account that nobody uses. So a seat cools before it
is free, longer after a refusal that turned out to be about seats. This module refuses to connect.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

__all__ = ["HLS_COOLING_S", "Seats"]

HLS_COOLING_S: Final = 10.0
"""After the last request for an HLS stream a panel counts it about so long."""
LONGEST_COOLING_S: Final = 20.0
REST_S: Final = 5.0
"""So long at least an account is left alone after a refusal."""
OWN_REFUSALS: Final = 2
"""So many refusals that waiting did not cure are the streams' own; the next ones are believed at once."""
FULL_IN_A_ROW: Final = 3
"""So many refusals for the limit one after the other, and the account is given up for this run: panels ban who goes on."""

Group = tuple[str, ...]


@dataclass(slots=True)
class _Account:
    busy: int = 0
    cooling: list[float] = field(default_factory=list)
    """When each seat that was left is free again."""
    left_at: float = -1e9
    resting_until: float = -1e9
    extra_s: float = 0.0
    """Learned: so much longer than expected this panel counts."""
    uncured: int = 0
    full: int = 0
    closed: bool = False


@dataclass(slots=True)
class Seats:
    """The seats of every account, by the credentials that share it. Times on trio's clock."""

    _accounts: dict[Group, _Account] = field(default_factory=dict)
    _changed: trio.Event = field(default_factory=trio.Event)
    peaks: Counter[Group] = field(default_factory=Counter)
    """The most that were held at once."""

    def _account(self, group: Group) -> _Account:
        return self._accounts.setdefault(group, _Account())

    def _held(self, account: _Account) -> int:
        now = trio.current_time()
        account.cooling = [end for end in account.cooling if end > now]
        return account.busy + len(account.cooling)

    async def take(self, group: Group, spare: Callable[[], int]) -> bool:
        """Wait for a seat. False: none may be used (`spare` is 0 or less), or the account was given up. Cancelling takes none."""
        account = self._account(group)
        while True:
            now = trio.current_time()
            if spare() <= 0 or account.closed or account.full >= FULL_IN_A_ROW:
                return False
            if now >= account.resting_until and self._held(account) < spare():
                account.busy += 1
                self.peaks[group] = max(self.peaks[group], self._held(account))
                return True
            ends = [account.resting_until] if now < account.resting_until else account.cooling
            changed = self._changed
            with trio.move_on_at(min(ends, default=now + LONGEST_COOLING_S)):
                await changed.wait()

    def leave(self, group: Group, *, cooling_s: float) -> None:
        """Done with a seat; `cooling_s` 0: the panel never took it, or sees at once that it is free."""
        account = self._account(group)
        account.busy -= 1
        now = trio.current_time()
        if cooling_s or account.extra_s:
            account.left_at = now
            account.cooling.append(now + min(cooling_s + account.extra_s, LONGEST_COOLING_S))
        self._changed.set()
        self._changed = trio.Event()

    def refused(self, group: Group, *, for_limit: bool) -> bool:
        """The panel refused a seat: whether it may be about seats of ours that it still counts, so that waiting helps.

        The account rests in any case where the refusal was for its limit.
        """
        account = self._account(group)
        now = trio.current_time()
        ours = self._held(account) > 1 or now - account.left_at < LONGEST_COOLING_S
        if for_limit:
            account.full += 1
        elif account.uncured >= OWN_REFUSALS:
            return False
        if ours or for_limit:
            left = max(account.cooling, default=now) - now
            account.resting_until = max(account.resting_until, now + max(REST_S, left))
        return ours and account.full < FULL_IN_A_ROW

    def told(self, group: Group, *, cured: bool) -> None:
        """Waiting after a refusal helped (`cured`: the panel counts longer than we thought), or it did not."""
        account = self._account(group)
        if cured:
            account.extra_s = min(LONGEST_COOLING_S, account.extra_s + REST_S)
        else:
            account.uncured += 1

    def played(self, group: Group) -> None:
        """Something played: the account is not full."""
        self._account(group).full = 0

    def close(self, group: Group) -> None:
        """Take no more seats of this account in this run."""
        self._account(group).closed = True

    def closed(self, group: Group) -> bool:
        """Whether `close` was called for it."""
        return self._account(group).closed

    def given_up(self, group: Group) -> bool:
        """Whether the account refused for its limit so often that it is left alone."""
        return self._account(group).full >= FULL_IN_A_ROW
