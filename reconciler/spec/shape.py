"""What a value may look like: the building blocks of the table in `spec.language`.

One table says everything about the form of a spec. It is read twice: `walk` goes through a node tree with it and
notes every error with its place, `schema` gives the JSON Schema (2020-12) of the same thing. So the two agree by
construction, and jsonschema, which points at parents and guesses among branches (style.md 3), is not needed at run
time. This module refuses to know any key of the language and to compare one value with another.
"""

from typing import Any, Final, NamedTuple

from reconciler.secret import SCHEMES, SecretRef
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Mapping, Node, Scalar, Sequence, core_kind
from reconciler.spec.suggest import closest
from reconciler.spec.values import REFERENCE, Format, Refused

__all__ = [
    "INVALID",
    "Flag",
    "Formatted",
    "HeaderText",
    "HeaderValue",
    "Nullable",
    "Reference",
    "Schema",
    "Shape",
    "Text",
    "Val",
    "Version",
    "Walk",
    "Where",
    "Whole",
    "Word",
    "WordOr",
    "seen",
]

Schema = dict[str, Any]  # JSON is what it is; the values are checked by the metaschema in the tests


class _Invalid:
    """The value of what was refused: present, reported, and nothing to conclude from."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = _Invalid()


class Val:
    """A checked value, still with its place. `key` is the key it stands under, where it does."""

    __slots__ = ("data", "key", "node")

    # What `data` holds is decided by the shape: a Python value, a list of Val, or a dict of Val.
    def __init__(self, node: Node, data: Any, key: Scalar | None = None) -> None:
        self.node = node
        self.data = data
        self.key = key

    @property
    def ok(self) -> bool:
        """Whether the value itself was accepted (parts of it may still be invalid)."""
        return self.data is not INVALID


class Where(NamedTuple):
    """How to speak of a place: what it is called in a sentence, what it belongs to, its path in the document."""

    label: str
    place: str
    path: tuple[str | int, ...]


class Walk(NamedTuple):
    """What a walk carries along: the findings, and the nodes already refused as secrets."""

    findings: Findings
    secrets: frozenset[int]


def seen(node: Node) -> str:
    """What stands there instead, in words; long texts are cut."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    assert isinstance(node, Scalar)
    kind = core_kind(node)
    text = node.text if len(node.text) <= 40 else node.text[:39] + "…"
    text = text.replace("\n", " ")
    if kind == "null":
        return "nothing" if not node.text else f'the empty value "{text}"'
    if kind == "text":
        return f'the text "{text}"'
    return f"the value {text}" if kind == "flag" else f"the number {text}"


class Shape:
    """A form. `what` completes the sentence "must be …"."""

    __slots__ = ()
    what: str = ""

    def walk(self, walk: Walk, node: Node, where: Where) -> Val:
        """The value at `node`, errors noted. Never raises. What was refused as a secret is not looked at again."""
        if id(node) in walk.secrets:
            return Val(node, INVALID)
        return self._walk(walk, node, where)

    def schema(self, defs: dict[str, Schema]) -> Schema:
        """The JSON Schema of the form; shared parts go into `defs`."""
        return self._schema(defs)

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        raise NotImplementedError

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        raise NotImplementedError

    def wrong(self, walk: Walk, node: Node, where: Where, *, hints: tuple[str, ...] = ()) -> Val:
        """Note that something else stands there."""
        if id(node) not in walk.secrets:
            walk.findings.error(
                "V110",
                node,
                f"{where.label} must be {self.what}, not {seen(node)}",
                hints=hints,
                path=where.path,
            )
        return Val(node, INVALID)


class Text(Shape):
    """Any text, kept as typed: a number or `NO` without quotes is text here, too."""

    __slots__ = ("blank", "what")

    def __init__(self, what: str = "a text", *, blank: bool = False) -> None:
        self.what = what
        self.blank = blank

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if isinstance(node, Scalar) and not node.text and not node.plain and not self.blank:
            walk.findings.error(
                "V110",
                node,
                f"{where.label} must not be empty",
                hints=(f"write {self.what}, or leave it out",),
                path=where.path,
            )
            return Val(node, INVALID)
        if not isinstance(node, Scalar) or (not node.text and not self.blank):
            return self.wrong(walk, node, where)
        if core_kind(node) == "null":
            hint = f'write "{node.text}" in quotes if the text is meant'
            return self.wrong(walk, node, where, hints=(hint,) if node.text else ())
        return Val(node, node.text)

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        shape: Schema = {"type": ["string", "number", "boolean"]}
        return shape if self.blank else {**shape, "minLength": 1}


