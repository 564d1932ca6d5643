"""Tokens: what a client of the simulated panel was given, and how long it is good for.

A playlist names its segments with a token, a redirect carries one (iptv-streams.md B4, "301/302 to another host").
Tokens are counted, not random, so that two runs of a test give the same URLs. This module refuses to decide who
may have one.
"""

import hashlib
from dataclasses import dataclass, field

import trio

from reconciler.sandbox.panel import Account
from reconciler.sandbox.seats import Seat

__all__ = ["Session", "Sessions"]


@dataclass(slots=True, eq=False)
class Session:
    """One client on one channel. Times are trio's; `ends` is None for tokens that do not age.

    `slate`: the account is full, and what this client is shown says so.
    """

    token: str
    account: Account | None
    channel: int
    client: str
    begun: float
    ends: float | None
    seat: Seat | None = None
    slate: bool = False

    @property
    def cookie(self) -> str:
        """The cookie that goes with the token, where cookies are asked for."""
        return f"sid={self.token[:12]}"


@dataclass(slots=True)
class Sessions:
    """All tokens that were given out."""

    _by_token: dict[str, Session] = field(default_factory=dict)
    _by_client: dict[tuple[str, str, int], Session] = field(default_factory=dict)
    _count: int = 0

    def begin(self, account: Account | None, channel: int, client: str, life: float | None) -> Session:
        """A new token, valid for `life` seconds."""
        self._count += 1
        now = trio.current_time()
        token = hashlib.sha256(f"{self._count}:{channel}".encode()).hexdigest()[:24]
        session = Session(token, account, channel, client, now, None if life is None else now + life)
        self._by_token[token] = session
        self._by_client[account.username if account else "", client, channel] = session
        return session

    def of_client(self, account: Account | None, channel: int, client: str) -> Session | None:
        """The session this client has on this channel."""
        return self._by_client.get((account.username if account else "", client, channel))

    def find(self, token: str) -> Session | None:
        """The session with this token, unless it has aged."""
        session = self._by_token.get(token)
        if session is None or (session.ends is not None and trio.current_time() > session.ends):
            return None
        return session

    def end(self, session: Session) -> None:
        """The token is good for nothing from now on."""
        self._by_token.pop(session.token, None)
        key = (session.account.username if session.account else "", session.client, session.channel)
        if self._by_client.get(key) is session:
            del self._by_client[key]
