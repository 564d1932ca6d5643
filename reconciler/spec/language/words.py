"""What all parts of the language share. Refuses to contain logic."""

from typing import Final

from reconciler.spec.containers import Listed, Named
from reconciler.spec.shape import Formatted, HeaderValue
from reconciler.spec.values import HEADER_NAME, NAME, WEB_ADDRESS

__all__ = ["FIELDS", "HEADERS", "LARGEST_LIMIT", "NAMES", "ONE_NAME", "WEB"]


LARGEST_LIMIT: Final = 480
"""Channels of one DVR: Plex stops activating more (plex-livetv.md 7.1)."""

FIELDS: Final = (
    "name",
    "group",
    "guide_id",
    "source",
    "kind",
    "number",
    "quality",
    "country",
    "language",
    "radio",
    "guide",
    "url_host",
)

ONE_NAME: Final = Formatted(NAME)
NAMES: Final = Listed(ONE_NAME, single=True)
WEB: Final = Formatted(WEB_ADDRESS)
HEADERS: Final = Named(HeaderValue(), noun="header", key=HEADER_NAME)
