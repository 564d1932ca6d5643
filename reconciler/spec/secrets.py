"""Finds secrets that stand in a spec, wherever they stand, and keeps them out of everything that is shown.

A credential is a reference. A literal is refused (V130) in `credentials`, under any key that is called like a secret,
in headers that carry one, and inside addresses: `user:pass@`, `?password=`, `/live/user/pass/`. There is no switch for
it. What was found is masked by place, and by value wherever else it occurs (a comment, a message); files that could
not be parsed are masked by the look of their lines. This module refuses to resolve references.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from reconciler.diagnostics import EIGHT_STARS, LONGEST_LINE, Diagnostic, Diagnostics, SourceTexts, Span
from reconciler.secret import SCHEMES
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Node, Scalar, core_kind, walk_scalars
from reconciler.spec.places import inside
from reconciler.spec.values import REFERENCE

__all__ = ["Secrets", "search"]

_WORD: Final = (
    r"(?:[a-z0-9]{1,30}[-_]){0,4}(?:password|passwd|passphrase|pass|pwd|secret|token|api[-_]?key|apikey|access[-_]?key"
    r"|private[-_]?key|authorization|cookie)"
)
_TELLING: Final = frozenset(
    [
        "password",
        "passwd",
        "passphrase",
        "pass",
        "pwd",
        "secret",
        "token",
        "apikey",
        "api_key",
        "access_key",
        "accesskey",
        "private_key",
        "privatekey",
        "authorization",
        "cookie",
        "user",
        "username",
    ]
)
# Patterns that most specs never need are kept as text, which `re` compiles once when it is first used.
_TELLING_HEADER: Final = r"(?i)(?:proxy-)?authorization|(?:set-)?cookie2?|(?:x-)?.*(?:key|token|auth|secret|password|signature|session)"
_BEARER: Final = r"(?i)(?:bearer|basic|digest)\s+\S{4,}"
_USERINFO: Final = r"://(?P<secret>[^/\s?#@]*:[^/\s?#@]+|[^/\s?#@:]+)@"
_PARAMETER: Final = (
    r"(?i)[?&;](?:user(?:name)?|pass(?:word|wd)?|pwd|auth|sig(?:nature)?|key"
    r"|(?:[\w.-]*(?:token|secret|api[_-]?key)))=(?P<secret>\{\w+\}|[^&#;\s\"'}]+)"
)
_STREAM: Final = r"(?i)://[^/\s]+/(?:live|movie|series|timeshift|playlist)/(?P<secret>[^/\s{}]+/[^/\s{}]+)/"
# A sign without which the pattern cannot match, and the pattern.
_IN_ADDRESS: Final = (("@", _USERINFO), ("=", _PARAMETER), ("/", _STREAM))
_PLACEHOLDER: Final = r"(?:\{\w+\}|\*+|:)+"
# The look of a secret in a line that could not be parsed.
_LINE: Final = (
    rf"(?i)(?:^|[\s{{,\"'-])(?:{_WORD}|username|user)[\"']?\s*[:=]\s*"
    rf"(?P<secret>\"[^\"]*\"?|'[^']*'?|[^\s,}}#][^,}}#\n]*)"
)
_SAFE: Final = rf"(?i)[\"']?(?:(?:{'|'.join(SCHEMES)}):|\$|\{{|\[|null\b|~|\*)"
_SCHEMES: Final = ("bearer", "basic", "digest")
_MOST_VALUES: Final = 500
"""So many values are hidden wherever they occur; each costs a search in every line that is shown."""
_SHORTEST: Final = 5
"""Shorter secrets are masked where they stand, not wherever the same letters occur."""

_PLACES: Final = {"username": "USER", "password": "PASS", "token": "TOKEN", "url": "URL"}


class Secrets:
    """What was found: nodes already reported, spans and values to hide."""

    __slots__ = ("_at", "_long", "nodes", "values")

    def __init__(
        self, nodes: frozenset[int] = frozenset(), spans: Iterable[Span] = (), values: Iterable[str] = ()
    ) -> None:
        self.nodes = nodes
        self._at: dict[tuple[str, int], list[Span]] = {}
        self._long: dict[str, list[Span]] = {}
        for span in spans:
            if span.line == span.end_line:
                self._at.setdefault((span.file, span.line), []).append(span)
            else:
                self._long.setdefault(span.file, []).append(span)
        self.values = tuple(sorted(set(values), key=lambda value: (-len(value), value)))[:_MOST_VALUES]

    def hide(self, findings: Findings, texts: Mapping[str, str]) -> tuple[Diagnostics, SourceTexts]:
        """The findings and the texts as they may be shown."""
        diagnostics = Diagnostics([self._cleaned(finding) for finding in findings.noted])
        if findings.beyond:
            first = next(iter(texts), "")
            diagnostics.add(
                Diagnostic(
                    "V106",
                    "error",
                    f"{findings.beyond} more findings are not shown",
                    Span(first, 1, 1, 1, 1),
                    hints=("mend the first ones, then validate again",),
                )
            )
        return diagnostics, SourceTexts(texts, self._hidden)

    def _cleaned(self, finding: Diagnostic) -> Diagnostic:
        if not any(self._shows(part) for part in (finding.summary, finding.label, *finding.hints)):
            return finding
        return finding._replace(
            summary=self._clean(finding.summary),
            label=self._clean(finding.label),
            hints=tuple(self._clean(hint) for hint in finding.hints),
            suggestions=(),
            path=tuple(self._clean(part) if isinstance(part, str) else part for part in finding.path),
        )

    def _shows(self, text: str) -> bool:
        return any(value in text for value in self.values) or any(_addresses(text))

    def _clean(self, text: str) -> str:
        for value in self.values:
            text = text.replace(value, EIGHT_STARS)
        for start, end in sorted(_addresses(text), reverse=True):
            text = text[:start] + EIGHT_STARS + text[end:]
        return text

    def _hidden(self, file: str, number: int, line: str) -> Iterator[tuple[int, int]]:
        known = set()
        for span in (*self._at.get((file, number), ()), *self._long.get(file, ())):
            if span.line <= number <= span.end_line:
                start = span.column - 1 if number == span.line else len(line) - len(line.lstrip())
                end = span.end_column - 1 if number == span.end_line else len(line)
                known.add(start)
                yield start, max(start, end)
        for value in self.values:
            at = line.find(value)
            while at >= 0:
                yield at, at + len(value)
                at = line.find(value, at + len(value))
        line = line[: LONGEST_LINE + 1000]
        yield from _addresses(line)
        for found in re.finditer(_LINE, line):
            start, end = found.span("secret")
            if start not in known and not re.match(_SAFE, found["secret"]):
                yield start, start + len(line[start:end].rstrip())


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of `text` that are secrets inside an address."""
    if "://" not in text and "=" not in text:
        return
    for sign, pattern in _IN_ADDRESS:
        if sign not in text or (sign == "/" and text.count("/") < 5):
            continue
        for found in re.finditer(pattern, text):
            if not re.fullmatch(_PLACEHOLDER, found["secret"]):
                yield found.span("secret")


