"""Files that are no spec but something else that lies beside it: one word says more than ten unknown keys.

Only what is plain is named. This module refuses to guess.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["of_keys", "of_text"]

_COMPOSE: Final = frozenset({"version", "services", "volumes", "networks", "name", "secrets", "configs"})
_OWN: Final = "give the spec itself, often ptctl.yaml; `ptctl init` writes one"


def of_keys(keys: Iterable[str]) -> tuple[str, str] | None:
    """What a file with these keys at its top is, and what to do; None where that is not plain."""
    found = set(keys)
    if "services" in found and {k for k in found if not k.startswith("x-")} <= _COMPOSE:
        return "a file of Docker Compose", _OWN
    return ("a file of Kubernetes", _OWN) if {"apiVersion", "kind"} <= found else None


def of_text(text: str) -> tuple[str, str] | None:
    """What a text that is no mapping is, and what to do; None where that is not plain."""
    begin = text.lstrip()
    if begin.startswith("#EXTM3U"):
        return "a playlist", "`ptctl init --m3u FILE` writes a spec for it"
    return (
        ("an XML file", "a guide is named in a spec, under guides")
        if begin.startswith(("<?xml", "<tv"))
        else None
    )
