"""Generations: named by content, published in one step, kept for going back."""

import os
import threading
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.ledger import generations
from reconciler.ledger.generations import (
    carry_over,
    current,
    current_path,
    finish,
    held,
    publish,
    release,
    rollback,
    routes_path,
    stage,
    write,
)


def build(
    state: Path, files: dict[str, bytes], routes: bytes = b"{}", keep: int = generations.KEEP
) -> generations.Published:
    """Stage and publish these files."""
    staged = stage(state)
    for name, data in files.items():
        write(staged, name, data)
    return publish(state, staged, finish(staged), routes, keep=keep)


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file."""
    return {
        str(p.relative_to(root)): (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in sorted(root.rglob("*"))
    }


@pytest.mark.accepts("ART-1", "M3U-5")
def test_the_name_is_the_content_and_unchanged_touches_nothing(tmp_path: Path) -> None:
    """The order of writing plays no part; publishing the same again leaves every inode and time as it was."""
    first = build(tmp_path, {"news/lineup.json": b"[]", "a.m3u": b"x"})
    assert first.changed
    before = snapshot(tmp_path / "artifacts")
    private = snapshot(tmp_path / "private")
    second = build(tmp_path, {"a.m3u": b"x", "news/lineup.json": b"[]"})
    assert (first.generation, False) == (second.generation, second.changed)
    assert before == snapshot(tmp_path / "artifacts")
    assert private == snapshot(tmp_path / "private")
    assert first.generation != build(tmp_path, {"a.m3u": b"y"}).generation
    assert [] == list((tmp_path / "cache").iterdir())


def test_routes_are_private_and_follow_alone(tmp_path: Path) -> None:
    """Mode 0600; a changed address rewrites the routes and nothing of the generation."""
    build(tmp_path, {"a": b"x"}, b"one")
    before = snapshot(tmp_path / "artifacts")
    build(tmp_path, {"a": b"x"}, b"two")
    assert b"two" == routes_path(tmp_path).read_bytes()
    assert 0o600 == routes_path(tmp_path).stat().st_mode & 0o777
    assert before == snapshot(tmp_path / "artifacts")


@pytest.mark.accepts("M3U-6")
def test_a_reader_never_sees_a_mixture(tmp_path: Path) -> None:
    """While generations come and go, whoever follows `current` reads files that belong together."""
    build(tmp_path, {"a": b"0", "b": b"0"})
    stop = threading.Event()
    mixed: list[tuple[bytes, bytes]] = []

    def read() -> None:
        while not stop.is_set():
            directory = current_path(tmp_path)
            assert directory is not None
            pair = (directory / "a").read_bytes(), (directory / "b").read_bytes()
            if pair[0] != pair[1]:
                mixed.append(pair)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for i in range(1, 40):
            build(tmp_path, {"a": b"%d" % i, "b": b"%d" % i}, keep=100)
    finally:
        stop.set()
        reader.join(10)
    assert [] == mixed


def test_five_are_kept(tmp_path: Path) -> None:
    """Older generations go, with their routes; the latest published come first."""
    made = [build(tmp_path, {"a": b"%d" % i}).generation for i in range(8)]
    assert set(made[-5:]) == set(generations.generations(tmp_path))
    assert made[-1] == current(tmp_path)
    kept = {p.name for p in (tmp_path / "private").iterdir()}
    assert {"routes.json", *(f"routes-{g}.json" for g in made[-5:])} == kept


@pytest.mark.accepts("ART-4")
def test_rollback_lasts_until_the_next_refresh_unless_held(tmp_path: Path) -> None:
    """An earlier generation is back at once with its routes; the next publication replaces it, or waits for release."""
    one = build(tmp_path, {"a": b"1"}, b"routes 1").generation
    two = build(tmp_path, {"a": b"2"}, b"routes 2").generation
    assert one == rollback(tmp_path).generation
    assert (one, b"routes 1") == (current(tmp_path), routes_path(tmp_path).read_bytes())
    assert two == build(tmp_path, {"a": b"2"}, b"routes 2").generation == current(tmp_path)
    rollback(tmp_path, one, hold=True)
    kept = build(tmp_path, {"a": b"3"})
    assert (one, False, one) == (kept.generation, kept.changed, kept.held)
    assert (one, one) == (current(tmp_path), held(tmp_path))
    assert release(tmp_path)
    assert not release(tmp_path)
    assert build(tmp_path, {"a": b"3"}).changed
    with pytest.raises(StateError, match="not kept any more"):
        rollback(tmp_path, "0" * 16)


def test_two_rollbacks_go_back_twice(tmp_path: Path) -> None:
    """Without a name each goes to the one published before, and the first has none."""
    made = [build(tmp_path, {"a": b"%d" % i}).generation for i in range(3)]
    for i, generation in enumerate(made):  # the clock of a file system may be too coarse for three at once
        os.utime(tmp_path / "artifacts" / generation, ns=(i, i))
    assert made[1] == rollback(tmp_path).generation
    assert made[0] == rollback(tmp_path).generation
    with pytest.raises(StateError, match="no earlier generation"):
        rollback(tmp_path)


def test_a_blocked_dvr_is_carried_over(tmp_path: Path) -> None:
    """Its files come from the current generation byte for byte, and writing beside them changes nothing published."""
    build(tmp_path, {"news/lineup.json": b"old", "news/guide.xml": b"guide"})
    old = current_path(tmp_path)
    assert old is not None
    staged = stage(tmp_path)
    assert carry_over(tmp_path, staged, "news")
    assert not carry_over(tmp_path, staged, "sports")
    assert b"old" == (staged / "news" / "lineup.json").read_bytes()
    write(staged, "news/lineup.json", b"new")
    assert b"old" == (old / "news" / "lineup.json").read_bytes()


def test_a_killed_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """What was staged and never published goes with the next staging."""
    left = tmp_path / "cache" / "staging-1"
    left.mkdir(parents=True)
    (left / "a").write_bytes(b"x")
    os.utime(left, (0, 0))
    young = stage(tmp_path)
    assert not left.exists()
    assert young != stage(tmp_path)
    assert young.exists()


def test_a_generation_that_was_tampered_with_is_replaced(tmp_path: Path) -> None:
    """A directory whose content is not what its name says is not published."""
    one = build(tmp_path, {"a": b"1"}).generation
    build(tmp_path, {"a": b"2"})
    (tmp_path / "artifacts" / one / "a").write_bytes(b"changed")
    assert one == build(tmp_path, {"a": b"1"}).generation
    assert b"1" == (tmp_path / "artifacts" / "current" / "a").read_bytes()


def test_a_disk_that_refuses_leaves_current_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clear error, the old generation still published, nothing half written."""
    one = build(tmp_path, {"a": b"1"})
    temporary = tmp_path / "private" / f".ptctl-tmp-{bytes(8).hex()}"
    temporary.symlink_to("/dev/full")
    monkeypatch.setattr(os, "urandom", bytes)
    with pytest.raises(StateError, match="no space left on device"):
        build(tmp_path, {"a": b"2"}, b"new routes")
    assert one.generation == current(tmp_path)
    assert b"{}" == routes_path(tmp_path).read_bytes()
    again = build(tmp_path, {"a": b"2"}, b"new routes")
    assert again.changed
