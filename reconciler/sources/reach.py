"""How far an IP address leads: into the world, into a private network, or where no list may ever lead.

A playlist and a redirect are foreign text (SEC-1): what they name must not make this machine ask its own network or a
cloud's metadata service. One judgement for downloads, probes and streams. Pure; resolving names is for whoever connects.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal

__all__ = ["EVERYWHERE", "MOST_REDIRECTS", "Reach", "reach_of", "reaches_of"]

Reach = Literal["public", "private", "never"]

MOST_REDIRECTS: Final = 8
"""So often a request may be handed on, as ffmpeg allows for a stream."""
EVERYWHERE: Final[frozenset[Reach]] = frozenset({"public", "private", "never"})

# Services that hand out a machine's credentials at addresses that are not link-local: AWS and Google over IPv6, Alibaba, Oracle.
METADATA: Final = frozenset(
    ip_address(text) for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192")
)
NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
SHORT: Final = 0xFFFFFFFF


def reach_of(address: str) -> Reach:
    """`never`: link-local (cloud metadata), multicast, reserved. `private`: this machine, its networks, CGNAT.

    IPv6 forms of an IPv4 address are judged as that address. Raises ValueError for what is no address.
    """
    ip = _plain(ip_address(address.partition("%")[0]))
    if ip.is_loopback:
        return "private"
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved or ip in METADATA:
        return "never"
    if not ip.is_global or (isinstance(ip, IPv6Address) and ip.is_site_local):
        return "private"
    return "public"


def reaches_of(*, private_ok: bool) -> frozenset[Reach]:
    """How far a list or a redirect may lead."""
    return frozenset({"public", "private"}) if private_ok else frozenset({"public"})


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(ip, IPv4Address):
        return ip
    if ip in NAT64:
        return IPv4Address(int(ip) & SHORT)
    return ip.ipv4_mapped or ip.sixtofour or ip