_IN_HEADERS: Final = frozenset(("\t", *map(chr, range(32, 127))))


class HeaderText(Text):
    """What goes into a header as it stands: one line of printable ASCII, because nothing else can travel there."""

    __slots__ = ()

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        value = super()._walk(walk, node, where)
        odd = next((sign for sign in value.data if sign not in _IN_HEADERS), "") if value.ok else ""
        if not odd:
            return value
        what = "must be one line" if odd in "\r\n" else f"has {odd!r}, which no header can carry"
        hint = "take the line end out" if odd in "\r\n" else "letters, digits and signs of ASCII can"
        walk.findings.error("V110", node, f"{where.label} {what}", hints=(hint,), path=where.path)
        return Val(node, INVALID)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        return {**super()._schema(defs), "pattern": "^[\\t -~]*$"}


class HeaderValue(HeaderText):
    """A header's value: a literal, or a reference to a secret. Which headers are secrets, `spec.secrets` knows."""

    __slots__ = ()

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if isinstance(node, Scalar) and REFERENCE.fits(node.text):
            return Val(node, SecretRef.parse(node.text) or node.text)
        return super()._walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        shape = super()._schema(defs)
        return {**shape, "pattern": f"{shape['pattern']}|{REFERENCE.pattern}"}


class Reference(Shape):
    """Where a secret is kept. A literal was noted by `spec.secrets` before, so what does not fit here is a slip."""

    __slots__ = ()
    what = REFERENCE.what

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Scalar) or core_kind(node) != "text":
            return self.wrong(walk, node, where)
        reference = SecretRef.parse(node.text) if REFERENCE.fits(node.text) else None
        if reference is None:
            _note_bad_reference(walk, node, where)
            return Val(node, INVALID)
        return Val(node, reference)

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        return {"type": "string", "pattern": REFERENCE.pattern, "examples": list(REFERENCE.examples)}


def _note_bad_reference(walk: Walk, node: Scalar, where: Where) -> None:
    """Note a text that wants to be a reference and is none."""
    scheme, _, place = node.text.partition(":")
    better: str | None = None
    if node.text.startswith("$"):
        better = "env:" + node.text.strip("${}")
    elif scheme.lower() in SCHEMES and scheme != scheme.lower():
        better = f"{scheme.lower()}:{place.strip()}"
    elif scheme == "env":
        better = "env:" + "".join(
            c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in place.strip()
        )
    if better is not None and not REFERENCE.fits(better):
        better = None
    walk.findings.error(
        "V131",
        node,
        f"{where.label} is not a reference that leads anywhere",
        label=f"write {better}" if better else "",
        suggest=better,
        hints=(
            "references: env:NAME, envfile:PATH#NAME, file:PATH, subscription:PATH, plexprefs:PATH, {exec: [COMMAND]}",
        ),
        path=where.path,
    )


class Word(Shape):
    """One of a few words."""

    __slots__ = ("values", "what")

    def __init__(self, *values: str) -> None:
        self.values = values
        self.what = values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Scalar) or core_kind(node) == "null":
            return self.wrong(walk, node, where)
        if node.text in self.values:
            return Val(node, node.text)
        better = closest(node.text, self.values)
        walk.findings.error(
            "V111",
            node,
            f"{where.label} must be {self.what}, not {seen(node)}",
            label=f'did you mean "{better}"?' if better else "",
            suggest=better,
            path=where.path,
        )
        return Val(node, INVALID)

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        return {"enum": list(self.values)}


