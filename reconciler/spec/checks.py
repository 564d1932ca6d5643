"""Meaning: everything that depends on more than one value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from reconciler.spec.findings import Findings
from reconciler.spec.shape import Val


@dataclass(frozen=True, slots=True)
class Given:
    """What the checks know besides the spec."""

    allow_exec: bool
    today: date
    base: Path
    texts: Mapping[str, str]
    mode_of: Callable[[Path], int | None]


def check(root: Val, given: Given, findings: Findings) -> None:
    """Note what is wrong between values."""
