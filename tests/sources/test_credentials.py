"""References lead to the same account from everywhere; what goes wrong names the reference, never a value."""

import os
import sys
from pathlib import Path

import pytest

from reconciler.errors import CredentialError
from reconciler.secret import Secret, SecretRef
from reconciler.sources.credentials import (
    account,
    allowed_networks,
    header_values,
    resolve,
    subscription_file,
    token,
)
from reconciler.spec.model import Credentials

U, P = "bob", "p#ss 'w\"ord"


def ref(text: str, part: str = "") -> SecretRef:
    """The reference that a spec spells so."""
    found = SecretRef.parse(text)
    assert found is not None
    assert part in {"", "username", "password"}
    return SecretRef(found.scheme, found.place, found.name, part=part)  # type: ignore[arg-type]


def value(text: str, base: Path, part: str = "", **environ: str) -> str:
    """What a reference leads to."""
    return resolve(ref(text, part), environ=environ, base=base).reveal()


@pytest.mark.accepts("CRD-1")
def test_all_places_give_the_same_account(tmp_path: Path) -> None:
    """env, envfile, file, subscription and a whole line resolve to one account."""
    (tmp_path / "env").write_text(f"export A='{U}'\n# note\nB=\"p#ss 'w\\\"ord\" # comment\n")
    (tmp_path / "user").write_text(U + "\n")
    (tmp_path / "pass").write_text(P + "\r\n")
    (tmp_path / "letter.txt").write_bytes(
        f"\ufeffDear customer\r\n  USERNAME : {U} \r\npassword:{P}\r\n".encode()
    )
    line = "http://tv.example.net:8080/get.php?username=bob&password=p%23ss+%27w%22ord&type=m3u_plus"
    environ = {"U": U, "P": P, "LINE": line}
    both = {
        "env": Credentials("c", ref("env:U"), ref("env:P")),
        "envfile": Credentials("c", ref("envfile:env#A"), ref("envfile:env#B")),
        "file": Credentials("c", ref("file:user"), ref("file:pass")),
        "subscription": Credentials(
            "c", ref("subscription:letter.txt", "username"), ref("subscription:letter.txt", "password")
        ),
        "line": Credentials("c", url=ref("env:LINE")),
    }
    for credentials in both.values():
        found = account(credentials, environ=environ, base=tmp_path)
        assert (Secret(U), Secret(P)) == (found.username, found.password)
    assert "http://tv.example.net:8080" == account(both["line"], environ=environ, base=tmp_path).host


@pytest.mark.accepts("CRD-2")
def test_the_newest_subscription_is_used_and_named(tmp_path: Path) -> None:
    """Of several matches the newest counts, by time; its name is in the label."""
    for year, when in ((2025, 2000), (2026, 3000), (2024, 1000)):
        path = tmp_path / f"iptv.subscription.{year}.txt"
        path.write_text(f"Username: u{year}\nPassword: p{year}\n")
        os.utime(path, (when, when))
    pattern = f"subscription:{tmp_path}/iptv.subscription.*.txt"
    assert "u2026" == value(pattern, tmp_path, "username")
    assert "iptv.subscription.2026.txt" == subscription_file(ref(pattern), environ={}, base=tmp_path).name
    credentials = Credentials("c", ref(pattern, "username"), ref(pattern, "password"))
    assert "iptv.subscription.2026.txt" in account(credentials, environ={}, base=tmp_path).label


def test_home_is_the_environments(tmp_path: Path) -> None:
    """`~` is HOME of the environment given."""
    (tmp_path / "x").write_text("v")
    assert "v" == value("file:~/x", Path("/nowhere"), HOME=str(tmp_path))


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("v", "A=v"),
        ("v", "  export A = v  "),
        ("v w", "A=v w   # comment"),
        ("v#w", "A=v#w"),
        ("a b", "A='a b'"),
        ('a"b', 'A="a\\"b"'),
        ("last", "A=first\nA=last"),
    ],
)
def test_env_files_are_read_as_a_shell_would(tmp_path: Path, expected: str, line: str) -> None:
    """export, quotes and comments are understood; nothing is run."""
    (tmp_path / "env").write_text(f"AA=no\n{line}\nB=$(touch {tmp_path}/run)\n")
    assert expected == value("envfile:env#A", tmp_path)
    assert not (tmp_path / "run").exists()


def test_a_file_loses_one_line_end(tmp_path: Path) -> None:
    """A mounted secret keeps blanks and loses exactly one line end; several lines are an error."""
    (tmp_path / "s").write_text(" v \n")
    assert " v " == value("file:s", tmp_path)
    (tmp_path / "s").write_text("v\n\n")
    with pytest.raises(CredentialError, match="several lines"):
        value("file:s", tmp_path)


def test_the_token_of_plex(tmp_path: Path) -> None:
    """Preferences.xml gives its token, named by file or by directory."""
    (tmp_path / "Preferences.xml").write_text(
        '<?xml version="1.0"?>\n<Preferences A="1" PlexOnlineToken="tok-1"/>'
    )
    assert "tok-1" == value("plexprefs:Preferences.xml", tmp_path)
    credentials = Credentials("plex", token=ref(f"plexprefs:{tmp_path}"))
    assert Secret("tok-1") == token(credentials, environ={}, base=tmp_path)


