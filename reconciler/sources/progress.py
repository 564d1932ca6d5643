"""Word of how a fetch goes, for whoever shows it: values, never text with a URL in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Progress", "Step", "about", "silent"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something moved. `name` is `source NAME`, `guide NAME` or the channel that is probed; `host` counts from 1 (0: not about a host).

    `total_bytes` is None where the server does not say. `detail` is a short sentence without secrets.
    """

    name: str
    what: Literal["login", "list", "guide", "read", "retry", "probe", "done"]
    host: int = 0
    size_bytes: int = 0
    total_bytes: int | None = None
    detail: str = ""


Progress = Callable[[Step], None]


def about(kind: Literal["source", "guide"], progress: Progress) -> Progress:
    """Tells `progress` of sources, or of guides, by kind and name: a guide may bear the name of its source (design.md 2)."""
    return lambda step: progress(replace(step, name=f"{kind} {step.name}"))


def silent(step: Step) -> None:
    """Tell nobody."""
    del step
