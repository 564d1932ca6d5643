"""A literal secret is refused wherever it stands, and no rendering shows a letter of it."""

from pathlib import Path

import pytest

from reconciler.diagnostics import EIGHT_STARS, Diagnostics
from reconciler.rendering import diagnostics_format
from reconciler.rendering.diagnostics_format import FORMATS
from reconciler.spec import check
from tests.spec.specs import accepted, completed, findings, loaded, marked, place

SECRET = "s3Kret-Q9x"
XTREAM = "sources: {main: {kind: xtream, hosts: [http://tv.example.net], credentials: a}}\n"

POSITIONS = [
    'credentials: {a: {username: "env:U", password: «SECRET}}',
    'credentials: {a: {username: "env:U", password: «"SECRET"}}',
    "credentials: {a: {username: 'env:U', password: «'SECRET'}}",
    "credentials: {a: {username: «SECRET, password: 'env:P'}}",
    "credentials: {a: {token: «SECRET}}",
    "credentials: {a: {url: «'http://h/get.php?username=u&password=SECRET'}}",
    "credentials: {a: «SECRET}",
    "credentials:\n  a:\n    username: env:U\n    password: «|\n      SECRET\n",
    "credentials: {a: {token: [«SECRET]}}",
    "credentials: {a: {pin: «SECRET}}",
    "password: «SECRET",
    "plex: {url: http://plex:32400, token: «SECRET}",
    "sources: {main: {kind: m3u, path: l, password: «SECRET}}",
    "sources: {main: {kind: m3u, path: l, headers: {Authorization: «Bearer SECRET}}}",
    "sources: {main: {kind: m3u, path: l, headers: {Cookie: «sid=SECRET}}}",
    "sources: {main: {kind: m3u, path: l, headers: {X-Api-Key: «SECRET}}}",
    "sources: {main: {kind: m3u, path: l, headers: {X-Anything: «Basic SECRET}}}",
    "sources: {main: {kind: m3u, path: l, stream: {headers: {X-Auth-Token: «SECRET}}}}",
    "sources: {main: {kind: m3u, url: 'http://«user:SECRET@example.net/l.m3u'}}",
    "sources: {main: {kind: m3u, url: 'http://example.net/get.php?username=«u1ser&password=SECRET'}}",
    "sources: {main: {kind: m3u, url: 'http://example.net/l.m3u?token=«SECRET'}}",
    "sources: {main: {kind: m3u, url: http://example.net/l.m3u?x=1&api_key=«SECRET}}",
    "sources: {main: {kind: xtream, hosts: ['http://«u:SECRET@example.net:8080'], credentials: a}}",
    "guides: {g: {url: 'http://example.net/xmltv.php?username=«usr&password=SECRET'}}",
    "guides: {g: {url: 'http://example.net/live/«someone/SECRET/1.ts'}}",
    "overrides: [{channel: main/1, logo: 'https://example.net/x.png?auth_token=«SECRET'}]",
    "plex: {url: 'http://plex:32400/?X-Plex-Token=«SECRET', credentials: a}",
    "sources: {main: {kind: m3u, url: 'http://h:80/playlist/«someone/SECRET/m3u_plus'}}",
    "notify: [{url: «'https://ntfy.example.net/SECRET'}]",
    "filters: [{set: {when: {}, logo: 'http://h/l?password=«SECRET'}}]",
    "whatever: {deep: [{secret: «SECRET}]}",
    "safety: {shrink: 30%}\nsafety: {password: «SECRET}",
]


