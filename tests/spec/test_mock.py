"""The validation of the reference mock, byte for byte: order, carets, related lines, hints."""

import shutil
from pathlib import Path

import pytest

from reconciler.rendering import diagnostics_text
from reconciler.spec import check

DATA = Path(__file__).parent / "data" / "mock"


@pytest.mark.accepts("VAL-1")
def test_all_errors_of_all_files_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten errors and a warning in two files: each with place, caret and next step, none repeated by a follower."""
    for name in ("home.yaml", "serve.yaml"):
        shutil.copy(DATA / name, tmp_path / name)
        (tmp_path / name).chmod(0o644)
    monkeypatch.chdir(tmp_path)
    diagnostics, texts = check("home.yaml")
    assert (DATA / "expected.txt").read_text("utf-8") == diagnostics_text.render(
        diagnostics, texts, color=False
    )


@pytest.mark.accepts("VAL-1")
def test_order_is_file_line_column_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings come in the order in which a reader meets them, whatever phase found them."""
    for name in ("home.yaml", "serve.yaml"):
        shutil.copy(DATA / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    diagnostics, _ = check("home.yaml")
    places = [(f.span.file, f.span.line, f.span.column, f.code) for f in diagnostics if f.span]
    assert sorted(places) == places
    assert len(places) == len(diagnostics) == 11
