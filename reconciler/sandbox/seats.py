"""Who watches what on which account, and who is turned away.

A TS client holds its seat as long as its socket is open, and on request some time longer; an HLS client as long as it
goes on asking (iptv-streams.md B4). Times are trio's. This module refuses to know why a seat was wanted.
"""

from dataclasses import dataclass, field
from typing import Literal

import trio

from reconciler.sandbox.panel import Account

__all__ = ["Seat", "Seats"]


@dataclass(slots=True, eq=False)
class Seat:
    """One counted connection. `client` tells HLS clients apart; a TS seat has the scope that ends its stream."""

    account: str
    channel: int
    client: str
    kind: Literal["ts", "hls"]
    taken: float
    seen: float
    scope: trio.CancelScope | None = None
    released: float | None = None

    def record(self) -> dict[str, object]:
        """As JSON; `open` is whether a socket is open (TS) or requests may still come (HLS)."""
        return {
            "account": self.account,
            "channel": self.channel,
            "client": self.client,
            "kind": self.kind,
            "open": self.released is None,
        }


@dataclass(slots=True)
class Seats:
    """All seats of all accounts. `peaks` keeps the most that were held at once, `refusals` counts who was refused."""

    peaks: dict[str, int] = field(default_factory=dict)
    refusals: int = 0
    _held: list[Seat] = field(default_factory=list)

    def held(self, account: str, *, notice: float, hold: float) -> list[Seat]:
        """Seats of an account that count now, oldest first; those that ended long enough ago are forgotten."""
        now = trio.current_time()
        self._held = [seat for seat in self._held if _counts(seat, now, notice, hold)]
        return [seat for seat in self._held if seat.account == account]

    def take(
        self,
        account: Account,
        channel: int,
        client: str,
        kind: Literal["ts", "hls"],
        *,
        notice: float,
        hold: float,
        policy: Literal["refuse", "cut-oldest"],
    ) -> Seat | None:
        """A seat, the seat this HLS client has already, or None where the account is full.

        With `cut-oldest` the oldest stream loses its seat and ends instead.
        """
        now = trio.current_time()
        held = self.held(account.username, notice=notice, hold=hold)
        for seat in held:
            if kind == seat.kind == "hls" and (seat.client, seat.channel) == (client, channel):
                seat.seen = now
                return seat
        if account.max_connections and len(held) >= account.max_connections:
            if policy == "refuse":
                self.refusals += 1
                return None
            self._end(held[0])
        seat = Seat(account.username, channel, client, kind, now, now)
        self._held.append(seat)
        count = len([one for one in self._held if one.account == account.username])
        self.peaks[account.username] = max(self.peaks.get(account.username, 0), count)
        return seat

    def holds(self, seat: Seat) -> bool:
        """Whether the seat was neither cut nor forgotten."""
        return seat in self._held

    def touch(self, seat: Seat) -> None:
        """An HLS client asked for something."""
        seat.seen = trio.current_time()

    def release(self, seat: Seat) -> None:
        """The socket of a TS seat is closed."""
        seat.released = trio.current_time()

    def _end(self, seat: Seat) -> None:
        self._held.remove(seat)
        if seat.scope is not None:
            seat.scope.cancel()


def _counts(seat: Seat, now: float, notice: float, hold: float) -> bool:
    if seat.kind == "hls":
        return now - seat.seen <= hold
    return seat.released is None or now - seat.released < notice
