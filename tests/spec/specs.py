"""Specs for tests: a fragment is completed to a whole spec, and `«` marks where a finding must point."""

from datetime import date
from pathlib import Path
from typing import Final

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts
from reconciler.spec import load
from reconciler.spec.model import Spec

TODAY: Final = date(2026, 12, 1)
MARK: Final = "«"
_REST: Final = {
    "version": "version: 1",
    "name": "name: example",
    "sources": "sources: {main: {kind: m3u, path: list.m3u}}",
    "buckets": "buckets: [{name: main, match: {}}]",
    "dvrs": "dvrs: {main: {}}",
}


def completed(fragment: str) -> str:
    """The fragment first, so that its lines keep their numbers, then every required key it does not have."""
    have = {line.partition(":")[0] for line in fragment.splitlines() if line[:1].isalpha()}
    wanted = [
        text for key, text in _REST.items() if key not in have and not (key == "dvrs" and "buckets" in have)
    ]
    return "\n".join([fragment.rstrip("\n"), *wanted]) + "\n"


def marked(fragment: str) -> tuple[str, tuple[int, int] | None]:
    """The fragment without its mark, and the line and column (from 1) of what the mark stood before."""
    at = fragment.find(MARK)
    if at < 0:
        return fragment, None
    before = fragment[:at]
    return fragment.replace(MARK, ""), (before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)


def loaded(
    tmp_path: Path, fragment: str, *, env: str | None = None, allow_exec: bool = False, **more: str
) -> tuple[Spec | None, Diagnostics, SourceTexts]:
    """Load a completed fragment; `more` are further files by name, with `__` for a dot."""
    path = tmp_path / "ptctl.yaml"
    path.write_text(completed(fragment), encoding="utf-8")
    for name, text in more.items():
        other = tmp_path / name.replace("__", ".")
        other.write_text(text, encoding="utf-8")
    return load(path, env=env, allow_exec=allow_exec, today=TODAY)


def accepted(tmp_path: Path, fragment: str) -> Spec:
    """The spec of a fragment that must have no error."""
    spec, diagnostics, _ = loaded(tmp_path, fragment)
    assert spec is not None, [found.summary for found in diagnostics]
    return spec


def findings(tmp_path: Path, fragment: str, *, allow_exec: bool = False) -> list[Diagnostic]:
    """What is found in a completed fragment."""
    return list(loaded(tmp_path, fragment, allow_exec=allow_exec)[1])


def place(found: Diagnostic) -> tuple[int, int] | None:
    """Line and column of a finding."""
    return (found.span.line, found.span.column) if found.span else None
