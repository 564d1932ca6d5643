"""Getting into an Xtream panel: which host works, which account it accepts, what hides behind Cloudflare.

Hosts are asked one after the other, the next one without waiting long for a silent one; the first that accepts the
account wins, and the rest are looked at beside the download, because streams may go through any of them. A refused
account ends the search at once: wrong passwords are not carried from host to host (XTR-3). This module refuses to fetch
lists and to raise: an entrance that stayed closed says why in its notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import trio

from reconciler.catalog.xtream import Login, login
from reconciler.secret import Secret
from reconciler.sources.accounts import Account
from reconciler.sources.errand import Errand
from reconciler.sources.hosts import HostOutcome, label
from reconciler.sources.progress import Step
from reconciler.sources.web import FetchFailed, is_private_host
from reconciler.spec.model import Source

__all__ = ["Entrance", "enter", "look_around", "panel_address", "xtream_hosts"]


@dataclass(slots=True)
class Entrance:
    """How the panel received the accounts. `host` is the index of the host in use, None where none let us in.

    `logins` are by account, None for one that was not accepted (why is in the notes); `refused` names the accounts
    that were. `base` is the panel's own direct address, where it may be used.
    """

    hosts: tuple[str, ...]
    named: bool
    host: int | None = None
    account: Account | None = None
    logins: list[Login | None] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    outcomes: dict[int, HostOutcome] = field(default_factory=dict)
    base: str = ""
    worst: FetchFailed | None = None

    def direct(self) -> tuple[int, ...]:
        """Indexes from 1 of hosts that answered and are not behind Cloudflare."""
        return tuple(i + 1 for i, o in sorted(self.outcomes.items()) if o.worked and o.cloudflare is False)

    def cloudflare(self) -> tuple[int, ...]:
        """Indexes from 1 of hosts behind Cloudflare, whether they let us in or not."""
        return tuple(i + 1 for i, o in sorted(self.outcomes.items()) if o.cloudflare)

    def candidates(self) -> list[int]:
        """Hosts to ask for lists: the one in use, those that worked, the unknown ones; never a known failure twice."""
        known = [i for i, o in sorted(self.outcomes.items()) if o.worked and i != self.host]
        unknown = [i for i in range(len(self.hosts)) if i not in self.outcomes and i != self.host]
        failed = [i for i, o in sorted(self.outcomes.items()) if not o.worked and not o.refused]
        failed = failed if self.host is None else []
        first = [self.host] if self.host is not None else []
        return [*first, *known, *unknown, *failed]


def xtream_hosts(source: Source, accounts: Sequence[Account]) -> tuple[tuple[str, ...], bool]:
    """The hosts of a source, and whether the spec names them (else they came with a whole `get.php` line)."""
    if source.hosts:
        return source.hosts, True
    return tuple(dict.fromkeys(a.host for a in accounts if a.host)), False


def panel_address(host: str, call: str, account: Account, **extra: str) -> Secret:
    """The address of a call (`player_api.php`, `get.php`, `xmltv.php`) with the account and further arguments."""
    user, password = (quote(s.reveal(), safe="") for s in (account.username, account.password))
    more = "".join(f"&{k}={quote(v, safe='')}" for k, v in extra.items())
    return Secret(f"{host}/{call}?username={user}&password={password}{more}")


async def _log_in(
    errand: Errand, host: str, account: Account, index: int, *, private_ok: bool | None = None
) -> tuple[Login, bool]:
    """One host's answer to one account and whether it came through Cloudflare. `private_ok` as for `Web.get`. Raises
    FetchFailed.
    """
    errand.tell(Step(errand.name, "login", index + 1))
    answer = await errand.asked(
        lambda headers: errand.web.get(
            panel_address(host, "player_api.php", account),
            headers=headers,
            whole_s=errand.web.limits.login_s,
            private_ok=private_ok,
        )
    )
    told = login(answer.body, now=errand.now)
    if told.verdict == "not-a-panel":
        head = answer.body[:400].lstrip()
        kind = "an empty answer" if not head or told.message else "an answer that is no login"
        raise FetchFailed("json", kind + errand.shown(head), cloudflare=answer.cloudflare)
    return told, answer.cloudflare


async def enter(
    errand: Errand, source: Source, accounts: Sequence[Account], order: Sequence[int] | None = None
) -> Entrance:
    """Find the first host that accepts an account. Never raises: `host` None says that none did.

    `order` are the hosts' indexes in the order of asking (as listed, where it is not given).

    Bounded by hosts x `login_s` per account, usually the first answer. Accounts that a panel refused are not offered to
    another host; a pool's further accounts are logged in at the host that was found.
    """
    hosts, named = xtream_hosts(source, accounts)
    entrance = Entrance(hosts, named)
    for account in accounts:
        if entrance.host is not None:
            await _further_account(errand, entrance, account)
            continue
        asking = range(len(hosts)) if order is None else order
        told, attempt = await _first_host(errand, entrance, account, asking), 0
        while told is None and entrance.worst and await errand.pause(entrance.worst, attempt):
            told, attempt = await _first_host(errand, entrance, account, asking), attempt + 1
        _record(errand, entrance, account, told)
    return entrance


async def _first_host(
    errand: Errand, entrance: Entrance, account: Account, order: Sequence[int]
) -> Login | None:
    """The first panel's verdict on the account, None where no host is one today."""
    verdicts: list[Login] = []

    async def attempt(index: int, done: trio.Event, scope: trio.CancelScope) -> None:
        try:
            told, cloudflare = await _log_in(errand, entrance.hosts[index], account, index)
        except FetchFailed as failure:
            seen = failure.cloudflare if failure.status or failure.cloudflare else None
            entrance.outcomes[index] = HostOutcome(
                index,
                worked=False,
                cloudflare=seen,
                detail=failure.detail,
                refused=failure.cause == "refused",
            )
            errand.note(f"{label(entrance.hosts, index, named=entrance.named)}: {failure.detail}")
            worst = entrance.worst
            if worst is None or not worst.transient or (failure.transient and worst.cause == "refused"):
                entrance.worst = failure  # what passes by itself soonest decides about waiting
        else:
            if not verdicts:
                verdicts.append(told)
                entrance.outcomes[index] = HostOutcome(index, worked=True, cloudflare=cloudflare)
                if told.verdict == "ok":
                    entrance.host, entrance.account = index, account
            scope.cancel()
        finally:
            done.set()

    async with trio.open_nursery() as nursery:
        for index in order:
            done = trio.Event()
            nursery.start_soon(attempt, index, done, nursery.cancel_scope)
            with trio.move_on_after(errand.web.limits.stagger_s):
                await done.wait()
    return verdicts[0] if verdicts else None


