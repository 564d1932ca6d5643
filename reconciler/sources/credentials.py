"""References become secrets: environment, env files, mounted files, subscription letters, Plex, commands (CRD-1..6).

Read anew each time they are needed, so that a changed secret is picked up by the next refresh and the next stream
without a restart. Errors name the reference and the place, never a value. Reading is synchronous and short; callers in
trio use a thread for `exec`. This module refuses to keep what it read, to log it and to write it anywhere.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from reconciler.errors import CredentialError
from reconciler.secret import Secret, SecretRef
from reconciler.sources.accounts import Account
from reconciler.spec.model import Credentials, Spec

__all__ = [
    "EXEC_LIMIT_S",
    "account",
    "allowed_networks",
    "bare_address",
    "header_values",
    "pool_secret",
    "resolve",
    "subscription_file",
    "token",
]

EXEC_LIMIT_S: Final = 30.0
FILE_LIMIT_BYTES: Final = 1 << 20

_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_PLEX_TOKEN: Final = re.compile(r'\bPlexOnlineToken="([^"]*)"')
_PLEX_ALLOWED: Final = re.compile(r'\ballowedNetworks="([^"]*)"')
_PART: Final = {
    "username": re.compile(
        r"^\s*(?:user\s*name|user|login)\s*[:=]\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE
    ),
    "password": re.compile(r"^\s*(?:pass\s*word|pass)\s*[:=]\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE),
}


def resolve(ref: SecretRef, *, environ: Mapping[str, str], base: Path, allow_exec: bool = False) -> Secret:
    """The value behind a reference. `base` is the directory that relative paths start from.

    Raises CredentialError where the reference leads nowhere or to an empty value. `exec` runs only with `allow_exec`
    and at most `EXEC_LIMIT_S`.
    """
    match ref.scheme:
        case "env":
            value = environ.get(ref.place)
            if value is None:
                raise _missing(ref, f"the environment has no variable {ref.place!r}", f"export {ref.place}=…")
        case "envfile":
            value = _from_envfile(ref, _path(ref.place, environ, base))
        case "file":
            value = _read(ref, _path(ref.place, environ, base))
            value = value.removesuffix("\n").removesuffix("\r")
        case "subscription":
            value = _from_subscription(ref, environ, base)
        case "plexprefs":
            value = _from_plexprefs(ref, _path(ref.place, environ, base))
        case "exec":
            value = _from_command(ref, environ, base, allow_exec=allow_exec)
    if not value:
        raise _missing(ref, "the value is empty", _fill(ref))
    if "\n" in value or "\r" in value or "\x00" in value:
        raise _missing(ref, "the value has several lines", "keep one value in one place")
    return Secret(value)


def _missing(ref: SecretRef, why: str, next_step: str) -> CredentialError:
    return CredentialError(f"credential '{ref}': {why}", next_step=next_step)


def _fill(ref: SecretRef) -> str:
    """What to do where a reference leads to an empty value."""
    match ref.scheme:
        case "env":
            return f"export {ref.place}=…"
        case "envfile":
            return f"write the value behind {ref.name}= in {ref.place}"
        case "file" | "subscription":
            return f"write the value into {ref.place}"
        case "plexprefs":
            return "sign the server in to Plex"
        case "exec":
            return "run the command by hand: it has to print the value"


def _path(place: str, environ: Mapping[str, str], base: Path) -> Path:
    if place == "~" or place.startswith("~/"):
        return Path(environ.get("HOME") or str(Path.home())) / place[2:]
    return base / place


def _read(ref: SecretRef, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise _missing(ref, f"{path}: {reason.lower()}", "check the path and its permissions") from None
    if len(data) > FILE_LIMIT_BYTES:
        raise _missing(
            ref, f"{path} is larger than 1 MiB and no secret", "name the file that holds the value"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _from_envfile(ref: SecretRef, path: Path) -> str:
    found = None
    for line in _read(ref, path).splitlines():
        assignment = _ASSIGNMENT.fullmatch(line)
        if assignment and assignment[1] == ref.name:
            found = _unquoted(assignment[2])
    if found is None:
        raise _missing(ref, f"{path} sets no {ref.name!r}", f"add a line {ref.name}=…")
    return found


def _unquoted(value: str) -> str:
    """A value as a shell would read it, without running anything: quotes, escapes in double quotes, comments."""
    if value[:1] in {'"', "'"}:
        try:
            return shlex.split(value, comments=True)[0]
        except (ValueError, IndexError):
            return value
    return re.split(r"\s#", value, maxsplit=1)[0].strip() if not value.startswith("#") else ""


def subscription_file(ref: SecretRef, *, environ: Mapping[str, str], base: Path) -> Path:
    """The file a `subscription:` reference means today: of several matches the newest (by time, then name)."""
    pattern = _path(ref.place, environ, base)
    fixed = Path(*_fixed_parts(pattern))
    rest = str(pattern.relative_to(fixed))
    try:
        matches = [p for p in fixed.glob(rest) if p.is_file()] if rest != "." else [fixed]
        newest = max(matches, key=lambda p: (p.stat().st_mtime_ns, p.name), default=None)
    except OSError as error:
        raise _missing(
            ref,
            f"{fixed}: {(error.strerror or 'cannot be read').lower()}",
            "check the path and its permissions",
        ) from None
    if newest is None:
        raise _missing(ref, f"no file matches {pattern}", "check the path")
    return newest


def _fixed_parts(pattern: Path) -> list[str]:
    fixed: list[str] = []
    for part in pattern.parts[:-1]:
        if any(c in part for c in "*?["):
            break
        fixed.append(part)
    return fixed


def _from_subscription(ref: SecretRef, environ: Mapping[str, str], base: Path) -> str:
    path = subscription_file(ref, environ=environ, base=base)
    text = _read(ref, path)
    part = ref.part or "password"
    found = _PART[part].search(text)
    if found is None:
        word = part.capitalize()
        raise _missing(ref, f"{path} has no line '{word}:'", f"add a line {word}: …")
    return found[1]


def allowed_networks(ref: SecretRef, *, environ: Mapping[str, str], base: Path) -> str:
    """Plex's `allowedNetworks` (who gets in without a token) beside a `plexprefs:` token; "" for none and for other schemes.

    Raises CredentialError where the file cannot be read.
    """
    if ref.scheme != "plexprefs":
        return ""
    path = _path(ref.place, environ, base)
    found = _PLEX_ALLOWED.search(_read(ref, path / "Preferences.xml" if path.is_dir() else path))
    return found[1] if found else ""


def _from_plexprefs(ref: SecretRef, path: Path) -> str:
    if path.is_dir():
        path /= "Preferences.xml"
    # one attribute of one element: no XML library needed, and none that would follow entities
    found = _PLEX_TOKEN.search(_read(ref, path))
    if found is None:
        raise _missing(ref, f"{path} has no PlexOnlineToken", "sign the server in to Plex")
    return found[1]


def _from_command(ref: SecretRef, environ: Mapping[str, str], base: Path, *, allow_exec: bool) -> str:
    if not allow_exec:
        raise _missing(ref, "commands are not run without --allow-exec", "add --allow-exec")
    try:
        done = subprocess.run(
            list(ref.argv),
            cwd=base,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=EXEC_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _missing(ref, f"the command took longer than {EXEC_LIMIT_S:.0f} s", "run it by hand") from None
    except OSError as error:
        raise _missing(ref, (error.strerror or "cannot be run").lower(), "check the command") from None
    if done.returncode:
        # stderr is not shown: password managers quote what they were asked for
        raise _missing(ref, f"the command ended with status {done.returncode}", "run it by hand")
    return done.stdout.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def account(
    credentials: Credentials, *, environ: Mapping[str, str], base: Path, allow_exec: bool = False
) -> Account:
    """User name and password of one entry under `credentials`. A whole `get.php` line names its host as well.

    Raises CredentialError where a part is missing.
    """

    def value(ref: SecretRef) -> Secret:
        return resolve(ref, environ=environ, base=base, allow_exec=allow_exec)

    if credentials.url is not None:
        return _from_line(credentials, value(credentials.url))
    if credentials.username is None or credentials.password is None:
        raise CredentialError(
            f"credentials {credentials.name!r} have no user name and password",
            next_step="give username and password, a subscription, or url",
        )
    label = f"{credentials.username}, {credentials.password}"
    if credentials.username.scheme == "subscription":
        label = f"subscription file {subscription_file(credentials.username, environ=environ, base=base)}"
    return Account(credentials.name, value(credentials.username), value(credentials.password), label=label)


def bare_address(text: str) -> str:
    """An address as a reference holds it, without blanks and quotes around it: Docker's --env-file keeps both."""
    text = text.strip()
    return text[1:-1].strip() if text[:1] in {'"', "'"} and text[:1] == text[-1:] else text


