"""Serving: addresses that others can reach, and intervals that providers put up with.

Whether an address answers is asked by `ptctl doctor`. Refuses to resolve a host name.
"""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from reconciler.spec.checks.subject import Subject, inner
from reconciler.spec.nodes import Scalar

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["check"]

_HOUR_S: Final = 3600.0


def check(subject: Subject) -> None:
    """V153, V301, V302, V305, V311."""
    _advertise(subject)
    _discovery(subject)
    every = subject.value("serve", "refresh", "every")
    if every is not None and every.data < _HOUR_S and isinstance(every.node, Scalar):
        subject.findings.warning(
            "V305",
            every.node,
            f"refreshing every {every.node.text} is under an hour: providers take that for abuse",
            hints=("6h is usual; `ptctl refresh` fetches at once when you need it",),
        )


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _address(host: str) -> "IPv4Address | IPv6Address | None":
    """The address that a host is spelt as, or None where it is a name."""
    if not (host[:1].isdigit() or ":" in host):
        return None
    from ipaddress import ip_address

    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_here(host: str) -> bool:
    """Whether the name means the machine of whoever asks."""
    address = _address(host)
    return _is_loopback(host) or (address is not None and address.is_unspecified)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback)


def _advertise(subject: Subject) -> None:
    root = subject.root.data
    plex = subject.value("plex")
    serve = root.get("serve")
    advertise = subject.value("serve", "advertise")
    if plex is not None and (serve is None or (serve.ok and "advertise" not in serve.data)):
        subject.findings.error(
            "V153",
            (serve.key if serve is not None else plex.key) or plex.node,
            "Plex cannot be told where the tuners are: serve has no advertise",
            hints=("write serve: {advertise: http://NAME:5004}, with a name that Plex can resolve",),
        )
    if advertise is None:
        return
    given = inner(advertise, "plex") if isinstance(advertise.data, dict) else advertise
    if given is None:
        return
    host = _host(given.data)
    plex_url = subject.value("plex", "url")
    plex_host = _host(plex_url.data) if plex_url is not None else ""
    location = subject.value("plex", "guide_location")
    if _is_here(host):
        if plex_host and not _is_here(plex_host):
            subject.findings.warning(
                "V302",
                given.node,
                f'"{host}" means Plex itself when Plex asks, and Plex is at "{plex_host}"',
                hints=("advertise a name of this machine that Plex can resolve",),
            )
    elif _address(host) is not None and not (location is not None and location.data.startswith("file:")):
        subject.findings.warning(
            "V301",
            given.node,
            f"{host} is an address, not a name: Plex keeps it in each DVR's guide for good",
            hints=(
                "advertise a name that can move with the machine; changing an address later replaces DVRs",
                "or write plex: {guide_location: file:/…} from the beginning",
            ),
        )


def _discovery(subject: Subject) -> None:
    """Whether who searches for tuners can find these."""
    discovery = subject.value("serve", "discovery")
    if discovery is None or discovery.data == "none":
        return
    listen, layout = subject.value("serve", "listen"), subject.value("serve", "layout")
    if listen is not None and _is_loopback(listen.data[0]):
        subject.findings.warning(
            "V311",
            discovery.node,
            f'nobody else hears it: serve listens on "{listen.data[0]}"',
            hints=("listen on 0.0.0.0 or on an address of the network", "or leave discovery out"),
        )
    elif layout is not None and layout.data == "path":
        subject.findings.warning(
            "V311",
            discovery.node,
            "devices under a path are not found by most clients: they ask the address at its root",
            hints=("write layout: ports", "or leave discovery out and type the addresses"),
        )
