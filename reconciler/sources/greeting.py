"""One login at each panel, and what it told: for `ptctl doctor`, which wants neither lists nor copies.

Nothing is retried and nothing is kept. This module refuses to fetch a list.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from reconciler.errors import CredentialError
from reconciler.sources.access import Access, request_headers, source_accounts
from reconciler.sources.accounts import concealer
from reconciler.sources.catalogue import one_error, spooling
from reconciler.sources.entrance import enter
from reconciler.sources.errand import Errand
from reconciler.sources.progress import silent
from reconciler.sources.web import Limits, open_web
from reconciler.spec.model import Source, Spec

__all__ = ["Greeting", "greet"]


@dataclass(frozen=True, slots=True)
class Greeting:
    """How a panel received us. `host` counts from 1, 0: none let us in; `why` says why, without a secret.

    `clock_off_s` is the panel's clock less ours, None where it did not tell the time. `expires` in seconds since 1970.
    """

    source: str
    host: int = 0
    hosts: int = 0
    why: str = ""
    clock_off_s: float | None = None
    expires: int | None = None


async def greet(
    spec: Spec, cache: Path, *, environ: Mapping[str, str] | None = None, allow_exec: bool = False
) -> dict[str, Greeting]:
    """A greeting of every panel of the spec, by source name. Credentials that lead nowhere are told, never raised.

    Costs one login per account. Cancelling ends it at once.
    """
    access = Access(os.environ if environ is None else environ, allow_exec)
    found: dict[str, Greeting] = {}
    with spooling(cache, time.time()) as spool, one_error():
        async with open_web(Limits()) as web, trio.open_nursery() as nursery:

            async def one(source: Source) -> None:
                try:
                    accounts = source_accounts(spec, source, access)
                    headers = request_headers(
                        spec,
                        access,
                        source.stream.headers,
                        source.headers,
                        user_agent=source.stream.user_agent,
                    )
                except CredentialError as error:
                    found[source.name] = Greeting(source.name, why=error.message)
                    return
                began = time.time()
                errand = Errand(
                    source.name, web, spool, headers, concealer(accounts), silent, began, retries_left=0
                )
                entrance = await enter(errand, source, accounts)
                told = next((login for login in entrance.logins if login), None)
                middle = (began + time.time()) / 2
                found[source.name] = Greeting(
                    source.name,
                    host=0 if entrance.host is None else entrance.host + 1,
                    hosts=len(entrance.hosts),
                    why="; ".join(errand.notes),
                    clock_off_s=told.clock - middle if told and told.clock else None,
                    expires=told.expires if told else None,
                )

            for source in spec.sources.values():
                if source.kind == "xtream":
                    nursery.start_soon(one, source)
    return found
