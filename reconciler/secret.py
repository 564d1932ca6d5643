"""A secret is a type that cannot be printed, and a reference says where one is kept.

Every way of turning a `Secret` into text gives `***`; only `reveal()` gives the value, and each protocol calls
it in exactly one module (style.md, habit 17). References are parsed here and resolved in `sources.credentials`,
because resolving reads files and the environment. This module refuses to read anything.
"""

from typing import Final, Literal, NamedTuple, NoReturn

__all__ = ["MASK", "SCHEMES", "Scheme", "Secret", "SecretRef"]

MASK: Final = "***"

Scheme = Literal["env", "envfile", "file", "subscription", "plexprefs", "exec"]
SCHEMES: Final[tuple[Scheme, ...]] = ("env", "envfile", "file", "subscription", "plexprefs", "exec")


class Secret:
    """One secret value. Equal to another with the same value; hashable; never printable, never serialisable."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. For the one module per protocol that puts it on the wire."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied to disk")


class SecretRef(NamedTuple):
    """Where a secret is kept: `env:NAME`, `envfile:PATH#NAME`, `file:PATH`, `subscription:GLOB`, `plexprefs:PATH`,
    or a command (`exec`, `argv` given, run only with --allow-exec). `part` picks a line of a subscription file.
    """

    scheme: Scheme
    place: str
    name: str = ""
    argv: tuple[str, ...] = ()
    part: Literal["", "username", "password"] = ""

    def __str__(self) -> str:
        """The reference as the spec spells it: safe to print, it holds no value."""
        if self.scheme == "exec":
            return "exec:" + " ".join(self.argv[:1])
        return f"{self.scheme}:{self.place}" + (f"#{self.name}" if self.name else "")

    @classmethod
    def parse(cls, text: str) -> "SecretRef | None":
        """The reference that `text` spells, or None where it is no reference (then it may be a literal secret)."""
        scheme, colon, place = text.partition(":")
        if not colon or not place:
            return None
        match scheme:
            case "env":
                return cls("env", place) if place.replace("_", "a").isalnum() and place.isascii() else None
            case "envfile":
                path, hash_, name = place.rpartition("#")
                return cls("envfile", path, name) if hash_ and path and name else None
            case "file" | "subscription" | "plexprefs":
                return cls(scheme, place)
            case _:
                return None
