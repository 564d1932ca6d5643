"""What a command raised, as words on stderr and an exit status.

The last net under every command: nothing leaves the process as a traceback unless it was asked for. Knows nothing of
the command line's library, so that a plain `ptctl validate` does without it. Refuses to do any command's work.
"""

import errno
import sys
from collections.abc import Callable
from typing import Final

from reconciler.cli.console import Console
from reconciler.cli.exits import Exit, choose
from reconciler.errors import PtctlError, StateError

__all__ = ["ended"]

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


def ended(console: Console, work: Callable[[], object], *, verbose: bool = False) -> int:
    """Do `work` and say how it ended: its exit status (0 where it returns no number), every error printed.

    `verbose` shows where in the code an error arose. Never raises.
    """
    try:
        result = work()
    except KeyboardInterrupt:
        console.note("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader left; nothing more can be said
        return Exit.DONE
    except BaseException as error:  # trio wraps in groups what must be told apart here
        return _fail(console, error, verbose=verbose)
    return int(result) if isinstance(result, int) else Exit.DONE


def _fail(console: Console, error: BaseException, *, verbose: bool) -> int:
    import traceback  # half a dozen modules that only a failure needs

    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        console.note("interrupted")
        return Exit.INTERRUPTED
    leaves = [_disk_error(leaf) or leaf for leaf in leaves]
    ours = [leaf for leaf in leaves if isinstance(leaf, PtctlError)]
    if ours and len(ours) == len(leaves):
        for own in ours:
            console.error(own)
            if verbose:
                console.note("".join(traceback.format_tb(own.__traceback__)))
        return choose(Exit(own.code) for own in ours)
    # Messages of foreign exceptions may hold URLs with credentials: only kind and place are shown.
    for leaf in leaves:
        where = traceback.extract_tb(leaf.__traceback__)[-1:]
        place = f"{where[0].filename}:{where[0].lineno}" if where else "?"
        console.error(
            PtctlError(
                f"unexpected {type(leaf).__name__} at {place}; this is a bug in ptctl",
                next_step="run it again with --traceback and report what it prints",
            )
        )
        if verbose:
            console.note("".join(traceback.format_tb(leaf.__traceback__)))
    return Exit.FAILED


def _disk_error(error: BaseException) -> StateError | None:
    """The disk's own refusals, wherever they arise: full, read-only, no permission, too many open files."""
    if not isinstance(error, OSError) or error.errno not in _DISK_ERRORS:
        return None
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    reason = (error.strerror or "refused").lower()
    return StateError(
        f"the disk refuses: {reason}{where}",
        next_step="make room or change the rights; nothing is half written",
    )


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
