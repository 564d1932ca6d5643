"""Asking for a provider and for Plex: flags first, then questions, and never a secret on the command line.

A secret comes by a hidden question, from a variable of the environment (then it is kept in the env file) or from a file
(then it stays there and is referred to). Without a terminal everything that is missing is named at once. This module
refuses to fetch.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click

from reconciler.cli.console import Console
from reconciler.drafting.addresses import is_web, panel_of
from reconciler.drafting.provider import Given, Provider, provider_from
from reconciler.errors import UsageError
from reconciler.secret import Secret, SecretRef

__all__ = ["PLEX_TOKENS", "PlexInput", "plex_input", "plex_options", "provider_input", "provider_options"]

F = TypeVar("F", bound=Callable[..., Any])  # Any: click hands each command its own arguments
PATH = click.Path(path_type=Path)
LISTS: Final = (".m3u", ".m3u8", ".gz", ".xz", ".zip")
PLEX_TOKENS: Final = ("plex_token_env", "plex_token_file", "plex_prefs")
"""The flags that say where Plex's token is."""
_BARE_HOST: Final = re.compile(r"[\w.-]+:[0-9]{1,5}")
"""`tv.example.net:8080`: what people copy from a provider's letter."""
LOOPBACK: Final = "http://127.0.0.1:32400"


@dataclass(frozen=True, slots=True)
class PlexInput:
    """Plex as it was given."""

    url: str
    token: Given


