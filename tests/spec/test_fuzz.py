"""Whatever the bytes: a spec or findings with places, in every format, and never an exception.

Documents that Hypothesis makes in the form of the language; bytes led by coverage are in `tests/fuzz`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.rendering import diagnostics_format
from reconciler.spec import load
from tests.spec.documents import JUNK, documents, written
from tests.spec.specs import TODAY

ROOT = Path(__file__).parents[2]
QUICK = settings(
    max_examples=250, deadline=timedelta(seconds=5), suppress_health_check=list(HealthCheck), database=None
)
HOME = (ROOT / "examples/plex-home.yaml").read_text(encoding="utf-8")
EVERYTHING = (ROOT / "tests/spec/data/everything.yaml").read_text(encoding="utf-8")
SIGNS = st.text("{}[]:,-&*!|>'\"#%@`?\t\n ~<=.\\abcNO012é漢\u0301\u2028\ud7ff\x85", max_size=30)


def survives(path: Path, data: bytes) -> None:
    """Load and render in every way; what is found has a place within the file."""
    path.write_bytes(data)
    spec, diagnostics, texts = load(path, today=TODAY)
    assert (spec is None) == (diagnostics.errors > 0)
    for found in diagnostics:
        assert found.span is not None
        assert found.span.line >= 1
        assert found.span.column >= 1
        assert (found.span.end_line, found.span.end_column) >= (found.span.line, found.span.column)
        assert found.summary
        assert "\n" not in found.summary + found.label
    for word in diagnostics_format.FORMATS:
        shown = diagnostics_format.render(word, diagnostics, texts, color=True)
        assert shown or (word == "github" and not len(diagnostics))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that every example overwrites."""
    return tmp_path_factory.mktemp("fuzz") / "ptctl.yaml"


@pytest.mark.accepts("VAL-4")
@QUICK
@given(data=st.binary(max_size=200))
def test_any_bytes(path: Path, data: bytes) -> None:
    """Random bytes."""
    survives(path, data)


@pytest.mark.accepts("VAL-4")
@QUICK
@given(text=SIGNS)
def test_any_signs(path: Path, text: str) -> None:
    """Random signs that mean something to YAML."""
    survives(path, text.encode("utf-8", "surrogatepass"))


@pytest.mark.accepts("VAL-4")
@QUICK
@given(at=st.integers(0, len(EVERYTHING) - 1), length=st.integers(0, 40), text=SIGNS, home=st.booleans())
def test_a_spec_with_a_wound(path: Path, at: int, length: int, text: str, home: bool) -> None:
    """A real spec with a part replaced by signs: most findings come from here."""
    whole = HOME if home else EVERYTHING
    at %= len(whole)
    survives(path, (whole[:at] + text + whole[at + length :]).encode("utf-8", "surrogatepass"))


@pytest.mark.accepts("VAL-4")
@QUICK
@given(document=documents(spoil=0.1) | JUNK | st.dictionaries(st.text(max_size=5), JUNK))
def test_a_spoilt_document(path: Path, document: Any) -> None:
    """Documents in the form of the language with wrong values everywhere, through checks and building."""
    survives(path, written(document).encode("utf-8", "surrogatepass"))


@QUICK
@given(document=documents(spoil=0.0))
def test_a_document_of_the_right_form(path: Path, document: Any) -> None:
    """What has the right form goes through all checks; what has no error becomes a spec."""
    survives(path, written(document).encode())
