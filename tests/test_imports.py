"""Who may import whom: the layers of the package, read from its import statements."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).resolve().parent.parent / "reconciler"
LEAVES: Final = {"errors", "diagnostics", "patterns", "secret", "wording"}
NETWORK: Final = {"httpx", "trio", "hypercorn", "starlette", "h11", "anyio", "asyncio", "socket", "ssl"}
CLOCKS: Final = {"time", "random", "secrets", "uuid"}
PURE_PLEX: Final = {"plex.model", "plex.answers", "plex.requests"}

# What each part may import of ours (prefixes), and which outside modules it must never load.
RULES: Final[dict[str, tuple[set[str], set[str]]]] = {
    "errors": (set(), NETWORK | CLOCKS),
    "diagnostics": (set(), NETWORK | CLOCKS),
    "patterns": ({"errors"}, NETWORK | CLOCKS),
    "secret": (set(), NETWORK | CLOCKS),
    "wording": (set(), NETWORK | CLOCKS),
    "state_db": (LEAVES, NETWORK | CLOCKS),
    "tls": (set(), CLOCKS),
    "spec": (LEAVES | {"spec"}, NETWORK | {"lxml", "rich", "deepdiff"}),
    "catalog": (LEAVES | {"catalog", "spec.model"}, NETWORK | CLOCKS),
    "lineups": (LEAVES | {"lineups", "catalog", "ledger.model", "spec.model"}, NETWORK | CLOCKS),
    # `lineups.identity` for the ids of channels that imported settings name
    "drafting": (
        LEAVES | {"drafting", "catalog", "spec.model", "plex.model", "ledger.model", "lineups.identity"},
        NETWORK | CLOCKS,
    ),
    "plex.model": (LEAVES | PURE_PLEX, NETWORK | CLOCKS),
    "plex.answers": (LEAVES | PURE_PLEX, NETWORK | CLOCKS),
    "plex.requests": (LEAVES | PURE_PLEX, NETWORK | CLOCKS),
    "plex": (LEAVES | {"plex", "tls"}, {"hypercorn"}),
    "ledger.model": (LEAVES | {"ledger.model"}, NETWORK | CLOCKS),
    "ledger": (
        LEAVES | {"ledger", "lineups.manifest", "lineups.model", "catalog.guide_prune", "state_db"},
        {"httpx", "hypercorn"},
    ),
    "planning": (
        LEAVES
        | {
            "planning",
            "spec.model",
            "lineups",
            "catalog.entry",
            "catalog.guide_index",
            "catalog.names",
            "ledger.model",
        }
        | PURE_PLEX,
        NETWORK | CLOCKS,
    ),
    # The plan document, and the values of runs, journals and explanations that it shows.
    "rendering": (
        LEAVES
        | {
            "rendering",
            "planning.adoption",
            "planning.commands",
            "planning.diagnosis",
            "planning.model",
            "planning.document",
            "planning.numbers",
            "catalog.entry",
            "applying.events",
            "ledger.atomic",
            "ledger.journal",
            "ledger.model",
            "lineups.explain",
            "lineups.model",
        },
        NETWORK | CLOCKS,
    ),
    "applying": (
        LEAVES | {"applying", "planning", "plex", "ledger", "lineups", "spec.model", "catalog.entry", "tls"},
        {"hypercorn"},
    ),
    "sources": (
        LEAVES | {"sources", "catalog", "spec.model", "lineups.manifest", "state_db", "tls"},
        {"hypercorn"},
    ),
    "pipeline": (
        LEAVES | {"pipeline", "spec", "catalog", "sources", "lineups", "ledger", "planning", "plex"},
        {"hypercorn"},
    ),
    "converge": (
        LEAVES | {"pipeline", "applying", "planning", "ledger", "lineups", "plex", "spec.model"},
        {"hypercorn", "httpx", "rich"},
    ),
    "standing": (
        LEAVES
        | {
            "sources",
            "catalog.entry",
            "catalog.guide_times",
            "ledger.atomic",
            "ledger.generations",
            "planning.document",
            "planning.model",
            "spec.model",
            "state_db",
        },
        {"hypercorn", "httpx", "rich"},
    ),
    "serving": (
        LEAVES
        | {
            "serving",
            "lineups.manifest",
            "lineups.artifacts",
            "ledger.model",
            "ledger.generations",
            "ledger.atomic",
            "ledger.journal",
            "ledger.store",
            "sources",
            "spec.model",
            "catalog.address",
            "tls",
        },
        set(),
    ),
    "sandbox": (LEAVES | {"sandbox", "tls"}, {"hypercorn"}),
    "cli": ({""}, set()),
}
EXTRA: Final = {
    "serving.loop": {"converge", "pipeline", "applying", "planning", "ledger", "spec"},
    # pages show the last run and what was applied; they read, and only these two modules may
    "serving.records": {"ledger.journal", "ledger.store"},
    "serving.status": {"ledger.journal"},
    # a duration is written as in the spec
    "serving.suspension": {"spec.values"},
}


def module_name(path: Path) -> str:
    """`plex.reader` for reconciler/plex/reader.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(path: Path) -> frozenset[str]:
    """All modules a file imports, wherever in the file the statement stands."""
    found: set[str] = set()
    for node in _statements(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the layer"
            if node.module in {"reconciler", *(f"reconciler.{p}" for p in ("plex", "spec", "ledger"))}:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return frozenset(found)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, without the expressions in them: imports are none, and most of a file is."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.expr):
            yield child
            yield from _statements(child)


def rule_for(name: str) -> tuple[set[str], set[str]] | None:
    """The most particular rule that covers a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        rule = RULES.get(".".join(parts[:length]))
        if rule is not None:
            return rule
    return None


MODULES: Final = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_layers_hold(path: Path) -> None:
    """A module imports only what its layer may, and no outside library its layer must not load."""
    name = module_name(path)
    rule = rule_for(name)
    if rule is None:
        assert name in {"", "__init__", "__main__"}, f"no rule covers {name}: add one"
        return
    allowed, banned = rule
    allowed = allowed | EXTRA.get(name, set())
    found = imports(path)
    ours = {m.removeprefix("reconciler.") for m in found if m.startswith("reconciler.")} - {"__version__"}
    wrong = {m for m in ours if not any(m == a or m.startswith(a + ".") or a == "" for a in allowed)}
    # `from reconciler.plex import x` may name a value instead of a module
    wrong = {m for m in wrong if m.rpartition(".")[0] not in allowed}
    assert set() == wrong, f"{name} must not import {sorted(wrong)}"
    outside = {m.split(".")[0] for m in found}
    assert set() == outside & banned, f"{name} must not load {sorted(outside & banned)}"


def test_only_applying_writes_to_plex() -> None:
    """`plex.writer` is imported by `applying` alone: this is what makes "plan writes nothing" true."""
    users = {
        module_name(p) for p in MODULES if any(m.startswith("reconciler.plex.writer") for m in imports(p))
    }
    assert set() == {u for u in users if not u.startswith("applying")}


def test_no_module_of_many_uses() -> None:
    """No `utils`, `helpers`, `common`, `misc`, `base`: a function without a home is a missing noun."""
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
    assert [str(p) for p in MODULES if p.stem in banned] == []


def test_version_is_light() -> None:
    """Importing the package for its version loads none of the libraries."""
    assert "reconciler" in sys.modules or __import__("reconciler")
    assert {"__all__", "__version__"} <= set(vars(sys.modules["reconciler"]))
