"""Bytes to a node tree, with a diagnostic instead of a traceback for whatever else the bytes are.

The tree is built here from the event stream and not by `yaml.compose`: composing recurses in C, so a deeply nested
file ends the process instead of giving an error, and it keeps neither the alias a value came through nor repeated
keys. PyYAML's own conversion of scalars is never run (style.md 3: `NO`, `22:30`, `010`). Limits are checked while
reading: size, depth, number of nodes with every alias counted at the size of what it stands for. Longer than others, because
reading, limits and places are one pass over one stream. This module refuses to open files and to know any key of the
language.
"""

import re
from typing import Final

import yaml

from reconciler.diagnostics import Related, Span
from reconciler.spec import strangers
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Mapping, Node, Pair, Scalar, Sequence

__all__ = ["DEEPEST", "LARGEST_BYTES", "MOST_NODES", "binary", "decode", "parse"]

LARGEST_BYTES: Final = 4 * 1024 * 1024
"""A spec of 24,000 lines has about one megabyte."""
MOST_NODES: Final = 200_000
"""A spec of 24,000 lines has about 110,000."""
DEEPEST: Final = 60

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_BREAK: Final = "\r\n|[\r\n\x85\u2028\u2029]"
_TIGHT: Final = re.compile(r"\s*(?:- +)*([a-z_]+):([^\s:/]+)")
"""`version:1`: YAML reads it as one text."""
# a text, because only a mistake needs it compiled
_KEY_LINE: Final = r"[ -]*(?P<key>[A-Za-z_][\w-]*):(?= |$)"
# what web pages indent with; further to the right one may belong to a name
_ODD_SPACE: Final = r"(?m)^[ -]*(?:[A-Za-z_][\w-]*:)?([\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])"
_BRACES: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)[^}\s]*\}?")
_CURLY: Final = ("\u201c\u201e\u201f\u2018\u201a\u201b", "\u201d\u201c\u201f\u2019\u2018")
"""Quotes that word processors and web pages make of straight ones, by where they stand."""
_STR_TAGS: Final = ("!", "tag:yaml.org,2002:str")

# The C loader does 24,000 lines in 0.7 s, the other needs twice as long; both give the same events.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def decode(file: str, data: bytes, findings: Findings, *, left: int = LARGEST_BYTES) -> str | None:
    """The text of a spec file, or None after noting why it is none. Accepts UTF-8 with or without a BOM.

    `left` is how many bytes are allowed: all files of a spec share one limit.
    """
    if len(data) > left:
        limit = LARGEST_BYTES // (1024 * 1024)
        findings.error(
            "V106",
            Span(file, 1, 1, 1, 1),
            f"a spec has at most {limit} MiB, all its files together",
            hints=("is this a playlist or a guide? those are named in `sources` and `guides`",),
        )
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        findings.error(
            "V105", Span(file, 1, 1, 1, 1), "this file is UTF-16", hints=("save it as UTF-8 in your editor",)
        )
        return None
    if binary(data):
        findings.error(
            "V105",
            Span(file, 1, 1, 1, 1),
            "this file is binary, not text",
            hints=("give the path of a YAML file",),
        )
        return None
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = _place(before, len(before))
        byte = data[error.start]
        findings.error(
            "V105",
            Span(file, line, column, line, column + 1),
            f"byte 0x{byte:02X} is not UTF-8",
            label=f'in Latin-1 this would be "{chr(byte)}"' if byte >= 0xA0 else "",
            hints=("save the file as UTF-8 in your editor",),
        )
        return None
    if found := _CONTROL.search(text):
        line, column = _place(text, found.start())
        findings.error(
            "V105",
            Span(file, line, column, line, column + 1),
            f"a control character (U+{ord(found[0]):04X}) stands here",
            hints=("delete the character",),
        )
        return None
    if not text.isascii() and (found := re.search(_ODD_SPACE, text)):
        line, column = _place(text, found.start(1))
        findings.error(
            "V105",
            Span(file, line, column, line, column + 1),
            f"a space of another kind (U+{ord(found[1]):04X}) stands here, which YAML takes for a letter",
            hints=("replace it with a plain space: text copied from a web page has such ones",),
        )
        return None
    return text


def binary(data: bytes) -> bool:
    """Whether this is no text at all: nothing of it is shown, since it may be anything."""
    return b"\0" in data[:4096]