def provider_options(function: F) -> F:
    """Flags for a panel or a playlist."""
    options = (
        click.option(
            "--host",
            "hosts",
            multiple=True,
            metavar="URL",
            help="A host of an Xtream panel; repeat for more.",
        ),
        click.option("--username-env", metavar="NAME", help="The variable that holds the user name."),
        click.option("--username-file", type=PATH, help="The file that holds the user name."),
        click.option("--password-env", metavar="NAME", help="The variable that holds the password."),
        click.option("--password-file", type=PATH, help="The file that holds the password."),
        click.option("--m3u", metavar="URL|FILE", help="A playlist instead of a panel."),
        click.option(
            "--m3u-env",
            metavar="NAME",
            help="The variable that holds the playlist's address, or a get.php line.",
        ),
        click.option("--guide", metavar="URL|FILE", help="A further XMLTV guide."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def plex_options(function: F) -> F:
    """Flags for Plex."""
    options = (
        click.option("--plex-url", metavar="URL", help="Plex's address."),
        click.option("--plex-token-env", metavar="NAME", help="The variable that holds its token."),
        click.option("--plex-token-file", type=PATH, help="The file that holds its token."),
        click.option("--plex-prefs", type=PATH, help="Plex's Preferences.xml, which holds the token."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def provider_input(
    console: Console, flags: dict[str, Any], *, base: Path, ask: bool = True
) -> tuple[Provider | None, list[str]]:
    """The provider that flags and answers give, and the flags that are missing where nobody can be asked.

    Raises UsageError for flags that contradict each other and for variables and files that are not there.
    """
    hosts: tuple[str, ...] = flags["hosts"]
    ways = [
        w
        for w, given in (("--host", hosts), ("--m3u", flags["m3u"]), ("--m3u-env", flags["m3u_env"]))
        if given
    ]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} exclude each other", next_step="give a panel or a playlist")
    username = _given("user name", flags["username_env"], flags["username_file"], "--username")
    password = _given("password", flags["password_env"], flags["password_file"], "--password")
    found: Provider | None = None
    if flags["m3u_env"]:
        found = provider_from(_variable("playlist", flags["m3u_env"], "--m3u-env"))
    elif flags["m3u"]:
        found = _playlist(flags["m3u"], base, on_command_line=True)
    elif hosts:
        found = Provider(hosts=tuple(_host(h) for h in hosts))
    elif ask and console.terminal:
        found = _asked(base)
    if found is None:
        return None, ["--host with --username-env and --password-env, or --m3u"]
    if not found.hosts and (username or password):
        raise UsageError(
            "a user name and a password belong to a panel, and this is a playlist",
            next_step="leave them out: a playlist's account stands in its address",
        )
    if found.hosts and found.username is None:
        found = replace(found, username=username, password=password)
    if found.hosts and ask and console.terminal:
        if found.username is None:
            found = replace(found, username=_hidden("User name", hide=False))
        if found.password is None:
            found = replace(found, password=_hidden("Password"))
    missing = []
    if found.hosts and found.username is None:
        missing.append("--username-env or --username-file")
    if found.hosts and found.password is None:
        missing.append("--password-env or --password-file")
    guide: str = flags["guide"] or ""
    if guide and not is_web(guide):
        return replace(found, guide_path=_inside(guide, base, "the guide's")), missing
    return replace(found, guide=guide), missing


def plex_input(
    console: Console, flags: dict[str, Any], *, wanted: bool = True
) -> tuple[PlexInput | None, list[str]]:
    """Plex as flags and answers give it, None for no Plex, and the flags that are missing."""
    ways = [f"--{key.replace('_', '-')}" for key in PLEX_TOKENS if flags[key]]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)} exclude each other", next_step="say once where the token is")
    token = _given("token", flags["plex_token_env"], flags["plex_token_file"], "--plex-token")
    if flags["plex_prefs"]:
        token = SecretRef("plexprefs", str(_there(flags["plex_prefs"], "--plex-prefs")))
    url: str | None = flags["plex_url"]
    if url is None and wanted and console.terminal:
        answer = str(click.prompt("Plex's address (- for none)", default=LOOPBACK, err=True)).strip()
        if answer in {"-", "none", "no"}:
            return None, []
        url = answer
    if url is None:
        return None, ["--plex-url with --plex-token-env (or --no-plex)"] if wanted else []
    if not is_web(url):
        url = f"http://{url}"
    if token is None and console.terminal:
        token = _hidden("Plex token")
    if token is None:
        return None, ["--plex-token-env, --plex-token-file or --plex-prefs"]
    return PlexInput(url.rstrip("/"), token), []


def _asked(base: Path) -> Provider:
    """A provider by questions. An address may be a panel's host, a whole get.php line, or a playlist."""
    while True:
        question = "Provider: a panel's address (http://host:port), or a playlist (address or file)"
        answer = str(click.prompt(question, err=True)).strip()
        if _BARE_HOST.fullmatch(answer) and not (base / answer).exists():
            answer = f"http://{answer}"
        if panel_of(answer) is not None:
            return provider_from(Secret(answer))
        path = answer.partition("?")[0].lower()
        if is_web(answer) and not path.endswith(LISTS) and answer.count("/") <= 3:
            more = str(
                click.prompt(
                    "Further hosts of it, with blanks between (Enter: none)",
                    default="",
                    show_default=False,
                    err=True,
                )
            )
            return Provider(hosts=tuple(_host(h) for h in (answer, *more.split())))
        if is_web(answer) or (base / Path(answer).expanduser()).is_file():
            return _playlist(answer, base, on_command_line=False)
        click.echo(f'there is no file "{answer}", and it is no address', err=True)


def _playlist(given: str, base: Path, *, on_command_line: bool) -> Provider:
    if not is_web(given):
        return Provider(path=_inside(given, base, "the playlist's"))
    if on_command_line and panel_of(given) is not None:
        raise UsageError(
            "this address holds a password, and the command line is no place for one",
            next_step="put it into a variable and give --m3u-env NAME",
        )
    return provider_from(Secret(given.strip()))


def _inside(given: str, base: Path, whose: str) -> str:
    """The path of a file as the spec in `base` says it: relative where it lies below. Raises UsageError for none."""
    path = Path(given).expanduser()
    if not path.is_file():
        raise UsageError(f'there is no file "{given}"', next_step=f"give {whose} path or address")
    absolute = path.absolute()
    inside = absolute.relative_to(base.absolute()) if absolute.is_relative_to(base.absolute()) else absolute
    return inside.as_posix()


def _host(text: str) -> str:
    text = text.strip()
    if panel_of(text) is not None:
        raise UsageError(
            "--host takes an address without an account", next_step="--username-env, --password-env"
        )
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(address)
        good = is_web(address) and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good:
        raise UsageError(
            f'--host: "{text}" is no http or https address', next_step="--host http://tv.example.net:8080"
        )
    return address.rstrip("/")


def _hidden(what: str, *, hide: bool = True) -> Secret:
    return Secret(str(click.prompt(what, hide_input=hide, err=True)))


def _given(what: str, variable: str | None, file: Path | None, flag: str) -> Given | None:
    if variable and file:
        raise UsageError(f"{flag}-env and {flag}-file exclude each other")
    if variable:
        return _variable(what, variable, f"{flag}-env")
    return SecretRef("file", str(_there(file, f"{flag}-file"))) if file else None


def _variable(what: str, name: str, flag: str) -> Secret:
    value = os.environ.get(name)
    if not value:
        raise UsageError(
            f"{flag}: the environment has no {name} with the {what}", next_step=f"export {name}=…"
        )
    return Secret(value)


def _there(path: Path, flag: str) -> Path:
    if not path.is_file():
        raise UsageError(f'{flag}: there is no file "{path}"')
    return path.absolute()