async def _further_account(errand: Errand, entrance: Entrance, account: Account) -> None:
    assert entrance.host is not None
    told: Login | None = None
    try:
        told, _ = await _log_in(errand, entrance.hosts[entrance.host], account, entrance.host)
    except FetchFailed as failure:
        errand.note(f"account {account.credentials!r}: {failure.detail}")
    _record(errand, entrance, account, told)


def _record(errand: Errand, entrance: Entrance, account: Account, told: Login | None) -> None:
    entrance.logins.append(told if told and told.verdict == "ok" else None)
    if told is None or told.verdict == "ok":
        return
    entrance.refused.append(account.credentials)
    said = f' ("{told.message}")' if told.message and not errand.concealer.touches(told.message) else ""
    if told.verdict == "refused":
        errand.note(f"the panel refused account {account.credentials!r}: wrong user name or password{said}")
    elif told.status.lower() in {"", "active", "trial", "expired"} and told.expires:
        day = _day(told.expires)
        errand.note(f"account {account.credentials!r} expired on {day}{said}")
    else:
        errand.note(f"account {account.credentials!r} is {told.status.lower() or 'expired'}{said}")


def _day(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "an unknown day"


async def look_around(errand: Errand, source: Source, entrance: Entrance) -> None:
    """Ask the hosts that have not answered yet, all at once: for their state and whether Cloudflare hides them.

    Then decide about the panel's own address (XTR-4): used where the host in use is behind Cloudflare, and the address is
    not, accepts the account, and does not take the password from https to http.
    """
    if entrance.host is None or entrance.account is None:
        return
    account = entrance.account
    # ones that were cut off by the winner have no outcome; ones that failed had their say
    waiting = [i for i in range(len(entrance.hosts)) if i not in entrance.outcomes]

    async def look(index: int) -> None:
        try:
            told, cloudflare = await _log_in(errand, entrance.hosts[index], account, index)
        except FetchFailed as failure:
            seen = failure.cloudflare if failure.status or failure.cloudflare else None
            outcome = HostOutcome(index, worked=False, cloudflare=seen, detail=failure.detail)
            errand.note(f"{label(entrance.hosts, index, named=entrance.named)}: {failure.detail}")
        else:
            worked = told.verdict == "ok"
            outcome = HostOutcome(index, worked=worked, cloudflare=cloudflare)
            if not worked:
                errand.note(f"{label(entrance.hosts, index, named=entrance.named)}: refuses the account")
        entrance.outcomes[index] = outcome

    async with trio.open_nursery() as nursery:
        for index in waiting:
            nursery.start_soon(look, index)
        nursery.start_soon(_look_at_base, errand, source, entrance)


async def _look_at_base(errand: Errand, source: Source, entrance: Entrance) -> None:
    assert entrance.host is not None
    assert entrance.account is not None
    told = next((one for one in entrance.logins if one), None)
    if told is None or not told.base or not entrance.outcomes[entrance.host].cloudflare:
        return
    if source.stream.host == "as-listed" or told.base in {h.rstrip("/") for h in entrance.hosts}:
        return
    if urlsplit(entrance.hosts[entrance.host]).scheme == "https" and urlsplit(told.base).scheme == "http":
        errand.note("the panel's own address is not used: it would send the password without TLS")
        return
    # The panel names it and not the spec: from the internet it may not lead into the home (SEC-1).
    private_ok = await is_private_host(urlsplit(entrance.hosts[entrance.host]).hostname or "")
    try:
        answer, cloudflare = await _log_in(errand, told.base, entrance.account, -1, private_ok=private_ok)
    except FetchFailed as failure:
        errand.note(f"the panel's own address is not used: {failure.detail}")
        return
    if cloudflare or answer.verdict != "ok":
        errand.note("the panel's own address is not used: it is behind Cloudflare as well")
        return
    entrance.base = told.base
