"""Credentials: complete for what they are used for, commands only when allowed, files that others cannot read.

Refuses to resolve a reference: whether it leads to a value is seen when somebody needs it (`ptctl doctor`).
"""

from pathlib import Path
from typing import Final

from reconciler.diagnostics import Related
from reconciler.secret import SecretRef
from reconciler.spec.checks.subject import Subject, inner, items
from reconciler.spec.files import at_home
from reconciler.spec.shape import Val

__all__ = ["check"]

_OTHERS_READ: Final = 0o044
_IN_FILES: Final = ("envfile", "file", "subscription", "plexprefs")


def check(subject: Subject) -> None:
    """V132, V134 and V308."""
    accounts = {
        given.data
        for source in subject.named("sources").values()
        for given in items(inner(source, "credentials"))
    }
    for name, credential in subject.named("credentials").items():
        _complete(subject, name, credential, account=name in accounts)
    _uses(subject)
    seen: set[str] = set()
    for value in _references(subject):
        if isinstance(value.data, dict):
            if not subject.given.allow_exec:
                subject.findings.error(
                    "V132",
                    value.node,
                    "this command runs only with --allow-exec",
                    hints=("add --allow-exec if you trust this spec, or write env:NAME or file:PATH",),
                )
        elif (
            isinstance(value.data, SecretRef)
            and value.data.scheme in _IN_FILES
            and value.data.place not in seen
        ):
            seen.add(value.data.place)
            _mode(subject, value, value.data)


def _references(subject: Subject) -> list[Val]:
    found: list[Val] = []
    for credential in subject.named("credentials").values():
        if isinstance(credential.data, dict):
            found += [value for value in credential.data.values() if value.ok]
        else:
            found.append(credential)
    found += [url for notice in subject.listed("notify") if (url := inner(notice, "url")) is not None]
    pool = subject.value("serve", "pool")
    if pool is not None and (reference := SecretRef.parse(pool.data)) is not None:
        found.append(Val(pool.node, reference))
    for section in ("sources", "guides", "dvrs"):
        for entry in subject.named(section).values():
            for path in (("headers",), ("stream", "headers")):
                headers = inner(entry, *path)
                found += [value for value in (headers.data.values() if headers else ()) if value.ok]
    return found


def _complete(subject: Subject, name: str, credential: Val, *, account: bool) -> None:
    """`account`: a source logs in with it, so that half of one is no use."""
    if not isinstance(credential.data, dict):
        if credential.data.scheme != "subscription":
            subject.findings.error(
                "V134",
                credential.node,
                f'credential "{name}" does not say what the reference is for',
                hints=(
                    "write {token: …}, {url: …} or {username: …, password: …} around it",
                    "only a subscription: file holds both a user name and a password",
                ),
            )
        return
    have = set(credential.data)
    for one, other in (("username", "password"), ("password", "username")):
        if account and one in have and other not in have and "url" not in have and "token" not in have:
            key = credential.data[one].key
            subject.findings.error(
                "V134",
                key or credential.node,
                f'credential "{name}" has a {one} and no {other}',
                hints=(f"add {other}: env:NAME",),
            )
    if "url" in have and have & {"username", "password"}:
        url = credential.data["url"].key
        assert url is not None
        for one in sorted(have & {"username", "password"}):
            key = credential.data[one].key
            subject.findings.error(
                "V134",
                key or credential.node,
                f'credential "{name}" has both a whole url and a {one}',
                related=(Related(url.span, "the url holds the account"),),
                hints=("keep one of them",),
            )


def _holds(credential: Val | None, what: str) -> bool | None:
    """Whether a credential serves as an account, a url or a token; None where that cannot be told."""
    if credential is None or not credential.ok:
        return None
    if not isinstance(credential.data, dict):
        return what == "account" if credential.data.scheme == "subscription" else None
    have = credential.data
    if what == "account":
        return (
            "url" in have
            or ("username" in have and "password" in have)
            or not have.keys() - {"username", "password"}
        )
    return what in have


def _uses(subject: Subject) -> None:
    known = subject.named("credentials")

    def wants(value: Val | None, what: str, words: str, hint: str) -> None:
        if value is not None and _holds(known.get(value.data), what) is False:
            credential = known[value.data]
            related = (Related(credential.key.span, "defined here"),) if credential.key else ()
            subject.findings.error(
                "V134",
                value.node,
                f'credential "{value.data}" holds no {words}',
                related=related,
                hints=(hint,),
            )

    for name, source in subject.named("sources").items():
        kind, given = inner(source, "kind"), items(inner(source, "credentials"))
        if kind is None:
            continue
        for one in given:
            wants(one, "account", "account", "give it username and password, or url")
        if kind.data != "xtream":
            _placeholders(subject, name, source)
            continue
        answers = [_holds(known.get(one.data), "url") for one in given]
        if "hosts" not in source.data and given and all(answer is False for answer in answers):
            subject.findings.error(
                "V134",
                source.key or source.node,
                f'source "{name}" has no "hosts", and none of its credentials holds a whole url',
                hints=("add hosts: [http://…]",),
            )
    wants(subject.value("plex", "credentials"), "token", "token", "give it token: env:PLEX_TOKEN")
    wants(subject.value("serve", "access", "admin"), "token", "token", "give it token: env:PTCTL_ADMIN")


def _placeholders(subject: Subject, name: str, source: Val) -> None:
    """Whether somebody fills in what a playlist's address leaves open."""
    url = inner(source, "url")
    if url is None or "credentials" in source.data:
        return
    if left := next((mark for mark in ("{username}", "{password}") if mark in url.data), ""):
        subject.findings.error(
            "V134",
            url.node,
            f'source "{name}" has {left} in its url and no credentials to fill it in',
            hints=("add credentials: NAME",),
        )


def _mode(subject: Subject, value: Val, reference: SecretRef) -> None:
    given = subject.given
    path: Path | None = given.base / at_home(reference.place)
    if reference.scheme == "subscription":
        path = given.newest(given.base, reference.place)
    mode = given.mode_of(path) if path is not None else None
    if path is not None and mode is not None and mode & _OTHERS_READ:
        import shlex  # only this finding needs it

        who = "everybody" if mode & 0o004 else "its group"
        subject.findings.warning(
            "V308",
            value.node,
            f'"{path.name}" holds a secret and is readable by {who} ({mode:04o})',
            hints=(f"chmod 600 {shlex.quote(str(path))}",),
        )