def parse(file: str, text: str, findings: Findings, *, nodes: int = MOST_NODES) -> Mapping | None:
    """The tree of one file, or None after noting the error that hides everything behind it.

    `nodes` is how many nodes are allowed, aliases counted in full. An empty file is an error, too.
    """
    try:
        root = _Builder(file, findings, nodes).build(text)
    except _Stopped:
        return None
    except yaml.MarkedYAMLError as error:
        _syntax(file, text, error, findings)
        return None
    except yaml.YAMLError:
        findings.error("V100", Span(file, 1, 1, 1, 1), "this is not valid YAML")
        return None
    if isinstance(root, Mapping):
        if (stranger := strangers.of_keys(pair.key.text for pair in root.pairs)) is None:
            return root
        _no_spec(root.pairs[0].key.span, stranger, findings)
        return None
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        findings.error(
            "V100",
            Span(file, 1, 1, 1, 1),
            "this file is empty",
            hints=("begin with `version: 1`; `ptctl init` writes a whole spec",),
        )
    elif (stranger := strangers.of_text(text)) is not None:
        _no_spec(Span(file, 1, 1, 1, 1), stranger, findings)
    elif isinstance(root, Scalar) and (tight := _TIGHT.match(root.text)):
        findings.error(
            "V100",
            Span(file, root.line, root.column, root.line, root.column + len(root.text.split()[0])),
            "a colon without a space after it",
            label=f"write {tight[1]}: {tight[2]}",
        )
    else:
        findings.error(
            "V110",
            Span(file, root.line, root.column, root.line, root.column),
            f"a spec is a mapping of keys, not {'a list' if isinstance(root, Sequence) else 'a text'}",
            hints=("begin with `version: 1`",),
        )
    return None


def _no_spec(at: Span, stranger: tuple[str, str], findings: Findings) -> None:
    what, instead = stranger
    findings.error("V110", at, f"this is {what}, not a spec", hints=(instead,))


class _Stopped(Exception):
    """Reading ends here; the reason is noted."""


def _span(file: str, event: yaml.Event) -> Span:
    start, end = event.start_mark, event.end_mark
    assert start is not None  # every event of a parser has its marks; the type says otherwise for emitters
    assert end is not None
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