def test_commands_need_permission(tmp_path: Path) -> None:
    """`exec` runs a list without a shell, only when allowed; its failure shows no output."""
    show = SecretRef("exec", "", argv=(sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; v"))
    with pytest.raises(CredentialError, match="--allow-exec"):
        resolve(show, environ={}, base=tmp_path)
    assert "$HOME; v" == resolve(show, environ={}, base=tmp_path, allow_exec=True).reveal()
    failing = SecretRef(
        "exec", "", argv=(sys.executable, "-c", "import sys; print('s3cret'); sys.exit('s3cret')")
    )
    with pytest.raises(CredentialError) as caught:
        resolve(failing, environ={}, base=tmp_path, allow_exec=True)
    assert "s3cret" not in caught.value.message
    assert "status 1" in caught.value.message


@pytest.mark.accepts("UPD-2", "DOC-2")
@pytest.mark.parametrize(
    "text",
    ["env:NONE", "env:EMPTY", "envfile:env#NONE", "envfile:env#EMPTY", "envfile:none#A", "file:none", "file:empty", "subscription:none.*",
     "subscription:env", "plexprefs:env"],
)  # fmt: skip
def test_errors_name_the_reference_only(tmp_path: Path, text: str) -> None:
    """Whatever is missing, the message holds the reference and no value that was read on the way, and says what to do."""
    (tmp_path / "env").write_text("A=s3cret-value\nEMPTY=\n")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CredentialError) as caught:
        value(text, tmp_path)
    assert text in caught.value.message
    assert caught.value.next_step
    assert "s3cret-value" not in caught.value.message + caught.value.next_step


def test_a_line_must_be_an_account(tmp_path: Path) -> None:
    """A whole line without user name and password is refused without being shown; a stream's address will do."""
    credentials = Credentials("c", url=ref("env:LINE"))
    for line in (
        "http://h/get.php?username=bob",
        "bob:s3cret",
        "http://[h/get.php?username=a&password=b",
        "ftp://h/",
    ):
        with pytest.raises(CredentialError) as caught:
            account(credentials, environ={"LINE": line}, base=tmp_path)
        assert line not in caught.value.message
    found = account(credentials, environ={"LINE": "http://h:1/live/bob/x%2Fy/7.ts"}, base=tmp_path)
    assert ("http://h:1", Secret("bob"), Secret("x/y")) == (found.host, found.username, found.password)
    short = account(
        credentials, environ={"LINE": "http://h/sub/playlist/a/b%2Fc/m3u_plus?output=ts"}, base=tmp_path
    )
    assert ("http://h/sub", "a", "b/c") == (short.host, short.username.reveal(), short.password.reveal())
    sub = account(credentials, environ={"LINE": "http://h/sub/get.php?username=a&password=b"}, base=tmp_path)
    assert "http://h/sub" == sub.host
    quoted = account(
        credentials, environ={"LINE": '"http://h/get.php?username=a&password=b" '}, base=tmp_path
    )
    assert ("http://h", "a", "b") == (quoted.host, quoted.username.reveal(), quoted.password.reveal())


def test_parts_that_are_missing(tmp_path: Path) -> None:
    """Credentials without what is asked of them say so."""
    with pytest.raises(CredentialError, match="no user name and password"):
        account(Credentials("c", token=ref("env:T")), environ={}, base=tmp_path)
    with pytest.raises(CredentialError, match="no token"):
        token(Credentials("c", ref("env:U"), ref("env:P")), environ={}, base=tmp_path)


def test_headers_are_resolved(tmp_path: Path) -> None:
    """Plain header values stay text, references become secrets."""
    headers: tuple[tuple[str, str | SecretRef], ...] = (("Referer", "http://r/"), ("X-Key", ref("env:K")))
    found = header_values(headers, environ={"K": "v"}, base=tmp_path)
    assert (("Referer", "http://r/"), ("X-Key", Secret("v"))) == found


@pytest.mark.accepts("DOC-1")
def test_plex_tells_who_needs_no_token(tmp_path: Path) -> None:
    """`allowedNetworks` is read beside the token; without one, and for other kinds of references, it is empty."""
    (tmp_path / "Preferences.xml").write_text(
        '<Preferences PlexOnlineToken="t" allowedNetworks="10.0.0.0/8"/>'
    )
    (tmp_path / "other.xml").write_text('<Preferences PlexOnlineToken="t"/>')

    def networks(text: str) -> str:
        ref = SecretRef.parse(text)
        assert ref is not None
        return allowed_networks(ref, environ={}, base=tmp_path)

    assert "10.0.0.0/8" == networks("plexprefs:Preferences.xml") == networks("plexprefs:.")
    assert "" == networks("plexprefs:other.xml") == networks("env:TOKEN")
