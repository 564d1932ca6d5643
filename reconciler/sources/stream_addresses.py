"""The addresses of one alternative of a channel, best host first, with placeholders for the account.

What a probe tries is what a tune would try: the panel's address on each host in the route's order, or the list's own
addresses. This module refuses to fill in credentials and to rank by health.
"""

from collections.abc import Mapping
from typing import Final

from reconciler.catalog.address import PASSWORD, USERNAME, host_of
from reconciler.lineups.manifest import Alternative, SourceRoute

__all__ = ["addresses"]

_FOLDERS: Final[Mapping[str, str]] = {"live": "live", "vod": "movie", "series": "series"}


def addresses(source: SourceRoute, alternative: Alternative) -> tuple[str, ...]:
    """All addresses of an alternative, in the order to try them."""
    if not (alternative.key and source.hosts):
        return tuple(url for url in (alternative.url, *alternative.more_urls) if url)
    hosts = source.hosts
    if source.pin:
        others = tuple(h for h in hosts if host_of(h) != host_of(source.pin))
        hosts = (source.pin,) if source.pin_mode == "strict" else (source.pin, *others)
    folder = _FOLDERS.get(alternative.kind, "live")
    extension = alternative.extension
    if folder == "live" or not extension:
        extension = "m3u8" if source.format == "hls" else "ts"
    return tuple(
        f"{host.rstrip('/')}/{folder}/{USERNAME}/{PASSWORD}/{alternative.key}.{extension}" for host in hosts
    )
