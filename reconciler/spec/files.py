"""The edge to the file system: finding the spec, reading it and what it includes, looking at file modes.

Everything here happens once, before the first phase; the phases themselves are functions of what was read. This
module refuses to interpret what it reads and to write anything.
"""

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from reconciler.diagnostics import Span
from reconciler.errors import SpecError
from reconciler.spec.findings import Findings
from reconciler.spec.text import LARGEST_BYTES

__all__ = [
    "DEFAULT",
    "at_home",
    "environments",
    "find",
    "matching",
    "mode_of",
    "newest",
    "overlay_path",
    "read",
    "shown",
    "state_directory",
]

DEFAULT = "ptctl.yaml"


def find(argument: str | None, environ: Mapping[str, str]) -> Path:
    """The spec's path: the argument, else `$PTCTL_SPEC`, else `./ptctl.yaml`.

    Raises `SpecError`, saying where the path came from, if no file is there. Reads nothing.
    """
    if argument and "://" in argument:
        # not shown: playlists' addresses hold passwords
        raise SpecError(
            "an address is given as argument, where a spec's path belongs",
            next_step="put the address into a variable, and let `ptctl init --m3u-env NAME` write a spec for it",
        )
    if argument:
        path, origin = Path(argument), "given as argument"
    elif environ.get("PTCTL_SPEC"):
        path, origin = Path(environ["PTCTL_SPEC"]), "named by $PTCTL_SPEC"
    else:
        path, origin = Path(DEFAULT), "the default"
    if path.is_dir():
        inside = path / DEFAULT
        raise SpecError(
            f'"{path}" ({origin}) is a directory',
            next_step=f"give the file: {inside}" if inside.exists() else "give the path of the spec file",
        )
    if not path.exists():
        if origin == "the default":
            raise SpecError(
                'no spec: there is no "ptctl.yaml" here',
                next_step="give its path, set PTCTL_SPEC, or let `ptctl init` write one",
            )
        raise SpecError(
            f'no spec: there is no file "{path}" ({origin})',
            next_step="check the path; `ptctl init` writes a new spec",
        )
    return path


def state_directory(declared: str | None, base: Path, given: str | None) -> Path:
    """The absolute state directory: `given` (the value of `$PTCTL_STATE`) wins over the spec's, which is relative
    to the spec; neither: `.ptctl` beside the spec. Nothing is created.
    """
    if given:
        return at_home(given).absolute()
    return Path(os.path.normpath(base / at_home(declared or ".ptctl")))


def overlay_path(spec: Path, env: str) -> Path:
    """The overlay of an environment: `home.yaml` and `prod` give `home.prod.yaml`."""
    return spec.with_name(f"{spec.stem}.{env}{spec.suffix or '.yaml'}")


def environments(spec: Path) -> list[str]:
    """The names of the environments that have an overlay beside the spec, sorted."""
    begin, end = f"{spec.stem}.", spec.suffix or ".yaml"
    try:
        names = [path.name for path in spec.parent.iterdir()]
    except OSError:
        return []
    return sorted(
        name.removeprefix(begin).removesuffix(end)
        for name in names
        if name.startswith(begin) and name.endswith(end) and len(name) > len(begin) + len(end)
    )


def shown(path: Path) -> str:
    """How a path is called in messages: as it was given, with forward slashes."""
    return path.as_posix()


def read(
    path: Path,
    findings: Findings,
    *,
    asked_at: Span | None,
    left: int = LARGEST_BYTES,
    missing: str = "check the path; it is relative to the spec",
) -> bytes | None:
    """The bytes of a file, at most one more than `left`; None after noting why it cannot be read.

    `asked_at` is where the spec names the file; the file itself where the user did. `missing` is what to do where there
    is none.
    """
    try:
        with path.open("rb") as file:
            return file.read(left + 1)
    except IsADirectoryError:
        reason, hint = "it is a directory", "give a file"
    except FileNotFoundError:
        reason, hint = "there is no such file", missing
    except PermissionError:
        reason, hint = "it may not be read by this user", "check its owner and mode with `ls -l`"
    except (OSError, ValueError) as error:
        reason, hint = getattr(error, "strerror", None) or "the path makes no sense", "check the path"
    at = asked_at or Span(shown(path), 1, 1, 1, 1)
    findings.error("V104", at, f'"{shown(path)}" cannot be read: {reason}', hints=(hint,))
    return None


def matching(base: Path, pattern: str) -> list[Path]:
    """The files a glob of `include` names, sorted by name; the path itself where it is no glob."""
    if not any(sign in pattern for sign in "*?["):
        return [base / pattern]
    root = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else base
    relative = str(Path(pattern).relative_to(root)) if root is not base else pattern
    try:
        return sorted(path for path in root.glob(relative) if path.is_file())
    except (ValueError, OSError, NotImplementedError):
        return []


def newest(base: Path, pattern: str) -> Path | None:
    """The newest file that a glob names, or None."""
    found: list[tuple[float, Path]] = []
    for path in matching(base, str(at_home(pattern))):
        with contextlib.suppress(OSError, ValueError):
            found.append((path.stat().st_mtime, path))
    return max(found)[1] if found else None


def at_home(path: str) -> Path:
    """The path with a leading `~` replaced; as it is where nobody of that name has a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def mode_of(path: Path) -> int | None:
    """The permission bits of a regular file, or None where there is none to see."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None