class _Frame:
    """A container that is still open."""

    __slots__ = ("anchor", "key", "keys", "node")

    def __init__(self, node: Mapping | Sequence, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Scalar | None = None
        self.keys: dict[str, Scalar] = {}


class _Builder:
    """One pass over the events of one file."""

    __slots__ = ("_anchors", "_file", "_findings", "_left", "_open", "_root")

    def __init__(self, file: str, findings: Findings, nodes: int) -> None:
        self._file = file
        self._findings = findings
        self._left = nodes
        self._anchors: dict[str, Node | None] = {}
        self._open: list[_Frame] = []
        self._root: Node | None = None

    def build(self, text: str) -> Node | None:
        documents = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._begin(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._end(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    at = _span(self._file, event)
                    self._refuse("V107", at, "a second document begins here", "keep one spec in one file")
        return self._root

    def _refuse(self, code: str, at: Span, summary: str, hint: str) -> None:
        self._findings.error(code, at, summary, hints=(hint,))
        raise _Stopped

    def _spend(self, weight: int, at: Span | None, event: yaml.Event) -> None:
        self._left -= weight
        if self._left < 0:
            self._refuse(
                "V106",
                at or _span(self._file, event),
                f"this spec has more than {MOST_NODES:,} values, aliases counted in full",
                "write it without aliases of aliases",
            )

    def _tag(self, tag: str | None, event: yaml.Event) -> None:
        if tag is not None and tag not in _STR_TAGS:
            name = tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(
                "V107",
                _span(self._file, event),
                f'the tag "{name}" has no meaning in a spec',
                "leave it out: what a value is, its key decides",
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._tag(event.tag, event)
        start, end = event.start_mark, event.end_mark
        assert start is not None
        assert end is not None
        plain = event.implicit[0]
        node = Scalar(
            self._file,
            start.line + 1,
            start.column + 1,
            end.line + 1,
            end.column + 1,
            text=event.value,
            plain=plain,
            style=event.style or "",
        )
        if plain and len(node.text) > 1 and node.text[0] in _CURLY[0] and node.text[-1] in _CURLY[1]:
            self._findings.error(
                "V100",
                node.span,
                f"{node.text[0]} is no quote in YAML: it would be a part of the text",
                label=f'write "{node.text[1:-1]}"',
                hints=(f"where it is a part of it, put straight quotes around: '{node.text}'",),
            )
        self._spend(1, None, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node, None)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._tag(
            event.tag if event.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq") else None, event
        )
        if len(self._open) >= DEEPEST:
            self._refuse(
                "V106",
                _span(self._file, event),
                f"nested more than {DEEPEST} deep",
                "no key of a spec is nested so deep",
            )
        if self._open and isinstance(self._open[-1].node, Mapping) and self._open[-1].key is None:
            self._refuse(
                "V107", _span(self._file, event), "a key must be a text", "write the key as a plain word"
            )
        self._spend(1, None, event)
        start = event.start_mark
        assert start is not None
        kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
        if event.anchor is not None:
            # An alias inside its own anchor would make the tree endless; None says "still open".
            self._anchors[event.anchor] = None
        self._open.append(_Frame(kind(self._file, start.line + 1, start.column + 1), event.anchor))

    def _end(self, event: yaml.Event) -> None:
        frame = self._open.pop()
        node, mark = frame.node, event.end_mark
        assert mark is not None
        node.end_line, node.end_column = mark.line + 1, mark.column + 1
        if isinstance(node, Mapping):
            self._merge(node, event)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = node
        self._add(node, None)

    def _alias(self, event: yaml.AliasEvent) -> None:
        at, name = _span(self._file, event), event.anchor or ""
        if name not in self._anchors:
            known = ", ".join(f"*{anchor}" for anchor in self._anchors)
            self._refuse(
                "V107",
                at,
                f'no anchor "&{name}" stands before this alias',
                f"known here: {known}" if known else "an anchor is written &name before a value",
            )
        node = self._anchors[name]
        if node is None:
            self._refuse(
                "V107", at, f'the alias "*{name}" stands inside its own anchor', "write the value out"
            )
            raise _Stopped
        if isinstance(node, Mapping | Sequence):
            if len(self._open) + node.height > DEEPEST:
                self._refuse(
                    "V106", at, f"nested more than {DEEPEST} deep", "write it without aliases of aliases"
                )
            self._spend(node.weight, at, event)
        self._add(node, at)

    def _add(self, node: Node, via: Span | None) -> None:
        if not self._open:
            self._root = node
            return
        frame = self._open[-1]
        parent = frame.node
        if isinstance(node, Mapping | Sequence):
            parent.weight += node.weight
            parent.height = max(parent.height, node.height + 1)
        else:
            parent.weight += 1
        if isinstance(parent, Sequence):
            if via is not None:
                parent.vias[len(parent.items)] = via
            parent.items.append(node)
        elif frame.key is None:
            if not isinstance(node, Scalar):
                self._findings.error("V107", via or node, "a key must be a text")
                raise _Stopped
            frame.key = node
        else:
            key, frame.key = frame.key, None
            first = frame.keys.setdefault(key.text, key)
            if first is key:
                parent.pairs.append(Pair(key, node, via))
            else:
                parent.dropped.append(Pair(key, node, via))
                self._findings.error(
                    "V101",
                    key,
                    f'"{key.text}" is defined twice',
                    label="again here",
                    related=(Related(first.span, "first here"),),
                    hints=("YAML would silently keep only the second",),
                )

    def _merge(self, node: Mapping, event: yaml.Event) -> None:
        """Take over what `<<` names; what the mapping says itself wins, then the first of several."""
        merges = [pair for pair in node.pairs if pair.key.text == "<<" and pair.key.plain]
        if not merges:
            return
        node.pairs = [pair for pair in node.pairs if pair not in merges]
        have = {pair.key.text for pair in node.pairs}
        for merge in merges:
            given = merge.value.items if isinstance(merge.value, Sequence) else [merge.value]
            for mapping in given:
                if not isinstance(mapping, Mapping):
                    self._refuse("V107", merge.key.span, "<< takes over a mapping", "write <<: *name")
                    raise _Stopped
                self._spend(len(mapping.pairs), merge.key.span, event)
                for pair in mapping.pairs:
                    if pair.key.text not in have:
                        have.add(pair.key.text)
                        node.pairs.append(Pair(pair.key, pair.value, merge.key.span))


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column (from 1) of a character."""
    line, begin = 1, 0
    for found in re.finditer(_BREAK, text[:offset]):
        line += 1
        begin = found.end()
    return line, offset - begin + 1


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError, findings: Findings) -> None:
    """Say in our words where and why the text is not YAML."""
    problem, context = error.problem or "", error.context or ""
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = re.split(_BREAK, text)
    row = lines[line - 1] if line <= len(lines) else ""
    sign = row[column - 1 : column]
    at = Span(file, line, column, line, column + 1)
    begin = (
        Span(file, opened.line + 1, opened.column + 1, opened.line + 1, opened.column + 2) if opened else at
    )
    if "nesting depth" in problem:
        # libyaml has a limit of its own, far above ours, and looks ahead
        findings.error(
            "V106",
            at,
            f"nested more than {DEEPEST} deep",
            hints=("no key of a spec is nested so deep",),
        )
    elif "tab" in problem or sign == "\t" or (not row[: column - 1].strip() and "\t" in row[: column - 1]):
        tab = row.find("\t") + 1 or column
        findings.error(
            "V100",
            Span(file, line, tab, line, tab + 1),
            "a tab stands where YAML wants spaces",
            hints=("indent with spaces, two per level",),
        )
    elif "unknown escape" in problem:
        findings.error(
            "V100",
            at,
            f'in double quotes "\\{row[column : column + 1]}" means nothing',
            hints=("put the text in single quotes: there a backslash is a backslash",),
        )
    elif context in ("while scanning an alias", "while scanning an anchor", "while scanning a tag"):
        mark_of = {"an alias": "*", "an anchor": "&", "a tag": "!"}
        findings.error(
            "V100",
            begin,
            f'a value cannot begin with "{mark_of[context[15:]]}" without quotes: YAML has a use for it',
            hints=("put the value in quotes",),
        )
    elif "quoted scalar" in context:
        findings.error(
            "V100",
            begin,
            "this quote is never closed",
            label="opened here",
            hints=("close it with the same quote",),
        )
    elif context in ("while parsing a flow sequence", "while parsing a flow mapping"):
        if (braces := _BRACES.search(lines[begin.line - 1])) is not None:
            findings.error(
                "V100",
                Span(file, begin.line, braces.start() + 1, begin.line, braces.end() + 1),
                f"a spec does not replace {braces[0]}: it names where a secret is",
                label=f"write env:{braces[1]}",
                hints=("where it is meant as it stands, put it in quotes",),
            )
            return
        bracket = "[" if "sequence" in context else "{"
        closing = "]" if bracket == "[" else "}"
        findings.error(
            "V100",
            begin,
            f'this "{bracket}" is not closed, or a comma is missing before line {line}, column {column}',
            label="opened here",
            hints=(
                f'close it with "{closing}", and write commas between the parts',
                *(
                    ('what stands behind " #" is a comment: put a text that holds it in quotes',)
                    if " #" in lines[begin.line - 1][begin.column :]
                    else ()
                ),
            ),
        )
    elif "cannot start any token" in problem:
        findings.error(
            "V100",
            at,
            f'a value cannot begin with "{sign}"',
            hints=("put the value in quotes",),
        )
    elif (
        "mapping values are not allowed" in problem
        and line > 1
        and (tight := _TIGHT.fullmatch(lines[line - 2].rstrip()))
    ):
        # the line above is no key, so this one was read as its end
        findings.error(
            "V100",
            Span(file, line - 1, tight.start(1) + 1, line - 1, tight.end(2) + 1),
            "a colon without a space after it",
            label=f"write {tight[1]}: {tight[2]}",
        )
    elif (
        "mapping values are not allowed" in problem
        and line > 1
        and (above := re.match(_KEY_LINE, lines[line - 2]))
        and (here := re.match(_KEY_LINE, row))
        and here.end() == column
        and here.start("key") > above.start("key")
    ):
        findings.error(
            "V100",
            Span(file, line, here.start("key") + 1, line, here.end("key") + 1),
            f'this line is indented deeper than "{above["key"]}", so it was read as a part of its value',
            label=f"begin it in column {above.start('key') + 1}",
            hints=(
                "keys of one mapping begin in the same column; what belongs to one stands below it, deeper",
            ),
        )
    elif "mapping values are not allowed" in problem:
        findings.error(
            "V100",
            at,
            'a second ": " stands in one value',
            hints=("put the value in quotes if the colon belongs to it, or begin a new line",),
        )
    elif "expected ':'" in problem:
        findings.error(
            "V100", begin, 'a key without ": "', hints=("write `key: value`, with a space after the colon",)
        )
    elif "block mapping" in context or "block collection" in context or "block sequence" in context:
        findings.error(
            "V100",
            at,
            "the indentation fits nothing above",
            related=(Related(begin, "the block begins here"),),
            hints=("keys of one mapping, and items of one list, begin in the same column",),
        )
    else:
        findings.error("V100", at, f"this is not valid YAML: {problem or 'the reader gave no reason'}")