def search(root: Node, texts: Mapping[str, str], findings: Findings, *, mode: int | None) -> Secrets:
    """Note every literal secret of the tree. `mode` is the permission bits of the main file, where known."""
    nodes: set[int] = set()
    spans: list[Span] = []
    values: list[str] = []
    lines = SourceLines(texts)
    for path, scalar in walk_scalars(root):
        whole = _whole(path, scalar)
        if whole:
            nodes.add(id(scalar))
            spans.append(scalar.span)
            values += _letters(scalar.text, whole)
            _note(findings, path, scalar, scalar.span, whole, mode=mode)
            continue
        if "=" not in scalar.text and "://" not in scalar.text:
            continue
        stretches = sorted(_addresses(scalar.text))
        for start, end in stretches:
            values += [part for part in re.split("[:/]", scalar.text[start:end]) if len(part) >= _SHORTEST]
            spans.append(inside(scalar, lines.line(scalar.file, scalar.line), start, end))
        if stretches:
            nodes.add(id(scalar))
            _note(findings, path, scalar, spans[-len(stretches)], "address", mode=mode)
    return Secrets(frozenset(nodes), spans, values)


_COMMON_WORDS: Final = frozenset(("password", "secret", "secrets", "token", "username"))


def _letters(text: str, kind: str) -> Iterator[str]:
    """What to hide wherever it occurs: the value, and what of it is a secret by itself (`Bearer …`, `sid=…`).

    A user name of letters alone is hidden where it stands: it may stand elsewhere for something else. So does a password
    that is a word of our own sentences.
    """
    text = text.strip()
    if len(text) < _SHORTEST or text.lower() in _COMMON_WORDS or (kind.startswith("user") and text.isalpha()):
        return
    yield text
    for part in re.split(r"[\s/?&=:;@,]+", text):
        telling = kind == "header" or any(sign.isdigit() for sign in part)
        if telling and part != text and len(part) >= _SHORTEST and part.lower() not in _SCHEMES:
            yield part


