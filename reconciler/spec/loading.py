"""Load a spec: read, merge, check to the end, build. Every phase notes all it finds; none raises.

Phases: bytes to trees (all files), one tree, secrets, shape, meaning, `Spec`. What a phase could not read silences
what would only follow from it. This module refuses to know any rule itself.
"""

import gc
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.diagnostics import Diagnostics, SourceTexts
from reconciler.spec import checks, files, overlay, secrets, text
from reconciler.spec.findings import Findings
from reconciler.spec.language import SPEC
from reconciler.spec.nodes import Mapping, Node, Scalar, Sequence
from reconciler.spec.shape import Val, Walk, Where

if TYPE_CHECKING:
    from reconciler.spec.model import Spec

__all__ = ["check", "load"]


def load(
    path: Path | str,
    *,
    env: str | None = None,
    allow_exec: bool = False,
    state: str | None = None,
    today: date | None = None,
) -> "tuple[Spec | None, Diagnostics, SourceTexts]":
    """The spec in the file at `path`, with everything found on the way; None when there is any error.

    `env` names an overlay beside the spec; `state` is the value of `$PTCTL_STATE`; `today` is the day approvals are
    judged by (the current one, UTC, if left out). Never raises for what is in the files. Reads the spec, what it
    includes, and the modes of the files its credentials name; no network. 24,000 lines take about two seconds.
    """
    checked = _check(Path(path), env=env, allow_exec=allow_exec, today=today)
    spec: Spec | None = None
    if checked.root is not None and not checked.diagnostics.errors:
        from reconciler.spec.build import build

        declared = checked.root.data.get("state")
        base = Path(path).absolute().parent
        spec = build(
            checked.root,
            base=base,
            state=files.state_directory(declared.data if declared else None, base, state),
            files=checked.texts.files,
        )
    return spec, checked.diagnostics, checked.texts


def check(
    path: Path | str, *, env: str | None = None, allow_exec: bool = False, today: date | None = None
) -> tuple[Diagnostics, SourceTexts]:
    """What `load` finds, without building the spec and without importing the model: for `ptctl validate`."""
    checked = _check(Path(path), env=env, allow_exec=allow_exec, today=today)
    return checked.diagnostics, checked.texts


class _Checked(NamedTuple):
    root: Val | None
    diagnostics: Diagnostics
    texts: SourceTexts


class _Reading:
    """Files read so far; sizes and nodes are limited for all of them together."""

    __slots__ = ("complete", "findings", "left_bytes", "left_nodes", "texts")

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.texts: dict[str, str] = {}
        self.left_bytes = text.LARGEST_BYTES
        self.left_nodes = text.MOST_NODES
        self.complete = True

    def tree(self, path: Path, asked: Node | None, *, env: str = "") -> Mapping | None:
        """The tree of a file that the spec names at `asked`, or of the overlay of an environment."""
        file = files.shown(path)
        if file in self.texts and asked is not None:
            self.findings.error("V104", asked, f'"{file}" is read twice', hints=("name every file once",))
            self.complete = False
            return None
        more = {"missing": _no_overlay(path, env)} if env and not path.exists() else {}
        data = files.read(
            path, self.findings, asked_at=asked.span if asked else None, left=self.left_bytes, **more
        )
        decoded = text.decode(file, data, self.findings, left=self.left_bytes) if data is not None else None
        self.texts.setdefault(file, decoded if decoded is not None else _legible(data or b""))
        tree = (
            text.parse(file, decoded, self.findings, nodes=self.left_nodes) if decoded is not None else None
        )
        if tree is None:
            self.complete = False
            return None
        self.left_bytes -= len(data or b"")
        self.left_nodes -= tree.weight
        return tree


def _no_overlay(path: Path, env: str) -> str:
    """What to do about an environment without an overlay at `path`: most are misspelt."""
    spec = path.with_name(path.name.removesuffix(f".{env}{path.suffix}") + path.suffix)
    known = ", ".join(files.environments(spec))
    return f"--env {env} reads this file beside the spec; " + (
        f"there is one for {known}" if known else "write it, or leave --env out"
    )


def _legible(data: bytes) -> str:
    """Enough of an unreadable file to show the place; nothing of one that is no text."""
    return "" if text.binary(data) else data[:100_000].decode("utf-8", "replace")


def _check(path: Path, *, env: str | None, allow_exec: bool, today: date | None) -> _Checked:
    # Nothing made here is garbage before the end, and looking for it takes a fifth of a long spec's time.
    pause = gc.isenabled()
    gc.disable()
    try:
        return _checked(path, env=env, allow_exec=allow_exec, today=today)
    finally:
        if pause:
            gc.enable()


def _checked(path: Path, *, env: str | None, allow_exec: bool, today: date | None) -> _Checked:
    findings = Findings()
    reading = _Reading(findings)
    tree = reading.tree(path, None)
    found = secrets.Secrets()
    root: Val | None = None
    if tree is not None:
        tree = _with_includes(tree, path, reading)
        if env is not None:
            above = reading.tree(files.overlay_path(path, env), None, env=env)
            if above is not None:
                _refuse(above, ("include",), "an overlay", findings)
            merged = overlay.overlaid(tree, above) if above is not None else tree
            assert isinstance(merged, Mapping)
            tree = merged
        found = secrets.search(tree, reading.texts, findings, mode=files.mode_of(path))
        root = SPEC.walk(Walk(findings, found.nodes), tree, Where("the spec", "", ()))
        if reading.complete:
            day = today or datetime.now(tz=UTC).date()
            base = path.absolute().parent
            given = checks.Given(
                allow_exec=allow_exec,
                today=day,
                base=base,
                texts=reading.texts,
                mode_of=files.mode_of,
                newest=files.newest,
            )
            checks.check(root, given, findings)
    diagnostics, texts = found.hide(findings, reading.texts)
    return _Checked(root, diagnostics, texts)


def _with_includes(tree: Mapping, path: Path, reading: _Reading) -> Mapping:
    """The tree with the files it includes, in sorted order per entry."""
    pair = tree.get("include")
    entries = pair.value.items if pair and isinstance(pair.value, Sequence) else [pair.value] if pair else []
    for entry in entries:
        if not isinstance(entry, Scalar) or not entry.text:
            continue
        paths = files.matching(path.parent, entry.text)
        if not paths:
            reading.findings.error(
                "V104", entry, f'no file matches "{entry.text}"', hints=("paths are relative to the spec",)
            )
            reading.complete = False
        for included in paths:
            part = reading.tree(included, entry)
            if part is None:
                continue
            _refuse(part, ("include", "version", "name"), "an included file", reading.findings)
            tree = overlay.added(tree, part, reading.findings)
    return tree


def _refuse(part: Mapping, keys: tuple[str, ...], where: str, findings: Findings) -> None:
    """V107 for keys that only the main file may have; they are left out of `part`."""
    for key in keys:
        if own := part.get(key):
            findings.error(
                "V107",
                own.key,
                f'"{key}" stands in {where}',
                hints=("only the main file says it; delete it here",),
            )
            part.pairs.remove(own)
