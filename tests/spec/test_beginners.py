"""What people write in their first spec: one finding each, at the place, that says what to write instead."""

from pathlib import Path

import pytest

from reconciler.errors import SpecError
from reconciler.spec import check
from reconciler.spec.files import find
from tests.spec.specs import findings, place

HEAD = "version: 1\nname: x\nsources: {main: {kind: m3u, path: l}}\n"
BUCKETS = HEAD + "buckets:\n  - {name: news, match: {group: US}}\n"


def told(tmp_path: Path, text: str) -> list[tuple[str, tuple[int, int] | None, str]]:
    """Code, place and all words of each finding."""
    path = tmp_path / "ptctl.yaml"
    path.write_text(text, "utf-8")
    found, _ = check(path)
    return [(d.code, place(d), " | ".join((d.summary, d.label, *d.hints))) for d in found]


@pytest.mark.accepts("VAL-1", "DOC-2")
@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        (HEAD + "buckets:\n  news: {match: {group: US}}\n", (5, 3), "- {name: news, …}"),
        (BUCKETS + "dvrs:\n  - news\n", (7, 3), "without a dash"),
        (HEAD + "buckets:\n  - {name: news, match: 'US*'}\ndvrs: {news: {}}\n", (5, 25), '{group: "US*"} or {name: "US*"}'),
        (HEAD + "buckets:\n  - {name: news, match: {group: “US*”}}\ndvrs: {news: {}}\n", (5, 33), 'write "US*"'),
        (BUCKETS + "dvrs:\n  news: {title: \u2018News\u2019}\n", (7, 17), 'write "News"'),
        (BUCKETS + "dvrs:\n  news: {tuners: yes}\n", (7, 18), "a whole number from 1 to 32"),
        (HEAD + "buckets:\n- name: news\n   match: {group: US}\n", (6, 4), "indented deeper than \"name\", so it was read as a part of its value | begin it in column 3"),
        (HEAD + "guides: {g: {source: main, match: id}}\nbuckets: [{name: news, match: {}}]\ndvrs: {news: {}}\n", (4, 35), "[id]"),
        (HEAD + "credentials:\nbuckets: [{name: news, match: {}}]\ndvrs: {news: {}}\n", (4, 13), "NAME: {…}"),
        (HEAD + "credentials: {a: {user: 'env:U', password: 'env:P'}}\nbuckets: [{name: news, match: {}}]\ndvrs: {news: {}}\n", (4, 19), 'did you mean "username"?'),
        ("version:1\nname: x\n", (1, 1), "write version: 1"),
        ("# mine\nversion:1\nname: x\n", (2, 1), "write version: 1"),
        ("version:1\n", (1, 1), "write version: 1"),
        ("name: x\nversion:1\nsources: {}\n", (2, 1), "a space after the colon"),
        (HEAD + "credentials:\n  m: {username: a, password: ${PASS}}\n", (5, 30), "write env:PASS"),
        (HEAD + "buckets:\n- name:news\n  match: {group: US}\n", (5, 3), "write name: news"),
        (HEAD + "buckets:\n -name: news\n", (5, 2), "write a space after each dash: - name"),
        (HEAD + "buckets:\n- name: news\n  match: {group: US #1}\n", (6, 10), 'behind " #" is a comment'),
        (HEAD + "buckets:\n- name: news\n  match: {name: !x}\n", (6, 17), 'cannot begin with "!" without quotes'),
        (HEAD + "buckets:\n\u00a0 - {name: news, match: {}}\n", (5, 1), "U+00A0"),
        ("version:\u00a01\nname: x\n", (1, 9), "a plain space"),
        (HEAD + "credentials: {a: {password: secret}}\n" + BUCKETS[len(HEAD):] + "dvrs: {news: {}}\n", (4, 29), "/run/secrets/a"),
        ("services:\n  tv:\n    image: tv\nvolumes: {}\n", (1, 1), "Docker Compose, not a spec"),
        ('version: "3.8"\nservices: {}\nx-common: {}\n', (1, 1), "Docker Compose, not a spec"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", (1, 1), "Kubernetes, not a spec"),
        ("#EXTM3U\n#EXTINF:-1,x\nhttp://a/b\n", (1, 1), "ptctl init --m3u"),
        ('<?xml version="1.0"?>\n<tv/>\n', (1, 1), "under guides"),
    ],
)  # fmt: skip
def test_one_mistake_has_one_finding(tmp_path: Path, text: str, at: tuple[int, int], words: str) -> None:
    """Where it is, and what to write."""
    (found,) = told(tmp_path, text)
    assert (at, True) == (found[1], words in found[2]), found


def test_a_quote_that_is_meant(tmp_path: Path) -> None:
    """Typographic quotes inside straight ones, or on one side, are text."""
    quoted = (
        "buckets:\n  - {name: a, match: {name: {is: '“Best of”'}}}\n  - {name: b, match: {name: \u201890s}}\n"
    )
    assert [] == [d.summary for d in findings(tmp_path, quoted) if d.severity == "error"]


@pytest.mark.accepts("UPD-2", "DOC-2")
def test_an_address_is_no_spec() -> None:
    """It is not shown: playlists' addresses hold passwords."""
    with pytest.raises(SpecError) as caught:
        find("http://tv.example.net/get.php?username=u&password=s3cret", {})
    assert "s3cret" not in caught.value.message
    assert caught.value.next_step is not None
    assert "--m3u-env" in caught.value.next_step
