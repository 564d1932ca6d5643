"""The mutation tests themselves: which faults are made, and that a weak test lets one through and a strong one does not."""

import subprocess
import sys

import pytest

from tests.acceptance import ROOT
from tests.mutation.mutants import mutants

SOURCE = '''\
"""A module."""
from collections.abc import Mapping

__all__ = ["LIMIT", "kept"]
LIMIT: int = 10


def kept(counts: Mapping[str, int], *, least: int = 1) -> list[str]:
    """Sorted names."""
    found = sorted(name for name, count in counts.items() if least <= count <= LIMIT)
    if not found:
        found.append("none")
    return found
'''


def test_faults_of_code_and_not_of_words() -> None:
    """Comparisons, orders, conditions, texts and lines; no documentation, annotation, import, default or `__all__`."""
    found = [(m.line, m.was, m.now) for m in mutants(SOURCE, "m.py")]
    assert (5, "10", "11") in found
    assert (10, "least <= count <= LIMIT", "least < count <= LIMIT") in found
    assert (10, "least <= count <= LIMIT", "least <= count < LIMIT") in found
    assert any(was.startswith("sorted(") and now.startswith("list(") for _, was, now in found)
    assert (11, "not found", "found") in found
    assert (12, "found.append('none')", "pass") in found
    assert (12, "'none'", "'none~'") in found
    assert {5, 10, 11, 12} == {line for line, _, _ in found}


def test_source_is_as_before() -> None:
    """Each fault is alone: the next one does not carry it along."""
    for mutant in mutants(SOURCE, "m.py"):
        names: dict[str, object] = {}
        exec(mutant.code, names)
        kept = names["kept"]
        assert callable(kept)
        assert sum(str(kept(case)) != expected for case, expected in CASES) <= len(CASES)
    names = {}
    exec(compile(SOURCE, "m.py", "exec"), names)
    assert callable(names["kept"])
    assert [expected for _, expected in CASES] == [str(names["kept"](case)) for case, _ in CASES]


CASES: list[tuple[dict[str, int], str]] = [
    ({"b": 1, "a": 10, "c": 11, "d": 0}, "['a', 'b']"),
    ({}, "['none']"),
]


STRONG = f"""
from measured_strong import LIMIT, kept

def test_edges():
    assert 10 == LIMIT
    for case, expected in {CASES!r}:
        assert expected == str(kept(case))
"""
WEAK = """
from measured_weak import kept

def test_call():
    assert kept({"a": 5})
"""
FAILING = """
def test_no():
    assert False
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the command's own way measures with three tests of one module each: killed, all, and why nothing could be."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    script = ["import sys", f"sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]"]
    script.append("from tests.mutation.__main__ import scores")
    for name, test in (("strong", STRONG), ("weak", WEAK), ("failing", FAILING)):
        (folder / f"measured_{name}.py").write_text(SOURCE, "utf-8")
        (folder / f"test_{name}.py").write_text(test, "utf-8")
        words = [str(folder / f"test_{name}.py"), "--rootdir", str(folder)]
        script.append(f"score = scores('measured_{name}', {words!r}, jobs=2)")
        script.append(f"print('SHARE', '{name}', score.killed, len(score.outcomes), score.broken)")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    lines = [line.split(maxsplit=4) for line in done.stdout.splitlines() if line.startswith("SHARE")]
    return {line[1]: line[2:] for line in lines}


def test_a_strong_test_kills_and_a_weak_one_does_not(measured: dict[str, list[str]]) -> None:
    """All faults of the function are noticed by a test of its edges; a test that only calls it notices few."""
    killed, all_ = map(int, measured["strong"])
    few, same = map(int, measured["weak"])
    assert killed == all_ == same
    assert few < all_ / 2


def test_a_failing_test_measures_nothing(measured: dict[str, list[str]]) -> None:
    """Where a test fails without any fault, that is said instead of a share."""
    killed, all_, why = measured["failing"]
    assert ("0", "0") == (killed, all_)
    assert "fails without any fault" in why