def _from_line(credentials: Credentials, line: Secret) -> Account:
    """`http://host:port[/base]/get.php?username=…&password=…` (or player_api.php, xmltv.php, or a stream's address)."""
    try:
        parts = urlsplit(bare_address(line.reveal()))
        query = parse_qs(parts.query, keep_blank_values=True)
        host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        parts, query, host = urlsplit(""), {}, ""
    usernames, passwords = query.get("username"), query.get("password")
    ref = credentials.url
    if parts.scheme in {"http", "https"} and usernames and passwords:
        path = re.sub(r"/[^/]*\.php$", "", parts.path).rstrip("/")
        return Account(
            credentials.name, Secret(usernames[0]), Secret(passwords[0]), host=host + path, label=str(ref)
        )
    segments = [unquote(s) for s in parts.path.split("/") if s]
    if parts.scheme in {"http", "https"} and segments[:1] == ["live"] and len(segments) >= 4:
        return Account(credentials.name, Secret(segments[1]), Secret(segments[2]), host=host, label=str(ref))
    if parts.scheme in {"http", "https"} and (short := _short_form(segments)) is not None:
        base, user, password = short
        return Account(credentials.name, Secret(user), Secret(password), host=host + base, label=str(ref))
    raise CredentialError(
        f"credential '{ref}': the value is no address with username= and password=",
        next_step="give the whole get.php line of the provider",
    )


