"""Shapes that hold others: lists, names, records, and records told apart by a word or by their form.

Here is what an author meets most: unknown keys with the nearest known one, missing keys, keys that exclude each
other. This module refuses to know any key of the language.
"""

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from typing import Any, Final, NamedTuple

from reconciler.diagnostics import Related, Span
from reconciler.spec.nodes import Mapping, Node, Scalar, Sequence, core_kind
from reconciler.spec.shape import INVALID, Schema, Shape, Val, Walk, Where, Word
from reconciler.spec.suggest import closest
from reconciler.spec.values import NAME, Format

__all__ = ["ByKind", "ByNode", "Key", "Listed", "Named", "Record", "Ref"]


_MISSPELT: Final = 200


class ByNode(Shape):
    """Different shapes for a text, a list and a mapping."""

    __slots__ = ("mapping", "scalar", "sequence", "what")

    def __init__(
        self,
        what: str,
        *,
        scalar: Shape | None = None,
        sequence: Shape | None = None,
        mapping: Shape | None = None,
    ) -> None:
        self.what = what
        self.scalar = scalar
        self.sequence = sequence
        self.mapping = mapping

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        shape = (
            self.mapping
            if isinstance(node, Mapping)
            else self.sequence
            if isinstance(node, Sequence)
            else self.scalar
        )
        if shape is None or (isinstance(node, Scalar) and core_kind(node) == "null"):
            return self.wrong(walk, node, where)
        return shape.walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        shapes = [shape for shape in (self.scalar, self.sequence, self.mapping) if shape is not None]
        return {"anyOf": [shape.schema(defs) for shape in shapes]}


class Listed(Shape):
    """A list. `single`: one item may stand there without brackets. The value is always a list of Val."""

    __slots__ = ("item", "least", "noun", "single", "what")

    def __init__(self, item: Shape, *, noun: str = "", least: int = 0, single: bool = False) -> None:
        self.item = item
        self.noun = noun
        self.least = least
        self.single = single
        self.what = f"a list of {noun}s" if noun else "a list"
        if single:
            self.what = f"{item.what}, or a list"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Sequence):
            if self.single and not (isinstance(node, Scalar) and core_kind(node) == "null"):
                value = self.item.walk(walk, node, where)
                return Val(node, [value])
            return self.wrong(walk, node, where, hints=self._as_items(node))
        if len(node.items) < self.least:
            walk.findings.error("V110", node, f"{where.label} must not be an empty list", path=where.path)
            return Val(node, INVALID)
        values = []
        for index, item in enumerate(node.items):
            via = node.vias.get(index)
            if via is not None:
                walk.findings.enter(via)
            values.append(self.item.walk(walk, item, self._where(item, index, where)))
            if via is not None:
                walk.findings.leave()
        return Val(node, values)

    def _as_items(self, node: Node) -> tuple[str, ...]:
        """How to write what stands there as a list: `dvrs` is a mapping of names, so people write `buckets` like it."""
        if isinstance(node, Scalar) and not self.noun and 0 < len(node.text) <= 40:
            return (f"put it in brackets: [{node.text}]",)
        if not isinstance(node, Mapping) or not node.pairs or not self.noun:
            return ()
        first = node.pairs[0].key.text
        if first.startswith("-"):
            return (f"write a space after each dash: - {first.lstrip('-')}",)
        named = isinstance(node.pairs[0].value, Mapping) and first != "name"
        return (
            f"begin each with a dash: - {{name: {first}, …}}" if named else "begin each with a dash: - …",
        )

    def _where(self, item: Node, index: int, where: Where) -> Where:
        path = (*where.path, index)
        if not self.noun:
            return Where(f'an item of "{where.label}"', where.place, path)
        name = item.get("name") if isinstance(item, Mapping) else None
        called = (
            f'"{name.value.text}"'
            if name and isinstance(name.value, Scalar) and name.value.text
            else index + 1
        )
        return Where(f"{self.noun} {called}", f"{self.noun} {called}", path)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        item = self.item.schema(defs)
        listed: Schema = {"type": "array", "items": item}
        if self.least:
            listed["minItems"] = self.least
        return {"anyOf": [item, listed]} if self.single else listed