@pytest.mark.accepts("CRD-3", "VAL-7")
@pytest.mark.parametrize("position", POSITIONS)
def test_a_secret_in_any_position_is_refused_and_hidden(position: str, tmp_path: Path) -> None:
    """V130 at the secret itself; no format shows it, not even in the line of another finding or in a comment."""
    text, at = marked(position)
    text = text.replace("SECRET", SECRET)
    assert at is not None
    comment = f"# it is {SECRET}, but psst\nprobes: {{mode: smoky}} # {SECRET}\n"
    path = tmp_path / "ptctl.yaml"
    path.write_text(completed(comment + text), encoding="utf-8")
    diagnostics, texts = check(path)
    found = [finding for finding in diagnostics if finding.code == "V130"]
    assert (at[0] + 2, at[1]) in [place(finding) for finding in found]
    assert all(finding.secret and finding.hints for finding in found)
    for word in FORMATS:
        shown = diagnostics_format.render(word, diagnostics, texts, color=False)
        assert SECRET not in shown
        assert SECRET[:7] not in shown
    text_out = diagnostics_format.render("text", diagnostics, texts, color=False)
    assert EIGHT_STARS in text_out


@pytest.mark.accepts("CRD-3")
def test_no_option_allows_a_secret(tmp_path: Path) -> None:
    """--allow-exec allows commands and nothing else."""
    fragment = "credentials: {a: {token: abcdefgh}}"
    for allow_exec in (False, True):
        assert ["V130"] == [f.code for f in findings(tmp_path, fragment, allow_exec=allow_exec)]


@pytest.mark.accepts("VAL-7")
@pytest.mark.parametrize(
    "broken",
    [
        'credentials: {a: {password: SECRET, username: "env:U}}\n',
        "credentials:\n  a:\n    password: SECRET\n   username: x\n",
        'credentials: {a: {password: "SECRET}}\n',
        "sources: {main: {url: 'http://u:SECRET@h/l, kind: m3u}}\n",
        "credentials: {a: {token: SECRET]}\n",
        "password = SECRET: : :\n",
        "\tpassword: SECRET\n",
    ],
)
def test_a_file_that_is_no_yaml_shows_no_secret_either(broken: str, tmp_path: Path) -> None:
    """Lines that could not be parsed are masked by their look."""
    path = tmp_path / "ptctl.yaml"
    path.write_text(broken.replace("SECRET", SECRET), encoding="utf-8")
    diagnostics, texts = check(path)
    assert diagnostics.errors
    for word in FORMATS:
        assert SECRET not in diagnostics_format.render(word, diagnostics, texts, color=False)


@pytest.mark.accepts("CRD-3")
@pytest.mark.parametrize(
    "fragment",
    [
        'credentials: {a: {username: "env:U", password: "envfile:~/x.env#P"}}',
        'credentials: {a: {username: "file:/run/u", password: "file:/run/p"}}',
        'credentials: {a: "subscription:~/sub.*.txt"}',
        'credentials: {a: {token: "plexprefs:/config/Preferences.xml"}}',
        "credentials: {a: {username: 'env:U', password: 'env:P'}}\nsources: {main: {kind: m3u, credentials: a, url: 'http://h/get.php?username={username}&password={password}'}}",
        "sources: {main: {kind: m3u, url: 'env:LIST_URL'}}",
        'sources: {main: {kind: m3u, path: l, headers: {Authorization: "env:AUTH", Referer: "https://example.net/"}}}',
        "overrides: [{channel: main/1, logo: 'https://example.net/token/1.png'}]",
        "filters: [{drop: {name: {words: [password, secret, token]}}}]",
        "filters: [{name: token, drop: {group: secret}}]",
    ],
)
def test_references_and_ordinary_words_are_no_secrets(fragment: str, tmp_path: Path) -> None:
    """What merely speaks of secrets is not taken for one."""
    assert accepted(tmp_path, fragment)


def test_commands_are_accepted_when_allowed(tmp_path: Path) -> None:
    """The arguments of a command are no secrets, and the reference does not print them."""
    fragment = 'credentials: {a: {token: {exec: [op, read, "op://home/plex/token"]}}}'
    spec, diagnostics, _ = loaded(tmp_path, fragment, allow_exec=True)
    assert spec is not None
    assert not len(diagnostics)
    token = spec.credentials["a"].token
    assert token is not None
    assert ("op", "read", "op://home/plex/token") == token.argv
    assert str(token) == "exec:op"