class Whole(Shape):
    """A whole number. `advised`: a lower limit that `spec.checks` explains in its own words."""

    __slots__ = ("advised", "least", "most", "what")

    def __init__(self, least: int, most: int, *, advised: int | None = None) -> None:
        self.least = least
        self.most = most
        self.advised = advised
        self.what = f"a whole number from {least} to {most if advised is None else advised}"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        text = node.text if isinstance(node, Scalar) else ""
        if not isinstance(node, Scalar) or core_kind(node) not in ("whole", "text"):
            return self.wrong(walk, node, where)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
            return self.wrong(walk, node, where)
        if not node.plain:
            fits = self.least <= int(text) <= self.most
            return self.wrong(walk, node, where, hints=(f"write {int(text)} without quotes",) if fits else ())
        if digits.startswith("0") and len(digits) > 1:
            return self.wrong(
                walk, node, where, hints=(f"write {int(text)}: a leading zero makes it octal elsewhere",)
            )
        if not self.least <= int(text) <= self.most:
            return self.wrong(walk, node, where)
        return Val(node, int(text))

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.advised or self.most}


class Version(Whole):
    """The one version there is: another number is not a wrong type but another program's spec."""

    __slots__ = ()

    def __init__(self, version: int) -> None:
        super().__init__(version, version)
        self.what = str(version)

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Scalar) or core_kind(node) != "whole" or node.text == self.what:
            return super()._walk(walk, node, where)
        walk.findings.error(
            "V108",
            node,
            f"this ptctl reads version {self.what} of the spec, not {node.text}",
            hints=("use the ptctl this spec was written for, or see its changelog",),
            path=where.path,
        )
        return Val(node, INVALID)


class Flag(Shape):
    """`true` or `false`, and nothing that YAML 1.1 took for them."""

    __slots__ = ()
    what = "true or false"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if isinstance(node, Scalar) and core_kind(node) == "flag":
            return Val(node, node.text.lower() == "true")
        if isinstance(node, Scalar) and (word := _TRUTH.get(node.text.lower())):
            walk.findings.error(
                "V110",
                node,
                f"{where.label} must be {self.what}, not {seen(node)}",
                label=f"write {word}" if node.plain else f"write {word} without quotes",
                suggest=word,
                path=where.path,
            )
            return Val(node, INVALID)
        return self.wrong(walk, node, where)

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        return {"type": "boolean"}


_TRUTH: Final = {
    "yes": "true",
    "on": "true",
    "y": "true",
    "true": "true",
    "1": "true",
    "no": "false",
    "off": "false",
    "n": "false",
    "false": "false",
    "0": "false",
}


class Formatted(Shape):
    """A text of a `Format`. What YAML reads as a number or a flag needs quotes here, as it does in an editor."""

    __slots__ = ("format", "what")

    def __init__(self, format: Format) -> None:  # noqa: A002 - it is the noun
        self.format = format
        self.what = format.what

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Scalar):
            return self.wrong(walk, node, where)
        refused: Refused | None = None
        if not self.format.fits(node.text):
            refused = self.format.explain(node.text)
        elif core_kind(node) != "text":
            return self.wrong(walk, node, where, hints=(f'write "{node.text}" in quotes',))
        else:
            try:
                return Val(node, self.format.parse(node.text))
            except Refused as error:
                refused = error
        if refused is None:
            return self.wrong(walk, node, where)
        walk.findings.error(
            refused.code,
            node,
            refused.summary,
            label=refused.label,
            hints=refused.hints,
            suggest=refused.suggest,
            path=where.path,
        )
        return Val(node, INVALID)

    def _schema(self, _defs: dict[str, Schema]) -> Schema:
        return {"type": "string", "pattern": self.format.pattern, "examples": list(self.format.examples)}


class WordOr(Shape):
    """A special word, or another shape."""

    __slots__ = ("shape", "what", "word")

    def __init__(self, word: str, shape: Shape) -> None:
        self.word = word
        self.shape = shape
        self.what = f'"{word}" or {shape.what}'

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if isinstance(node, Scalar):
            if node.text == self.word:
                return Val(node, self.word)
            if core_kind(node) == "text":
                return self.wrong(walk, node, where)
        return self.shape.walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        return {"anyOf": [{"const": self.word}, self.shape.schema(defs)]}


class Nullable(Shape):
    """Another shape, or `null` for "none"."""

    __slots__ = ("shape", "what")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.what = f"{shape.what}, or null"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if isinstance(node, Scalar) and core_kind(node) == "null":
            return Val(node, None)
        return self.shape.walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        return {"anyOf": [{"type": "null"}, self.shape.schema(defs)]}
