"""What is known of a panel's hosts: which answered, and which hide behind Cloudflare.

A panel's API answers through Cloudflare, but video through its proxy breaks its terms and is replaced by a page
(iptv-streams.md B4): that is why it matters (XTR-4). Pure functions; this module refuses to ask anybody.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["HostOutcome", "in_cloudflare_range", "label"]

# https://www.cloudflare.com/ips/ (unchanged since 2023)
_CLOUDFLARE: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22", "141.101.64.0/18",
        "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20", "197.234.240.0/22", "198.41.128.0/17",
        "162.158.0.0/15", "104.16.0.0/13", "104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22", "2400:cb00::/32",
        "2606:4700::/32", "2803:f800::/32", "2405:b500::/32", "2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """How one host answered a login. `cloudflare` None: it did not say, because it did not answer.

    `refused`: there was no connection at all, so that no other call need be tried there.
    """

    index: int
    worked: bool
    cloudflare: bool | None
    detail: str = ""
    refused: bool = False


def in_cloudflare_range(address: str) -> bool:
    """Whether an IP address is one of Cloudflare's."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(ip in network for network in _CLOUDFLARE if network.version == ip.version)


def label(hosts: Sequence[str], index: int, *, named: bool = True) -> str:
    """A host in a message: its place from 1 and, where the spec names it, its name."""
    name = urlsplit(hosts[index]).netloc.rpartition("@")[2] if named else ""
    return f"host {index + 1} ({name})" if name else f"host {index + 1}"