class Named(Shape):
    """A mapping whose keys are names the author gives. The value is a dict of Val by name, in order."""

    __slots__ = ("key", "least", "noun", "value", "what")

    def __init__(self, value: Shape, *, noun: str, key: Format = NAME, least: int = 0) -> None:
        self.value = value
        self.noun = noun
        self.key = key
        self.least = least
        self.what = f"a mapping of names to {noun}s"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Mapping):
            listed = isinstance(node, Sequence)
            return self.wrong(
                walk,
                node,
                where,
                hints=(
                    "write each name as a key, without a dash: NAME: {…}"
                    if listed
                    else "write each name as a key below it: NAME: {…}",
                ),
            )
        if len(node.pairs) < self.least:
            walk.findings.error(
                "V110", node, f"{where.label} must name at least one {self.noun}", path=where.path
            )
            return Val(node, INVALID)
        values: dict[str, Val] = {}
        for key, item, via in node.pairs:
            if via is not None:
                walk.findings.enter(via)
            name = f'{self.noun} "{key.text}"'
            path = (*where.path, key.text)
            if not self.key.fits(key.text):
                walk.findings.error("V120", key, f"{self.noun} must be called by {self.key.what}", path=path)
            values[key.text] = value = self.value.walk(walk, item, Where(name, name, path))
            value.key = key
            if via is not None:
                walk.findings.leave()
        return Val(node, values)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        shape: Schema = {"type": "object", "additionalProperties": self.value.schema(defs)}
        shape["propertyNames"] = {"pattern": self.key.pattern}
        if self.least:
            shape["minProperties"] = self.least
        return shape


class Key(NamedTuple):
    """One key of a record. `needed`: wanted unless something else stands in for it, which `spec.checks` decides."""

    name: str
    shape: Shape
    doc: str
    required: bool = False
    needed: bool = False
    default: Any = None
    examples: tuple[Any, ...] = ()


class Record(Shape):
    """A mapping with fixed keys. The value is a dict of Val by key, only of keys that are there.

    `one_of`: exactly one of these keys. `some_of`: at least one of them.
    """

    __slots__ = ("_keys", "_listing", "doc", "hide", "keys", "noun", "one_of", "some_of", "what")

    def __init__(
        self,
        noun: str,
        keys: tuple[Key, ...],
        *,
        doc: str = "",
        one_of: tuple[str, ...] = (),
        some_of: tuple[str, ...] = (),
        hide: tuple[str, ...] = (),
    ) -> None:
        self.noun = noun
        self.keys = keys
        self.doc = doc
        self.one_of = one_of
        self.some_of = some_of
        self.hide = hide
        self.what = "a mapping"
        self._listing = ""
        self._keys: MappingOf[str, Key] = {key.name: key for key in keys}

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Mapping):
            empty = isinstance(node, Scalar) and core_kind(node) == "null"
            hints = ("write {} for one without settings, or leave the line out",) if empty else ()
            if self.noun == "matcher" and isinstance(node, Scalar) and 0 < len(node.text) <= 40:
                hints = (f'say what shall match: {{group: "{node.text}"}} or {{name: "{node.text}"}}',)
            return self.wrong(walk, node, where, hints=hints)
        values: dict[str, Val] = {}
        absent: list[str] | None = None
        for index, (key, item, via) in enumerate(node.pairs):
            known = self._keys.get(key.text)
            if via is not None:
                walk.findings.enter(via)
            if known is None:
                # What was probably meant counts as given and refused, so that nothing follows from its absence.
                if absent is None:
                    have = {pair.key.text for pair in node.pairs}
                    absent = [name for name in self._keys if name not in have]
                better = self._unknown(walk, node, index, absent, where)
                if better is not None:
                    values[better] = Val(item, INVALID, key)
                    absent.remove(better)
            else:
                label = key.text
                inner = Where(
                    label,
                    f'"{label}" of {where.place}' if where.place else f'"{label}"',
                    (*where.path, label),
                )
                values[key.text] = value = known.shape.walk(walk, item, inner)
                value.key = key
            if via is not None:
                walk.findings.leave()
        self._counted(walk, node, values, where)
        return Val(node, values)

    def _unknown(self, walk: Walk, node: Mapping, index: int, absent: list[str], where: Where) -> str | None:
        key = node.pairs[index].key
        # Whoever has so many unknown keys in one place did not misspell them.
        better = closest(key.text, absent) if index < _MISSPELT else None
        above = node.pairs[index - 1].key if index else None
        context = above is not None and above.line < key.line and above.file == key.file
        walk.findings.error(
            "V102",
            key,
            f'unknown key "{key.text}" in {where.place or "the spec"}',
            label=f'did you mean "{better}"?' if better else "",
            related=(Related(above.span, ""),) if context and above is not None else (),
            hints=(self.listing(),),
            suggest=better,
            path=(*where.path, key.text),
        )
        return better

    def listing(self) -> str:
        """All keys in one line, for the hint under an unknown one; made once."""
        if not self._listing:
            self._listing = self._list()
        return self._listing

    def _list(self) -> str:
        article = (
            "an" if self.noun.startswith((*"aeiouAEIOU", "xtream", "m3u")) else "a"
        )  # as they are spoken
        names = (
            f"{key.name} (required)"
            if (key.required or key.needed) and key.name not in self.hide
            else key.name
            for key in sorted(self.keys)
        )
        of = self.noun if self.noun.startswith(("the ", '"')) else f"{article} {self.noun}"
        return f"keys of {of}: {', '.join(names)}"

    def _counted(self, walk: Walk, node: Mapping, values: MappingOf[str, Val], where: Where) -> None:
        at = Span(node.file, node.line, node.column, node.line, node.column)
        called = where.place or "the spec"
        missing = [k for k in self.keys if k.required and k.name not in values]
        for key in missing:
            walk.findings.error(
                "V103",
                at,
                f'{called} needs the key "{key.name}"',
                hints=(f"{key.name}: {key.doc[:1].lower()}{key.doc[1:].rstrip('.')}",),
                path=where.path,
            )
        if self.one_of:
            given = [name for name in self.one_of if name in values]
            if not given:
                walk.findings.error(
                    "V112", at, f"{called} needs one of {', '.join(self.one_of)}", path=where.path
                )
            for name in given[1:]:
                key_node, first = values[name].key, values[given[0]].key
                assert key_node is not None
                assert first is not None
                walk.findings.error(
                    "V112",
                    key_node,
                    f'{called} cannot have both "{given[0]}" and "{name}"',
                    related=(Related(first.span, "and here"),),
                    hints=(f"keep one of {', '.join(self.one_of)}",),
                    path=(*where.path, name),
                )
        if self.some_of and not any(name in values for name in self.some_of):
            walk.findings.error(
                "V112",
                at,
                f"{called} says nothing: give at least one of {', '.join(self.some_of)}",
                path=where.path,
            )

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        properties: dict[str, Schema] = {}
        for key in self.keys:
            shape = dict(key.shape.schema(defs))
            shape["description"] = key.doc
            if key.default is not None:
                shape["default"] = key.default
            if key.examples:
                shape["examples"] = list(key.examples)
            properties[key.name] = shape
        whole: Schema = {
            "type": "object",
            "title": self.noun.removeprefix("the ").strip('"').capitalize(),
            "properties": properties,
            "additionalProperties": False,
        }
        if self.doc:
            whole["description"] = self.doc
        if required := [key.name for key in self.keys if key.required]:
            whole["required"] = required
        if self.one_of:
            whole["oneOf"] = [{"required": [name]} for name in self.one_of]
        if self.some_of:
            whole["anyOf"] = [{"required": [name]} for name in self.some_of]
        return whole


