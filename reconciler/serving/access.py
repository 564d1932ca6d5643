"""Who may ask, and who may write.

Tuners are for the home's network: clients outside the allowed networks get 403 and are counted by address, because
Plex on the wrong subnet looks like "device not found" (hdhomerun.md 8) and `ptctl doctor` wants to name it. Writing
needs the admin token, compared in constant time. This module refuses to read the token from a URL.
"""

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from reconciler.secret import Secret

__all__ = ["Access"]

KNOWN_PEERS: Final = 4096
REFUSED_KEPT: Final = 256


class Access:
    """The rules of `serve.access`, and who was refused."""

    def __init__(self, allow: Sequence[str], admin_token: Secret | None) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in allow)
        self._token = admin_token
        self.refused: Counter[str] = Counter()
        self.admits = lru_cache(maxsize=KNOWN_PEERS)(self._admits)
        """Whether a client address (text) may ask."""

    def _admits(self, peer: str) -> bool:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address.version == n.version and address in n for n in self._networks)

    def note_refused(self, peer: str) -> None:
        """Count a refused client; at most 256 different ones are remembered."""
        if peer in self.refused or len(self.refused) < REFUSED_KEPT:
            self.refused[peer] += 1

    def is_admin(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries the admin token (`Authorization: Bearer …`). False where none is configured."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if self._token is None or not self._token or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self._token.reveal().encode())