def test_the_mask_is_always_eight_stars(tmp_path: Path) -> None:
    """Neither a short nor a long secret shows its length in any format, and carets behind it still point right."""
    told = set()
    for secret in ("a", "x" * 60):
        path = tmp_path / "ptctl.yaml"
        path.write_text(
            completed(f'credentials: {{a: {{token: {secret}, tokn: "env:X"}}}}'), encoding="utf-8"
        )
        diagnostics, texts = check(path)
        line = texts.line(str(path), 1)
        assert line is not None
        assert 'credentials: {a: {token: ********, tokn: "env:X"}}' == line.text
        unknown = next(finding for finding in diagnostics if finding.code == "V102")
        assert unknown.span is not None
        assert line.text.index("tokn") + 1 == line.column(unknown.span.column)
        alone = Diagnostics([finding for finding in diagnostics if finding.secret])
        told.add(tuple(diagnostics_format.render(word, alone, texts, color=False) for word in FORMATS))
    assert 1 == len(told)


@pytest.mark.accepts("CRD-6")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_a_secret_file_that_others_read_is_warned_about(mode: int, warned: bool, tmp_path: Path) -> None:
    """Files named by envfile, file, subscription (the newest match) and plexprefs are looked at, not read."""
    for name in ("iptv.env", "password", "sub.2025.txt", "sub.2026.txt", "Preferences.xml", "key"):
        (tmp_path / name).write_text("secret", encoding="utf-8")
        (tmp_path / name).chmod(mode)
    fragment = (
        'credentials:\n  a: {username: "envfile:iptv.env#U", password: "file:password"}\n'
        '  b: "subscription:sub.*.txt"\n'
        '  c: {token: "plexprefs:Preferences.xml"}\n'
        '  d: {token: "file:missing"}\n'
        "buckets: [{name: main, match: {}}]\n"
        'dvrs: {main: {stream: {headers: {X-Key: "file:key"}}}}\n'
    )
    found = findings(tmp_path, fragment)
    assert [(2, 17), (2, 49), (3, 6), (4, 14), (7, 41)] * warned == [place(finding) for finding in found]
    assert ({"V308"} if warned else set()) == {finding.code for finding in found}
    assert all("chmod 600" in finding.hints[0] for finding in found)


def test_hiding_costs_little_in_absurd_lines(tmp_path: Path) -> None:
    """No pattern takes quadratic time on lines made to make it do so."""
    import time

    for text in ("a-" * 400_000, "g" * 800_000 + "://x", "?a" * 400_000, "://" * 300_000, "-pass" * 100_000):
        path = tmp_path / "ptctl.yaml"
        path.write_text(f'nonsense: "{text}', encoding="utf-8")
        begin = time.process_time()
        diagnostics, texts = check(path)
        assert diagnostics_format.render("text", diagnostics, texts, color=False)
        path.write_text(f'nonsense: "{text}"\nwhat: {text}', encoding="utf-8")
        diagnostics, texts = check(path)
        assert diagnostics_format.render("text", diagnostics, texts, color=False)
        assert time.process_time() - begin < 1.0


def test_many_secrets_cost_little(tmp_path: Path) -> None:
    """Ten thousand secrets are refused in a moment and none is shown."""
    import time

    path = tmp_path / "ptctl.yaml"
    path.write_text(
        completed("credentials:\n" + "".join(f"  c{i}: {{token: s3cret{i}xyz}}\n" for i in range(10_000))),
        encoding="utf-8",
    )
    begin = time.process_time()
    diagnostics, texts = check(path)
    assert "s3cret" not in diagnostics_format.render("text", diagnostics, texts, color=False)
    assert time.process_time() - begin < 3.0
