"""`ptctl import`: a first spec from what is there already, and the adoption that goes with it.

Reads other programs' files, a playlist, or Plex; changes none of them. Accounts and tokens found on the way become
references to the env file. This module refuses to touch the ledger: `ptctl adopt` does.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from reconciler.cli.drafts import (
    Written,
    adopting,
    command,
    env_path,
    out_options,
    refuse_overwriting,
    report,
    write,
)
from reconciler.cli.examples import epilog
from reconciler.cli.import_m3u import m3u
from reconciler.cli.import_plex import plex
from reconciler.cli.specs import console_of
from reconciler.drafting import channels as channel_file
from reconciler.drafting.draft import slug
from reconciler.drafting.threadfin import imported
from reconciler.drafting.threadfin_settings import Instance, read
from reconciler.drafting.yaml_text import Value
from reconciler.errors import OperatorError, UsageError
from reconciler.ledger.atomic import replace_file
from reconciler.secret import SecretRef
from reconciler.wording import plural

__all__ = ["import_"]

SETTINGS: Final = "settings.json"
XEPG: Final = "xepg.json"
BLACKLIST: Final = "threadfin-stream-blacklist.json"
INSIDE: Final = ("", "conf", "config", ".threadfin", ".xteve", "threadfin", "xteve")
FILE_LIMIT_BYTES: Final = 256 << 20
FORMAT = click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")


@click.group("import")
def import_() -> None:
    """Write a spec from what is there already.

    Nothing of the old setup is changed, and the ledger is not written: the commands to adopt the old DVRs are printed.
    """


@import_.command("threadfin")
@click.argument(
    "places",
    metavar="DIR|settings.json|BACKUP.zip…",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--xepg",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The channel mapping, where it does not lie beside settings.json (one instance only).",
)
@click.option("--name", help="The installation's name; the folder's if left out.")
@click.option("--plex-url", metavar="URL", help="Also write the plex section.")
@click.option(
    "--plex-token",
    "token_ref",
    metavar="REF",
    help="Where its token is: env:NAME, file:PATH, plexprefs:PATH.",
)
@click.option("--advertise", metavar="URL", help="The address under which Plex will find the tuners.")
@out_options
@FORMAT
@click.pass_context
def threadfin(
    ctx: click.Context,
    *,
    places: tuple[Path, ...],
    xepg: Path | None,
    name: str | None,
    plex_url: str | None,
    token_ref: str | None,
    advertise: str | None,
    out: Path,
    overwrite: bool,
    format_: str,
) -> None:
    """From the folders of Threadfin or xTeVe, one or several.

    A folder may hold several instances, one per subfolder; a backup archive is one instance. Writes the spec, its env file, and the channels with their
    numbers for `adopt --channels`; lists everything that has no counterpart.
    """
    console = console_of(ctx)
    channels_path = out.with_suffix(".channels.json")
    refuse_overwriting((out, env_path(out), channels_path), overwrite=overwrite)
    plex_section = _plex_section(plex_url, token_ref, advertise)
    instances = list(_instances(places, xepg))
    if not instances:
        raise UsageError(
            f"no settings.json in {', '.join(map(str, places))}", next_step="give the folder that holds it"
        )
    made = imported(
        instances,
        name=slug(name or out.absolute().parent.name, "home"),
        env_file=env_path(out).name,
        plex=plex_section,
        plex_token=token_ref or "",
        advertise=advertise or "",
        blacklists=_blacklists(places, out.absolute().parent),
    )
    env = write(console, made.draft, out)
    if made.channels:
        replace_file(channels_path, channel_file.write(made.channels).encode())
    count = len(made.channels)
    listed = channels_path if made.channels else None
    adopt = [adopting(dvr, "KEY", out, listed) for dvr in made.dvrs]
    report(
        console,
        Written(
            out,
            env,
            len(made.draft.secrets),
            made.draft.losses,
            (plural(len(instances), "tuner"), plural(count, "channel")),
            (command("plan", out), *(adopt if plex_section is not None else ())),
            listed,
            {"dvrs": list(made.dvrs), "channels": count},
        ),
        format_=format_,
    )


def _plex_section(url: str | None, token_ref: str | None, advertise: str | None) -> dict[str, Value] | None:
    if url is None:
        return None
    if token_ref is None or advertise is None:
        missing = [o for o, v in (("--plex-token", token_ref), ("--advertise", advertise)) if v is None]
        raise UsageError(f"--plex-url also needs {' and '.join(missing)}")
    if SecretRef.parse(token_ref) is None:
        # not echoed: it may be the token itself
        raise UsageError(
            "--plex-token takes a reference, not a token",
            next_step="write env:NAME, file:PATH or plexprefs:PATH",
        )
    return {"url": url.rstrip("/"), "credentials": "plex"}


def _instances(places: tuple[Path, ...], xepg: Path | None) -> Iterator[Instance]:
    found = [f for place in places for f in _settings_files(place)]
    if xepg is not None and len(found) > 1:
        raise UsageError("--xepg is for one instance", next_step="give the folders, each with its xepg.json")
    names = _names([f.absolute() for f in found])
    for file, name in zip(found, names, strict=True):
        if zipfile.is_zipfile(file):
            settings, channels = _backup(file)
            yield read(name, settings, _bytes(xepg) if xepg else channels, where=str(file))
            continue
        mapping = xepg or file.with_name(XEPG)
        yield read(name, _bytes(file), _bytes(mapping) if mapping.is_file() else None, where=str(file.parent))


def _backup(path: Path) -> tuple[bytes, bytes | None]:
    """Settings and channel mapping out of a backup archive, wherever in it they lie."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda m: m.filename.count("/")):
                name = member.filename.rpartition("/")[2]
                if name in {SETTINGS, XEPG} and name not in found:
                    with archive.open(member) as file:
                        found[name] = _limited(file, f"{path}: {name}")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise OperatorError(
            f"{path} is a damaged archive, or one with a password", next_step="unpack it and give the folder"
        ) from None
    if SETTINGS not in found:
        raise OperatorError(
            f"there is no {SETTINGS} in {path}",
            next_step="give a backup of Threadfin or xTeVe, or its folder",
        )
    return found[SETTINGS], found.get(XEPG)