def _short_form(segments: Sequence[str]) -> tuple[str, str, str] | None:
    """Base path, user name and password of XUI's short form of get.php: `[/base]/playlist/<user>/<pass>/m3u_plus`."""
    if len(segments) < 4 or segments[-4] != "playlist" or not segments[-1].startswith("m3u"):
        return None
    return "".join(f"/{s}" for s in segments[:-4]), segments[-3], segments[-2]


def token(
    credentials: Credentials, *, environ: Mapping[str, str], base: Path, allow_exec: bool = False
) -> Secret:
    """The token of one entry under `credentials`. Raises CredentialError where it has none."""
    if credentials.token is None:
        raise CredentialError(
            f"credentials {credentials.name!r} have no token", next_step="give token: env:… or plexprefs:…"
        )
    return resolve(credentials.token, environ=environ, base=base, allow_exec=allow_exec)


def pool_secret(spec: Spec, *, environ: Mapping[str, str], allow_exec: bool) -> Secret | None:
    """The address of the shared pool, None for `local`. Raises CredentialError where its reference leads nowhere."""
    pool = spec.serve.pool
    if isinstance(pool, SecretRef):
        return resolve(pool, environ=environ, base=Path(spec.base), allow_exec=allow_exec)
    return None if pool == "local" else Secret(pool)


def header_values(
    headers: tuple[tuple[str, str | SecretRef], ...],
    *,
    environ: Mapping[str, str],
    base: Path,
    allow_exec: bool = False,
) -> tuple[tuple[str, str | Secret], ...]:
    """Configured headers with their references resolved; plain values stay plain text."""
    return tuple(
        (
            name,
            resolve(value, environ=environ, base=base, allow_exec=allow_exec)
            if isinstance(value, SecretRef)
            else value,
        )
        for name, value in headers
    )
