"""Several files as one tree: what is included is added, what an environment says wins.

Nodes keep the place they came from, so a finding points into the right file. Mappings merge key by key; lists whose
items all have a `name` merge by name; other lists are replaced by an environment and continued by an included file.
`null` in an environment takes out what it stands for, as in a merge patch (RFC 7396); an empty value does not. An included file may not say again what was said (V101): which of two would win depends on file names. This module
refuses to read files and to know any key but `name`.
"""

from reconciler.diagnostics import Related
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Mapping, Node, Pair, Scalar, Sequence, core_kind

__all__ = ["added", "overlaid"]


def _copy(node: Mapping) -> Mapping:
    """The same mapping with a list of pairs of its own: an anchor may share the original."""
    copy = Mapping(node.file, node.line, node.column, node.end_line, node.end_column)
    copy.pairs = list(node.pairs)
    copy.dropped = list(node.dropped)
    return copy


def _names(node: Sequence) -> list[str] | None:
    """The names of the items, or None where one has no name or two have the same."""
    names = []
    for item in node.items:
        pair = item.get("name") if isinstance(item, Mapping) else None
        if pair is None or not isinstance(pair.value, Scalar):
            return None
        names.append(pair.value.text)
    return names if len(set(names)) == len(names) else None


def _is_null(node: Node) -> bool:
    """Whether somebody wrote `null` or `~`: nothing at all is more often forgotten than meant."""
    return isinstance(node, Scalar) and core_kind(node) == "null" and node.text != ""


def overlaid(below: Node, above: Node) -> Node:
    """`below` with everything `above` says; `above` wins. Neither is changed."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        merged = _copy(below)
        place = {pair.key.text: index for index, pair in enumerate(merged.pairs)}
        for pair in above.pairs:
            index = place.get(pair.key.text)
            if index is None:
                merged.pairs.append(pair)
                continue
            old = merged.pairs[index]
            value = overlaid(old.value, pair.value)
            if value is pair.value:
                merged.dropped.append(old)  # a secret in it is one nevertheless
            merged.pairs[index] = Pair(
                old.key if isinstance(pair.value, Mapping | Sequence) else pair.key,
                value,
                pair.via or old.via,
            )
        gone = {pair.key.text for pair in above.pairs if pair.key.text in place and _is_null(pair.value)}
        merged.pairs = [pair for pair in merged.pairs if pair.key.text not in gone]
        return merged
    if isinstance(below, Sequence) and isinstance(above, Sequence):
        ours, theirs = _names(below), _names(above)
        if ours and theirs:
            joined = Sequence(below.file, below.line, below.column, below.end_line, below.end_column)
            joined.items = list(below.items)
            joined.vias = dict(below.vias)
            for name, item in zip(theirs, above.items, strict=True):
                if name in ours:
                    index = ours.index(name)
                    joined.items[index] = overlaid(joined.items[index], item)
                else:
                    joined.items.append(item)
            return joined
    return above


def added(whole: Mapping, part: Mapping, findings: Findings) -> Mapping:
    """`whole` with what an included file adds. Saying the same thing twice is noted."""
    merged = _copy(whole)
    place = {pair.key.text: index for index, pair in enumerate(merged.pairs)}
    for pair in part.pairs:
        index = place.get(pair.key.text)
        if index is None:
            merged.pairs.append(pair)
            continue
        old = merged.pairs[index]
        if isinstance(old.value, Mapping) and isinstance(pair.value, Mapping):
            merged.pairs[index] = old._replace(value=added(old.value, pair.value, findings))
        elif isinstance(old.value, Sequence) and isinstance(pair.value, Sequence):
            joined = Sequence(
                old.value.file, old.value.line, old.value.column, old.value.end_line, old.value.end_column
            )
            joined.items = [*old.value.items, *pair.value.items]
            offset = len(old.value.items)
            joined.vias = old.value.vias | {offset + i: via for i, via in pair.value.vias.items()}
            merged.pairs[index] = old._replace(value=joined)
        else:
            merged.dropped.append(pair)
            findings.error(
                "V101",
                pair.key,
                f'"{pair.key.text}" is defined twice',
                label="again here",
                related=(Related(old.key.span, "first here"),),
                hints=("an included file adds to the spec; to change a value, use an overlay with --env",),
            )
    return merged
