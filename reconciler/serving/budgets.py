"""Account budgets in Redis or Valkey: who holds which connection, as leases that expire (design.md 9).

    budgets.take(account, lease, …)  -> Answer     one step of asking for a connection
    budgets.beat(account, held, …)   -> Answer     renew what one holds, give back what one no longer does

Every step is one script, so it happens as a whole; time is the server's, so clocks of pods play no part. What holders
say they hold is put down as true, whatever became of it: after an empty restart of the server the books fill by
themselves, and nobody is given anything before every living holder had its turn (`SETTLE_S`). Calls block for at most
a second or two: they belong in a worker thread. This module refuses to decide who waits, and to keep the address.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from reconciler.errors import OperatorError
from reconciler.secret import Secret

__all__ = ["BEAT_S", "LEASE_S", "Answer", "Away", "Budgets"]

log = logging.getLogger(__name__)

CALL_S: Final = 1.0
LEASE_S: Final = 10.0
"""A holder that says nothing for so long is dead."""
BEAT_S: Final = 1.0
WISH_S: Final = 1.0
"""Who waits says so several times in this."""
SETTLE_S: Final = 2.5
KEPT_S: Final = 86_400

# KEYS: leases (id -> end), kinds (id -> kind), queue (id -> place), wishes (id -> end), facts, born.
# Times in ms of the server. Kinds: viewer, idle (an upstream nobody watches), probe, refresh.
_COMMON: Final = """
local leases, kinds, queue, wishes, facts, born = unpack(KEYS)
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lease, kept = tonumber(ARGV[1]), tonumber(ARGV[2])
local function forget(id)
  redis.call('ZREM', leases, id)
  redis.call('HDEL', kinds, id)
end
local function leave(id)
  redis.call('ZREM', queue, id)
  redis.call('HDEL', wishes, id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do forget(id) end
-- ends further away than any lease is long were written before the clock went back
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, now + 2 * lease, '+inf')) do forget(id) end
local ends = redis.call('HGETALL', wishes)
for i = 1, #ends, 2 do
  local till = tonumber(ends[i + 1])
  if till <= now or till > now + 2 * lease then leave(ends[i]) end
end
local since = tonumber(redis.call('GET', born) or '0')
if since == 0 or since > now then
  since = now
  redis.call('SET', born, now, 'EX', kept)
end
local function close()
  for i = 1, 5 do redis.call('EXPIRE', KEYS[i], kept) end
  redis.call('EXPIRE', born, kept)
  local yielding = 0
  for _, kind in ipairs(redis.call('HVALS', kinds)) do
    if kind ~= 'viewer' then yielding = yielding + 1 end
  end
  local learned, till = unpack(redis.call('HMGET', facts, 'learned', 'learned_till'))
  local left = (tonumber(till) or 0) - now
  local closed = tonumber(redis.call('HGET', facts, 'closed')) or 0
  return {redis.call('ZCARD', leases), yielding, left > 0 and tonumber(learned) or -1, left, now - closed}
end
"""
# ARGV: lease, kept, id, kind, limit (-1: none), wish, settle
_TAKE: Final = (
    _COMMON
    + """
local id, kind, limit = ARGV[3], ARGV[4], tonumber(ARGV[5])
local class = ({viewer = 0, probe = 1, refresh = 2})[kind]
local place = redis.call('ZSCORE', queue, id)
if not place then
  place = class * 1e12 + redis.call('HINCRBY', facts, 'place', 1)
  redis.call('ZADD', queue, place, id)
end
redis.call('HSET', wishes, id, now + tonumber(ARGV[6]))
local ahead = redis.call('ZCOUNT', queue, '-inf', '(' .. place)
local free = limit - redis.call('ZCARD', leases) - (kind == 'viewer' and 0 or 1)
local got = 0
if redis.call('ZSCORE', leases, id) then -- the answer to an earlier asking was lost
  got = 1
  leave(id)
elseif limit < 0 or (free > ahead and now - since >= tonumber(ARGV[7])) then
  got = 1
  leave(id)
  redis.call('ZADD', leases, now + lease, id)
  redis.call('HSET', kinds, id, kind)
elseif kind == 'viewer' then
  -- one slot at a time: an upstream nobody watches first, then a refresh, then a probe
  local asked, till = unpack(redis.call('HMGET', facts, 'asked', 'asked_till'))
  if not asked or (tonumber(till) or 0) <= now or not redis.call('ZSCORE', leases, asked) then
    local best, rank = nil, 9
    local all = redis.call('HGETALL', kinds)
    for i = 1, #all, 2 do
      local r = ({idle = 0, refresh = 1, probe = 2})[all[i + 1]] or 9
      if r < rank then best, rank = all[i], r end
    end
    if best then redis.call('HSET', facts, 'asked', best, 'asked_till', now + 2000) end
  end
end
local said = close()
table.insert(said, got)
return said
"""
)
# ARGV: lease, kept, learned (-1: nothing), learned for, number held, then id and kind of each, then what is given back:
# id and "1" where the provider had taken the connection
_BEAT: Final = (
    _COMMON
    + """
