"""A spec in the making: sections with comments, the secrets it refers to, and what could not be carried over.

Whoever drafts fills a `Draft`; `render` writes it. The order is the author's, sections come in the order of the
language, so that equal drafts are equal bytes. Secret values are kept apart from everything that is rendered into the
spec; they leave through `environment` alone. This module refuses to know where the facts come from.
"""

import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconciler.drafting.yaml_text import Value, comment, entry, item
from reconciler.secret import Secret

__all__ = [
    "Draft",
    "Loss",
    "Section",
    "Vault",
    "environment",
    "exactly",
    "gathered",
    "is_glob",
    "render",
    "slug",
]

ORDER: Final = (
    "credentials",
    "sources",
    "guides",
    "filters",
    "buckets",
    "dvrs",
    "overrides",
    "probes",
    "plex",
    "serve",
)


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that the spec does not say although the old setup did. `where` is the old setup's part.

    `advice` is the next step, "" where there is nothing to do. Neither holds a secret or an address with one.
    """

    where: str
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A top-level key. A mapping's entries and a list's items get a line each, with the comments of `notes` above.

    `notes` are by name of the entry, or by index of the item as text. `aside` are lines that stand behind the section
    as comments: what could be said here; a section that has nothing else is a comment altogether.
    """

    key: str
    value: Value
    comment: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    flat: bool = False
    """One mapping and not a mapping of named things: written in one line if it fits."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All of a spec. `secrets` are by variable of the env file; `losses` in the order they were met."""

    name: str
    sections: tuple[Section, ...]
    head: tuple[str, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()


class Vault:
    """Takes secret values, gives references to them. The same value under the same name is kept once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.values: dict[str, Secret] = {}

    def keep(self, wanted: str, value: Secret) -> str:
        """The reference to `value` in the env file, as the spec spells it. `wanted` becomes a free variable name."""
        stem = slug(wanted).replace("-", "_").upper()
        stem = f"V_{stem}" if stem[:1].isdigit() else stem
        name, counter = stem, 1
        while self.values.get(name, value) != value:
            counter += 1
            name = f"{stem}_{counter}"
        self.values[name] = value
        return f"envfile:{self._file}#{name}"


def slug(text: str, fallback: str = "main") -> str:
    """A name that the spec accepts: lower-case letters and digits with single hyphens between, at most 40 long.

    Letters with accents lose them: `Müller` becomes `muller`.
    """
    words: list[str] = []
    current = ""
    for character in unicodedata.normalize("NFKD", text).casefold():
        if unicodedata.combining(character):
            continue
        if character.isascii() and character.isalnum():
            current += character
        elif current:
            words.append(current)
            current = ""
    return "-".join([*words, current] if current else words)[:40].strip("-") or fallback


def is_glob(text: str) -> bool:
    """Whether the spec would take the text for a pattern: a plain condition is a glob."""
    return any(sign in text for sign in "*?[")


def exactly(text: str) -> Value:
    """A condition for this text: plain, in any case, where the spec takes it as it stands."""
    return {"is": text} if is_glob(text) else text


def gathered(losses: Iterable[Loss], everybody: int) -> tuple[Loss, ...]:
    """The same loss of several parts said once, in the order of the first; of `everybody`, once for all."""
    places: dict[tuple[str, str], list[str]] = {}
    for loss in losses:
        where = places.setdefault((loss.what, loss.advice), [])
        if loss.where not in where:
            where.append(loss.where)
    return tuple(
        Loss(
            "all"
            if 1 < everybody == len(where)
            else ", ".join(where[:3]) + (", …" if len(where) > 3 else ""),
            *said,
        )
        for said, where in places.items()
    )


def render(draft: Draft, *, schema: str) -> str:
    """The spec's text. `schema` is where the JSON Schema for editors is, relative to the spec."""
    lines = [f"# yaml-language-server: $schema={schema}"]
    for paragraph in draft.head:
        lines += comment(paragraph)
    lines += ["version: 1", *entry("name", draft.name)]
    for section in sorted(draft.sections, key=lambda s: ORDER.index(s.key)):
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterable[str]:
    yield from comment(section.comment)
    if not section.value and section.aside:
        yield f"# {section.key}:"
        yield from (f"#   {line}" for line in section.aside)
        return
    if section.flat or not section.value or isinstance(section.value, str | int):
        yield from entry(section.key, section.value)
    else:
        yield f"{section.key}:"
        if isinstance(section.value, Mapping):
            for name, value in section.value.items():
                yield from comment(section.notes.get(name, ""), 2)
                yield from entry(name, value, 2)
        else:
            for index, value in enumerate(section.value):
                yield from comment(section.notes.get(str(index), ""), 2)
                yield from item(value, 2)
    yield from (f"  # {line}" for line in section.aside)


def environment(secrets: Mapping[str, Secret], head: Sequence[str] = ()) -> Secret:
    """The env file's text, itself a secret. Values are quoted for shells, systemd and Compose alike.

    Raises ValueError for a value of several lines: an env file cannot hold it.
    """
    lines = [line for paragraph in head for line in comment(paragraph)]
    for name, value in secrets.items():
        plain = value.reveal()
        if "\n" in plain or "\r" in plain or "\0" in plain:
            raise ValueError(f"the value of {name} has several lines")
        lines.append(f"{name}={shlex.quote(plain)}")
    return Secret("\n".join(lines) + "\n")