class SourceLines:
    """Raw lines, split when first needed. Never shown."""

    __slots__ = ("_lines", "_texts")

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._lines: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str:
        """One line (from 1), or nothing."""
        if file not in self._lines:
            self._lines[file] = re.split("\r\n|[\r\n\x85\u2028\u2029]", self._texts.get(file, ""))
        lines = self._lines[file]
        return lines[number - 1] if number <= len(lines) else ""


def _whole(path: tuple[str, ...], scalar: Scalar) -> str:
    """What kind of secret the whole scalar is, or nothing."""
    if not path or core_kind(scalar) == "null" or not scalar.text:
        return ""
    text, key = scalar.text, path[-1]
    if REFERENCE.fits(text) or _slip(text):
        return ""
    if len(path) >= 2 and path[-2] == "headers":
        return "header" if re.fullmatch(_TELLING_HEADER, key) or re.match(_BEARER, text) else ""
    if path[0] == "credentials":
        # {exec: […]} is a command, and its arguments are no secrets
        if "exec" in path[2:]:
            return ""
        return key.lower() if key.lower() in _PLACES and len(path) > 2 else "credential"
    if path[0] == "notify" and key == "url":
        return "url"
    return key.lower() if _telling(key) else ""


def _telling(key: str) -> bool:
    """Whether a key is called like a secret: `password`, `X-Plex-Token`, `db_pass`. A set lookup, since it is asked
    of every key and a pattern of so many words takes long to compile.
    """
    parts = key.lower().replace("-", "_").split("_")
    return parts[-1] in _TELLING or "_".join(parts[-2:]) in _TELLING


def _slip(text: str) -> bool:
    """A reference with a slip in it: `ENV:X`, `env:`, `$X`. Said otherwise (V131), and nothing to hide."""
    scheme, colon, _ = text.partition(":")
    return bool(colon and scheme.lower() in SCHEMES) or bool(re.fullmatch(r"\$\{?\w+\}?", text))


def _note(
    findings: Findings, path: tuple[str, ...], scalar: Scalar, at: Span, kind: str, *, mode: int | None
) -> None:
    name = path[1] if len(path) > 2 and path[0] in ("credentials", "sources") else path[0]
    stem = re.sub(r"[^A-Za-z0-9]+", "_", name).upper().strip("_") or "IPTV"
    if kind in _PLACES:
        variable = f"{stem}_{_PLACES[kind]}"
    elif kind == "header":
        variable = f"{stem}_{re.sub(r'[^A-Za-z0-9]+', '_', path[-1]).upper()}"
    else:
        variable = f"{stem}_URL" if kind == "address" else f"{stem}_SECRET"
    if kind == "address" and path[0] == "sources" and path[-1] == "hosts":
        write = "leave it out of the address; an account belongs into `credentials`"
    else:
        write = f"write a reference: env:{variable} or file:/run/secrets/{name}"
    hints = [write]
    if mode is not None and mode & 0o044:
        who = "everybody" if mode & 0o004 else "its group"
        hints.append(
            f"{scalar.file} is readable by {who} here ({mode:04o}); if it was committed, change the {_called(kind)}"
        )
    else:
        hints.append(f"if {scalar.file} was committed, change the {_called(kind)}")
    findings.error(
        "V130",
        at,
        "a secret stands in the spec",
        label="the value is hidden here",
        hints=hints,
        path=path,
        secret=True,
    )


def _called(kind: str) -> str:
    return "token" if kind == "token" else "key" if kind == "header" else "password"
