"""The validation of the reference mock, byte for byte: order, carets, related lines, hints."""

import shutil
from pathlib import Path

import pytest

from reconciler.rendering import diagnostics_github, diagnostics_text
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


@pytest.mark.accepts("VAL-5")
def test_the_same_findings_as_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub each says in one line where, what, and what to write; the eleventh of a kind does not exist."""
    for name in ("home.yaml", "serve.yaml"):
        shutil.copy(DATA / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    lines = diagnostics_github.render(*check("home.yaml")).splitlines()
    assert len(lines) == 11
    assert (
        "::error file=home.yaml,line=7,col=51,title=V130 secret in spec::a secret stands in the spec; "
        "write a reference: env:BACKUP_PASS or file:/run/secrets/backup"
    ) == lines[0]
    assert (
        '::error file=home.yaml,line=12,col=5,endColumn=16,title=V102 unknown key::unknown key "credentails" in '
        'source "main"; did you mean "credentials"?'
    ) == lines[1]
    assert lines[-1].startswith("::warning file=serve.yaml,line=4,col=20,")


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
