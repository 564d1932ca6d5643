"""What a command raised, as words on stderr and an exit status.

The last net under every command: nothing leaves the process as a traceback unless it was asked for. Knows nothing of
the command line's library, so that a plain `ptctl validate` does without it. Refuses to do any command's work.
"""

import errno
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler.cli.console import Console
from reconciler.cli.exits import Exit, choose
from reconciler.errors import Interrupted, PtctlError, StateError

__all__ = ["asks_for_json", "ended"]

_DISK_ERRORS: Final = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
    }
)


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line says `-f json`, in any spelling the parser takes; the last format counts."""
    form = ""
    left = iter(words)
    for word in left:
        if word == "--":
            break
        if word in {"-f", "--format"}:
            form = next(left, "")
        elif word.startswith("--format="):
            form = word.partition("=")[2]
        elif word.startswith("-f"):
            form = word[2:]
    return form == "json"


def ended(console: Console, work: Callable[[], object], *, json: bool = False, verbose: bool = False) -> int:
    """Do `work` and say how it ended: its exit status (0 where it returns no number), every error printed.

    `json`: what fails before it has answered answers with the errors as a document. `verbose` shows where in the code an
    error arose. Never raises.
    """
    try:
        result = work()
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing more can be said
        return Exit.DONE
    except BaseException as error:  # trio wraps in groups what must be told apart here
        code, errors = _told(console, error, verbose=verbose)
        if json and not console.answered:
            from reconciler.rendering import error_json  # only a failure needs it

            with suppress(BrokenPipeError):
                console.data(error_json.render(code, errors))
        return code
    return int(result) if isinstance(result, int) else Exit.DONE


def _told(console: Console, error: BaseException, *, verbose: bool) -> tuple[Exit, list[PtctlError]]:
    """Everything that went wrong, printed."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        console.note("interrupted")
        return Exit.INTERRUPTED, [Interrupted("interrupted")]
    import traceback  # half a dozen modules that only a failure needs

    leaves = [_disk_error(leaf) or leaf for leaf in leaves]
    ours = [leaf for leaf in leaves if isinstance(leaf, PtctlError)]
    shown = ours if len(ours) == len(leaves) else [_bug(leaf) for leaf in leaves]
    for own, leaf in zip(shown, leaves, strict=True):
        console.error(own)
        if verbose:
            console.note("".join(traceback.format_tb(leaf.__traceback__)))
    return choose(Exit(own.code) for own in shown), shown


def _bug(leaf: BaseException) -> PtctlError:
    """What nobody expected. Messages of foreign exceptions may hold URLs with credentials: only kind and place are shown."""
    import traceback

    where = traceback.extract_tb(leaf.__traceback__)[-1:]
    place = f"{where[0].filename}:{where[0].lineno}" if where else "?"
    return PtctlError(
        f"unexpected {type(leaf).__name__} at {place}; this is a bug in ptctl",
        next_step="run it again with --traceback and report what it prints",
    )


def _disk_error(error: BaseException) -> StateError | None:
    """The disk's own refusals, wherever they arise: full, read-only, no permission, too many open files."""
    if not isinstance(error, OSError) or error.errno not in _DISK_ERRORS:
        return None
    from reconciler.ledger.atomic import disk_step  # only a failure needs it

    named = isinstance(error.filename, str)
    where = f" ({error.filename})" if named else ""
    reason = (error.strerror or "refused").lower()
    step = disk_step(error, Path(error.filename)) if named else None
    return StateError(
        f"the disk refuses: {reason}{where}",
        next_step=f"{step or 'make room or change the rights'}; nothing is half written",
    )


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
