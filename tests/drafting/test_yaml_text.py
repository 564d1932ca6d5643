"""What is written is read back, by our reader and by others."""

import string

import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.drafting.yaml_text import WIDTH, Value, comment, entry, item, scalar
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Mapping, Node, Scalar, Sequence, core_kind
from reconciler.spec.text import parse

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "no",
        "22:30",
        "010",
        "1.10",
        "~",
        "null",
        "1000-1599",
        "24h",
        "- x",
        "a: b",
        "#x",
        " lead",
        "trail ",
        "{",
        "é\u2028",
    ]
)
SCALARS = TEXTS | st.integers(0, 99_999) | st.booleans() | st.none()
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def ours(node: Node) -> object:
    """A tree of our reader as plain values; numbers and flags stay text, as they are until a shape wants them."""
    if isinstance(node, Mapping):
        return {p.key.text: ours(p.value) for p in node.pairs}
    if isinstance(node, Sequence):
        return [ours(i) for i in node.items]
    assert isinstance(node, Scalar)
    return None if core_kind(node) == "null" else node.text


def as_text(value: Value) -> object:
    """What our reader makes of a value."""
    if isinstance(value, dict):
        return {k: as_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@given(VALUES)
def test_our_reader_gets_it_back(value: Value) -> None:
    """A value written under a key is read as the same value, without a finding."""
    findings = Findings()
    tree = parse("x.yaml", "\n".join(entry("key", value)) + "\n", findings)
    assert ((), {"key": as_text(value)}) == (findings.noted, ours(tree) if tree else None)


@given(VALUES)
def test_other_readers_get_it_back(value: Value) -> None:
    """PyYAML with its YAML 1.1 rules reads the same value: an editor does not see a flag where we wrote a text."""
    assert {"key": value} == yaml.safe_load("\n".join(entry("key", value)))
    assert [value] == yaml.safe_load("\n".join(item(value)))


def test_surprises_are_quoted() -> None:
    """What some YAML takes for a flag, a time or a number is written in quotes; plain words are not."""
    assert ['"no"', '"22:30"', '"010"', '"1.10"', '"~"'] == [
        scalar(t) for t in ("no", "22:30", "010", "1.10", "~")
    ]
    assert ["main", "24h", "1000-1599", "http://tv.example.net:8080", "/guide.xml"] == [
        scalar(t) for t in ("main", "24h", "1000-1599", "http://tv.example.net:8080", "/guide.xml")
    ]


def test_long_values_become_blocks() -> None:
    """A mapping that does not fit on a line gets a line per key; a list of names one per name."""
    value: Value = {"name": "sports", "match": {"group": [f"Group number {i}" for i in range(9)]}}
    lines = item(value, 2)
    assert "  - name: sports" == lines[0]
    assert '        - "Group number 8"' == lines[-1]
    assert all(len(line) <= WIDTH for line in lines)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_comments_stay_comments(text: str) -> None:
    """No text leaves a comment, whatever line breaks it holds."""
    assert all(line.startswith("# ") and line.isprintable() for line in comment(text))
