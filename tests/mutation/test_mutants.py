"""The mutation tests themselves: which faults are made, and that a weak test lets one through and a strong one does not."""

import subprocess
import sys
import textwrap
from pathlib import Path

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


def measured(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """The share of a module's faults that one test notices, by the command's own way."""
    (folder / "measured.py").write_text(SOURCE, "utf-8")
    (folder / "test_measured.py").write_text(textwrap.dedent(test), "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
    script = (
        "import sys\n"
        f"sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n"
        "from tests.mutation.__main__ import scores\n"
        f"score = scores('measured', [{str(folder / 'test_measured.py')!r}, '--rootdir', {str(folder)!r}], jobs=2)\n"
        "print('SHARE', score.killed, len(score.outcomes), score.broken)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=100, check=True
    )


def test_a_strong_test_kills_and_a_weak_one_does_not(tmp_path: Path) -> None:
    """All faults of the function are noticed by a test of its edges; a test that only calls it notices few."""
    strong = f"""
    from measured import LIMIT, kept

    def test_edges():
        assert 10 == LIMIT
        for case, expected in {CASES!r}:
            assert expected == str(kept(case))
    """
    weak = """
    from measured import kept

    def test_call():
        assert kept({"a": 5})
    """
    shares = []
    for name, test in (("strong", strong), ("weak", weak)):
        (tmp_path / name).mkdir()
        done = measured(tmp_path / name, test)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("SHARE")]
        shares.append([int(word) for word in line.split()[1:3]])
    (killed, all_), (few, same) = shares
    assert killed == all_ == same
    assert few < all_ / 2


def test_a_failing_test_measures_nothing(tmp_path: Path) -> None:
    """Where a test fails without any fault, that is said instead of a share."""
    done = measured(tmp_path, "def test_no():\n    assert False\n")
    assert "SHARE 0 0" in done.stdout
    assert "fails without any fault" in done.stdout