def _settings_files(place: Path) -> list[Path]:
    """The settings of one argument: the file itself, the folder's, or those of its subfolders."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UsageError(f'there is no "{place}"', next_step="give a folder or a settings.json")
    for inside in INSIDE:
        if (place / inside / SETTINGS).is_file():
            return [place / inside / SETTINGS]
    found = []
    for child in sorted(p for p in place.iterdir() if p.is_dir()):
        file = next((child / i / SETTINGS for i in INSIDE if (child / i / SETTINGS).is_file()), None)
        if file is not None:
            found.append(file)
    return found


def _blacklists(places: tuple[Path, ...], base: Path) -> list[str]:
    """Lists of broken streams beside the settings, as the spec is to name them."""
    found: dict[Path, None] = {}
    for place in places:
        root = place if place.is_dir() else place.parent
        found |= dict.fromkeys(
            sorted(f.absolute() for f in (root / BLACKLIST, *root.glob(f"*/{BLACKLIST}")) if f.is_file())
        )
    return [(f.relative_to(base) if f.is_relative_to(base) else f).as_posix() for f in found]


def _names(files: list[Path]) -> list[str]:
    """What to call each instance: its folder, without the parts that every folder has."""
    generic = {"backup", "conf", "config", ".threadfin", ".xteve", "home", "data"}
    names: list[str] = []
    for file in files:
        parts = [p for p in file.parent.parts if p not in generic and p != os.sep]
        name = parts[-1] if parts else "threadfin"
        counter = 1
        while name in names:
            counter += 1
            name = f"{parts[-1]}-{counter}"
        names.append(name)
    return names


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _limited(file, str(path))
    except OSError as error:
        raise OperatorError(
            f"{path}: {(error.strerror or 'cannot be read').lower()}", next_step="check path and permissions"
        ) from None


def _limited(file: IO[bytes], what: str) -> bytes:
    data = file.read(FILE_LIMIT_BYTES + 1)
    if len(data) > FILE_LIMIT_BYTES:
        raise OperatorError(f"{what} is larger than 256 MiB", next_step="is it the right file?")
    return data


import_.add_command(m3u)
import_.add_command(plex)
for _name, _command in import_.commands.items():
    _command.epilog = epilog(f"import {_name}")
