"""What a handler gives back when it succeeded. This module refuses to know any handler."""

from dataclasses import dataclass

__all__ = ["Done"]


@dataclass(frozen=True, slots=True)
class Done:
    """The sentence of a success, and remarks that do not make it a failure."""

    text: str
    notes: tuple[str, ...] = ()