class ByKind(Shape):
    """Records told apart by the word under one key."""

    __slots__ = ("key", "records", "what")

    def __init__(self, key: str, records: MappingOf[str, Record]) -> None:
        self.key = key
        self.records = records
        self.what = "a mapping"

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        if not isinstance(node, Mapping):
            return self.wrong(walk, node, where)
        pair = node.get(self.key)
        words = Word(*self.records)
        if pair is None:
            every = {key.name for record in self.records.values() for key in record.keys}
            for other in node.pairs:
                if other.key.text not in every and closest(other.key.text, (self.key,)):
                    walk.findings.error(
                        "V102",
                        other.key,
                        f'unknown key "{other.key.text}" in {where.place}',
                        label=f'did you mean "{self.key}"?',
                        hints=(f"{self.key}: {words.what}",),
                        suggest=self.key,
                        path=(*where.path, other.key.text),
                    )
                    return Val(node, INVALID)
            walk.findings.error(
                "V103",
                Span(node.file, node.line, node.column, node.line, node.column),
                f'{where.place} needs the key "{self.key}"',
                hints=(f"{self.key}: {words.what}",),
                path=where.path,
            )
            return Val(node, INVALID)
        kind = words.walk(walk, pair.value, Where(self.key, where.place, (*where.path, self.key)))
        if not kind.ok:
            return Val(node, INVALID)
        return self.records[kind.data].walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        return {
            "type": "object",
            "required": [self.key],
            "properties": {self.key: {"enum": list(self.records)}},
            "allOf": [
                {
                    "if": {"properties": {self.key: {"const": kind}}, "required": [self.key]},
                    "then": record.schema(defs),
                }
                for kind, record in self.records.items()
            ],
        }


class Ref(Shape):
    """A shape with a name, looked up when it is used: matchers contain matchers."""

    __slots__ = ("_find", "_shape", "name")

    def __init__(self, name: str, find: Callable[[], Shape]) -> None:
        self.name = name
        self._find = find
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """The shape behind the name, made once."""
        if self._shape is None:
            self._shape = self._find()
        return self._shape

    @property
    def what(self) -> str:  # type: ignore[override]
        """The words of the shape behind the name."""
        return self.shape.what

    def _walk(self, walk: Walk, node: Node, where: Where) -> Val:
        return self.shape.walk(walk, node, where)

    def _schema(self, defs: dict[str, Schema]) -> Schema:
        if self.name not in defs:
            defs[self.name] = {}
            defs[self.name] = self.shape.schema(defs)
        return {"$ref": f"#/$defs/{self.name}"}
