"""An account with a provider: user name and password, and how often it may watch at once.

References become accounts in `sources.credentials`; whoever holds an `Account` has values, and none of its texts show
them. This module refuses to read anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.catalog.address import Concealer
from reconciler.secret import Secret

__all__ = ["Account", "concealer"]


@dataclass(frozen=True, slots=True)
class Account:
    """One login. `credentials` is its name in the spec; `host` is set where a whole `get.php` line named one.

    `label` says where it came from, for messages: references and file names, never a value.
    """

    credentials: str
    username: Secret
    password: Secret
    host: str = ""
    label: str = ""


def concealer(accounts: Sequence[Account]) -> Concealer:
    """What turns these accounts' values into placeholders."""
    return Concealer((a.username, a.password) for a in accounts)