local count = tonumber(ARGV[5])
local asked, till = unpack(redis.call('HMGET', facts, 'asked', 'asked_till'))
local mine = ''
for i = 6, 5 + 2 * count, 2 do
  redis.call('ZADD', leases, now + lease, ARGV[i])
  redis.call('HSET', kinds, ARGV[i], ARGV[i + 1])
  if ARGV[i] == asked and (tonumber(till) or 0) > now then mine = asked end
end
for i = 6 + 2 * count, #ARGV, 2 do
  if ARGV[i + 1] == '1' and redis.call('ZSCORE', leases, ARGV[i]) then redis.call('HSET', facts, 'closed', now) end
  forget(ARGV[i])
  leave(ARGV[i])
end
if tonumber(ARGV[3]) >= 0 then
  redis.call('HSET', facts, 'learned', ARGV[3], 'learned_till', now + tonumber(ARGV[4]))
end
local said = close()
table.insert(said, mine)
return said
"""
)


class Away(Exception):
    """The server does not answer, or not as it should. The text says why and holds no address and no secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the books say after a step.

    `held` are all leases of the account, `yielding` those that a viewer may have, `learned` is a limit that a refusal
    taught, for `learned_s` more, `closed_s` is how long ago a connection was last given back. `got`: `take` was granted. `asked`:
    the lease of ours that somebody waits for.
    """

    held: int
    yielding: int
    learned: int | None
    learned_s: float
    closed_s: float
    got: bool = False
    asked: str = ""


class Budgets:
    """The books of one installation (`scope`: the spec's name). Safe to use from several threads."""

    def __init__(self, url: Secret, scope: str, *, lease_s: float = LEASE_S) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise OperatorError(
                "serve.pool needs the library redis, which is not installed",
                next_step="pip install 'ptctl[redis]', or write  serve: {pool: local}",
            ) from None
        self._errors = (redis.RedisError, OSError)
        self._scope = scope
        self._lease_s = lease_s
        try:
            self._client: Any = redis.Redis.from_url(  # Any: its types differ from version to version
                url.reveal(),
                socket_timeout=CALL_S,
                socket_connect_timeout=CALL_S,
                health_check_interval=15,
                retry=Retry(NoBackoff(), 1),  # a connection that died while idle; no more, a viewer waits
                client_name=f"ptctl-{uuid.uuid4().hex[:8]}",
            )
        except ValueError:
            raise OperatorError(
                "serve.pool is no address of a Redis", next_step="write redis://HOST:6379/0"
            ) from None
        self._take = self._client.register_script(_TAKE)
        self._beat = self._client.register_script(_BEAT)

    def take(self, account: str, lease: str, kind: str, limit: int | None) -> Answer:
        """Ask for a connection under the id `lease`, or ask again: refused, one keeps one's place for a second. Raises Away."""
        said = self._run(
            self._take,
            account,
            [lease, kind, -1 if limit is None else limit, _ms(WISH_S), _ms(SETTLE_S)],
        )
        return _answer(said, got=bool(said[5]))

    def beat(
        self,
        account: str,
        held: Mapping[str, str],
        back: Sequence[tuple[str, bool]] = (),
        learned: tuple[int, float] | None = None,
    ) -> Answer:
        """Renew `held` (id -> kind), give `back` (id, whether a provider had taken it), tell a learned limit. Raises Away."""
        limit, for_s = learned or (-1, 0.0)
        words: list[str | int] = [limit, _ms(for_s), len(held)]
        for lease, kind in held.items():
            words += [lease, kind]
        for lease, served in back:
            words += [lease, int(served)]
        said = self._run(self._beat, account, words)
        return _answer(said, asked=said[5].decode())

    def close(self) -> None:
        """Close all connections."""
        try:
            self._client.close()
        except self._errors:
            log.debug("a connection of the pool did not close")

    def _run(
        self, script: Any, account: str, words: Sequence[str | int]
    ) -> list[Any]:  # Any: Redis' own reply
        root = f"ptctl:{{{self._scope}}}:"
        name = sha256(account.encode()).hexdigest()[:16]
        keys = [root + f"{name}:{part}" for part in ("leases", "kinds", "queue", "wishes", "facts")]
        try:
            said: list[Any] = script(keys=[*keys, root + "born"], args=[_ms(self._lease_s), KEPT_S, *words])
        except self._errors as error:
            raise Away(_why(error)) from error
        return said


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _answer(said: Sequence[Any], *, got: bool = False, asked: str = "") -> Answer:
    held, yielding, learned, left, closed = (int(n) for n in said[:5])
    known = learned if learned >= 0 else None
    return Answer(held, yielding, known, max(0, left) / 1000, closed / 1000, got, asked)


def _why(error: Exception) -> str:
    """What happened, without the words of the library: they may quote the address."""
    text = str(error).lower()
    for sign, words in (
        ("refused", "connection refused"),
        ("timeout", "it does not answer in time"),
        ("timed out", "it does not answer in time"),
        ("auth", "it does not take our name or password"),
        ("password", "it does not take our name or password"),
        ("name or service", "its name is not known"),
        ("nodename", "its name is not known"),
        ("readonly", "it is a read-only replica"),
        ("loading", "it is loading its data"),
        ("oom", "it is out of memory"),
        ("noperm", "it does not allow us to run scripts"),
    ):
        if sign in text:
            return words
    return type(error).__name__
